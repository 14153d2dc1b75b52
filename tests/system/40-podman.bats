#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# podman with our runtime: what its users do every day, and pods in one VM.

load helpers

setup_file() {
	BUILD=${KATA_BUILD:-$(cd "$BATS_TEST_DIRNAME/../.." && pwd)/build}
	export STORE=$BATS_FILE_TMPDIR/store
	mkdir -p "$STORE"
	printf '#!/bin/sh\nexec "%s/kata-runtime" --config "%s/configuration.toml" --root "%s" "$@"\n' \
		"$BUILD" "$BUILD" "${KATA_ROOT:-/run/kata}" > "$STORE/kata"
	chmod +x "$STORE/kata"
	"$BATS_TEST_DIRNAME/../lib/make-bundle.sh" "$STORE/image" true
	tar -C "$STORE/image/rootfs" -c . | pod import --change 'CMD ["sh"]' - busybox > /dev/null
}

teardown_file() {
	pod rm -fa > /dev/null 2>&1 || true
	pod system reset -f > /dev/null 2>&1 || true
}

pod() {
	podman --root "$STORE/root" --runroot "$STORE/run" --tmpdir "$STORE/tmp" --cgroup-manager cgroupfs \
		--runtime "$STORE/kata" "$@"
}

teardown() {
	pod pod rm -fa > /dev/null 2>&1 || true
	pod rm -fa -t 0 > /dev/null 2>&1 || true
	no_leaks
}

@test "run: output, status, environment, user, directory, hostname" {
	run pod run --rm -e A=b -w /tmp -u 65534:65534 --hostname inside busybox sh -c 'echo "$A $(pwd) $(id -u) $(hostname)"; exit 3'
	echo "$output"
	[ "$status" -eq 3 ]
	[ "$output" = "b /tmp 65534 inside" ]
}

@test "run: a program that is missing is 127, one that may not run is 126" {
	run pod run --rm busybox /no/such/program
	[ "$status" -eq 127 ]
	run pod run --rm busybox /etc/passwd
	[ "$status" -eq 126 ]
}

@test "run: volumes, read-only volumes, tmpfs, read-only root" {
	mkdir -p "$BATS_TEST_TMPDIR/v"
	echo host > "$BATS_TEST_TMPDIR/v/f"
	run pod run --rm --read-only -v "$BATS_TEST_TMPDIR/v:/v" -v "$BATS_TEST_TMPDIR/v:/ro:ro" -v named:/n \
		--tmpfs /t:size=1m busybox sh -c 'cat /v/f; echo guest > /v/g; echo x > /ro/x || echo ro-ok
		echo x > /x || echo root-ro-ok; echo x > /n/x && echo named-ok; df -k /t | tail -1'
	echo "$output"
	[ "$status" -eq 0 ]
	[[ "$output" == *host*ro-ok*root-ro-ok*named-ok*1024* ]]
	[ "$(cat "$BATS_TEST_TMPDIR/v/g")" = guest ]
	[ ! -e "$BATS_TEST_TMPDIR/v/x" ]
	pod volume rm named
}

@test "the life of a detached container: exec, top, logs, stats, pause, cp, commit, stop" {
	pod run -d --name a busybox sh -c 'trap "exit 4" TERM; echo started; while :; do sleep 0.1; done'
	[ "$(pod exec a echo hello)" = hello ]
	run pod exec a sh -c 'exit 6'
	[ "$status" -eq 6 ]
	run pod top a
	[[ "$output" == *"trap"* ]]
	[ "${#lines[@]}" -le 3 ]
	[ "$(pod logs a)" = started ]
	pod stats --no-stream a
	pod pause a
	[ "$(pod inspect a --format '{{.State.Status}}')" = paused ]
	pod unpause a
	echo there > "$BATS_TEST_TMPDIR/f"
	pod cp "$BATS_TEST_TMPDIR/f" a:/tmp/f
	[ "$(pod exec a cat /tmp/f)" = there ]
	[ ! -e /tmp/f ]
	pod cp a:/tmp/f "$BATS_TEST_TMPDIR/back"
	[ "$(cat "$BATS_TEST_TMPDIR/back")" = there ]
	pod stop -t 10 a
	[ "$(pod inspect a --format '{{.State.ExitCode}}')" = 4 ]
	pod commit a committed > /dev/null
	[ "$(pod run --rm committed cat /tmp/f)" = there ]
}

