#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# KATA_CLONES (50) VMs from one template, alive at the same time, each in a network of its own: whatever must be a
# guest's own is. KATA_AT_ONCE (20) of them start at the same moment; how long each takes beside one that starts alone is
# printed, and not judged.

load ../system/helpers

clones=${KATA_CLONES:-50}
at_once=${KATA_AT_ONCE:-20}

setup() {
	CONF=$BATS_TEST_TMPDIR/conf
	STORE=$(mktemp -d /dev/shm/kata-clones.XXXXXX)
	mkdir -p "$CONF/config.d" "$BATS_TEST_TMPDIR/said"
	cp "$BUILD/configuration.toml" "$CONF/"
	printf '%s\n' '[factory]' 'enable_template = true' "template_path = \"$STORE/store\"" '[runtime]' 'start_timeout = 600' \
		'[agent.kata]' 'dial_timeout = 600' '[hypervisor.qemu]' 'default_memory = 256' > "$CONF/config.d/90-clones.toml"
	KATA=("$BUILD/kata-runtime" --config "$CONF/configuration.toml" --root "$ROOT")
	for ((i = 0; i < clones; i++)); do
		ip netns add "clone-$i"
		ip -n "clone-$i" link add eth0 type veth peer name far
		ip -n "clone-$i" addr add "10.9.$((i / 250)).$((i % 250 + 1))/16" dev eth0
		ip -n "clone-$i" link set eth0 up
		ip -n "clone-$i" link set far up
	done
}

teardown() {
	local i
	for ((i = 0; i < clones; i++)); do
		kata delete --force "clone-$i" > /dev/null 2>&1 || true
		ip netns del "clone-$i" || true
	done
	rm -rf "$STORE"
	no_leaks
}

# What a guest takes for its own, a line each that begins with what it is.
own_things() {
	cat <<- 'EOF'
		echo "boot $(cat /proc/sys/kernel/random/boot_id)"
		echo "uuid $(cat /proc/sys/kernel/random/uuid)"
		echo "random $(head -c 16 /dev/urandom | od -An -tx1)"
		echo "mac $(cat /sys/class/net/eth0/address)"
		echo "address $(ip -4 addr show dev eth0 | sed -n "s/.*inet //p")"
		echo "address6 $(ip -6 addr show dev eth0 | sed -n "s/.*inet6 //p")"
		echo "host $(hostname)"
		echo "program $(sed -n 1p /proc/self/maps | cut -d- -f1) $(grep -F "[stack]" /proc/self/maps | cut -d- -f1)"
		exec sleep 10000
	EOF
}

# start NUMBER: a clone that says what it is and stays.
start() {
	local bundle=$BATS_TEST_TMPDIR/bundle-$1
	"$REPO/tests/lib/make-bundle.sh" "$bundle" sh /own-things
	own_things > "$bundle/rootfs/own-things"
	jq --arg netns "/run/netns/clone-$1" --arg host "clone-$1" '.hostname = $host | .linux.namespaces =
		[.linux.namespaces[] | select(.type != "network")] + [{type: "network", path: $netns}]' \
		"$bundle/config.json" > "$bundle/new"
	mv "$bundle/new" "$bundle/config.json"
	kata run -d --bundle "$bundle" "clone-$1" > "$BATS_TEST_TMPDIR/said/$1" 2> "$BATS_TEST_TMPDIR/error-$1" ||
		{ cat "$BATS_TEST_TMPDIR/error-$1"; return 1; }
}

# The clones FIRST to LAST, together.
start_all() {
	local i pid pids=()
	for ((i = $1; i <= $2; i++)); do
		start "$i" &
		pids+=($!)
	done
	for pid in "${pids[@]}"; do
		wait "$pid"
	done
}

# now: microseconds
now() {
	echo "${EPOCHREALTIME/./}"
}

all_said() {
	[ "$(cat "$BATS_TEST_TMPDIR"/said/* | grep -c '^program ')" -eq "$clones" ]
}

@test "clones of one template share nothing that is a guest's own" {
	local begin alone together i
	kata factory init
	begin=$(now)
	start 0
	alone=$(($(now) - begin))
	begin=$(now)
	start_all 1 "$at_once"
	together=$((($(now) - begin) / at_once))
	for ((i = at_once + 1; i < clones; i += 5)); do
		start_all "$i" $((i + 4 < clones ? i + 4 : clones - 1))
	done
	wait_for 60 all_said
	for ((i = 0; i < clones; i++)); do
		is_restored "clone-$i"
	done
	# The first word says of what kind a line is; the place of a program may be the same by chance, not in all.
	[ -z "$(cat "$BATS_TEST_TMPDIR"/said/* | grep -v '^program ' | sort | uniq -d)" ]
	[ "$(cat "$BATS_TEST_TMPDIR"/said/* | grep '^program ' | sort -u | wc -l)" -ge $((clones - 1)) ]
	# Guests of the kernel's vsock have a number each; kata-proxy serves one guest.
	[ -z "$(cat /proc/[0-9]*/cmdline 2> /dev/null | tr '\0' '\n' |
		grep -o '"guest-cid":[0-9]*' | sort | uniq -d)" ]
	echo "# $clones alive; alone $((alone / 1000)) ms, $at_once at once $((together / 1000)) ms each:" \
		"$(awk -v a="$together" -v b="$alone" 'BEGIN { printf "%.2f", a / b }') x" >&3
}
