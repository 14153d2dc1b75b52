#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# leaks.sh [STATE_ROOT ...]: is anything of ours left on this host? Prints what it finds; exit status 1 then.
# The one check that every system test ends with. KATA_TEST_SCOPE, an extended regular expression, limits it to what
# matches where several test runs share a host.
#
# leaks.sh --cgroups: the cgroups there are, which a test writes to the file $KATA_TEST_CGROUPS before it begins: then
# every cgroup is a leak that is new, has no processes and does not go away. In a scope it is one only if its path
# matches, or its name is that of a container in the file $KATA_TEST_IDS.
set -uo pipefail

# Not the top level, nor podman's for conmon: managers make those once, for all their containers.
cgroups_now() {
	local depth=3 # a hierarchy for each controller
	[ "$(stat -f -c %T /sys/fs/cgroup)" = cgroup2fs ] && depth=2
	find /sys/fs/cgroup -mindepth "$depth" -type d -links 2 ! -name conmon 2>/dev/null | sort
}
if [ "${1:-}" = --cgroups ]; then
	cgroups_now
	exit
fi
found=0
slow=${KATA_TEST_SLOW:-1}
scope=${KATA_TEST_SCOPE:-}
in_scope() { grep -E -- "${scope:-.}" || true; }
report() {
	echo "leak: $*"
	found=1
}

# Of a template: the maker itself, or its QEMU.
is_maker() {
	[ "$(cat "$1/comm" 2>/dev/null)" = kata-template ] ||
		grep -qz '^guest=sandbox-template,' "$1/cmdline" 2>/dev/null
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
		# Templates are made in the background, for nobody's container.
		is_maker "$pid" && continue
		echo "${pid#/proc/} $exe $(tr '\0' ' ' < "$pid/cmdline" 2>/dev/null)"
	done | in_scope | cut -c1-200
}
for _ in $(seq $((50 * slow))); do
	left=$(processes)
	[ -z "$left" ] && break
	sleep 0.1
done
[ -z "$left" ] || report "processes:"$'\n'"$left"

mounts=$(grep -E '/run/kata|/kata-containers/|kataShared' /proc/self/mountinfo | in_scope)
[ -z "$mounts" ] || report "mounts:"$'\n'"$mounts"
taps=$(ip -o link show 2>/dev/null | grep _kata || true)
[ -z "$taps" ] || report "interfaces: $taps"

new_cgroups() {
	local dir
	cgroups_now | comm -13 "${KATA_TEST_CGROUPS:-/dev/null}" - | while read -r dir; do
		[ -n "${KATA_TEST_CGROUPS:-}" ] || [[ "$dir" = */kata/* ]] || continue
		[ -z "$scope" ] || [[ "$dir" =~ $scope ]] ||
			grep -qxsF -- "${dir##*/}" "${KATA_TEST_IDS:-/dev/null}" || continue
		[ -n "$(cat "$dir/cgroup.procs" 2>/dev/null)" ] || [ ! -d "$dir" ] || echo "$dir"
	done
}
for _ in $(seq $((30 * slow))); do
	cgroups=$(new_cgroups)
	[ -z "$cgroups" ] && break
	sleep 0.1
done
[ -z "$cgroups" ] || report "cgroups:"$'\n'"$(head -5 <<< "$cgroups")"
[ -n "$scope" ] || set -- /run/kata "$@"
for root in "$@"; do
	[ -d "$root" ] || continue
	# .templates are VMs that others start from.
	# .kvm is what is known of this host's KVM until it is booted again, .jail-* what is of its QEMU and VMs' users.
	state=$(find "$root" -mindepth 1 -not -path "$root/ns" -not -path "$root/ns/*" -not -name .kvm -not -name '.jail-*' \
		-not -path "$root/.templates" -not -path "$root/.templates/*" 2>/dev/null | head -5)
	[ -z "$state" ] || report "state in $root: $state"
done
state=$(find /run/kata/ns -mindepth 2 2>/dev/null | in_scope | head -5)
[ -z "$state" ] || report "state: $state"
exit "$found"
