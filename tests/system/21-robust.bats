#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What happens when something dies, hangs or collides: the right exit code, a reason, and nothing left.

load helpers
bats_require_minimum_version 1.5.0

pid_of_shim() {
	cut -d ' ' -f 1 "$ROOT/$ID/shim.pid"
}

# pid_of qemu|virtiofsd|kata-proxy|shim|standin: the host process of that name of container $ID. virtiofsd has a
# child of its own; the one that is the shim's child is meant.
pid_of() {
	local pid
	case "$1" in
	shim) pid_of_shim ;;
	standin) jq -r .pid "$ROOT/$ID/state.json" ;;
	*)
		for pid in $(cat "/proc/$(pid_of_shim)/task/"*/children); do
			[[ "$(basename "$(readlink "/proc/$pid/exe")")" == "$1"* ]] && echo "$pid"
		done
		;;
	esac
}

status_is() {
	[ "$(kata state "$ID" 2>/dev/null | jq -r .status)" = "$1" ]
}

# Runs the bundle in the background until it is running; its exit code and stderr go to files.
run_in_background() {
	rm -f "$BATS_TEST_TMPDIR/code"
	(
		code=0
		kata run --keep --bundle "$BUNDLE" "$ID" < /dev/null > /dev/null 2> "$BATS_TEST_TMPDIR/stderr" || code=$?
		echo "$code" > "$BATS_TEST_TMPDIR/code"
	) &
	wait_for 60 status_is running
}

# ended_with CODE TEXT: run ended with the code, said TEXT on its one line, left a stopped container, and after
# delete, without --force, nothing.
ended_with() {
	wait_for 60 test -s "$BATS_TEST_TMPDIR/code"
	cat "$BATS_TEST_TMPDIR/stderr"
	[ "$(cat "$BATS_TEST_TMPDIR/code")" = "$1" ]
	[ -z "$2" ] || grep -q "$2" "$BATS_TEST_TMPDIR/stderr"
	[ "$(grep -vc level=warning "$BATS_TEST_TMPDIR/stderr")" -le 1 ]
	wait_for 20 status_is stopped
	run kata kill "$ID" TERM
	[ "$status" -eq 1 ]
	[[ "$output" == *"not running"* ]]
	run kata exec "$ID" true
	[ "$status" -ne 0 ]
	[[ "$output" == *"$ID"* ]]
	kata delete "$ID"
	run kata state "$ID"
	[[ "$output" == *"does not exist"* ]]
	no_leaks
}

@test "QEMU is killed" {
	make_bundle sleep 1000
	new_id
	run_in_background
	kill -9 "$(pid_of qemu)"
	ended_with 137 "QEMU was killed by signal 9"
}

@test "kata-proxy is killed" {
	[ ! -w /dev/vhost-vsock ] || skip "the host has vhost-vsock: there is no kata-proxy"
	make_bundle sleep 1000
	new_id
	run_in_background
	kill -9 "$(pid_of kata-proxy)"
	ended_with 137 "kata-proxy ended"
}

# bats test_tags=quick
# There is one for root file systems and one for volumes.
@test "virtiofsd is killed" {
	# host: command line | virtiofsd is killed
	local which
	for which in head tail; do
		make_bundle sleep 1000
		new_id
		run_in_background
		kill -9 "$(pid_of virtiofsd | "$which" -n 1)"
		ended_with 137 "virtiofsd ended"
	done
}

@test "the shim is killed" {
	make_bundle sleep 1000
	new_id
	run_in_background
	kill -9 "$(pid_of shim)"
	ended_with 137 "the shim was killed by signal 9"
}

# poststop_to FILE: a hook that says to FILE whose it was, and in which state.
poststop_to() {
	edit_config '.hooks.poststop = [{ path: "/bin/sh", args: ["sh", "-c", "cat >> \($file); echo >> \($file)"] }]' --arg file "$1"
}

