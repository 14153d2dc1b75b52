#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# leaks.sh [STATE_ROOT ...]: is anything of ours left on this host? Prints what it finds; exit status 1 then.
# The one check that every system test ends with. KATA_TEST_SCOPE, an extended regular expression, limits it to what
# matches where several test runs share a host.
set -uo pipefail
found=0
scope=${KATA_TEST_SCOPE:-}
in_scope() { grep -E -- "${scope:-.}" || true; }
report() {
	echo "leak: $*"
	found=1
}

# A process may still be on its way out when its container is gone for its manager: give it a moment.
processes() {
	local pid exe
	for pid in /proc/[0-9]*; do
		exe=$(readlink "$pid/exe" 2>/dev/null) || continue
		case "${exe##*/}" in
		kata-runtime | containerd-shim-kata-v2 | kata-proxy | "kata-runtime (deleted)") ;;
		virtiofsd | qemu-system-x86_64) ;;
		*) continue ;;
		esac
		echo "${pid#/proc/} $exe $(tr '\0' ' ' < "$pid/cmdline" 2>/dev/null)"
	done | in_scope | cut -c1-200
}
for _ in $(seq 50); do
	left=$(processes)
	[ -z "$left" ] && break
	sleep 0.1
done
[ -z "$left" ] || report "processes:"$'\n'"$left"

mounts=$(grep -E '/run/kata|/kata-containers/|kataShared' /proc/self/mountinfo | in_scope)
[ -z "$mounts" ] || report "mounts:"$'\n'"$mounts"
taps=$(ip -o link show 2>/dev/null | grep _kata || true)
[ -z "$taps" ] || report "interfaces: $taps"
cgroups=$(find /sys/fs/cgroup -mindepth 2 -type d -path '*/kata/*' 2>/dev/null | in_scope | head -5)
[ -z "$cgroups" ] || report "cgroups: $cgroups"
[ -n "$scope" ] || set -- /run/kata "$@"
for root in "$@"; do
	[ -d "$root" ] || continue
	state=$(find "$root" -mindepth 1 -not -path "$root/ns" -not -path "$root/ns/*" 2>/dev/null | head -5)
	[ -z "$state" ] || report "state in $root: $state"
done
state=$(find /run/kata/ns -mindepth 2 2>/dev/null | in_scope | head -5)
[ -z "$state" ] || report "state: $state"
exit "$found"
