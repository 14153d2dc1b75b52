#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# A host with cgroup version 2 and systemd, whose docker and podman are as Debian ships them: the systemd driver, the
# daemon that systemd starts. They change the host they run on, and so need one of their own.

load helpers
bats_require_minimum_version 1.5.0

setup_file() {
	[ -n "${KATA_HOST:-}" ] || { skip_file "needs a host that is disposable: make check-host"; return; }
	mkdir -p /etc/docker "$BATS_FILE_TMPDIR/image"
	echo "{ \"runtimes\": { \"kata\": { \"path\": \"$(readlink -f "$BUILD/kata-runtime")\" } } }" > /etc/docker/daemon.json
	systemctl start docker
	"$REPO/tests/lib/make-bundle.sh" "$BATS_FILE_TMPDIR/image" true
	tar -C "$BATS_FILE_TMPDIR/image/rootfs" -c . > "$BATS_FILE_TMPDIR/image.tar"
	docker import --change 'CMD ["sh"]' - busybox < "$BATS_FILE_TMPDIR/image.tar"
	podman import --change 'CMD ["sh"]' - busybox < "$BATS_FILE_TMPDIR/image.tar"
}

teardown_file() {
	[ -z "${SKIP_FILE:-}" ] || return 0
	systemctl stop docker.service docker.socket
}

setup() {
	[ -z "${SKIP_FILE:-}" ] || skip "$SKIP_FILE"
	needs_host cgroup2 systemd
}

teardown() {
	[ -z "${SKIP_FILE:-}" ] || return 0
	docker ps -aq | xargs -r docker rm -f > /dev/null
	podman pod rm -fa -t 0 > /dev/null 2>&1
	podman rm -fa -t 0 > /dev/null
	clean_up
	run ! units
	[ -z "$output" ]
}

# Units of containers that systemd knows.
units() {
	systemctl list-units --all --plain --no-legend 'docker-*.scope' 'libpod-*.scope' 'kata-*.scope' | grep .
}

# qemu_in SCOPE: the pid of the QEMU in it.
qemu_in() {
	find "/sys/fs/cgroup$(systemctl show -P ControlGroup "$1")" -name cgroup.procs -exec cat {} + | while read -r pid; do
		[[ "$(readlink "/proc/$pid/exe")" != */qemu-system-x86_64 ]] || echo "$pid"
	done
}

# bats test_tags=quick
@test "docker: the systemd driver is the default, the VM is in the container's scope, and goes with it" {
	# host: docker | run, exec, stop; the systemd scope
	[ "$(docker info -f '{{.CgroupDriver}} {{.CgroupVersion}}')" = "systemd 2" ]
	run -7 docker run --rm --runtime kata busybox sh -c 'echo out; uname -r; exit 7'
	[[ "$output" == out* && "$output" != *"$(uname -r)"* ]]
	run units
	[ -z "$output" ]
	local id scope
	id=$(docker run -d --runtime kata busybox sleep 1000)
	scope=docker-$id.scope
	run systemctl status --no-pager "$scope"
	echo "$output"
	[[ "$output" == *"Active: active (running)"* ]]
	[[ "$output" == *qemu-system-x86_64* ]]
	[ -n "$(qemu_in "$scope")" ]
	[ "$(docker exec "$id" echo hello)" = hello ]
	docker stop -t 5 "$id"
	run -4 systemctl status "$scope"
	docker rm "$id"
}