@test "the shim is killed: poststop hooks run at delete, for each container of the pod, and once" {
	local pod said=$BATS_TEST_TMPDIR/poststop
	make_bundle sleep 1000
	new_id
	pod=$ID
	edit_config '.annotations["io.kubernetes.cri-o.ContainerType"] = "sandbox" | .annotations["io.kubernetes.cri-o.SandboxID"] = $pod' \
		--arg pod "$pod"
	poststop_to "$said"
	kata create --bundle "$BUNDLE" "$pod" < /dev/null > /dev/null 2>&1
	make_bundle sleep 1000
	edit_config '.annotations["io.kubernetes.cri-o.ContainerType"] = "container" | .annotations["io.kubernetes.cri-o.SandboxID"] = $pod
		| (.linux.namespaces[] | select(.type == "network")).path = $net' \
		--arg pod "$pod" --arg net "/proc/$(kata state "$pod" | jq .pid)/ns/net"
	poststop_to "$said"
	local ids=("$pod-deleted" "$pod-left") id
	for id in "${ids[@]}"; do
		kata create --bundle "$BUNDLE" "$id" < /dev/null > /dev/null 2>&1
	done
	kata delete "$pod-deleted"
	[ "$(jq -r .id "$said")" = "$pod-deleted" ]
	local shim
	shim=$(pid_of shim)
	kill -9 "$shim"
	wait_for 20 test ! -e "/proc/$shim"
	kata delete --force "$pod-left"
	kata delete --force "$pod"
	kata delete --force "$pod"
	[ "$(jq -r '.id + " " + .status' "$said")" = "$pod-deleted stopped"$'\n'"$pod-left stopped"$'\n'"$pod stopped" ]
}

@test "the stand-in is killed" {
	make_bundle sleep 1000
	new_id
	run_in_background
	kill -9 "$(pid_of standin)"
	ended_with 137 ""
}

@test "the stand-in of a run that cleans up is killed: the end is awaited, then deleted" {
	make_bundle sleep 1000
	new_id
	(
		code=0
		kata run --bundle "$BUNDLE" "$ID" < /dev/null > /dev/null 2> "$BATS_TEST_TMPDIR/stderr" || code=$?
		echo "$code" > "$BATS_TEST_TMPDIR/code"
	) &
	wait_for 60 status_is running
	kill -9 "$(pid_of standin)"
	wait_for 60 test -s "$BATS_TEST_TMPDIR/code"
	cat "$BATS_TEST_TMPDIR/stderr"
	[ "$(cat "$BATS_TEST_TMPDIR/code")" = 137 ]
	# A delete of what still runs would be refused, with a line that says so.
	run grep -c "cannot delete" "$BATS_TEST_TMPDIR/stderr"
	[ "$output" = 0 ]
	run kata state "$ID"
	[[ "$output" == *"does not exist"* ]]
	no_leaks
}

@test "a container that was only created is killed: it has stopped" {
	make_bundle sleep 1000
	new_id
	kata create --bundle "$BUNDLE" "$ID" < /dev/null > /dev/null 2>&1
	kata kill "$ID" KILL
	wait_for 20 status_is stopped
	run kata start "$ID"
	[ "$status" -eq 1 ]
	kata delete "$ID"
	kata create --bundle "$BUNDLE" "$ID" < /dev/null > /dev/null 2>&1
	run kata delete --force "$ID"
	[ "$status" -eq 0 ]
	[ -z "$output" ]
	no_leaks
}

@test "the guest kernel panics" {
	make_bundle sh -c 'sleep 2; echo c > /proc/sysrq-trigger; sleep 1000'
	edit_config '.linux.readonlyPaths = [] | .linux.maskedPaths = []'
	new_id
	run_in_background
	ended_with 137 "panic"
}

@test "the guest powers itself off" {
	make_bundle sh -c 'sleep 2; echo o > /proc/sysrq-trigger; sleep 1000'
	edit_config '.linux.readonlyPaths = [] | .linux.maskedPaths = []'
	new_id
	run_in_background
	ended_with 137 "power"
}

