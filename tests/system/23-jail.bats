#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# QEMU's jail: what a guest that broke out of QEMU could do to the host, and that nothing stays of it.

bats_require_minimum_version 1.5.0
load helpers

setup() {
	needs_host python3
}

# A socket and a process of root's, at which the jailed one is let loose.
teardown() {
	[ -z "${VICTIM:-}" ] || kill -9 "$VICTIM" 2> /dev/null || true
	[ -z "${LISTENER:-}" ] || kill -9 "$LISTENER" 2> /dev/null || true
	clean_up
}

start_vm() {
	make_bundle sleep 1000
	new_id
	"$BUILD/kata-runtime" --config "${1:-$BUILD/configuration.toml}" --root "$ROOT" run --detach --bundle "$BUNDLE" \
		"$ID" < /dev/null > /dev/null
	QEMU=$(pgrep -f "^[^ ]*qemu-system[^ ]* -name guest=sandbox-$ID,")
}

set_targets() {
	sleep 1000 3>&- &
	VICTIM=$!
	python3 -c '
import socket, sys, time
s = socket.socket(socket.AF_UNIX)
s.bind(sys.argv[1])
s.listen()
time.sleep(1000)' "$BATS_TEST_TMPDIR/s" 3>&- &
	LISTENER=$!
	wait_for 5 test -S "$BATS_TEST_TMPDIR/s"
	chmod 600 "$BATS_TEST_TMPDIR/s"
}

try_like_qemu() {
	run python3 "$REPO/tests/lib/like-qemu.py" "$QEMU" "$BATS_TEST_TMPDIR/s" "$VICTIM"
	echo "$output"
	[ "$status" -eq 0 ]
	[[ "$output" == *"is {"* ]]
}

@test "with QEMU's rights nothing of the host can be read, written, reached or killed" {
	set_targets
	start_vm
	try_like_qemu
	[ "$(grep -c ^refused <<< "$output")" -ge 11 ]
	run ! grep ^could <<< "$output"
	kill -0 "$VICTIM"
	kata delete --force "$ID"
}

# That the test before sees what there is to see.
@test "without a jail the same process reaches the host" {
	set_targets
	sed 's/^jail = true/jail = false/' "$BUILD/configuration.toml" > "$BATS_TEST_TMPDIR/c.toml"
	start_vm "$BATS_TEST_TMPDIR/c.toml"
	try_like_qemu
	grep -q '^could append to a file of /etc' <<< "$output"
	grep -q "^could connect to a socket of root's" <<< "$output"
	grep -q "^could see another process" <<< "$output"
	kata delete --force "$ID"
}

@test "9p in the jail: rights over the shared files and nothing else" {
	set_targets
	sed 's/^#* *shared_fs = .*/shared_fs = "virtio-9p"/' "$BUILD/configuration.toml" > "$BATS_TEST_TMPDIR/c.toml"
	start_vm "$BATS_TEST_TMPDIR/c.toml"
	grep -qx $'CapEff:\t000000000800001b' "/proc/$QEMU/status"
	try_like_qemu
	run ! grep -E "^could (append|read|connect|kill|see|list|become|mount|open|write)" <<< "$output"
	kata delete --force "$ID"
}

@test "each VM has a user of its own, in the configured range" {
	start_vm
	local first=$ID uid qemu=$QEMU
	uid=$(stat -c %u "/proc/$QEMU")
	[ "$uid" -ge 1879048192 ] && [ "$uid" -lt $((1879048192 + 65536)) ]
	start_vm
	[ "$(stat -c %u "/proc/$QEMU")" != "$uid" ]
	# Not one namespace is shared, but the network's with nobody else's than the container's.
	local ns
	for ns in mnt pid ipc uts; do
		[ "$(readlink "/proc/$QEMU/ns/$ns")" != "$(readlink "/proc/$qemu/ns/$ns")" ]
		[ "$(readlink "/proc/$QEMU/ns/$ns")" != "$(readlink "/proc/self/ns/$ns")" ]
	done
	kata delete --force "$first"
	kata delete --force "$ID"
}

@test "where the range has no user left, a VM does not start and says so" {
	sed 's/^jail_uid_count = .*/jail_uid_count = 1/' "$BUILD/configuration.toml" > "$BATS_TEST_TMPDIR/c.toml"
	start_vm "$BATS_TEST_TMPDIR/c.toml"
	local first=$ID
	make_bundle true
	new_id
	run "$BUILD/kata-runtime" --config "$BATS_TEST_TMPDIR/c.toml" --root "$ROOT" run --bundle "$BUNDLE" "$ID"
	echo "$output"
	[ "$status" -eq 1 ]
	[[ "$output" == *"users of VMs: all 1 numbers from 1879048192 on are taken"* ]]
	kata delete --force "$first"
}