@test "kill, restart, wait, rm -f" {
	pod run -d --name b busybox sleep 1000
	pod kill -s KILL b
	[ "$(pod wait b)" = 137 ]
	pod start b
	[ "$(pod inspect b --format '{{.State.Status}}')" = running ]
	pod restart -t 0 b
	pod exec b true
	pod rm -f -t 0 b
}

@test "health checks are execs" {
	pod run -d --name h --health-cmd 'test -e /tmp/ok' --health-interval disable busybox sleep 1000
	run pod healthcheck run h
	[ "$status" -ne 0 ]
	pod exec h touch /tmp/ok
	pod healthcheck run h
}

@test "a pod: two members and the infra container share one VM, its network and its names" {
	pod pod create --name p > /dev/null
	pod run -d --pod p --name m1 busybox sh -c 'while :; do nc -l -p 8080 -e echo hello; done'
	wait_for 10 pod exec m1 sh -c 'netstat -ltn | grep -q 8080'
	[ "$(pod run --rm --pod p busybox sh -c 'nc 127.0.0.1 8080 < /dev/null')" = hello ]
	# One boot id: one kernel.
	[ "$(pod exec m1 cat /proc/sys/kernel/random/boot_id)" = \
		"$(pod run --rm --pod p busybox cat /proc/sys/kernel/random/boot_id)" ]
	pod pod rm -f p
}

@test "play kube makes a pod that kube generate describes" {
	cat > "$BATS_TEST_TMPDIR/pod.yaml" <<-YAML
	apiVersion: v1
	kind: Pod
	metadata:
	  name: played
	spec:
	  containers:
	  - name: c
	    image: localhost/busybox:latest
	    imagePullPolicy: Never
	    command: ["sleep", "1000"]
	YAML
	pod play kube "$BATS_TEST_TMPDIR/pod.yaml"
	[ "$(pod exec played-c echo in)" = in ]
	pod generate kube played | grep -q 'name: played'
	pod pod rm -f played
}

@test "network: an address, the host is reached, none means none" {
	pod network create --subnet 10.97.53.0/24 knet
	run pod run --rm --network knet --cap-add NET_RAW busybox sh -c 'ip -4 -o addr show eth0 | wc -l; ip route | grep -c default; ping -c 1 -W 5 $(ip route | sed -n "s/default via \([^ ]*\).*/\1/p") > /dev/null && echo reached'
	echo "$output"
	[[ "$output" == *"1
1
reached" ]]
	pod network rm knet
	run pod run --rm --network none busybox ls /sys/class/net
	[ "$output" = lo ]
}

@test "the host's network, pid and ipc namespaces are refused with a clear line" {
	run pod run --rm --network host busybox true
	[ "$status" -ne 0 ]
	[[ "$output" == *"host"* ]]
	run pod run --rm --pid host busybox true
	[ "$status" -ne 0 ]
	[[ "$output" == *"pid"* ]]
}

@test "a stand-in killed by hand ends its container with 137" {
	pod run -d --name k busybox sleep 1000
	kill -9 "$(pod inspect k --format '{{.State.Pid}}')"
	wait_for 10 sh -c "[ \"\$(podman --root $STORE/root --runroot $STORE/run --tmpdir $STORE/tmp inspect k --format '{{.State.Status}}')\" = exited ]"
	[ "$(pod inspect k --format '{{.State.ExitCode}}')" = 137 ]
}
