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
	# CRI-O looks into the host's cgroup of a stand-in then.
	[ "${KATA_CRIO_TYPE:-vm}" = oci ] || [ "$(cri stats "$web" | jq .memory.working_set_bytes.value)" -gt 100000 ]
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
	[ "$MANAGER" = containerd ] || skip "CRI-O names no target where there are two containers; see 55-crio.bats"
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
	local out=$BATS_TEST_TMPDIR/out err=$BATS_TEST_TMPDIR/err
	run_container pipes 'until read -t 1 x; do echo tick; echo tock >&2; done; echo "got $x"; echo "not $x" >&2; exit 3' \
		'.stdin = true'
	# containerd attaches the input first, and what is written before the output is attached is only logged.
	touch "$out" "$err"
	cri attach "$CONTAINER" pipes > "$out" 2> "$err" \
		< <(wait_for 30 grep -q tick "$out"; wait_for 30 grep -q tock "$err"; echo one
			# At the end of the input, containerd takes the output away.
			wait_for 30 grep -q "got one" "$out"; wait_for 30 grep -q "not one" "$err")
	grep -q "got one" "$out"
	grep -q "not one" "$err"
	wait_for 20 is "$CONTAINER" "EXITED 3"
	run_container tty 'tty; read x; stty size; exit 4' '.stdin = true | .tty = true'
	run cri attach "$CONTAINER" tty < <(echo go)
	echo "$output"
	wait_for 20 is "$CONTAINER" "EXITED 4"
	grep -q /dev/pts/ "$BATS_TEST_TMPDIR/tty.log"
}

@test "port-forward: to a listener on the pod's localhost; nobody listening is told" {
	[ "${KATA_CRIO_TYPE:-oci}" = oci ] || skip "CRI-O does not forward ports of runtimes of this type"
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
	[[ "$output" == *"in a VM"*"cannot use"* && "$output" == *host*network* ]]
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
	[ "$MANAGER" = containerd ] || return 0 # CRI-O removes no pod whose shim does not answer
	run_pod
	run_container c 'sleep 1000'
	kill -9 "$(pgrep -f "containerd-shim-kata-v2 .*-id $POD ")"
	wait_for 10 is "$CONTAINER" EXITED
}

# kill_later VICTIM TENTHS: kills it after so many tenths of a second, or as soon as there is one.
kill_later() {
	local shim pid
	sleep "$(($2 / 10)).$(($2 % 10))"
	if [ "$1" = containerd ]; then
		"$REPO/tests/lib/containerd.sh" restart "$CTD"
		return
	fi
	for _ in $(seq 100); do
		shim=$(pgrep -f "containerd-shim-kata-v2 .*$CTD/containerd.sock" | head -1)
		pid=$shim
		[ "$1" = containerd-shim ] || pid=$(pgrep -P "${shim:-1}" -f "$1" | head -1)
		[ -z "$pid" ] || break
		sleep 0.1
	done
	[ -z "$pid" ] || kill -9 "$pid"
}

# What is killed may fail a request, but no request may last.
ends() {
	local status=0
	"$@" || status=$?
	[ "$status" -ne 124 ] || echo "this did not end: $*"
	[ "$status" -ne 124 ]
}