@test "a kernel and an initrd that only root may read, and in a closed folder, work; jail_paths adds more" {
	mkdir -m 700 "$BATS_TEST_TMPDIR/closed"
	mkdir "$BATS_TEST_TMPDIR/closed/more"
	touch "$BATS_TEST_TMPDIR/closed/more/file" "$BATS_TEST_TMPDIR/closed/one" "$BATS_TEST_TMPDIR/closed/none"
	local file
	for file in kernel initrd; do
		install -m 600 "$(sed -n "s/^$file = \"\(.*\)\"/\1/p" "$BUILD/configuration.toml")" "$BATS_TEST_TMPDIR/closed/$file"
	done
	sed -E "s#^(kernel|initrd) = .*#\1 = \"$BATS_TEST_TMPDIR/closed/\1\"#
		s#^jail_paths = .*#jail_paths = [\"$BATS_TEST_TMPDIR/closed/more\", \"$BATS_TEST_TMPDIR/closed/one\"]#" \
		"$BUILD/configuration.toml" > "$BATS_TEST_TMPDIR/c.toml"
	start_vm "$BATS_TEST_TMPDIR/c.toml"
	[ "$(cd "/proc/$QEMU/root$BATS_TEST_TMPDIR/closed" && find . | sort | xargs)" = \
		". ./initrd ./kernel ./more ./more/file ./one" ]
	kata delete --force "$ID"
}

@test "after the shim was killed nothing of the jail is left" {
	start_vm
	local pause
	kill -9 "$(cut -d ' ' -f 1 "$ROOT/$ID/shim.pid")"
	wait_for 10 sh -c "! readlink /proc/$QEMU/exe"
	kata delete --force "$ID"
	# In the midst of a start, at moments that differ.
	for pause in 0.05 0.1 0.15 0.2 0.3; do
		make_bundle sleep 1000
		new_id
		kata run --detach --bundle "$BUNDLE" "$ID" < /dev/null > /dev/null 2>&1 3>&- &
		wait_for 5 test -s "$ROOT/$ID/shim.pid"
		sleep "$pause"
		kill -9 "$(cut -d ' ' -f 1 "$ROOT/$ID/shim.pid")" || true
		wait $! || true
		kata delete --force "$ID" || true
	done
	no_leaks
	run ! grep -qE '/\.copy-|kataShared' /proc/self/mountinfo
}

@test "jail = false with rootless = true is refused" {
	sed 's/^jail = true/jail = false/; s/^rootless = false/rootless = true/' "$BUILD/configuration.toml" > \
		"$BATS_TEST_TMPDIR/c.toml"
	make_bundle true
	new_id
	run "$BUILD/kata-runtime" --config "$BATS_TEST_TMPDIR/c.toml" --root "$ROOT" run --bundle "$BUNDLE" "$ID"
	echo "$output"
	[ "$status" -eq 1 ]
	[[ "$output" == *"rootless = true: QEMU gets a user of its own with its jail, but jail = false"* ]]
}

@test "security: the kernel's word on each process, and 1 where one is weaker than configured" {
	start_vm
	run kata security "$ID"
	echo "$output"
	[ "$status" -eq 0 ]
	grep -qE '^QEMU +'"$QEMU"' +1879[01][0-9]+ none +own +own +own +own +own +own +filter +yes +listed .* ok$' <<< "$output"
	for process in shim virtiofsd stand-in; do
		grep -qE "^$process .* ok\$" <<< "$output"
	done
	grep -qE "^Landlock: (version [0-9]+, so QEMU has given up making and removing files|the host's kernel has none)" <<< "$output"
	kata security --format json "$ID" > "$BATS_TEST_TMPDIR/out"
	jq -e '[.[] | select(.process == "QEMU")] == [.[1]] and .[1].capabilities == "none" and .[1].root == "own" and
		all(.[]; .ok)' "$BATS_TEST_TMPDIR/out"
	# Weaker than configured: another range; a VM that was started without.
	sed 's/^jail_uid_base = .*/jail_uid_base = 5000/' "$BUILD/configuration.toml" > "$BATS_TEST_TMPDIR/c.toml"
	run "$BUILD/kata-runtime" --config "$BATS_TEST_TMPDIR/c.toml" --root "$ROOT" security "$ID"
	[ "$status" -eq 1 ]
	grep -qE '^QEMU .* weaker: user 1879[01][0-9]+$' <<< "$output"
	kata delete --force "$ID"
	sed 's/^jail = true/jail = false/' "$BUILD/configuration.toml" > "$BATS_TEST_TMPDIR/c.toml"
	start_vm "$BATS_TEST_TMPDIR/c.toml"
	run kata security "$ID"
	echo "$output"
	[ "$status" -eq 1 ]
	grep -qE "^QEMU .* weaker: user 0, 1 capabilities too many, the host's pid namespace, .*, the host's root, any device\$" \
		<<< "$output"
	run "$BUILD/kata-runtime" --config "$BATS_TEST_TMPDIR/c.toml" --root "$ROOT" security "$ID"
	[ "$status" -eq 0 ]
	grep -qE '^QEMU .* ROOT OF THE HOST: jail = false$' <<< "$output"
	kata delete --force "$ID"
}

