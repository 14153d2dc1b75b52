#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What CRI-O does in its own way, with the shim (type "vm") and with kata-runtime and conmon (type "oci"). Needs a CRI-O,
# which Debian does not have: KATA_CRIO=/path/to/crio. The tests of pods, 51-cri.bats, run with it as well.

load ../lib/cri

setup_file() {
	[ -n "${KATA_CRIO:-}" ] ||
		{ skip_file "KATA_CRIO does not name a CRI-O (docs/kubernetes.md, \"Tests\")"; return; }
	CRI=$("$REPO/tests/lib/go-build.sh" "$REPO/tests/cri") || { skip_file "$CRI"; return; }
	export CRI
}

# use TYPE
use() {
	CTD=$BATS_TEST_TMPDIR/d
	manager start "$1"
}

teardown() {
	remove_pods
	teardown_file
}

annotations() {
	jq -r ".annotations[\"$1\"]" "$CTD/run/overlay-containers/$POD/userdata/config.json"
}

restarted() {
	manager restart
	is "$1" RUNNING
	[ "$(cri execsync "$1" hostname)" = podhost ]
}

# life TYPE: a pod as kubelet describes it: with its size, and a container that a debugger is later sent to.
life() {
	use "$1"
	run_pod '.linux.resources = { memory_limit_in_bytes: 67108864, cpu_period: 100000, cpu_quota: 150000 }
		| .annotations = { "io.katacontainers.test": "passed" }'
	[ "$(annotations io.katacontainers.test)" = passed ]
	run_container web 'echo ready; exec sleep 1111'
	local web=$CONTAINER
	wait_for 30 grep -q ready "$BATS_TEST_TMPDIR/web.log"
	[ "$(cri execsync "$web" nproc)" -eq 2 ]
	run_container debug 'ps; sleep 1000' ".linux.security_context.namespace_options = { pid: 3, target_id: \"$web\" }"
	wait_for 30 grep -q 'sleep 1000' "$BATS_TEST_TMPDIR/debug.log"
	cat "$BATS_TEST_TMPDIR/debug.log"
	grep -q ' 1 .*sleep 1111' "$BATS_TEST_TMPDIR/debug.log"
	restarted "$web"
	run cri exec "$web" tty tty
	[[ "$output" == */dev/pts/* ]]
	run_container glutton 'x=$(head -c 100000000 /dev/zero | tr "\0" x); echo ${#x}' \
		'.linux.resources = { memory_limit_in_bytes: 33554432 }'
	wait_for 60 is "$CONTAINER" EXITED
	cri status "$CONTAINER"
	[[ "$(cri status "$CONTAINER")" == *OOMKilled* ]]
	[ "$1" = oci ] || cri stats "$web" | jq -e .cpu.usage_core_nano_seconds.value
	cri stop "$web" 0
	is "$web" "EXITED 137"
	cri rmp "$POD"
	[ -z "$(ls "$CTD/namespaces/netns")" ]
	[ -z "$(find "$CTD/vm" -type p 2> /dev/null)" ]
}

@test "type vm: a pod's size, a target's processes, a restart of CRI-O, a glutton" {
	life vm
}

@test "type oci: a pod's size, a target's processes, a restart of CRI-O, a glutton" {
	life oci
}
