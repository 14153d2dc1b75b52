# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Shared by the benchmarks: paths, time taking, tables. Sourced, not run.

REPO=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
BUILD=${KATA_BUILD:-$REPO/build}
ROOT=${KATA_ROOT:-/run/kata-bench}
CONFIG=$BUILD/configuration.toml
WORK=$(mktemp -d)
# What a benchmark must undo when it ends, however it ends.
CLEANUP=()

clean_up() {
	local i
	for ((i = ${#CLEANUP[@]} - 1; i >= 0; i--)); do
		eval "${CLEANUP[i]}" > /dev/null 2>&1
	done
	rm -rf "$WORK"
}
trap clean_up EXIT

kata() {
	"$BUILD/kata-runtime" --config "$CONFIG" --root "$ROOT" "$@"
}

# crun refuses hosts that mount both versions of cgroups: there it gets a mount namespace without the second.
crun_here() {
	if mountpoint -q /sys/fs/cgroup/unified; then
		unshare --mount sh -c 'umount /sys/fs/cgroup/unified && exec crun "$@"' crun "$@"
	else
		crun "$@"
	fi
}

# Where runsc is to find a network, RUNSC_NETNS names its namespace. Debian's takes a namespace that has
# net.core.rmem_default for the host's, which every one has on later kernels: it does not get to see the file.
runsc_here() {
	local options=(--ignore-cgroups --root "$WORK/runsc")
	if [ -n "${RUNSC_NETNS:-}" ]; then
		ip netns exec "$RUNSC_NETNS" sh -c 'mount -t tmpfs none /proc/sys/net/core && exec runsc "$@"' runsc \
			"${options[@]}" --network=sandbox --net-raw "$@"
	else
		runsc "${options[@]}" --network=none "$@"
	fi
}

# runtime NAME ARGUMENT...: runsc wants no bundles without a cgroup path.
runtime() {
	local name=$1
	shift
	case $name in
	kata) kata "$@" ;;
	runsc) runsc_here "$@" ;;
	crun) crun_here --root "$WORK/crun" "$@" ;;
	*) "$name" --root "$WORK/$name" "$@" ;;
	esac
}

# The runtimes that are installed, kata first.
runtimes() {
	local name
	echo kata
	for name in runc crun runsc; do
		command -v "$name" > /dev/null && echo "$name"
	done
}

# shellcheck disable=SC2034 # TOOK is for the caller
# measure COMMAND...: microseconds it took, in $TOOK; a failure ends the benchmark, a number would lie.
measure() {
	local start=$EPOCHREALTIME
	if ! "$@" > "$WORK/out" 2> "$WORK/err" < /dev/null; then
		echo "failed: $*" >&2
		tail -3 "$WORK/err" >&2
		exit 1
	fi
	TOOK=$(( ${EPOCHREALTIME/./} - ${start/./} ))
}

# Samples are kept under a name, and their median is asked for by it.
sample() {
	echo "$2" >> "$WORK/samples.$1"
}

median() {
	sort -n "$WORK/samples.$1" | awk '{a[NR] = $1} END {print a[int((NR + 1) / 2)]}'
}

# ms MICROSECONDS: as text.
ms() {
	awk -v us="$1" 'BEGIN {printf "%.1f", us / 1000}'
}

# ratio NAME BASE: the median of what sample by sample one is to the other. A drift of the machine during the run
# changes medians taken over the whole of it, but hardly the ratio within a round.
ratio() {
	paste "$WORK/samples.$1" "$WORK/samples.$2" | awk '{print $1 / $2}' | sort -n |
		awk '{a[NR] = $1} END {printf "%.2f", a[int((NR + 1) / 2)]}'
}

# row NAME VALUE UNIT [REMARK]
row() {
	printf '  %-32s %10s %-6s %s\n' "$1" "$2" "$3" "${4:-}"
}

heading() {
	printf '\n%s\n' "$*"
}
