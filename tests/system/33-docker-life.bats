#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# docker with --runtime kata: processes that are killed by hand, daemons that restart, many containers at once.

load helpers
load ../lib/docker
bats_require_minimum_version 1.5.0

setup_file() {
	docker_setup_file
}

teardown_file() {
	docker_teardown_file
}

teardown() {
	docker_teardown
}

# pid_of NAME standin|manager|shim|qemu|virtiofsd|kata-proxy: a host process of the container. "manager" is the shim of
# docker's containerd, "shim" is ours.
pid_of() {
	local id pid
	id=$(d inspect -f '{{.Id}}' "$1")
	case "$2" in
	standin) d inspect -f '{{.State.Pid}}' "$1" ;;
	manager) pgrep -f "^/usr/bin/containerd-shim-runc-v2 -namespace moby -id $id" ;;
	shim) cut -d ' ' -f 1 "$DDIR/exec/runtime-runc/moby/$id/shim.pid" ;;
	*)
		for pid in $(cat "/proc/$(pid_of "$1" shim)/task/"*/children); do
			[[ "$(basename "$(readlink "/proc/$pid/exe")")" == "$2"* ]] && echo "$pid"
		done
		;;
	esac
}

# how_it_ended NAME
how_it_ended() {
	d inspect -f '{{.State.Status}} {{.State.ExitCode}} {{.State.OOMKilled}} {{.State.Dead}} {{.State.Pid}} ({{.State.Error}})' "$1"
}

# Kills a process of a container of ours while an exec runs in it; both end as they do with runc.
kill_by_hand() {
	local code=0
	kbg "$1" busybox sleep 1000
	(d exec "$1" sh -c 'touch /up; sleep 1000' || echo "$?" > "$BATS_TEST_TMPDIR/exec") > /dev/null 2>&1 &
	wait_for 20 d exec "$1" test -e /up
	kill -9 "$(pid_of "$1" "$2")"
	[ "$(d wait "$1")" = 137 ]
	wait $!
	[ "$(cat "$BATS_TEST_TMPDIR/exec")" = "${3:-137}" ]
	[ "$(how_it_ended "$1")" = "exited 137 false false 0 ()" ]
	# Nothing of it is in the way of the next start.
	d start "$1" > /dev/null
	[ "$(d exec "$1" echo again)" = again ]
	d rm -f "$1" > /dev/null
	docker_no_leaks
}

@test "a killed container ends as with runc, whichever process was killed" {
	# parity: a container whose process is killed on the host | as runc
	# What follows is written down here as runc has it.
	d run -d --name peer busybox sleep 1000 > /dev/null
	(d exec peer sh -c 'touch /up; sleep 1000' || echo "$?" > "$BATS_TEST_TMPDIR/exec") > /dev/null 2>&1 &
	wait_for 20 d exec peer test -e /up
	kill -9 "$(d inspect -f '{{.State.Pid}}' peer)"
	[ "$(d wait peer)" = 137 ]
	wait $!
	[ "$(cat "$BATS_TEST_TMPDIR/exec")" = 137 ]
	[ "$(how_it_ended peer)" = "exited 137 false false 0 ()" ]
	d rm peer > /dev/null
	kill_by_hand one standin
	kill_by_hand two shim
	kill_by_hand three qemu
}

@test "the shim of docker's containerd is killed" {
	for runtime in runc kata; do
		d run -d --runtime "$runtime" --name "$runtime" busybox sleep 1000 > /dev/null
		kill -9 "$(pid_of "$runtime" manager)"
		[ "$(d wait "$runtime")" = 137 ]
		[ "$(how_it_ended "$runtime")" = "exited 137 false false 0 ()" ]
		d rm "$runtime" > /dev/null
		docker_no_leaks
	done
}

@test "rm -f of a container that was killed just now, and of one whose VM does not answer" {
	# parity: rm -f of a hung VM | as runc, within ten seconds
	for process in standin qemu; do
		kbg one busybox sleep 1000
		kill -9 "$(pid_of one "$process")"
		d rm -f one > /dev/null
		docker_no_leaks
	done
	kbg one busybox sleep 1000
	kill -STOP "$(pid_of one qemu)"
	D_TIMEOUT=120 d rm -f one > /dev/null
}

@test "a restart policy brings back a container whose VM was killed" {
	# parity: run --restart, the VM killed | as runc
	kbg one --restart on-failure:3 busybox sh -c 'echo up; sleep 1000'
	kill -9 "$(pid_of one qemu)"
	wait_for 40 sh -c "[ \"\$(/usr/bin/docker -H unix://$DDIR/docker.sock logs one | grep -c up)\" = 2 ]"
	[ "$(d inspect -f '{{.RestartCount}} {{.State.Status}}' one)" = "1 running" ]
	[ "$(d exec one echo alive)" = alive ]
}

# daemon_is_gone PID
daemon_is_gone() {
	! kill -0 "$1" 2> /dev/null
}

# stop_daemon SIGNAL
stop_daemon() {
	local pid
	pid=$(cat "$DDIR/docker.pid")
	kill "-$1" "$pid"
	wait_for 60 daemon_is_gone "$pid"
}