@test "kata-runtime run is killed: the container goes on, delete --force ends it" {
	make_bundle sleep 1000
	new_id
	kata run --bundle "$BUNDLE" "$ID" < /dev/null > /dev/null 2>&1 &
	local runtime=$!
	wait_for 60 status_is running
	kill -9 "$(pgrep -P "$runtime" -f "kata-runtime.* run .*$ID" || echo "$runtime")"
	wait "$runtime" || true
	kata delete --force "$ID"
	no_leaks
}

@test "kata-runtime create is killed at several moments" {
	make_bundle sleep 1000
	for moment in 0.01 0.05 0.1 0.3 0.7 1.2 1.8; do
		new_id
		timeout -s KILL "$moment" "${KATA[@]}" create --bundle "$BUNDLE" "$ID" < /dev/null > /dev/null 2>&1 || true
		kata delete --force "$ID"
		no_leaks
	done
}

@test "kata-runtime create is killed before it has recorded its shim: the shim ends by itself" {
	make_bundle sleep 1000
	new_id
	cat > "$BATS_TEST_TMPDIR/shim" <<-SHIM
	#!/bin/sh
	while kill -0 "\$PPID" 2>/dev/null && ! grep -q ^State:.Z "/proc/\$PPID/status"; do sleep 0.05; done
	exec "$BUILD/containerd-shim-kata-v2" "\$@"
	SHIM
	chmod +x "$BATS_TEST_TMPDIR/shim"
	KATA_SHIM="$BATS_TEST_TMPDIR/shim" "${KATA[@]}" create --bundle "$BUNDLE" "$ID" < /dev/null > /dev/null 2>&1 &
	local create=$! shim
	wait_for 20 test -s "$ROOT/$ID/shim.pid"
	shim=$(pid_of_shim)
	rm "$ROOT/$ID/shim.pid"
	kill -9 "$create"
	wait "$create" || true
	wait_for 20 test ! -e "/proc/$shim"
	kata delete --force "$ID"
	no_leaks
}

@test "kata-runtime create is interrupted: it undoes itself" {
	make_bundle sleep 1000
	for moment in 0.1 0.8; do
		new_id
		run timeout -s INT "$moment" "${KATA[@]}" run --bundle "$BUNDLE" "$ID" < /dev/null
		[ "$status" -ne 0 ]
		run kata state "$ID"
		[[ "$output" == *"does not exist"* ]]
		no_leaks
	done
}

@test "the shim is killed while it starts" {
	make_bundle sleep 1000
	new_id
	kata create --bundle "$BUNDLE" "$ID" < /dev/null > "$BATS_TEST_TMPDIR/out" 2>&1 &
	local create=$!
	wait_for 20 test -s "$ROOT/$ID/shim.pid"
	kill -9 "$(pid_of_shim)"
	! wait "$create"
	cat "$BATS_TEST_TMPDIR/out"
	[ "$(grep -c . "$BATS_TEST_TMPDIR/out")" -eq 1 ]
	grep -q "the shim was killed by signal 9" "$BATS_TEST_TMPDIR/out"
	run kata state "$ID"
	[[ "$output" == *"does not exist"* ]]
	no_leaks
}

@test "the stand-in is killed while the VM starts: create fails and undoes itself" {
	make_bundle sleep 1000
	new_id
	kata create --bundle "$BUNDLE" "$ID" < /dev/null > "$BATS_TEST_TMPDIR/out" 2>&1 &
	local create=$! standin
	wait_for 20 test -s "$ROOT/$ID/shim.pid"
	wait_for 20 eval '[ -n "$(pid_of qemu)" ]'
	standin=$(pid_of standin)
	kill -9 "$standin"
	! wait "$create"
	cat "$BATS_TEST_TMPDIR/out"
	grep -q "the process $standin that stands for container $ID ended while the container was created" "$BATS_TEST_TMPDIR/out"
	[ "$(grep -c . "$BATS_TEST_TMPDIR/out")" -eq 1 ]
	run kata state "$ID"
	[[ "$output" == *"does not exist"* ]]
	no_leaks
}