@test "hooks have no filter of the shim's; the shim and its helpers have" {
	make_bundle true
	printf '#!/bin/sh\ngrep -E "^(Seccomp|NoNewPrivs):" /proc/self/status | tr -d "\\t" > %s/hook\n' "$BATS_TEST_TMPDIR" \
		> "$BATS_TEST_TMPDIR/hook.sh"
	chmod 755 "$BATS_TEST_TMPDIR/hook.sh"
	edit_config '.hooks = {createRuntime: [{path: $path}]} | .process.args = ["sleep", "1000"]' \
		--arg path "$BATS_TEST_TMPDIR/hook.sh"
	new_id
	kata create --bundle "$BUNDLE" "$ID"
	cat "$BATS_TEST_TMPDIR/hook"
	[ "$(cat "$BATS_TEST_TMPDIR/hook")" = "$(printf 'NoNewPrivs:0\nSeccomp:0')" ]
	local pid
	pid=$(cut -d ' ' -f 1 "$ROOT/$ID/shim.pid")
	grep -q '^Seccomp:.2$' "/proc/$pid/status"
	for child in $(pgrep -P "$pid" | grep -vxF "$(pgrep -P "$pid" -x kata-starter)"); do
		echo "$child $(cat "/proc/$child/comm")"
		grep -q '^Seccomp:.2$' "/proc/$child/status"
	done
	[ "$(pgrep -cP "$pid" -x kata-starter)" -eq 1 ]
	kata delete --force "$ID"
}

@test "docs/security.md tells of each process what the kernel tells" {
	start_vm
	kata security --format json "$ID" | jq -r '.[] | select(.process != "helper") | [
		.process,
		(if .uid == 0 then "root" elif .uid == 65534 then "65534" else "its own" end),
		(if .capabilities | test(" of them") then "all" else .capabilities end),
		.namespaces[], .root, .seccomp, (if .noNewPrivileges then "yes" else "no" end), .devices
		] | "| " + join(" | ") + " |"' | sort > "$BATS_TEST_TMPDIR/rows"
	kata delete --force "$ID"
	cat "$BATS_TEST_TMPDIR/rows"
	[ "$(wc -l < "$BATS_TEST_TMPDIR/rows")" -ge 4 ]
	local row
	while IFS= read -r row; do
		# The one of virtiofsd is of the program that is installed here.
		[[ "$row" = "| virtiofsd "* ]] || grep -qxF "$row" "$REPO/docs/security.md"
	done < "$BATS_TEST_TMPDIR/rows"
}

# join_pod: the bundle becomes that of a member of the pod $POD.
join_pod() {
	edit_config '.annotations["io.kubernetes.cri-o.ContainerType"] = "container" | .annotations["io.kubernetes.cri-o.SandboxID"] = $pod
		| (.linux.namespaces[] | select(.type == "network")).path = $net' \
		--arg pod "$POD" --arg net "/proc/$(kata state "$POD" | jq .pid)/ns/net"
}

# add_volume OPTION
add_volume() {
	edit_config '.mounts += [{destination: "/v", type: "bind", source: $source, options: ["rbind", $option]}]' \
		--arg source "$BATS_TEST_TMPDIR/volume" --arg option "$1"
}

@test "9p in the jail: a volume that was shared read-only is written once a member of the pod may" {
	sed 's/^#* *shared_fs = .*/shared_fs = "virtio-9p"/' "$BUILD/configuration.toml" > "$BATS_TEST_TMPDIR/c.toml"
	KATA=("$BUILD/kata-runtime" --config "$BATS_TEST_TMPDIR/c.toml" --root "$ROOT")
	mkdir "$BATS_TEST_TMPDIR/volume"
	make_bundle sleep 1000
	new_id
	POD=$ID
	edit_config '.annotations["io.kubernetes.cri-o.ContainerType"] = "sandbox" | .annotations["io.kubernetes.cri-o.SandboxID"] = $pod' \
		--arg pod "$POD"
	kata run --detach --bundle "$BUNDLE" "$POD" < /dev/null > /dev/null
	make_bundle sh -c 'touch /v/early; sleep 1000'
	join_pod
	add_volume ro
	new_id
	kata run --detach --bundle "$BUNDLE" "$ID" < /dev/null > /dev/null
	make_bundle sh -c 'echo written > /v/f'
	join_pod
	add_volume rw
	new_id
	run kata run --bundle "$BUNDLE" "$ID"
	echo "$output"
	[ "$status" -eq 0 ]
	[ "$(cat "$BATS_TEST_TMPDIR/volume/f")" = written ]
	[ ! -e "$BATS_TEST_TMPDIR/volume/early" ]
	run kata security "$POD"
	echo "$output"
	[ "$status" -eq 0 ]
	kata delete --force "$POD"
}