run_daemon() {
	"$REPO/tests/lib/dockerd.sh" run "$DDIR" "$@" 3>&-
}

# Everything one does with a container, with one that has lived through something.
still_works() {
	local before
	is_state "$1" running
	[ "$(pid_of "$1" standin)" = "$2" ]
	[ "$(d exec "$1" sh -c 'echo from exec; exit 3' || echo "$?")" = "from exec
3" ]
	before=$(d logs "$1" | wc -l)
	d exec "$1" touch /say
	wait_for 20 sh -c "[ \"\$(/usr/bin/docker -H unix://$DDIR/docker.sock logs $1 | wc -l)\" -gt $before ]"
	d top "$1" | grep -q sleep
	d pause "$1" > /dev/null
	is_state "$1" paused
	d unpause "$1" > /dev/null
	ping -c 2 -W 5 "$(d inspect -f '{{.NetworkSettings.IPAddress}}' "$1")" > /dev/null
	d stop -t 20 "$1" > /dev/null
	[ "$(how_it_ended "$1")" = "exited 21 false false 0 ()" ]
	[ "$(d logs "$1" | tail -1)" = ending ]
}

SPEAKER='trap "echo ending; exit 21" TERM; echo up; while :; do
	if [ -e /say ]; then echo word; rm /say; fi; sleep 0.1; done'

is_up() {
	wait_for 20 sh -c "/usr/bin/docker -H unix://$DDIR/docker.sock logs $1 | grep -q up"
}

@test "dockerd is killed and started again with live-restore: the container lives on" {
	# parity: dockerd --live-restore | as runc
	stop_daemon TERM
	run_daemon --live-restore
	kbg one busybox sh -c "$SPEAKER"
	is_up one
	pid=$(pid_of one standin)
	stop_daemon KILL
	[ -d "/proc/$pid" ]
	run_daemon --live-restore
	still_works one "$pid"
	d start one > /dev/null
	wait_for 20 sh -c "[ \"\$(/usr/bin/docker -H unix://$DDIR/docker.sock logs one | grep -c up)\" = 2 ]"
	pid=$(pid_of one standin)
	stop_daemon TERM
	[ -d "/proc/$pid" ]
	run_daemon --live-restore
	still_works one "$pid"
	d rm one > /dev/null
	# What ends while nobody looks has its status all the same.
	kbg two busybox sh -c 'while [ ! -e /end ]; do sleep 0.1; done; exit 33'
	pid=$(pid_of two standin)
	d exec -d two sh -c 'sleep 4; touch /end'
	stop_daemon KILL
	wait_for 30 daemon_is_gone "$pid"
	run_daemon --live-restore
	wait_for 20 is_state two exited
	[ "$(how_it_ended two)" = "exited 33 false false 0 ()" ]
	stop_daemon TERM
	run_daemon
}

@test "dockerd ends without live-restore: so does the container" {
	kbg one busybox sh -c "$SPEAKER"
	is_up one
	stop_daemon TERM
	"$REPO/tests/lib/leaks.sh" "$ROOT" "$DDIR/exec/runtime-runc/moby"
	run_daemon
	[ "$(how_it_ended one)" = "exited 21 false false 0 ()" ]
	d start one > /dev/null
	[ "$(d exec one echo again)" = again ]
}

@test "docker's containerd is killed: dockerd starts another, the container lives on" {
	# parity: containerd killed under dockerd | as runc
	kbg one busybox sh -c "$SPEAKER"
	is_up one
	pid=$(pid_of one standin)
	containerd=$(cat "$DDIR/exec/containerd/containerd.pid")
	kill -9 "$containerd"
	wait_for 60 sh -c "! grep -qx $containerd '$DDIR/exec/containerd/containerd.pid'"
	wait_for 60 d exec one true
	still_works one "$pid"
	[ "$(krun busybox echo new)" = new ]
}

# run_one NUMBER: a container that ends with a status of its own; "NUMBER STATUS" to standard output.
run_one() {
	local code=0
	D_TIMEOUT=500 krun busybox sh -c "exit $(($1 % 120 + 3))" > /dev/null || code=$?
	echo "$1 $code"
}

# bats test_tags=many
@test "many containers, eight at a time: every status is right, nothing is left, no error in the log" {
	local lines number=${KATA_STRESS:-40}
	lines=$(wc -l < "$DDIR/dockerd.log")
	export -f d krun run_one
	seq "$number" | xargs -P 8 -I NUMBER bash -c 'run_one NUMBER' > "$BATS_TEST_TMPDIR/codes"
	diff <(sort -n "$BATS_TEST_TMPDIR/codes") <(seq "$number" | awk '{ print $1, $1 % 120 + 3 }')
	[ -z "$(d ps -aq)" ]
	tail -n "+$((lines + 1))" "$DDIR/dockerd.log" > "$BATS_TEST_TMPDIR/log"
	run ! grep 'level=\(error\|fatal\)' "$BATS_TEST_TMPDIR/log"
}
