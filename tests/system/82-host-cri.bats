#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Kubernetes' side of containerd on a host with systemd, where kubelet gives a pod a slice.

load ../lib/cri

setup() {
	[ -z "${SKIP_FILE:-}" ] || skip "$SKIP_FILE"
	needs_host disposable cgroup2 systemd
}

group_of() {
	echo "/sys/fs/cgroup$(systemctl show -P ControlGroup "$1")"
}

# has_qemu DIR: whether a QEMU is in a cgroup or below it.
has_qemu() {
	find "$1" -name cgroup.procs -exec cat {} + | while read -r pid; do
		readlink "/proc/$pid/exe"
	done | grep -q qemu-system
}

no_scopes() {
	! systemctl list-units --all --plain --no-legend 'cri-containerd-*.scope' | grep .
}

# bats test_tags=quick
@test "a pod in kubelet's slice: its VM is there, with its limits, and goes with it" {
	# host: containerd, CRI | a pod in kubelet's slice, limits, update
	local slice=kubepods-burstable-pod$RANDOM.slice
	run_pod ".linux.cgroup_parent = \"/kubepods.slice/kubepods-burstable.slice/$slice\""
	run_container one 'echo ready; sleep 1000' '.linux.resources = { memory_limit_in_bytes: 314572800 }'
	[ "$(systemctl show -P ActiveState "$slice")" = active ]
	has_qemu "$(group_of "$slice")"
	systemctl status --no-pager "$slice"
	[ "$(cri execsync "$CONTAINER" cat /sys/fs/cgroup/memory.max)" = 314572800 ]
	cri update "$CONTAINER" $((400 << 20))
	[ "$(cri execsync "$CONTAINER" cat /sys/fs/cgroup/memory.max)" = $((400 << 20)) ]
	# As kubelet does when it is done with the pod.
	cri rmp "$POD"
	no_scopes
	systemctl stop "$slice"
	systemctl stop kubepods-burstable.slice kubepods.slice
	[ ! -e "/sys/fs/cgroup/kubepods.slice" ]
}