# A start from a template goes on without it: 29-template.bats.
@test "QEMU is killed while it starts" {
	sed 's/^enable_template = .*/enable_template = false/' "$BUILD/configuration.toml" > "$BATS_TEST_TMPDIR/c.toml"
	KATA=("$BUILD/kata-runtime" --config "$BATS_TEST_TMPDIR/c.toml" --root "$ROOT")
	make_bundle sleep 1000
	new_id
	kata create --bundle "$BUNDLE" "$ID" < /dev/null > "$BATS_TEST_TMPDIR/out" 2>&1 &
	local create=$!
	wait_for 20 test -s "$ROOT/$ID/shim.pid"
	wait_for 20 sh -c '[ -n "$(cat /proc/'"$(pid_of_shim)"'/task/*/children)" ]'
	wait_for 20 eval '[ -n "$(pid_of qemu)" ]'
	kill -9 "$(pid_of qemu)"
	! wait "$create"
	cat "$BATS_TEST_TMPDIR/out"
	grep -q "QEMU was killed by signal 9" "$BATS_TEST_TMPDIR/out"
	no_leaks
}

# A copy of the configuration with short deadlines.
short_deadlines() {
	sed -e 's|^request_timeout = .*|request_timeout = 3|; s|^create_container_timeout = .*|create_container_timeout = 3|' \
		-e "s|^start_timeout = .*|start_timeout = ${1:-60}|" \
		"$BUILD/configuration.toml" > "$BATS_TEST_TMPDIR/configuration.toml"
	KATA=("$BUILD/kata-runtime" --config "$BATS_TEST_TMPDIR/configuration.toml" --root "$ROOT")
}

@test "a guest that hangs: every verb ends by its deadline, delete --force works" {
	short_deadlines
	make_bundle sleep 1000
	new_id
	kata create --bundle "$BUNDLE" "$ID" < /dev/null > /dev/null 2>&1
	kata start "$ID"
	kill -STOP "$(pid_of qemu)"
	[ "$(timeout 5 "${KATA[@]}" state "$ID" | jq -r .status)" = running ]
	[ "$(timeout 5 "${KATA[@]}" list -q)" = "$ID" ]
	for verb in "exec $ID true" "pause $ID" "kill $ID TERM" "update --pids-limit 10 $ID" "events --stats $ID" "ps $ID"; do
		# shellcheck disable=SC2086
		run timeout 30 "${KATA[@]}" $verb
		echo "$verb: $status $output"
		[ "$status" -ne 124 ]
		[ "$status" -ne 0 ]
		[[ "$output" == *"$ID"*"timed out"* || "$output" == *"$ID"*"in time"* || "$output" == *"$ID"*"deadline"* ]]
	done
	timeout 60 "${KATA[@]}" delete --force "$ID"
	no_leaks
}

# make_pod: a pod with a member that sleeps, in $POD and $ID.
make_pod() {
	make_bundle sleep 1000
	new_id
	POD=$ID
	edit_config '.annotations["io.kubernetes.cri-o.ContainerType"] = "sandbox" | .annotations["io.kubernetes.cri-o.SandboxID"] = $pod' \
		--arg pod "$POD"
	kata create --bundle "$BUNDLE" "$POD" < /dev/null > /dev/null 2>&1
	make_bundle sleep 1000
	new_id
	edit_config '.annotations["io.kubernetes.cri-o.ContainerType"] = "container" | .annotations["io.kubernetes.cri-o.SandboxID"] = $pod
		| (.linux.namespaces[] | select(.type == "network")).path = $net' \
		--arg pod "$POD" --arg net "/proc/$(kata state "$POD" | jq .pid)/ns/net"
	kata create --bundle "$BUNDLE" "$ID" < /dev/null > /dev/null 2>&1
	kata start "$POD"
	kata start "$ID"
}

