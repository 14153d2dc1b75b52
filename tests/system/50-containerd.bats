#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# containerd and our shim, driven by ctr: the life of a task, its streams, and what is left when something is killed.

load helpers
bats_require_minimum_version 1.5.0

setup_file() {
	command -v containerd > /dev/null || { skip_file "containerd is not installed"; return; }
	export CTD=$BATS_FILE_TMPDIR/ctd
	"$BATS_TEST_DIRNAME/../lib/containerd.sh" start "$CTD"
}

teardown_file() {
	[ -z "${CTD:-}" ] || "$BATS_TEST_DIRNAME/../lib/containerd.sh" stop "$CTD"
}

c() {
	ctr --address "$CTD/containerd.sock" "$@"
}

# run_task [OPTION ...] ID COMMAND ...: options are ctr's.
run_task() {
	local options=()
	while [ "${1#-}" != "$1" ]; do
		options+=("$1")
		case $1 in --memory-limit | --env | --mount | --log-uri | --user | --label) options+=("$2"); shift ;; esac
		shift
	done
	local id=$1
	shift
	c run --runtime io.containerd.kata.v2 --runtime-config-path "$BUILD/configuration.toml" "${options[@]}" \
		kata.test/busybox:1 "$id" "$@"
}

task_is() {
	c task ls | grep -qE "^$1 .*$2"
}

# The pid of the sandbox's shim, or of one of the shim's children.
shim_pid() {
	pgrep -f "containerd-shim-kata-v2 .*-id $1 "
}

child_pid() {
	pgrep -P "$(shim_pid "$1")" -f "$2" | head -1
}

events_start() {
	c events > "$BATS_TEST_TMPDIR/events" &
	EVENTS=$!
	sleep 0.3 # ctr does not say when it has subscribed
}

events_stop() {
	kill "$EVENTS"
	wait "$EVENTS" || true
}

teardown() {
	local id
	for id in $(c task ls -q); do
		c task kill -s KILL "$id" || true
		wait_for 10 task_is "$id" STOPPED || true
		c task rm -f "$id" || true
	done
	for id in $(c container ls -q); do
		c container rm "$id" || true
	done
	KATA_TEST_SCOPE="$BUILD|$CTD|/run/kata/ns/default|/sys/fs/cgroup/.*default/" no_leaks
	[ -z "$(ls /run/kata/ns/default 2>/dev/null)" ]
}

@test "run: output on both streams, status, environment, a kernel of its own" {
	run --separate-stderr run_task --rm --env A=b t1 sh -c 'echo "$A"; uname -r; echo wrong >&2; exit 7'
	echo "$output"
	[ "$status" -eq 7 ]
	[ "${lines[0]}" = b ]
	[ "${lines[1]}" != "$(uname -r)" ]
	[ "$stderr" = wrong ]
}

@test "run: input reaches its end, and much output arrives whole" {
	head -c 3000000 /dev/urandom > "$BATS_TEST_TMPDIR/in"
	run_task --rm t2 sh -c 'cat; echo end >&2' < "$BATS_TEST_TMPDIR/in" > "$BATS_TEST_TMPDIR/out"
	cmp "$BATS_TEST_TMPDIR/in" "$BATS_TEST_TMPDIR/out"
}

@test "run: a terminal, its size and its line discipline" {
	run script -qec "stty rows 33 cols 99; ctr --address $CTD/containerd.sock run --rm -t --runtime io.containerd.kata.v2 \
		--runtime-config-path $BUILD/configuration.toml kata.test/busybox:1 t3 \
		sh -c 'tty; sleep 0.5; stty size; exit 5'" /dev/null
	echo "$output"
	[ "$status" -eq 5 ]
	[[ "$output" == *"/dev/pts/0"* || "$output" == *"/dev/console"* ]]
	[[ "$output" == *"33 99"* ]]
}

@test "run: a missing program fails with its name, and nothing stays" {
	run run_task --rm t4 /no/such/program
	echo "$output"
	[ "$status" -ne 0 ]
	[[ "$output" == *"/no/such/program"* ]]
}

# exits_were_told NUMBER: that many ends are among the events.
exits_were_told() {
	[ "$(grep -c /tasks/exit "$BATS_TEST_TMPDIR/events")" -eq "$1" ]
}