@test "killed at any moment: requests end, and removal leaves nothing" {
	local victims=(containerd-shim qemu-system virtiofsd kata-proxy containerd) round victim delay killer
	RANDOM=${KATA_TEST_SEED:=$RANDOM}
	for ((round = 1; round <= ${KATA_TEST_ROUNDS:-4}; round++)); do
		victim=${victims[RANDOM % ${#victims[@]}]} delay=$((RANDOM % 60))
		echo "KATA_TEST_SEED=$KATA_TEST_SEED round $round: $victim after $delay tenths of a second"
		kill_later "$victim" "$delay" &
		killer=$!
		POD='' CONTAINER=none
		ends run_pod
		if [ -n "$POD" ]; then
			ends run_container c 'sleep 1000'
			ends cri execsync "$CONTAINER" sleep 0.5
			ends cri stop "$CONTAINER" 0
		fi
		wait "$killer"
		# containerd refuses to remove a container whose end it is just taking note of; kubelet asks again.
		for POD in $(cri pods | cut -d' ' -f1); do
			wait_for 60 cri rmp "$POD"
		done
		remove_pods
	done
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

@test "shareProcessNamespace without a sandbox container: the pod outlives each of its containers" {
	cd "$BATS_TEST_TMPDIR"
	env KATA_BUILD="$BUILD" python3 -B "$REPO/tests/shim/members.py" "$BATS_TEST_TMPDIR" processes
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

@test "vCPUs are plugged for what containers may use, and taken back" {
	cd "$BATS_TEST_TMPDIR"
	env KATA_BUILD="$BUILD" python3 -B "$REPO/tests/shim/members.py" "$BATS_TEST_TMPDIR" cpus
}

@test "virtio-mem: the VM gives back what a container that is gone had" {
	cd "$BATS_TEST_TMPDIR"
	env KATA_BUILD="$BUILD" python3 -B "$REPO/tests/shim/members.py" "$BATS_TEST_TMPDIR" shrink
	env KATA_BUILD="$BUILD" python3 -B "$REPO/tests/shim/members.py" "$BATS_TEST_TMPDIR" fixed
}

@test "security context: user, groups, capabilities, read-only root, sysctls, seccomp, masked paths" {
	local seccomp=$BATS_TEST_TMPDIR/no-chmod.json
	echo '{ "defaultAction": "SCMP_ACT_ALLOW", "syscalls": [ { "names": [ "chmod", "fchmodat", "fchmodat2" ],
		"action": "SCMP_ACT_ERRNO", "errnoRet": 95 } ] }' > "$seccomp"
	run_pod '.linux.sysctls = { "net.ipv4.ip_local_port_range": "2000 3000", "kernel.shm_rmid_forced": "1" }'
	run_container c 'id; grep CapEff /proc/self/status; touch /x; touch /dev/shm/y && chmod 600 /dev/shm/y;
		cat /proc/sys/net/ipv4/ip_local_port_range /proc/sys/kernel/shm_rmid_forced; grep -c . /proc/keys; sleep 1000' \
		".linux.security_context = { run_as_user: { value: 1000 }, run_as_group: { value: 3000 }, supplemental_groups: [ 4000, 5000 ],
		readonly_rootfs: true, no_new_privs: true, capabilities: { add_capabilities: [ \"SYS_TIME\" ], drop_capabilities: [ \"CHOWN\" ] },
		masked_paths: [ \"/proc/keys\" ], seccomp: { profile_type: 2, localhost_ref: \"$seccomp\" } }"
	wait_for 30 grep -q ' 0$' "$BATS_TEST_TMPDIR/c.log"
	cut -d' ' -f4- "$BATS_TEST_TMPDIR/c.log"
	grep -q 'uid=1000.* gid=3000.*groups=3000[^,]*,4000,5000' "$BATS_TEST_TMPDIR/c.log"
	grep -Eq 'touch: /x: (Read-only file system|Permission denied)' "$BATS_TEST_TMPDIR/c.log"
	grep -q 'chmod: /dev/shm/y: Operation not supported' "$BATS_TEST_TMPDIR/c.log"
	grep -q '2000.*3000$' "$BATS_TEST_TMPDIR/c.log"
	[ "$(cri execsync "$CONTAINER" grep -c 'NoNewPrivs.*1' /proc/self/status)" = 1 ]
	# Root, with what it was given and without what was taken.
	run_container root 'grep CapEff /proc/self/status; chown 1 /root; date -s @1000000000; sleep 1000' \
		'.linux.security_context = { readonly_rootfs: true, capabilities: { add_capabilities: [ "SYS_TIME" ],
		drop_capabilities: [ "CHOWN" ] } }'
	wait_for 30 grep -q 'Sun Sep' "$BATS_TEST_TMPDIR/root.log"
	cut -d' ' -f4- "$BATS_TEST_TMPDIR/root.log"
	grep -q 'chown: /root: ' "$BATS_TEST_TMPDIR/root.log"
	# CAP_SYS_TIME is 25, CAP_CHOWN 0.
	local caps
	caps=$((16#$(sed -n 's/.*CapEff:\t//p' "$BATS_TEST_TMPDIR/root.log")))
	[ $((caps >> 25 & 1)) -eq 1 ]
	[ $((caps & 1)) -eq 0 ]
}

@test "seccomp: RuntimeDefault is containerd's profile, Unconfined is none, Localhost a file of the node's" {
	local profile=$BATS_TEST_TMPDIR/no-uname.json kind script='unshare -U id -u; uname; grep Seccomp: /proc/self/status; exit 7'
	echo '{ "defaultAction": "SCMP_ACT_ALLOW", "syscalls": [ { "names": [ "uname" ], "action": "SCMP_ACT_ERRNO",
		"errnoRet": 95 } ] }' > "$profile"
	run_pod
	# Not root: it may have the rights that the default profile asks for.
	for kind in 'default={ profile_type: 0 }' 'none={ profile_type: 1 }' \
		"file={ profile_type: 2, localhost_ref: \"$profile\" }"; do
		run_container "${kind%%=*}" "$script" \
			".linux.security_context = { run_as_user: { value: 1000 }, seccomp: ${kind#*=} }"
		wait_for 30 is "$CONTAINER" "EXITED 7"
		cut -d' ' -f4- "$BATS_TEST_TMPDIR/${kind%%=*}.log"
	done
	said() { cut -d' ' -f4- "$BATS_TEST_TMPDIR/$1.log" | tr -s '\t\n' ' '; }
	[[ "$(said default)" == "unshare: "*"Operation not permitted Linux Seccomp: 2 " ]]
	[ "$(said none)" = "65534 Linux Seccomp: 0 " ]
	# The call fails, and busybox prints an empty name.
	[ "$(said file)" = "65534 Seccomp: 2 " ]
}

@test "privileged: all rights over the guest, no device of the host; hostPID and hostIPC are refused" {
	run_pod '.linux.security_context.privileged = true'
	run_container c 'grep CapEff /proc/self/status; mount -t tmpfs x /tmp && echo mounted; ls /dev; echo 1 > /proc/sys/vm/panic_on_oom && echo set; sleep 1000' \
		'.linux.security_context.privileged = true'
	wait_for 30 grep -q 'set$' "$BATS_TEST_TMPDIR/c.log"
	cut -d' ' -f4- "$BATS_TEST_TMPDIR/c.log"
	grep -q 'mounted$' "$BATS_TEST_TMPDIR/c.log"
	# containerd gives what it has itself, CRI-O names all there are.
	[ "$MANAGER" = crio ] || [ "$(sed -n 's/.*CapEff:\t//p' "$BATS_TEST_TMPDIR/c.log")" = "$(sed -n 's/CapEff:\t//p' "/proc/$(cat "$CTD/$MANAGER.pid")/status")" ]
	run ! grep -E ' (loop[0-9]|sd[a-z]|vd[a-z]|nvme)' "$BATS_TEST_TMPDIR/c.log"
	run -125 cri runp <(jq '.linux.security_context.namespace_options.pid = 2 | .metadata.uid = "q1"' "$BATS_TEST_TMPDIR/pod.json")
	echo "$output"
	[[ "$output" == *"cannot see the host's processes"* ]]
	run -125 cri runp <(jq '.linux.security_context.namespace_options.ipc = 2 | .metadata.uid = "q2"' "$BATS_TEST_TMPDIR/pod.json")
	[[ "$output" == *"cannot share the host's IPC objects"* ]]
}

@test "init containers, restarts in the pod, containers that come and go while others run" {
	mkdir "$BATS_TEST_TMPDIR/data"
	local data=".mounts = [ { host_path: \"$BATS_TEST_TMPDIR/data\", container_path: \"/data\" } ]" web attempt
	run_pod
	run_container init 'echo prepared > /data/state' "$data"
	wait_for 30 is "$CONTAINER" "EXITED 0"
	run_container web 'cat /data/state; touch /data/up; while [ ! -e /data/crash ]; do sleep 0.1; done; rm /data/crash; exit 9' "$data"
	web=$CONTAINER
	# The same name again, as kubelet restarts: the old one is still there.
	for attempt in 1 2; do
		wait_for 30 test -e "$BATS_TEST_TMPDIR/data/up"
		touch "$BATS_TEST_TMPDIR/data/crash"
		wait_for 30 is "$web" "EXITED 9"
		rm "$BATS_TEST_TMPDIR/data/up"
		run_container web 'touch /data/up; while [ ! -e /data/crash ]; do sleep 0.1; done; rm /data/crash; exit 9' \
			"$data | .metadata.attempt = $attempt"
		cri rm "$web"
		web=$CONTAINER
	done
	for attempt in 1 2 3; do
		run_container "job$attempt" "echo $attempt >> /data/jobs" "$data"
		wait_for 30 is "$CONTAINER" "EXITED 0"
		cri rm "$CONTAINER"
	done
	is "$web" RUNNING
	[ "$(cat "$BATS_TEST_TMPDIR/data/jobs")" = $'1\n2\n3' ]
	[ "$(cat "$BATS_TEST_TMPDIR/data/state")" = prepared ]
}