# delete_by_force: the member in $ID goes, and never without its processes.
delete_by_force() {
	timeout 60 "${KATA[@]}" delete --force "$ID"
	# What nobody has waited for yet has no program any more.
	run ! readlink "/proc/$QEMU/exe"
	run kata state "$ID"
	[ "$status" -eq 1 ]
	[ "$(kata list -q)" = "$POD" ]
	[ "$(kata state "$POD" | jq -r .status)" = stopped ]
	kata delete "$POD"
	no_leaks
}

@test "delete --force of a pod's member: a shim that hangs, a guest that hangs" {
	short_deadlines
	make_pod
	SHIM=$(ID=$POD pid_of shim)
	QEMU=$(ID=$POD pid_of qemu)
	kill -STOP "$SHIM"
	delete_by_force
	make_pod
	QEMU=$(ID=$POD pid_of qemu)
	kill -STOP "$QEMU"
	delete_by_force
}

@test "a guest that hangs before start: start names what it waited for" {
	short_deadlines
	make_bundle sleep 1000
	new_id
	kata create --bundle "$BUNDLE" "$ID" < /dev/null > /dev/null 2>&1
	kill -STOP "$(pid_of qemu)"
	run timeout 30 "${KATA[@]}" start "$ID"
	echo "$output"
	[ "$status" -eq 1 ]
	[[ "$output" == *"$ID"*StartContainer*"in time"* ]]
	timeout 60 "${KATA[@]}" delete --force "$ID"
	no_leaks
}

@test "a start that hangs ends at its deadline and names the step" {
	short_deadlines 4
	make_bundle sleep 1000
	new_id
	kata create --bundle "$BUNDLE" "$ID" < /dev/null > "$BATS_TEST_TMPDIR/out" 2>&1 &
	local create=$!
	wait_for 20 test -s "$ROOT/$ID/shim.pid"
	wait_for 20 eval '[ -n "$(pid_of qemu)" ]'
	kill -STOP "$(pid_of qemu)"
	! wait "$create"
	cat "$BATS_TEST_TMPDIR/out"
	grep -Eq "timed out while .*(VM|agent|guest)" "$BATS_TEST_TMPDIR/out"
	no_leaks
}

@test "a state root that is full or cannot be written" {
	make_bundle true
	local root="$BATS_TEST_TMPDIR/root"
	mkdir "$root"
	mount -t tmpfs -o mode=0711,size=4k,nr_inodes=3 tmpfs "$root"
	run "$BUILD/kata-runtime" --config "$BUILD/configuration.toml" --root "$root" run --bundle "$BUNDLE" full
	umount "$root"
	echo "$output"
	[ "$status" -eq 1 ]
	[[ "$output" == *"$root"* || "$output" == *"No space left"* ]]
	[ "$(grep -c . <<< "$output")" -eq 1 ]
	mount -t tmpfs -o mode=0711,ro tmpfs "$root"
	run "$BUILD/kata-runtime" --config "$BUILD/configuration.toml" --root "$root" run --bundle "$BUNDLE" readonly
	umount "$root"
	echo "$output"
	[ "$status" -eq 1 ]
	[[ "$output" == *"$root"*"Read-only file system"* ]]
	run "$BUILD/kata-runtime" --config "$BUILD/configuration.toml" --root "$BUNDLE/config.json" run --bundle "$BUNDLE" file
	[ "$status" -eq 1 ]
	[[ "$output" == *"$BUNDLE/config.json"* ]]
}