@test "docker: a memory limit, its update, statistics, out of memory" {
	# host: docker | limits, update, stats, out of memory
	local id group
	id=$(docker run -d --runtime kata -m 512m --cpus 0.5 busybox sleep 1000)
	group=/sys/fs/cgroup$(systemctl show -P ControlGroup "docker-$id.scope")
	# The limit is the container's; what its VM needs is on top in the host's cgroup, and systemd knows the sum.
	[ "$(cat "$group/memory.max")" -gt 536870912 ]
	[ "$(cat "$group/cpu.max")" = "50000 100000" ]
	[ "$(systemctl show -P MemoryMax "docker-$id.scope")" = "$(cat "$group/memory.max")" ]
	[ "$(docker exec "$id" cat /sys/fs/cgroup/memory.max)" = 536870912 ]
	run docker stats --no-stream --format '{{.MemUsage}} {{.PIDs}}' "$id"
	echo "$output"
	[[ "$output" == *MiB\ /\ * ]]
	docker update -m 800m --memory-swap -1 --cpus 1 "$id"
	local max
	max=$(cat "$group/memory.max")
	[ "$max" -gt 838860800 ]
	[ "$(cat "$group/cpu.max")" = "100000 100000" ]
	# What systemd knows it does not undo.
	systemctl daemon-reload
	[ "$(cat "$group/memory.max")" = "$max" ]
	[ "$(docker exec "$id" cat /sys/fs/cgroup/memory.max)" = 838860800 ]
	docker rm -f "$id"
	run -137 docker run --name glutton --runtime kata -m 320m busybox tail /dev/zero
	[ "$(docker inspect -f '{{.State.OOMKilled}} {{.State.ExitCode}}' glutton)" = "true 137" ]
}

@test "docker: what a container may read and write of a disk holds for its VM" {
	# host: docker | limits of block I/O
	local id group
	id=$(docker run -d --runtime kata --device-read-bps /dev/vda:1mb --device-write-iops /dev/vda:100 busybox sleep 1000)
	group=/sys/fs/cgroup$(systemctl show -P ControlGroup "docker-$id.scope")
	cat "$group/io.max"
	grep -qx "$(stat -c '%Hr:%Lr' /dev/vda) rbps=1048576 wbps=max riops=max wiops=100" "$group/io.max"
	docker rm -f "$id"
}

@test "docker: the daemon restarts, a container with live-restore goes on" {
	# host: docker | live-restore
	local id
	jq '."live-restore" = true' /etc/docker/daemon.json > "$BATS_TEST_TMPDIR/daemon.json"
	cp "$BATS_TEST_TMPDIR/daemon.json" /etc/docker/daemon.json
	systemctl restart docker
	id=$(docker run -d --runtime kata busybox sleep 1000)
	systemctl restart docker
	[ "$(docker exec "$id" echo still)" = still ]
	docker rm -f "$id"
	jq 'del(."live-restore")' /etc/docker/daemon.json > "$BATS_TEST_TMPDIR/daemon.json"
	cp "$BATS_TEST_TMPDIR/daemon.json" /etc/docker/daemon.json
	systemctl restart docker
}

pod() {
	podman --runtime "$(readlink -f "$BUILD/kata-runtime")" "$@"
}

# bats test_tags=quick
@test "podman: the systemd driver is the default, the VM is in the container's scope, and goes with it" {
	# host: podman | run, exec, stop; the systemd scope
	[ "$(podman info -f '{{.Host.CgroupManager}} {{.Host.CgroupsVersion}}')" = "systemd v2" ]
	local id scope
	id=$(pod run -d -m 512m busybox sleep 1000)
	scope=libpod-$id.scope
	run systemctl status --no-pager "$scope"
	echo "$output"
	[[ "$output" == *"Active: active (running)"* ]]
	[[ "$output" == *machine.slice* ]]
	[ -n "$(qemu_in "$scope")" ]
	[ "$(cat "/sys/fs/cgroup$(systemctl show -P ControlGroup "$scope")/memory.max")" -gt 536870912 ]
	[ "$(pod exec "$id" echo hello)" = hello ]
	pod stop -t 5 "$id"
	run -4 systemctl status "$scope"
	pod rm "$id"
}

@test "podman: a pod's slice, a container out of memory" {
	# host: podman | pods, out of memory
	pod pod create --name many
	pod run -d --pod many --name one busybox sleep 1000
	pod run -d --pod many --name two busybox sleep 1000
	[ "$(pod exec two hostname)" = many ]
	pod pod rm -f -t 0 many
	run -137 pod run --name glutton -m 320m busybox tail /dev/zero
	[ "$(pod inspect -f '{{.State.OOMKilled}}' glutton)" = true ]
}

