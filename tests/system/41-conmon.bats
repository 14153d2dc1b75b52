#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# conmon as CRI-O (type oci) drives a runtime: create through conmon, the verbs directly, exit files.

load helpers

setup() {
	wrapper=$BATS_TEST_TMPDIR/kata
	printf '#!/bin/sh\nexec "%s/kata-runtime" --config "%s/configuration.toml" "$@"\n' "$BUILD" "$BUILD" > "$wrapper"
	chmod +x "$wrapper"
	mkdir -p "$BATS_TEST_TMPDIR/exits" "$BATS_TEST_TMPDIR/attach"
}

# conmon_create [CONMON_OPTION ...]: as CRI-O calls it; returns when the container is created.
conmon_create() {
	conmon -c "$ID" -u "$ID" -n name -r "$wrapper" --runtime-arg "--root=$ROOT" -b "$BUNDLE" \
		-p "$BATS_TEST_TMPDIR/pid" -P "$BATS_TEST_TMPDIR/conmon.pid" -l "k8s-file:$BATS_TEST_TMPDIR/log" \
		--exit-dir "$BATS_TEST_TMPDIR/exits" --socket-dir-path "$BATS_TEST_TMPDIR/attach" "$@" \
		< /dev/null > /dev/null 2>&1 3>&-
	wait_for 20 test -s "$BATS_TEST_TMPDIR/pid"
}

@test "a container's log, pid file and exit file" {
	make_bundle sh -c 'echo to-stdout; echo to-stderr >&2; exit 5'
	new_id
	conmon_create
	[ "$(kata state "$ID" | jq -r .status)" = created ]
	[ "$(kata state "$ID" | jq -r .pid)" = "$(cat "$BATS_TEST_TMPDIR/pid")" ]
	kata start "$ID"
	wait_for 30 test -s "$BATS_TEST_TMPDIR/exits/$ID"
	[ "$(cat "$BATS_TEST_TMPDIR/exits/$ID")" = 5 ]
	grep -q 'stdout F to-stdout' "$BATS_TEST_TMPDIR/log"
	grep -q 'stderr F to-stderr' "$BATS_TEST_TMPDIR/log"
	kata delete "$ID"
}

@test "conmon's --systemd-cgroup is honoured" {
	[ ! -d /run/systemd/system ] || skip "systemd runs here"
	make_bundle true
	edit_config '.linux.cgroupsPath = "machine.slice:crio:t"'
	new_id
	# It passes the option on, and what the runtime says to who started it.
	local code=0
	_OCI_SYNCPIPE=4 conmon -s -c "$ID" -u "$ID" -n name -r "$wrapper" --runtime-arg "--root=$ROOT" -b "$BUNDLE" \
		-p "$BATS_TEST_TMPDIR/pid" -l "k8s-file:$BATS_TEST_TMPDIR/log" --exit-dir "$BATS_TEST_TMPDIR/exits" \
		--socket-dir-path "$BATS_TEST_TMPDIR/attach" --sync 4> "$BATS_TEST_TMPDIR/sync" 3>&- || code=$?
	[ "$code" -ne 0 ]
	cat "$BATS_TEST_TMPDIR/sync"
	grep -q "systemd does not run on this host, so its cgroup driver cannot be used for 'machine.slice:crio:t'" \
		"$BATS_TEST_TMPDIR/sync"
}

@test "kill ends it with 137; delete --force succeeds twice" {
	make_bundle sleep 1000
	new_id
	conmon_create
	kata start "$ID"
	kata kill "$ID" 9
	wait_for 30 test -s "$BATS_TEST_TMPDIR/exits/$ID"
	[ "$(cat "$BATS_TEST_TMPDIR/exits/$ID")" = 137 ]
	kata delete --force "$ID"
	kata delete --force "$ID"
}

@test "a terminal through the console socket, an exec through conmon" {
	make_bundle sh -c 'tty; sleep 1000'
	edit_config '.process.terminal = true'
	new_id
	conmon_create -t
	kata start "$ID"
	wait_for 30 grep -q /dev/pts/0 "$BATS_TEST_TMPDIR/log"
	jq '.process | .terminal = false | .args = ["sh", "-c", "echo from-exec; exit 6"]' "$BUNDLE/config.json" \
		> "$BATS_TEST_TMPDIR/process.json"
	conmon -c "$ID" -u e1 -n name -r "$wrapper" --runtime-arg "--root=$ROOT" -b "$BUNDLE" -e \
		--exec-process-spec "$BATS_TEST_TMPDIR/process.json" -p "$BATS_TEST_TMPDIR/exec.pid" \
		-l "k8s-file:$BATS_TEST_TMPDIR/exec.log" --exit-dir "$BATS_TEST_TMPDIR/exits" \
		--socket-dir-path "$BATS_TEST_TMPDIR/attach" < /dev/null > /dev/null 2>&1 3>&-
	wait_for 30 test -s "$BATS_TEST_TMPDIR/exits/$ID"
	[ "$(cat "$BATS_TEST_TMPDIR/exits/$ID")" = 6 ]
	grep -q from-exec "$BATS_TEST_TMPDIR/exec.log"
	kata delete --force "$ID"
}

@test "pod members by CRI-O's annotations join the sandbox's VM" {
	make_bundle sleep 1000
	# CRI-O makes the pod's namespaces itself, for the sandbox as for its members.
	pin='.linux.namespaces |= map(if .type == "ipc" or .type == "uts" then .path = "/proc/self/ns/\(.type)" else . end)'
	edit_config "$pin"' | .annotations = {"io.kubernetes.cri-o.ContainerType": "sandbox",
		"io.kubernetes.cri-o.SandboxID": $id}' --arg id "crio-$$"
	ID=crio-$$
	conmon_create
	kata start "$ID"
	boot=$(kata exec "$ID" cat /proc/sys/kernel/random/boot_id)
	sandbox=$ID
	rm "$BATS_TEST_TMPDIR/pid"
	make_bundle sleep 1000
	edit_config "$pin"' | .annotations = {"io.kubernetes.cri-o.ContainerType": "container", "io.kubernetes.cri-o.SandboxID": $id}
		| .linux.namespaces |= map(if .type == "network" then .path = "/proc/\($pid)/ns/net" else . end)' \
		--arg id "$sandbox" --arg pid "$(kata state "$sandbox" | jq -r .pid)"
	ID=member-$$
	conmon_create
	kata start "$ID"
	[ "$(kata exec "$ID" cat /proc/sys/kernel/random/boot_id)" = "$boot" ]
	kata delete --force "$ID"
	[ "$(kata state "$sandbox" | jq -r .status)" = running ]
	kata delete --force "$sandbox"
}