@test "two creates of one id: one wins, and it works" {
	make_bundle sleep 1000
	new_id
	for i in 1 2 3; do
		(
			code=0
			kata create --bundle "$BUNDLE" "$ID" < /dev/null > "$BATS_TEST_TMPDIR/out.$i" 2>&1 || code=$?
			echo "$code" > "$BATS_TEST_TMPDIR/code.$i"
		) &
	done
	wait
	[ "$(sort "$BATS_TEST_TMPDIR"/code.* | tr -d '\n')" = 011 ]
	[ "$(cat "$BATS_TEST_TMPDIR"/out.* | grep -c 'already exists')" -eq 2 ]
	kata start "$ID"
	[ "$(kata exec "$ID" echo alive)" = alive ]
	kata delete --force "$ID"
	no_leaks
}

@test "delete races with exec, kill and state: everybody gets an answer" {
	make_bundle sleep 1000
	new_id
	kata create --bundle "$BUNDLE" "$ID" < /dev/null > /dev/null 2>&1
	kata start "$ID"
	for i in 1 2 3 4; do
		(timeout 60 "${KATA[@]}" exec "$ID" sh -c 'sleep 0.2' || echo "$?" > "$BATS_TEST_TMPDIR/exec.$i") > /dev/null 2>&1 &
	done
	(timeout 60 "${KATA[@]}" kill "$ID" TERM || echo "$?" > "$BATS_TEST_TMPDIR/kill") > /dev/null 2>&1 &
	kata delete --force "$ID" &
	kata delete --force "$ID" &
	wait
	! grep -l 124 "$BATS_TEST_TMPDIR"/exec.* "$BATS_TEST_TMPDIR"/kill
	run kata state "$ID"
	[[ "$output" == *"does not exist"* ]]
	no_leaks
}

@test "five creates at once, each with its own life" {
	make_bundle sleep 1000
	for i in 1 2 3 4 5; do
		kata create --bundle "$BUNDLE" "five-$i" < /dev/null > /dev/null 2>&1 &
	done
	wait
	for i in 1 2 3 4 5; do
		[ "$(kata state "five-$i" | jq -r .status)" = created ]
		kata start "five-$i"
		[ "$(kata exec "five-$i" echo "$i")" = "$i" ]
	done
	[ "$(kata list -q | sort | tr '\n' ' ')" = "five-1 five-2 five-3 five-4 five-5 " ]
	for i in 1 2 3 4 5; do
		kata delete --force "five-$i" &
	done
	wait
	no_leaks
}

# bats test_tags=many
@test "life cycles in a row" {
	make_bundle sleep 1000
	for i in $(seq "${KATA_STRESS:-5}"); do
		ID="cycle-$i"
		kata create --bundle "$BUNDLE" "$ID" < /dev/null > /dev/null 2>&1
		status_is created
		kata start "$ID"
		status_is running
		kata kill "$ID" KILL
		wait_for 10 status_is stopped
		kata delete "$ID"
		run kata state "$ID"
		[ "$status" -eq 1 ]
	done
	no_leaks
}

# fds_and_memory: open descriptors and anonymous memory in KiB of the shim.
fds_and_memory() {
	local pid
	pid=$(pid_of_shim)
	echo "$(find "/proc/$pid/fd" -mindepth 1 | wc -l) $(awk '/^RssAnon/ { print $2 }' "/proc/$pid/status")"
}

@test "a hundred execs leave the shim as it was" {
	make_bundle sleep 1000
	new_id
	kata create --bundle "$BUNDLE" "$ID" < /dev/null > /dev/null 2>&1
	kata start "$ID"
	for i in $(seq 10); do
		kata exec "$ID" true
	done
	read -r fds_before memory_before <<< "$(fds_and_memory)"
	for i in $(seq 100); do
		kata exec "$ID" true
	done
	read -r fds_after memory_after <<< "$(fds_and_memory)"
	echo "descriptors $fds_before -> $fds_after, memory $memory_before -> $memory_after KiB"
	[ "$fds_after" -le "$((fds_before + 2))" ]
	[ "$memory_after" -le "$((memory_before + 256))" ]
	run kata exec "$ID" sh -c 'ls /proc | grep -c "^[0-9]"'
	[ "$output" -le 4 ]
	kata delete --force "$ID"
}