@test "podman generate systemd: the unit starts, restarts and stops a container" {
	# host: podman | generate systemd
	pod create --name served busybox sh -c 'trap "exit 0" TERM; while :; do sleep 1; done'
	(cd /etc/systemd/system && podman generate systemd --new --files --name served)
	podman rm served
	systemctl daemon-reload
	systemctl start container-served
	systemctl is-active container-served
	[ "$(podman exec served echo hello)" = hello ]
	local id
	id=$(podman inspect -f '{{.Id}}' served)
	systemctl restart container-served
	[ "$(podman exec served echo again)" = again ]
	[ "$(podman inspect -f '{{.Id}}' served)" != "$id" ]
	# It is started again when its VM dies.
	kill -9 "$(qemu_in "libpod-$(podman inspect -f '{{.Id}}' served).scope")"
	wait_for 60 sh -c "systemctl is-active container-served && podman exec served true"
	systemctl stop container-served
	run ! podman container exists served
	rm /etc/systemd/system/container-served.service
	systemctl daemon-reload
}

@test "podman's quadlet: the unit starts, restarts and stops a container" {
	# host: podman | quadlet
	needs_host debian13
	mkdir -p /etc/containers/systemd
	cat > /etc/containers/systemd/quad.container <<-UNIT
	[Container]
	ContainerName=quad
	Image=localhost/busybox
	GlobalArgs=--runtime $(readlink -f "$BUILD/kata-runtime")
	Exec=sh -c 'trap "exit 0" TERM; while :; do sleep 1; done'
	[Service]
	TimeoutStartSec=600
	UNIT
	systemctl daemon-reload
	systemctl start quad
	[ "$(podman exec quad echo hello)" = hello ]
	[ -n "$(qemu_in quad.service)" ] || [ -n "$(qemu_in "libpod-$(podman inspect -f '{{.Id}}' quad).scope")" ]
	systemctl restart quad
	[ "$(podman exec quad echo again)" = again ]
	systemctl stop quad
	run ! podman container exists quad
	rm /etc/containers/systemd/quad.container
	systemctl daemon-reload
}

@test "--systemd-cgroup: a scope in the slice that the bundle names, also where a limit is updated" {
	# host: command line | --systemd-cgroup
	make_bundle sleep 1000
	new_id
	edit_config ".linux.cgroupsPath = \"system.slice:kata:$ID\" | .linux.resources.memory.limit = 536870912"
	kata --systemd-cgroup run --detach --bundle "$BUNDLE" "$ID" < /dev/null > /dev/null
	[ "$(systemctl show -P ActiveState "kata-$ID.scope")" = active ]
	[ "$(systemctl show -P Slice "kata-$ID.scope")" = system.slice ]
	[ "$(systemctl show -P Delegate "kata-$ID.scope")" = yes ]
	kata update --memory 671088640 "$ID"
	[ "$(systemctl show -P MemoryMax "kata-$ID.scope")" = 671088640 ]
	kata delete --force "$ID"
	[ "$(systemctl show -P LoadState "kata-$ID.scope")" = not-found ]
}

@test "AppArmor is on and enforcing, and in nobody's way" {
	# host: docker | AppArmor
	needs_host apparmor
	grep -q enforce /sys/kernel/security/apparmor/profiles
	# docker loads its own profile and names it to the runtime: it is the host's, and not the guest's.
	docker info -f '{{.SecurityOptions}}' | grep apparmor
	grep docker-default /sys/kernel/security/apparmor/profiles
	[ "$(docker run --rm --runtime kata busybox echo works)" = works ]
	run ! sh -c 'journalctl -k -b --no-pager | grep "apparmor=\"DENIED\"" | grep -E "kata|qemu|virtiofsd"'
}
