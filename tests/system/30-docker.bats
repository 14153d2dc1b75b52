#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# docker 20.10 with --runtime kata: verbs and flags, each with its effect seen from inside and outside. Networking is
# in 31-docker-net.bats.

load helpers
bats_require_minimum_version 1.5.0
load ../lib/docker
load ../lib/host-socket

setup_file() {
	docker_setup_file
	mkdir -p "$DDIR/vol/sub" "$DDIR/vol2"
	echo from-host > "$DDIR/vol/file"
	echo single > "$DDIR/one"
	cat > "$DDIR/seccomp.json" <<-JSON
	{ "defaultAction": "SCMP_ACT_ALLOW",
	  "syscalls": [ { "names": [ "mkdir", "mkdirat" ], "action": "SCMP_ACT_ERRNO" } ] }
	JSON
}

teardown_file() {
	docker_teardown_file
}

teardown() {
	stop_socket
	docker_teardown
}

@test "run: a socket of the host as a volume, if the configuration lists it" {
	# parity: run -v of a socket | differs: refused unless `valid_host_socket_paths` lists it; descriptors cannot be passed
	cc -static -O1 -o "$BATS_TEST_TMPDIR/tool" "$REPO/tests/lib/unix-socket.c"
	serve_socket 'tr a-z A-Z'
	[ "$(echo word | krun -i -v "$SOCKET:/run/x.sock" -v "$BATS_TEST_TMPDIR/tool:/tool:ro" busybox \
		/tool pipe /run/x.sock)" = WORD ]
	rm "$BUILD/config.d/socket.toml"
	run krun -v "$SOCKET:/run/x.sock" busybox true
	[ "$status" -ne 0 ]
	[[ "$output" == *"is a socket of the host, to which nobody can connect from a VM unless"* ]]
}

@test "run: output, status, standard input, removal" {
	# parity: run --rm | as runc
	# parity: run -i | as runc
	run krun busybox sh -c 'echo out; exit 7'
	[ "$status" -eq 7 ]
	[ "$output" = out ]
	[ "$(echo ping | krun -i busybox cat)" = ping ]
	[ -z "$(d ps -aq)" ]
	# The guest's kernel, not the host's.
	[ "$(krun busybox uname -r)" != "$(uname -r)" ]
}

@test "run: a program that does not exist, as runc says it" {
	# parity: run with a missing program | as runc
	run -127 krun busybox /no/such/program
	[[ "$output" == *"no such file or directory"* ]]
	run krun busybox /etc/passwd
	[ "$status" -eq 126 ]
	[[ "$output" == *"ermission denied"* ]]
}

