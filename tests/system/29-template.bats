#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# VMs that start from a template: that they do, that nobody can tell them from others, and that a template that is of no
# use is never used. Each test has a store of its own.

load helpers

setup_file() {
	STORE_DIR=$(mktemp -d /dev/shm/kata-template.XXXXXX)
	export STORE_DIR
}

teardown_file() {
	rm -rf "$STORE_DIR"
}

setup() {
	STORE=$STORE_DIR/shared
	use_store "$STORE"
}

teardown() {
	wait_for 60 no_maker
	clean_up
}

# use_store DIR [KEY=VALUE ...]: a configuration with templates in DIR, and what else it is to say.
use_store() {
	local store=$1 conf=$BATS_TEST_TMPDIR/conf
	shift
	mkdir -p "$conf/config.d"
	cp "$BUILD/configuration.toml" "$conf/"
	printf '[factory]\nenable_template = true\ntemplate_path = "%s"\n' "$store" > "$conf/config.d/90-template.toml"
	printf '%s\n' '[runtime]' 'start_timeout = 240' '[agent.kata]' 'dial_timeout = 240' \
		'[hypervisor.qemu]' 'default_memory = 256' "$@" >> "$conf/config.d/90-template.toml"
	KATA=("$BUILD/kata-runtime" --config "$conf/configuration.toml" --root "$ROOT")
}

no_maker() {
	[ ! -e "$STORE/new" ] && ! grep -qsx kata-template /proc/[0-9]*/comm
}

templates() {
	find "$STORE" -mindepth 1 -maxdepth 1 -type d -name '[0-9a-f]*' -printf '%f\n' 2>/dev/null
}

has_template() {
	[ -n "$(templates)" ]
}

# Has the store a template, then it is used; otherwise a start makes one.
need_template() {
	has_template && return
	make_bundle true
	new_id
	kata run --bundle "$BUNDLE" "$ID"
	wait_for 90 has_template
	wait_for 60 no_maker
}

# start_container COMMAND ...: one that stays, its id in $ID.
start_container() {
	make_bundle "$@"
	new_id
	kata run -d --bundle "$BUNDLE" "$ID" > /dev/null
}

restoring() {
	grep -qsz -- -incoming /proc/[0-9]*/cmdline
}

# begin_restore: a start that goes on in the process $STARTER, and has a QEMU that restores.
begin_restore() {
	make_bundle sleep 1000
	new_id
	kata run -d --bundle "$BUNDLE" "$ID" &
	STARTER=$!
	wait_for 30 restoring
}

@test "the second start is one from a template, and its guest is as good as another" {
	need_template
	start_container sleep 1000
	is_restored "$ID"
	run kata exec "$ID" sh -c 'echo out; echo err >&2; exit 3'
	[ "$status" -eq 3 ]
	[[ "$output" = *out* && "$output" = *err* ]]
	[ "$(echo in | kata exec "$ID" cat)" = in ]
	kata exec "$ID" sh -c 'echo written > /file'
	[ "$(cat "$BUNDLE/rootfs/file")" = written ]
	# The clock is the host's.
	host=$(date +%s)
	guest=$(kata exec "$ID" date +%s)
	[ $((guest - host)) -ge -1 ] && [ $((guest - host)) -le 60 ]
	kata pause "$ID"
	kata resume "$ID"
	[ "$(kata exec "$ID" echo again)" = again ]
	kata delete --force "$ID"
}

@test "the devices of a restored guest come without ACPI's interrupt" {
	need_template
	make_bundle sleep 1000
	edit_config '.linux.maskedPaths = []'
	new_id
	kata run -d --bundle "$BUNDLE" "$ID" > /dev/null
	is_restored "$ID"
	# The interpreter of its methods takes longer than all else that is done for a device.
	[ "$(kata exec "$ID" sh -c 'read -r n _ < /sys/firmware/acpi/interrupts/gpe01 && echo "$n"')" = 0 ]
	kata delete --force "$ID"
}

@test "a restored guest has the interfaces of the network namespace that it joins" {
	need_template
	ip netns add t29
	ip -n t29 link add eth0 type veth peer name far
	ip -n t29 addr add 10.29.0.1/24 dev eth0
	ip -n t29 link set eth0 up
	make_bundle sleep 1000
	edit_config '.linux.namespaces = [.linux.namespaces[] | select(.type != "network")] +
		[{type: "network", path: "/run/netns/t29"}]'
	new_id
	kata run -d --bundle "$BUNDLE" "$ID" > /dev/null
	is_restored "$ID"
	kata exec "$ID" ip addr show dev eth0 | grep -F "inet 10.29.0.1/24"
	kata delete --force "$ID"
	ip netns del t29
}