@test "life: detached, exec, pids, pause, metrics, kill, delete, and the events of all that" {
	events_start
	run_task -d t5 sleep 1000
	task_is t5 RUNNING
	run c task exec --exec-id e1 t5 sh -c 'echo inside; exit 4'
	[ "$status" -eq 4 ]
	[[ "$output" == *inside* ]]
	run script -qec "ctr --address $CTD/containerd.sock task exec -t --exec-id e2 t5 tty" /dev/null
	[[ "$output" == */dev/pts/* ]]
	c task exec --detach --exec-id e3 t5 sleep 500
	run c task ps t5
	echo "$output"
	[ "${#lines[@]}" -eq 3 ]
	[[ "${lines[2]}" == *e3* ]]
	c task kill --exec-id e3 --signal KILL t5
	wait_for 10 exits_were_told 3
	c task pause t5
	task_is t5 PAUSED
	run c task pause t5
	[ "$status" -ne 0 ]
	c task resume t5
	task_is t5 RUNNING
	run c task metrics --format json t5
	echo "$output"
	[ "$(jq -r '.memory.usage.usage // .memory.usage' <<< "$output")" -gt 100000 ]
	run c task rm t5
	[ "$status" -ne 0 ]
	c task kill -s TERM t5
	c task kill -s KILL t5
	wait_for 10 task_is t5 STOPPED
	run c task rm t5
	[ "$status" -eq 137 ] || [ "$status" -eq 0 ]
	events_stop
	cut -d' ' -f5- "$BATS_TEST_TMPDIR/events" | grep -o '/tasks/[a-z-]*' > "$BATS_TEST_TMPDIR/topics"
	cat "$BATS_TEST_TMPDIR/topics"
	diff - "$BATS_TEST_TMPDIR/topics" <<-EOF
	/tasks/create
	/tasks/start
	/tasks/exec-added
	/tasks/exec-started
	/tasks/exit
	/tasks/exec-added
	/tasks/exec-started
	/tasks/exit
	/tasks/exec-added
	/tasks/exec-started
	/tasks/exit
	/tasks/paused
	/tasks/resumed
	/tasks/exit
	/tasks/delete
	EOF
}

@test "out of memory: the event comes before the exit" {
	events_start
	run_task -d --memory-limit $((200 << 20)) t5a sh -c 'exec tail /dev/zero'
	wait_for 60 task_is t5a STOPPED
	wait_for 20 grep -q '/tasks/exit.*t5a' "$BATS_TEST_TMPDIR/events"
	events_stop
	cat "$BATS_TEST_TMPDIR/events"
	diff - <(grep t5a "$BATS_TEST_TMPDIR/events" | grep -oE '/tasks/(oom|exit)') <<-EOF
	/tasks/oom
	/tasks/exit
	EOF
}

@test "checkpoint: says that it does not exist, and the task goes on" {
	run_task -d t6 sleep 1000
	run c task checkpoint t6
	echo "$output"
	[ "$status" -ne 0 ]
	[[ "$output" == *"not supported"* ]]
	task_is t6 RUNNING
}

@test "streams: a file, and a logger program" {
	cat > "$BATS_TEST_TMPDIR/logger" <<-'EOF'
	#!/bin/sh
	echo "$CONTAINER_NAMESPACE/$CONTAINER_ID $1=$2" > "$2.env"
	exec 5>&-
	cat <&4 > "$2.err" &
	cat <&3 > "$2.out"
	wait
	EOF
	chmod +x "$BATS_TEST_TMPDIR/logger"
	run_task -d --log-uri "binary://$BATS_TEST_TMPDIR/logger?file=$BATS_TEST_TMPDIR/log" t7 \
		sh -c 'echo to-out; echo to-err >&2'
	wait_for 10 task_is t7 STOPPED
	wait_for 5 grep -q to-out "$BATS_TEST_TMPDIR/log.out"
	wait_for 5 grep -q to-err "$BATS_TEST_TMPDIR/log.err"
	[ "$(cat "$BATS_TEST_TMPDIR/log.env")" = "default/t7 file=$BATS_TEST_TMPDIR/log" ]
	run_task -d --log-uri "file://$BATS_TEST_TMPDIR/plain" t7b sh -c 'echo one; echo two >&2'
	wait_for 10 task_is t7b STOPPED
	[ "$(sort "$BATS_TEST_TMPDIR/plain" | tr '\n' ' ')" = "one two " ]
}

@test "a specification that a VM cannot give is refused in words" {
	run run_task --rm --net-host t8 true
	echo "$output"
	[ "$status" -ne 0 ]
	[[ "$output" == *"cannot use the host's network"* ]]
}

@test "killed: containerd; the task goes on and its output is not lost" {
	run_task -d --log-uri "file://$BATS_TEST_TMPDIR/out" t9 sh -c 'while sleep 0.2; do echo tick; done'
	"$REPO/tests/lib/containerd.sh" restart "$CTD"
	task_is t9 RUNNING
	run c task exec --exec-id e t9 echo back
	[ "$output" = back ]
	wait_for 5 grep -q tick "$BATS_TEST_TMPDIR/out"
	events_start
	c task kill -s KILL t9
	wait_for 10 task_is t9 STOPPED
	wait_for 5 grep -q /tasks/exit "$BATS_TEST_TMPDIR/events"
	events_stop
}

@test "the command line's verbs about sandboxes know those of containerd" {
	run_task -d t-admin sleep 1000
	local ours=("$BUILD/kata-runtime" --root /run/kata/ns/default)
	[ "$("${ours[@]}" timeline t-admin | jq -r '.[-1].name')" = "container created" ]
	[[ "$("${ours[@]}" console t-admin)" == *"kata-agent: ready"* ]]
	[[ "$("${ours[@]}" metrics t-admin)" == *kata_agent_total_rss* ]]
	[[ "$("${ours[@]}" ps t-admin)" == *"sleep 1000"* ]]
	run "${ours[@]}" console nobody
	[[ "$output" == *'\"nobody\" does not exist'* ]]
	c task kill -s KILL t-admin
	wait_for 10 task_is t-admin STOPPED
}

# killed_by PATTERN: a helper of a task's shim dies; the task ends with an exit event.
killed_by() {
	local id=t-$RANDOM pid
	run_task -d "$id" sleep 1000
	events_start
	pid=$(child_pid "$id" "$1")
	kill -9 "$pid"
	wait_for 10 task_is "$id" STOPPED
	wait_for 5 grep -q "/tasks/exit.*$id" "$BATS_TEST_TMPDIR/events"
	events_stop
	run c task rm "$id"
	[ "$status" -eq 137 ] || [ "$status" -eq 0 ]
}

@test "killed: QEMU" { killed_by qemu-system; }

@test "killed: virtiofsd" {
	grep -q '^shared_fs = "virtio-fs"' "$BUILD/configuration.toml" || skip "no virtiofsd in this configuration"
	killed_by virtiofsd
}

@test "killed: kata-proxy" {
	[ ! -w /dev/vhost-vsock ] || skip "the kernel's vsock is used here"
	killed_by kata-proxy
}

@test "killed: the shim; containerd's clean-up leaves nothing" {
	local pid
	run_task -d t10 sleep 1000
	pid=$(shim_pid t10)
	kill -9 "$pid"
	no_task() { ! task_is t10 RUNNING; }
	wait_for 10 no_task
	c task rm -f t10 || true
	run c task ls -q
	[ "$output" = "" ]
}

@test "start: an answer on standard output only, and the shim's files" {
	run_task -d t11 sleep 1000
	local bundle=$CTD/state/io.containerd.runtime.v2.task/default/t11
	[ "$(cat "$bundle/shim.pid")" = "$(shim_pid t11)" ]
	[[ "$(cat "$bundle/address")" == unix:///run/containerd/s/* ]]
	[ "$(stat -c %a "$(cut -d/ -f3- "$bundle/address")")" = 600 ]
	[ "$(cat "/proc/$(shim_pid t11)/oom_score_adj")" -ge "$(cat /proc/self/oom_score_adj)" ]
	# Asked again, as by a containerd that forgot: the living shim's address.
	run --separate-stderr bash -c "cd '$bundle' && '$BUILD/containerd-shim-kata-v2' -namespace default -id t11 \
		-address '$CTD/containerd.sock' start < /dev/null"
	[ "$status" -eq 0 ]
	[ "$output" = "$(cat "$bundle/address")" ]
	[ "$stderr" = "" ]
}
