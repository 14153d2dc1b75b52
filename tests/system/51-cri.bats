#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Kubernetes' side of containerd: pods through CRI.

load ../lib/cri

@test "a pod and two containers: localhost, names, shared memory, logs, exec, stats, update" {
	run_pod
	run_container web 'echo shared > /dev/shm/x; echo ready; while :; do echo served | nc -l -p 8080; done'
	local web=$CONTAINER
	run_container client 'sleep 1000'
	wait_for 10 grep -q ready "$BATS_TEST_TMPDIR/web.log"
	run cri execsync "$CONTAINER" sh -c 'nc 127.0.0.1 8080; cat /dev/shm/x; hostname; exit 3'
	echo "$output"
	[ "$status" -eq 3 ]
	[ "$output" = $'served\nshared\npodhost' ]
	run cri exec "$CONTAINER" pipes sh -c 'read x; echo "got $x"; exit 5' <<< hello
	[ "$status" -eq 5 ]
	[ "$output" = "got hello" ]
	run cri exec "$CONTAINER" tty tty
	[[ "$output" == */dev/pts/* ]]
	[ "$(cri stats "$web" | jq .memory.working_set_bytes.value)" -gt 100000 ]
	cri update "$web" $((300 << 20))
	cri stop "$web" 0
	is "$web" EXITED
	is "$CONTAINER" RUNNING
	cri rm "$web"
	run_container web2 'cat /dev/shm/x; exit 6'
	wait_for 10 is "$CONTAINER" "EXITED 6"
	grep -q shared "$BATS_TEST_TMPDIR/web2.log"
}

@test "shareProcessNamespace: containers see each other" {
	run_pod '.linux.security_context.namespace_options.pid = 0'
	run_container one 'sleep 1234' '.linux.security_context.namespace_options.pid = 0'
	run_container two 'sleep 1000' '.linux.security_context.namespace_options.pid = 0'
	run cri execsync "$CONTAINER" ps
	[[ "$output" == *"sleep 1234"* ]]
}

@test "an ephemeral container sees its target's processes, no other's" {
	run_pod
	run_container one 'sleep 1111' '.linux.security_context.namespace_options.pid = 1'
	local one=$CONTAINER
	run_container two 'sleep 2222' '.linux.security_context.namespace_options.pid = 1'
	[ "$(cri pid "$one")" != "$(cri pid "$CONTAINER")" ]
	# Numbers of this host, in the pod's network.
	[ "$(readlink "/proc/$(cri pid "$one")/ns/net")" = "$(readlink "/proc/$(pgrep -f "qemu-system.*$POD")/ns/net")" ]
	local debug=".linux.security_context.namespace_options = { pid: 3, target_id: \"$one\" }"
	run_container debug 'ps; kill -TERM 1; sleep 1000' "$debug"
	debug=$CONTAINER
	wait_for 30 grep -q 'sleep 1000' "$BATS_TEST_TMPDIR/debug.log"
	cat "$BATS_TEST_TMPDIR/debug.log"
	grep -q ' 1 .*sleep 1111' "$BATS_TEST_TMPDIR/debug.log"
	run ! grep 2222 "$BATS_TEST_TMPDIR/debug.log"
	run cri execsync "$one" ps
	[[ "$output" == *"sleep 1000"* ]]
	cri stop "$debug" 0
	is "$one" RUNNING
	cri stop "$one" 0
	run -125 run_container late 'ps' "$(jq -c '.linux' "$BATS_TEST_TMPDIR/debug.json" | sed 's/^/.linux = /')"
	[[ "$output" == *"not running"* ]]
}

@test "attach: input and output of a running container, with pipes and with a terminal" {
	run_pod
	run_container pipes 'read x; echo "got $x"; read y; echo "and $y" >&2; exit 3' '.stdin = true'
	run cri attach "$CONTAINER" pipes < <(echo one; echo two)
	echo "$output"
	[[ "$output" == *"got one"*"and two"* ]]
	wait_for 20 is "$CONTAINER" "EXITED 3"
	run_container tty 'tty; read x; stty size; exit 4' '.stdin = true | .tty = true'
	run cri attach "$CONTAINER" tty < <(echo go)
	echo "$output"
	wait_for 20 is "$CONTAINER" "EXITED 4"
	grep -q /dev/pts/ "$BATS_TEST_TMPDIR/tty.log"
}

@test "port-forward: to a listener on the pod's localhost; nobody listening is told" {
	[ "$(printf '%s\n5.9\n' "$(uname -r)" | sort -V | head -1)" = 5.9 ] || skip "this kernel has no SK_LOOKUP"
	run_pod
	run_container web 'cd /etc; echo ready; exec httpd -f -p 127.0.0.1:8080 -h /etc'
	wait_for 20 grep -q ready "$BATS_TEST_TMPDIR/web.log"
	forwarded() { run cri forward "$POD" 8080 < <(printf 'GET /passwd HTTP/1.0\r\n\r\n') && [[ "$output" == *root:x:0* ]]; }
	wait_for 20 forwarded
	run cri forward "$POD" 8081 < /dev/null
	echo "$output"
	[[ "$output" != *root:x:0* ]]
}

@test "hostNetwork is refused in words" {
	run run_pod '.linux.security_context.namespace_options.network = 2'
	echo "$output"
	[ -z "$POD" ]
	[[ "$output" == *"a container in a VM cannot"* ]]
}

@test "volumes: a directory, live updates by a swapped link, read-only" {
	mkdir -p "$BATS_TEST_TMPDIR/v/1" "$BATS_TEST_TMPDIR/v/2"
	echo old > "$BATS_TEST_TMPDIR/v/1/key"
	echo new > "$BATS_TEST_TMPDIR/v/2/key"
	ln -s 1 "$BATS_TEST_TMPDIR/v/..data"
	ln -s ..data/key "$BATS_TEST_TMPDIR/v/key"
	run_pod
	run_container c 'sleep 1000' ".mounts = [ { host_path: \"$BATS_TEST_TMPDIR/v\", container_path: \"/v\",
		readonly: true } ]"
	run cri execsync "$CONTAINER" sh -c 'cat /v/key; echo x > /v/1/y'
	echo "$output"
	[ "$status" -ne 0 ]
	[[ "$output" == old* ]]
	ln -s 2 "$BATS_TEST_TMPDIR/v/..tmp"
	mv -T "$BATS_TEST_TMPDIR/v/..tmp" "$BATS_TEST_TMPDIR/v/..data"
	updated() { [ "$(cri execsync "$CONTAINER" cat /v/key)" = new ]; }
	wait_for 10 updated
}

@test "killed: QEMU and the shim; the pod is not ready and can be removed" {
	run_pod
	run_container c 'sleep 1000'
	kill -9 "$(pgrep -P "$(pgrep -f "containerd-shim-kata-v2 .*-id $POD ")" -f qemu-system)"
	wait_for 10 is "$CONTAINER" EXITED
	cri rmp "$POD"
	run_pod
	run_container c 'sleep 1000'
	kill -9 "$(pgrep -f "containerd-shim-kata-v2 .*-id $POD ")"
	wait_for 10 is "$CONTAINER" EXITED
}

@test "removal of a busy pod" {
	run_pod
	run_container c 'while :; do :; done'
	cri execsync "$CONTAINER" sleep 30 > /dev/null 2>&1 &
	local exec=$!
	cri rmp "$POD"
	wait "$exec" || true
}

@test "a pod without a sandbox container: shared memory, a target's processes" {
	cd "$BATS_TEST_TMPDIR"
	env KATA_BUILD="$BUILD" python3 -B "$REPO/tests/shim/members.py" "$BATS_TEST_TMPDIR" share
}

# What a container of the pod sees, MiB.
guest_memory() {
	cri execsync "$1" sh -c 'while read -r key kib unit; do [ "$key" != MemTotal: ] || echo $((kib / 1024)); done < /proc/meminfo'
}

@test "the VM has what the pod asks for, and grows with its containers' limits" {
	run_pod '.linux.resources = { memory_limit_in_bytes: 67108864, cpu_period: 100000, cpu_quota: 150000 }'
	run_container small 'sleep 1000' '.linux.resources = { memory_limit_in_bytes: 67108864, cpu_period: 100000, cpu_quota: 50000 }'
	local small=$CONTAINER mib
	mib=$(guest_memory "$small")
	echo "$mib MiB"
	[ "$mib" -gt 64 ]
	[ "$mib" -lt 128 ]
	[ "$(cri execsync "$small" nproc)" -eq 2 ]
	[ "$(cri execsync "$small" cat /sys/fs/cgroup/cpu.max)" = "50000 100000" ]
	[ "$(cri execsync "$small" cat /sys/fs/cgroup/memory.max)" -eq 67108864 ]
	run_container large 'sleep 1000' '.linux.resources = { memory_limit_in_bytes: 314572800 }'
	mib=$(guest_memory "$small")
	echo "$mib MiB"
	[ "$mib" -gt 364 ]
	cri stop "$CONTAINER" 0
	cri rm "$CONTAINER"
	cri update "$small" $((450 << 20))
	mib=$(guest_memory "$small")
	echo "$mib MiB"
	[ "$mib" -gt 450 ]
}

@test "virtio-mem: the VM gives back what a container that is gone had" {
	cd "$BATS_TEST_TMPDIR"
	env KATA_BUILD="$BUILD" python3 -B "$REPO/tests/shim/members.py" "$BATS_TEST_TMPDIR" shrink
}