@test "no two guests share a random number, an id or an address" {
	need_template
	command='cat /proc/sys/kernel/random/boot_id; head -c 16 /dev/urandom | od -An -tx1; cat /proc/sys/kernel/random/uuid'
	make_bundle sh -c "$command"
	for _ in 1 2 3; do
		new_id
		kata run --bundle "$BUNDLE" "$ID" >> "$BATS_TEST_TMPDIR/said"
	done
	[ "$(wc -l < "$BATS_TEST_TMPDIR/said")" -eq 9 ]
	[ -z "$(sort "$BATS_TEST_TMPDIR/said" | uniq -d)" ]
}

@test "a template that was damaged is thrown away, and the start goes on" {
	need_template
	key=$(templates)
	printf '!' | dd of="$STORE/$key/memory" bs=1 seek=1000000 conv=notrunc status=none
	start_container sleep 1000
	! is_restored "$ID"
	[ ! -e "$STORE/$key" ] || wait_for 60 no_maker
	kata delete --force "$ID"
	wait_for 90 has_template
}

@test "a state that QEMU does not take costs the template, not the container" {
	need_template
	key=$(templates)
	dir=$STORE/$key
	# Whoever writes there is root: even a manifest that fits does not make it harmful.
	head -c 400000 /dev/zero > "$dir/state"
	ctime=$(stat -c %.9Z "$dir/state" | tr -d .)
	jq -c --argjson size 400000 --arg digest "$(sha256sum "$dir/state" | cut -c1-64)" \
		'.state.size = $size | .state_digest = $digest' "$dir/manifest" |
		sed -E "s/(\"state\":\{[^}]*\"ctime\":)[0-9]+/\1$ctime/" > "$BATS_TEST_TMPDIR/manifest"
	# jq would round what is larger than 2^53.
	sum=$(grep -o '"memory_sum":[0-9]*' "$dir/manifest")
	time=$(grep -o '"memory":{[^}]*}' "$dir/manifest")
	sed -E -i "s/\"memory_sum\":[0-9e+.]*/$sum/; s/\"memory\":\{[^}]*\}/$time/" "$BATS_TEST_TMPDIR/manifest"
	cat "$BATS_TEST_TMPDIR/manifest" > "$dir/manifest"
	start_container sleep 1000
	kata timeline "$ID" | jq -e 'any(.[]; .name == "starting without the template")'
	[ "$(kata exec "$ID" echo good)" = good ]
	kata delete --force "$ID"
}

@test "another kernel, or another size, is another template" {
	need_template
	cp "$BUILD/guest/initrd.img" "$BATS_TEST_TMPDIR/initrd.img"
	printf '\0\0\0\0' >> "$BATS_TEST_TMPDIR/initrd.img"
	use_store "$STORE" "initrd = \"$BATS_TEST_TMPDIR/initrd.img\""
	start_container sleep 1000
	! is_restored "$ID"
	kata delete --force "$ID"
	two() { [ "$(templates | wc -l)" -eq 2 ]; }
	wait_for 90 two
}

@test "a maker that is killed leaves nothing that is used" {
	STORE=$STORE_DIR/killed
	use_store "$STORE"
	make_bundle true
	new_id
	kata run --bundle "$BUNDLE" "$ID"
	making() { [ -e "$STORE/new/memory" ]; }
	wait_for 60 making
	for comm in /proc/[0-9]*/comm; do
		! grep -qsx kata-template "$comm" || kill -9 "$(basename "$(dirname "$comm")")"
	done
	! has_template
	wait_for 30 no_maker || {
		start_container sleep 1000
		! is_restored "$ID"
		kata delete --force "$ID"
	}
	wait_for 90 has_template
}

@test "a shim that is killed while it restores leaves nothing" {
	need_template
	begin_restore
	kill -9 "$(cut -d" " -f1 "$ROOT/$ID/shim.pid")"
	wait "$STARTER" || true
	kata delete --force "$ID"
	has_template
}

@test "a start that ends while its VM is restored says why, and keeps the template" {
	need_template
	make_bundle sleep 1000
	edit_config '.hooks.createRuntime = [{path: "/bin/false"}]'
	new_id
	run kata run -d --bundle "$BUNDLE" "$ID"
	echo "$output"
	[ "$status" -ne 0 ]
	[[ "$output" = *"/bin/false"* && "$output" != *"ended"* ]]
	has_template

	begin_restore
	kata delete --force "$ID"
	! wait "$STARTER"
	has_template
}

@test "templates can be switched off" {
	need_template
	use_store "$STORE"
	sed -i 's/enable_template = true/enable_template = false/' "$BATS_TEST_TMPDIR/conf/config.d/90-template.toml"
	start_container sleep 1000
	! kata timeline "$ID" | jq -e 'any(.[]; .name == "looking for a template")'
	kata delete --force "$ID"
}