@test "run: name, environment, directory, user, entrypoint, host name, hosts, resolver" {
	# parity: run -d | as runc
	# parity: run --name | as runc
	# parity: run -e | as runc
	# parity: run -w | as runc
	# parity: run -u | as runc
	# parity: run --entrypoint | as runc
	# parity: run --hostname | as runc
	# parity: run --add-host | as runc
	# parity: run --dns | as runc
	# parity: run --group-add | as runc
	# parity: run --init | as runc
	# parity: run --label | as runc
	# parity: run --stop-signal | as runc
	# parity: inspect | as runc
	kbg one --init -e COLOUR=blue -w /tmp -u 65534:65534 --group-add 42 --hostname box --add-host db:192.0.2.7 \
		--dns 192.0.2.53 --dns-search example.org --label a=b --stop-signal QUIT --entrypoint sleep busybox 1000
	[ "$(d exec one sh -c 'echo $COLOUR; pwd; id -u; id -G; hostname')" = "blue
/tmp
65534
65534 42
box" ]
	[ "$(d exec one cat /proc/1/comm)" = docker-init ]
	d exec one grep -q '192.0.2.7.*db' /etc/hosts
	d exec one grep -q 'box' /etc/hosts
	[ "$(d exec one cat /etc/resolv.conf)" = "search example.org
nameserver 192.0.2.53" ]
	# From outside: the stand-in is the container's process.
	pid=$(d inspect -f '{{.State.Pid}}' one)
	[ -d "/proc/$pid" ]
	# It may change its user, signal and lock memory, and nothing of the guest's runs in its mount namespace.
	[ "$(awk '/^(CapEff|CapPrm|NoNewPrivs):/ { print $2 }' "/proc/$pid/status" | xargs)" = "00000000000040e0 00000000000040e0 1" ]
	[ "$(wc -l < "/proc/$pid/mountinfo")" -ge 2 ]
	run ! grep -v nosuid,nodev,noexec "/proc/$pid/mountinfo"
	[ "$(d inspect -f '{{.HostConfig.Runtime}} {{.State.Status}} {{.Config.Labels.a}}' one)" = "kata running b" ]
	[ "$(d ps -q --filter name=one | wc -l)" -eq 1 ]
}

@test "run: read-only root, tmpfs, shared memory, limits, sysctls" {
	# parity: run --read-only | as runc
	# parity: run --tmpfs | as runc
	# parity: run --shm-size | as runc
	# parity: run --ulimit | as runc
	# parity: run --sysctl | as runc
	# parity: run --pids-limit | as runc
	# parity: run --oom-score-adj | as runc
	kbg one --read-only --tmpfs /scratch:size=8m --shm-size 32m --ulimit nofile=77:88 --oom-score-adj 300 \
		--sysctl net.ipv4.ip_forward=0 --sysctl kernel.msgmax=9000 --pids-limit 40 busybox sleep 1000
	run d exec one touch /file
	[ "$status" -ne 0 ]
	[[ "$output" == *"Read-only file system"* ]]
	d exec one touch /scratch/file
	[ "$(d exec one df -m /scratch | awk 'END { print $2 }')" -eq 8 ]
	[ "$(d exec one df -m /dev/shm | awk 'END { print $2 }')" -eq 32 ]
	[ "$(d exec one sh -c 'ulimit -n; ulimit -Hn')" = "77
88" ]
	[ "$(d exec one cat /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/msgmax)" = "0
9000" ]
	[ "$(d exec one cat /sys/fs/cgroup/pids.max)" = 40 ]
	[ "$(d exec one cat /proc/1/oom_score_adj)" = 300 ]
	# The forty-first process is refused, inside, and the host does not see any of them.
	run d exec one sh -c 'for i in $(seq 60); do sleep 100 & done'
	[ "$status" -ne 0 ]
	# The host's own kernel parameter is untouched.
	[ "$(cat /proc/sys/kernel/msgmax)" != 9000 ]
}

@test "run: capabilities, seccomp, no new privileges" {
	# parity: run --cap-add | as runc
	# parity: run --cap-drop | as runc
	# parity: run --security-opt no-new-privileges | as runc
	# parity: run --security-opt seccomp=FILE | as runc
	# parity: run --security-opt seccomp=unconfined | as runc
	kbg one --cap-add NET_ADMIN --cap-drop CHOWN --security-opt no-new-privileges \
		--security-opt "seccomp=$DDIR/seccomp.json" busybox sleep 1000
	# The default set with bit 12 and without bit 0.
	d exec one grep -q 'CapEff:.*00000000a80435fa' /proc/self/status
	[ "$(d exec one awk '/NoNewPrivs|Seccomp:/ { print $2 }' /proc/1/status | xargs)" = "1 2" ]
	# Making a node is among the rights that a container has by default, opening it is not.
	d exec one sh -c 'mknod /null c 1 3 && echo text > /null && mknod /disk b 8 0'
	run d exec one cat /disk
	[ "$status" -ne 0 ]
	run d exec one mkdir /tmp/dir
	[ "$status" -ne 0 ]
	[[ "$output" == *"Operation not permitted"* ]]
	run d exec one chown nobody /tmp
	[ "$status" -ne 0 ]
	d exec one ip link add dummy9 type dummy || d exec one ip link set lo mtu 65000
	[ "$(krun --security-opt seccomp=unconfined busybox awk '/Seccomp:/ { print $2 }' /proc/1/status)" = 0 ]
}

@test "run: volumes: directory, file, read-only, nested, named, --mount" {
	# parity: run -v DIR | as runc
	# parity: run -v FILE | as runc
	# parity: run -v ...:ro | as runc
	# parity: run -v NAME | as runc
	# parity: run -v below another | as runc
	# parity: run --mount type=bind | as runc
	# parity: run --mount type=tmpfs | as runc
	# parity: run --mount type=volume | as runc
	d volume create data > /dev/null
	kbg one -v "$DDIR/vol:/v" -v "$DDIR/vol2:/v/sub" -v "$DDIR/one:/one" -v "$DDIR/one:/one-ro:ro" -v data:/data \
		--mount "type=bind,src=$DDIR/vol,dst=/m,readonly" --mount type=tmpfs,dst=/t,tmpfs-size=4m \
		--mount type=volume,src=data,dst=/data2 busybox sleep 1000
	[ "$(d exec one cat /v/file)" = from-host ]
	d exec one sh -c 'echo a > /v/from-guest; echo b > /v/sub/nested; echo c > /one; echo d > /data/kept'
	[ "$(cat "$DDIR/vol/from-guest" "$DDIR/vol2/nested" "$DDIR/one" | xargs)" = "a b c" ]
	[ "$(d exec one cat /data2/kept)" = d ]
	[ ! -e "$DDIR/vol/sub/nested" ]
	for target in /one-ro /m/file /m/new; do
		run d exec one sh -c "echo no > $target"
		[ "$status" -ne 0 ]
		[[ "$output" == *"Read-only file system"* ]]
	done
	[ "$(cat "$DDIR/vol/file")" = from-host ]
	# What the host changes is seen, too.
	echo changed > "$DDIR/vol/later"
	[ "$(d exec one cat /v/later)" = changed ]
	[ "$(d exec one df -m /t | awk 'END { print $2 }')" -eq 4 ]
	d rm -f one > /dev/null
	# A named volume outlives its container.
	[ "$(krun -v data:/x busybox cat /x/kept)" = d ]
	d volume rm data > /dev/null
}

@test "run: character devices of the guest, block devices of the host" {
	# parity: run --device (character) | differs: the device is the guest kernel's; one it does not have is an error
	# parity: run --device (block) | as runc
	[ "$(krun --device /dev/zero:/dev/nought busybox sh -c 'head -c 2 /dev/nought | od -An -tx1' | xargs)" = "00 00" ]
	run krun --device /dev/loop-control:/dev/x --device /dev/kvm busybox true
	[ "$status" -eq 125 ]
	[[ "$output" == *"/dev/kvm: the guest's kernel has no character device"* ]]
	head -c 16M /dev/zero > "$DDIR/disk.img"
	loop=$(losetup -f --show "$DDIR/disk.img")
	run krun --device "$loop:/dev/xvda" busybox sh -c \
		'[ "$(wc -c < /dev/xvda)" -eq 16777216 ] && echo written | dd of=/dev/xvda conv=fsync 2>/dev/null'
	echo "$output"
	ok=$status
	[ "$(head -c 7 "$DDIR/disk.img")" = written ] || ok=1
	run krun --device "$loop:/dev/xvda:r" busybox sh -c 'head -c 7 /dev/xvda; echo no > /dev/xvda'
	losetup -d "$loop"
	[ "$ok" -eq 0 ]
	[ "$status" -ne 0 ]
	[[ "$output" == written* ]]
	[ "$(head -c 7 "$DDIR/disk.img")" = written ]
}

@test "run --privileged: all devices and rights of the VM, none of the host" {
	# parity: run --privileged | differs: all rights over the VM and its devices; the host's are not passed in
	kbg one --privileged busybox sleep 1000
	d exec one grep -q "CapEff:.*000001ffffffffff\|CapEff:.*0000003fffffffff\|$(grep CapEff /proc/self/status)" \
		/proc/self/status
	d exec one sh -c 'mkdir /mnt && mount -t tmpfs none /mnt && umount /mnt'
	[ "$(d exec one sh -c '[ -c /dev/kmsg ] && [ -c /dev/fuse ] && echo yes')" = yes ]
	# No disk of the host.
	[ -z "$(d exec one sh -c 'ls /dev' | grep -E '^(sd|nvme)' || true)" ]
	[ "$(d exec one sh -c 'cat /sys/block/*/size 2>/dev/null | wc -l')" -eq 0 ]
}

@test "run --privileged: loop devices, file systems and links as a distribution's kernel has them" {
	kbg one --privileged busybox sleep 1000
	d exec one sh -c 'dd if=/dev/zero of=/disk bs=1M count=16 2> /dev/null; mkdir /mnt; mke2fs -F /disk > /dev/null &&
		mount -o loop /disk /mnt && echo text > /mnt/f && umount /mnt && mount -o loop,ro /disk /mnt && cat /mnt/f && umount /mnt'
	d exec one sh -c 'mkdosfs /disk && mount -o loop -t vfat /disk /mnt && echo text > /mnt/f && umount /mnt'
	# A device that somebody makes later has its node.
	d exec one sh -c 'mknod /tmp/node b 7 20 && dd if=/tmp/node of=/dev/null count=1 2> /dev/null'
	wait_for 10 d exec one test -b /dev/loop20
	for kind in dummy ifb bridge bond vrf; do
		d exec one ip link add "$kind-x" type "$kind" $([ "$kind" != vrf ] || echo table 9)
	done
	run d exec one ip link
	echo "$output"
	[[ "$output" == *bond-x* && "$output" == *ifb-x* ]]
}

# of_container_or_vm MIB BYTES: the limit as docker prints it: the container's with the shim, otherwise that of the VM
of_container_or_vm() {
	[ -z "${KATA_DOCKER_SHIM:-}" ] || set -- "$1" $(($1 << 20))
	awk -v n="$2" 'BEGIN { if (n < 2^30) printf "%.4gMiB", n / 2^20; else printf "%.4gGiB", n / 2^30 }'
}

@test "memory, CPU and cpuset limits inside and outside; stats; update" {
	# parity: run --memory | as runc; what the VM itself needs is on top, in the host's cgroup
	# parity: run --cpus | as runc
	# parity: run --cpuset-cpus | differs: the host's CPUs hold for the VM; the guest sees its own numbers
	# parity: run --cpu-shares | as runc
	# parity: stats | differs: counts the whole VM, its emulator included, and its limit is the VM's; PIDS counts host threads
	# parity: update | as runc, as a whole or not at all; a limit below what stays in use is refused
	kbg one --memory 512m --cpus 0.5 --cpuset-cpus 0 --cpu-shares 512 busybox sleep 1000
	mem=$(cgroup_of one memory) cpu=$(cgroup_of one cpu) cpuset=$(cgroup_of one cpuset)
	[ "$(d exec one cat /sys/fs/cgroup/memory.max)" = 536870912 ]
	[ "$(d exec one cat /sys/fs/cgroup/cpu.max)" = "50000 100000" ]
	[ "$(d exec one nproc)" -eq 1 ]
	total=$(d exec one awk '/MemTotal/ { print $2 }' /proc/meminfo)
	[ "$total" -gt $((512 * 1024)) ]
	[ "$total" -lt $(((512 + 16 + 64) * 1024)) ]
	# The VM is in the container's cgroup, with its limits.
	grep -q . "$mem/cgroup.procs"
	for pid in $(cat "$mem/cgroup.procs"); do readlink "/proc/$pid/exe" || true; done | grep -q qemu
	host=$(cat "$mem"/memory.limit_in_bytes 2>/dev/null || cat "$mem/memory.max")
	[ "$host" -gt $(((512 + 16 + 64) << 20)) ]
	[ "$host" -le $(((512 + 16 + 64 + 48 + 256) << 20)) ]
	if [ -e "$cpu/cpu.cfs_quota_us" ]; then
		[ "$(cat "$cpu/cpu.cfs_quota_us" "$cpu/cpu.shares" "$cpuset/cpuset.cpus" | xargs)" = "50000 512 0" ]
	fi
	read -r percent usage slash limit pids < <(d stats --no-stream --format '{{.CPUPerc}} {{.MemUsage}} {{.PIDs}}' one)
	[[ "$percent" == *% ]]
	[ "$limit" = "$(of_container_or_vm 512 "$host")" ]
	# With the shim the counters are the container's in the guest, not those of its VM.
	[ -n "${KATA_DOCKER_SHIM:-}" ] || [[ "$usage" == *MiB && "$pids" -gt 1 ]]
	d update --memory 800m --memory-swap -1 --cpus 1.5 one > /dev/null
	[ "$(d exec one cat /sys/fs/cgroup/memory.max)" = 838860800 ]
	[ "$(d exec one cat /sys/fs/cgroup/cpu.max)" = "150000 100000" ]
	[ "$(d exec one nproc)" -eq 2 ]
	# A limit 288 MiB higher, and what the kernel needs for it, are three blocks of memory.
	grown=$(($(d exec one awk '/MemTotal/ { print $2 }' /proc/meminfo) - total))
	echo "grown by $grown KiB"
	[ "$grown" -eq $((384 * 1024)) ]
	[ "$(cat "$mem"/memory.limit_in_bytes 2>/dev/null || cat "$mem/memory.max")" = $((host + (384 << 20))) ]
	[ "$(d stats --no-stream --format '{{.MemUsage}}' one | awk '{ print $3 }')" = \
		"$(of_container_or_vm 800 $((host + (384 << 20))))" ]
	d update --cpus 0.7 one > /dev/null
	[ "$(d exec one cat /sys/fs/cgroup/cpu.max)" = "70000 100000" ]
	[ "$(d exec one nproc)" -eq 1 ]
	d update --memory 128m --memory-swap -1 one > /dev/null
	[ "$(d exec one cat /sys/fs/cgroup/memory.max)" = 134217728 ]
	for size in 16 64 128; do
		[ "$(krun --rm --memory "${size}m" busybox cat /sys/fs/cgroup/memory.max)" = $((size << 20)) ]
	done
}

# read_bytes DIRECTORY DISK: what its processes read of the disk itself.
read_bytes() {
	cat "$1/blkio.throttle.io_service_bytes" "$1/io.stat" 2> /dev/null | awk -v disk="$2" '
		$1 == disk && $2 == "Read" { print $3 }
		$1 == disk && $2 ~ /^rbytes=/ { print substr($2, 8) }'
}

@test "limits of I/O on the host's disks: of the VM, whose reads they hold for" {
	# parity: run --device-read-bps, --device-write-iops, --device-read-iops, --device-write-bps | as runc, on the host
	# parity: run --blkio-weight | as runc, where the host's I/O scheduler has weights
	local dir disk node file before
	disk=$(findmnt -no MAJ:MIN --target "$DDIR/vol" | xargs)
	node=/dev/$(basename "$(readlink -f "/sys/dev/block/$disk" || true)")
	[ -b "$node" ] && [ -e "/sys/dev/block/$disk/queue" ] || skip "$DDIR is on no disk of its own"
	dd if=/dev/urandom of="$DDIR/vol/read" bs=1M count=4 conv=fsync 2> /dev/null
	set -- --device-read-bps "$node:64mb" --device-write-bps "$node:32mb" --device-read-iops "$node:1000" \
		--device-write-iops "$node:500" --blkio-weight 300 -v "$DDIR/vol:/vol" busybox sleep 1000
	kbg one "$@"
	dir=$(cgroup_of one blkio)
	if host_has cgroup2; then
		grep -q "^$disk rbps=67108864 wbps=33554432 riops=1000 wiops=500" "$dir/io.max"
	else
		for file in read_bps:67108864 write_bps:33554432 read_iops:1000 write_iops:500; do
			[ "$(cat "$dir/blkio.throttle.${file%:*}_device")" = "$disk ${file#*:}" ]
		done
	fi
	# Also the weights are as runc leaves them, where it can run.
	if d run -d --name beside --runtime runc "$@" > /dev/null; then
		for file in "$dir"/{blkio.{bfq.weight,weight,throttle.*_device},io.{max,bfq.weight,weight}}; do
			[ ! -e "$file" ] || diff "$file" "$(cgroup_of beside blkio)/${file##*/}"
		done
		d rm -f beside > /dev/null
	fi
	# It is not in the page cache any more: virtiofsd reads the disk, in the cgroup.
	dd if="$DDIR/vol/read" iflag=nocache count=0 2> /dev/null
	before=$(read_bytes "$dir" "$disk")
	d exec one cat /vol/read > /dev/null
	echo "read ${before:-0}, then $(read_bytes "$dir" "$disk")"
	[ "$(read_bytes "$dir" "$disk")" -ge $((${before:-0} + (4 << 20))) ]
	# What the guest is told of a disk that it does not have would have failed the start.
	[ "$(d exec one cat /sys/fs/cgroup/io.max)" = "" ]
	d update --blkio-weight 400 one > /dev/null || true
	[ "$(d exec one echo goes on)" = "goes on" ]
}

@test "an OOM kill in the guest is one for docker" {
	# parity: inspect .State.OOMKilled | as runc
	# parity: events (oom) | as runc
	run d run --runtime kata --name one --memory 320m busybox tail /dev/zero
	[ "$status" -eq 137 ]
	[ "$(d inspect -f '{{.State.OOMKilled}} {{.State.ExitCode}}' one)" = "true 137" ]
	# Of this container: an earlier one of the name, of a try before this, has events of its own.
	[ "$(past_events "container=$(d inspect -f '{{.Id}}' one)" '{{.Action}}' | grep -cx oom)" = 1 ]
	# Of a limit that is smaller than any VM, too; of a limit that is not reached, not.
	run d run --runtime kata --name three --memory 16m busybox tail /dev/zero
	[ "$(d inspect -f '{{.State.OOMKilled}} {{.State.ExitCode}}' three)" = "true 137" ]
	run d run --runtime kata --name four --memory 16m busybox sh -c 'kill -9 $$; exit 1'
	[ "$(d inspect -f '{{.State.OOMKilled}} {{.State.ExitCode}}' four)" = "false 1" ] # no init kills itself
	run d run --runtime kata --name two busybox sh -c 'kill -9 $$; exit 1'
	[ "$(d inspect -f '{{.State.OOMKilled}}' two)" = false ]
}

@test "exec: streams, status, user, directory, environment, detached, missing program" {
	# parity: exec | as runc
	# parity: exec -i | as runc
	# parity: exec -d | as runc
	# parity: exec -u | as runc
	# parity: exec -w | as runc
	# parity: exec -e | as runc
	# parity: exec --privileged | as runc
	kbg one busybox sleep 1000
	run d exec one sh -c 'echo out; echo err >&2; exit 9'
	[ "$status" -eq 9 ]
	[ "$(d exec one sh -c 'echo err >&2' 2>&1 > /dev/null)" = err ]
	head -c 1000000 /dev/urandom > "$DDIR/blob"
	[ "$(d exec -i one md5sum < "$DDIR/blob" | cut -c1-32)" = "$(md5sum < "$DDIR/blob" | cut -c1-32)" ]
	[ "$(d exec -u 65534 -w /tmp -e A=b one sh -c 'id -u; pwd; echo $A')" = "65534
/tmp
b" ]
	d exec -d one sh -c 'echo detached > /tmp/mark'
	wait_for 10 d exec one test -s /tmp/mark
	# From docker 28 on it is what dockerd has itself.
	d exec --privileged one grep -q "CapEff:.*3fffffffff\|CapEff:.*1ffffffffff\|$(grep CapEff /proc/self/status)" \
		/proc/self/status
	run d exec one /no/such/program
	[ "$status" -eq 127 ] || [ "$status" -eq 126 ]
	[[ "$output" == *"no such file or directory"* ]]
	# The container goes on without them.
	is_state one running
}

@test "terminals: run -it and exec -it" {
	# parity: run -t | as runc
	# parity: exec -it | as runc
	run script -qec "/usr/bin/docker -H unix://$DDIR/docker.sock run --rm -it --runtime kata busybox sh -c 'tty; stty size; exit 5'" /dev/null
	[ "$status" -eq 5 ]
	[[ "$output" == */dev/pts/0* || "$output" == */dev/console* ]]
	kbg one -t busybox sleep 1000
	run script -qec "/usr/bin/docker -H unix://$DDIR/docker.sock exec -it one sh -c 'test -t 0 && echo terminal'" /dev/null
	[ "$status" -eq 0 ]
	[[ "$output" == *terminal* ]]
}

@test "start, stop, restart, kill, wait, rename" {
	# parity: create | as runc
	# parity: start | as runc
	# parity: start -a | as runc
	# parity: stop | as runc
	# parity: restart | as runc
	# parity: kill | as runc
	# parity: kill -s | as runc
	# parity: wait | as runc
	# parity: rename | as runc
	d create --runtime kata --name one busybox sh -c 'trap "exit 12" TERM; trap "echo usr1" USR1
		echo up; while :; do sleep 0.1; done' > /dev/null
	is_state one created
	d start one > /dev/null
	wait_for 10 sh -c "/usr/bin/docker -H unix://$DDIR/docker.sock logs one | grep -q up"
	d kill -s USR1 one > /dev/null
	wait_for 10 sh -c "/usr/bin/docker -H unix://$DDIR/docker.sock logs one | grep -q usr1"
	d rename one other
	d stop -t 20 other > /dev/null
	[ "$(d inspect -f '{{.State.ExitCode}}' other)" = 12 ]
	d start other > /dev/null
	before=$(d inspect -f '{{.State.Pid}}' other)
	d restart -t 1 other > /dev/null
	is_state other running
	[ "$(d inspect -f '{{.State.Pid}}' other)" != "$before" ]
	d wait other > "$BATS_TEST_TMPDIR/status" &
	d kill other > /dev/null
	wait $!
	[ "$(cat "$BATS_TEST_TMPDIR/status")" = 137 ]
	d create --runtime kata --name last busybox sh -c 'echo hello; exit 3' > /dev/null
	run d start -a last
	[ "$status" -eq 3 ]
	[ "$output" = hello ]
	# An init that fetches its signals itself gets SIGTERM, and its child's status is the container's.
	kbg init --init busybox sleep 1000
	d stop -t 20 init > /dev/null
	[ "$(d inspect -f '{{.State.ExitCode}}' init)" = 143 ]
}

@test "pause, unpause, attach, logs" {
	# parity: pause | as runc
	# parity: unpause | as runc
	# parity: attach | as runc
	# parity: logs | as runc
	# parity: logs -f | as runc
	kbg one -i busybox sh -c 'echo start; read line; echo "got $line"; echo end >&2'
	d pause one > /dev/null
	is_state one paused
	run d exec one true
	[ "$status" -ne 0 ]
	d unpause one > /dev/null
	is_state one running
	echo hello | d attach one > /dev/null
	d wait one > /dev/null
	[ "$(d logs one 2> /dev/null)" = "start
got hello" ]
	[ "$(d logs one 2>&1 > /dev/null)" = end ]
	[ "$(d logs -f --tail 1 one 2> /dev/null)" = "got hello" ] || [ "$(d logs -f --tail 1 one 2>&1)" = end ]
}

# top_has NAME UID COMM COMMAND: exactly one such process.
top_has() {
	local pid
	pid=$(d top "$1" -o pid,uid,comm,args | awk -v uid="$2" -v comm="$3" -v command="$4" \
		'{ pid = $1; u = $2; c = $3; sub(/^ *[^ ]+ +[^ ]+ +[^ ]+ +/, "") } u == uid && c == comm && $0 == command { print pid }')
	echo "$4: $pid"
	[ -n "$pid" ] && [ -d "/proc/$pid" ]
}

# shadows NAME: the children of its first process on the host.
shadows() {
	local pid
	pid=$(d inspect -f '{{.State.Pid}}' "$1")
	xargs -n 1 < "/proc/$pid/task/$pid/children"
}

has_no_shadows() {
	[ -z "$(shadows "$1")" ]
}

@test "top: the processes of the guest" {
	# parity: top | differs: UID, COMM and CMD are the guest's; PID, PPID, STIME, TIME and RSS are those of the processes that show them on the host
	kbg one -u 4321 busybox sh -c 'sleep 1001 & sleep 1002 & echo $! > /dev/shm/pid; exec sleep 1003'
	d exec -d one sleep 1004
	d exec -d -u 0 one sleep 1005
	d exec -d -u 0 one sh -c 'sleep 1006 & exec sleep 1007'
	wait_for 20 sh -c "[ \$(/usr/bin/docker -H unix://$DDIR/docker.sock top one | grep -c 'sleep 100') -eq 7 ]"
	for number in 1001 1002 1003 1004; do
		top_has one 4321 sleep "sleep $number"
	done
	for number in 1005 1006 1007; do
		top_has one 0 sleep "sleep $number"
	done
	[ "$(d top one | wc -l)" -eq 8 ]
	# Those of before stay who they are, and have no rights on the host.
	pid=$(d top one -o pid,args | awk '/1001/ { print $1 }')
	[ "$(awk '$1 == "CapPrm:" { print $2 }' "/proc/$pid/status")" = 0000000000000000 ]
	[ -z "$(ls "/proc/$pid/fd")" ]
	grep -q "$(d inspect -f '{{.Id}}' one)" "/proc/$pid/cgroup"
	d exec one sh -c 'kill "$(cat /dev/shm/pid)"'
	wait_for 10 sh -c "! /usr/bin/docker -H unix://$DDIR/docker.sock top one | grep -q 'sleep 1002'"
	[ "$(d top one -o pid,args | awk '/1001/ { print $1 }')" = "$pid" ]
	# One that is killed on the host is there again for the next who asks.
	kill -9 "$pid"
	top_has one 4321 sleep "sleep 1001"
	[ "$(d exec one ps | grep -c 'sleep 1001')" -eq 1 ]
	# They are there for those who ask only, and not without their container.
	wait_for 60 has_no_shadows one
	d top one > /dev/null
	list=$(shadows one)
	[ -n "$list" ]
	d rm -f one > /dev/null
	for pid in $list; do
		wait_for 5 [ ! -e "/proc/$pid" ]
	done
}

@test "top: more processes than the host is shown" {
	kbg one busybox sh -c 'i=0; while [ "$i" -lt 600 ]; do sleep 2000 & i=$((i + 1)); done; touch /done; wait'
	D_TIMEOUT=100 wait_for 100 d exec one test -e /done
	# The first one is shown by its stand-in, whatever it is called.
	run d top one
	echo "${lines[0]}" "${lines[1]}" "${#lines[@]}"
	[ "$(grep -cE '[0-9] +sleep 2000 *$' <<< "$output")" -eq 511 ]
	d rm -f one > /dev/null
}

@test "cp, diff, commit, export" {
	# parity: cp to the container | as runc
	# parity: cp from the container | as runc
	# parity: diff | as runc
	# parity: commit | as runc
	# parity: export | as runc
	kbg one busybox sleep 1000
	d exec one sh -c 'echo inside > /root/inside; rm /bin/zcat'
	d cp one:/root/inside "$DDIR/copied"
	[ "$(cat "$DDIR/copied")" = inside ]
	echo outside > "$DDIR/outside"
	d cp "$DDIR/outside" one:/root/
	[ "$(d exec one cat /root/outside)" = outside ]
	[ "$(d cp one:/etc/hosts - | tar -tf -)" = hosts ]
	d diff one | grep -qx 'A /root/inside'
	d diff one | grep -qx 'D /bin/zcat'
	d commit one snapshot > /dev/null
	[ "$(krun snapshot cat /root/inside /root/outside | xargs)" = "inside outside" ]
	# Under the name of the other runtime it is the same image.
	[ "$(d run --rm snapshot cat /root/inside)" = inside ]
	d export one | tar -tf - | grep -qx root/inside
	d rm -f one > /dev/null
	d rmi snapshot > /dev/null
}

@test "health checks, restart policies, events, rm -f" {
	# parity: run --health-cmd | as runc
	# parity: run --restart | as runc
	# parity: events | as runc
	# parity: rm -f | as runc
	kbg one --health-cmd 'test -e /tmp/well' --health-interval 1s --health-retries 1 busybox sleep 1000
	d exec one touch /tmp/well
	wait_for 20 sh -c "[ \"\$(/usr/bin/docker -H unix://$DDIR/docker.sock inspect -f '{{.State.Health.Status}}' one)\" = healthy ]"
	d exec one rm /tmp/well
	wait_for 20 sh -c "[ \"\$(/usr/bin/docker -H unix://$DDIR/docker.sock inspect -f '{{.State.Health.Status}}' one)\" = unhealthy ]"
	d rm -f one > /dev/null
	past_events container=one '{{.Action}}' > "$DDIR/events"
	for action in create start die destroy; do
		grep -qx "$action" "$DDIR/events"
	done
	kbg two --restart on-failure:2 busybox sh -c 'exit 4'
	wait_for 40 sh -c "[ \"\$(/usr/bin/docker -H unix://$DDIR/docker.sock inspect -f '{{.RestartCount}} {{.State.Status}}' two)\" = '2 exited' ]"
	[ "$(d inspect -f '{{.State.ExitCode}}' two)" = 4 ]
}

@test "namespaces of the host or of another container are refused" {
	# parity: run --network host | refused: the VM cannot use the host's interfaces
	# parity: run --pid host | refused: a VM cannot see the host's processes
	# parity: run --pid container: | refused: two VMs have no processes in common
	# parity: run --ipc host | refused: a VM cannot share the host's IPC objects
	# parity: run --ipc container: | refused: two VMs have no IPC objects in common
	# parity: run --uts host | refused: the VM has a host name of its own
	kbg one --ipc shareable busybox sleep 1000
	for option in "--network host" "--pid host" "--ipc host" "--uts host" "--pid container:one" \
		"--ipc container:one"; do
		# shellcheck disable=SC2086
		run krun $option busybox true
		echo "$option: $output"
		[ "$status" -eq 125 ]
		[[ "$output" == *"OCI runtime create failed"* ]]
		[[ "$output" == *VM* || "$output" == *"not supported"* ]]
	done
	# parity: checkpoint create | refused: a VM's processes cannot be taken out of it
	run d checkpoint create one point
	echo "$output"
	[ "$status" -ne 0 ]
	[[ "$output" == *"checkpoint is not supported"* ]]
	is_state one running
	d exec one true
}

boot_id() {
	d exec "$1" cat /proc/sys/kernel/random/boot_id
}

@test "run --network container: shares the other's VM, which lives until both have ended" {
	# parity: run --network container: | as runc, in one VM with the other
	kbg one busybox sleep 1000
	kbg two --network container:one busybox sh -c 'while :; do nc -l -p 7000 >> /got; done & until [ -e /dev/shm/stop ]; do sleep 0.1; done; exit 9'
	[ "$(d exec two ip -4 -o addr show eth0)" = "$(d exec one ip -4 -o addr show eth0)" ]
	# Either end may close before the word has arrived.
	wait_for 30 sh -c "echo word | /usr/bin/docker -H unix://$DDIR/docker.sock exec -i one nc -w 1 127.0.0.1 7000
		/usr/bin/docker -H unix://$DDIR/docker.sock exec two grep -qx word /got"
	[ "$(boot_id one)" = "$(boot_id two)" ]
	run d update --memory 900m --memory-swap -1 two
	[ "$status" -eq 0 ]
	d kill two > /dev/null
	is_state one running
	d start two > /dev/null
	# The other one's end is that of the network, not of the VM.
	vm=$(boot_id two)
	group=$(cgroup_of one memory)
	[ -d "$group" ]
	d kill one > /dev/null
	[ "$(d wait one)" = 137 ]
	wait_for 20 d exec two sh -c '! ip -o link show eth0 2> /dev/null'
	wait_for 10 [ ! -e "$group" ]
	[ "$(boot_id two)" = "$vm" ]
	# Started again it gets a VM of its own, as often as one likes.
	for _ in 1 2; do
		d restart -t 0 one > /dev/null
		[ "$(boot_id one)" != "$vm" ]
		d exec one ip -4 -o addr show eth0 | grep -q inet
		[ "$(boot_id two)" = "$vm" ]
	done
	d exec two touch /dev/shm/stop
	[ "$(d wait two)" = 9 ]
	[ "$(d inspect -f '{{.State.Status}} {{.State.OOMKilled}} {{.State.Error}}' two)" = "exited false " ]
	d exec one true
	# It joins that VM now.
	d start two > /dev/null
	[ "$(boot_id one)" = "$(boot_id two)" ]
}

@test "run --network container: removed by force in any order" {
	for order in "one two" "two one"; do
		kbg one busybox sleep 1000
		kbg two --network container:one busybox sleep 1000
		# shellcheck disable=SC2086
		set -- $order
		d rm -f "$1" > /dev/null
		d exec "$2" true
		d rm -f "$2" > /dev/null
		docker_no_leaks
	done
	kbg one busybox sleep 1000
	kbg two --network container:one busybox sleep 1000
	d restart -t 0 one > /dev/null
	d rm -f two > /dev/null
	d exec one true
}
