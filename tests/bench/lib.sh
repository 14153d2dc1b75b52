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
	kata-cold | kata-template) CONFIG=$WORK/$name.toml kata "$@" ;;
	runsc) runsc_here "$@" ;;
	crun) crun_here --root "$WORK/crun" "$@" ;;
	*) "$name" --root "$WORK/$name" "$@" ;;
	esac
}

# add_program NAME: one of the host's with the libraries it needs, into the root file system of $bundle.
add_program() {
	local file
	# shellcheck disable=SC2154 # the caller's
	for file in $(command -v "$1") $(ldd "$(command -v "$1")" | grep -o '/[^ )]*'); do
		mkdir -p "$bundle/rootfs$(dirname "$file")"
		cp -L "$file" "$bundle/rootfs$file"
	done
}

# The runtimes that are installed, kata first.
runtimes() {
	local name
	echo kata
	for name in runc crun runsc; do
		command -v "$name" > /dev/null && echo "$name"
	done
}

# The ways to start a container, ours first: "kata" alone in a build that has no templates of VMs, otherwise without and
# with one, each by a configuration of its own.
starts() {
	local name templates
	if grep -q '^#* *enable_template = ' "$CONFIG"; then
		for templates in cold:false template:true; do
			name=kata-${templates%:*}
			sed "s/^#* *enable_template = .*/enable_template = ${templates#*:}/" "$CONFIG" > "$WORK/$name.toml"
			echo "$name"
		done
	else
		echo kata
	fi
	runtimes | grep -v '^kata$'
}

# pss PID: KiB
pss() {
	awk '/^Pss:/ { print $2 }' "/proc/$1/smaps_rollup" 2> /dev/null || echo 0
}

# processes ID: of a container of ours on the host, "NAME PID" each.
processes() {
	local shim pid child
	shim=$(cut -d' ' -f1 "$ROOT/$1/shim.pid")
	echo "shim $shim"
	echo "stand-in $(kata state "$1" | jq .pid)"
	for pid in $(pgrep -P "$shim"); do
		for child in $pid $(pgrep -P "$pid"); do
			echo "$(basename "$(readlink "/proc/$child/exe")") $child"
		done
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

# of NAME WHICH: the sample that is "median", "least" or "most".
of() {
	sort -n "$WORK/samples.$1" | awk -v which="$2" '{ a[NR] = $1 }
		END { print which == "least" ? a[1] : which == "most" ? a[NR] : a[int((NR + 1) / 2)] }'
}

median() {
	of "$1" median
}

# ms MICROSECONDS: as text.
ms() {
	awk -v us="$1" 'BEGIN {printf "%.1f", us / 1000}'
}

# ratio NAME BASE: the median of what sample by sample one is to the other. A drift of the machine during the run
# changes medians taken over the whole of it, but hardly the ratio within a round.
ratio() {
	paste "$WORK/samples.$1" "$WORK/samples.$2" | awk '$2 > 0 {print $1 / $2}' | sort -n |
		awk '{a[NR] = $1} END {printf "%.2f", a[int((NR + 1) / 2)]}'
}

# The runtime that others are compared with: runc where it is installed.
yardstick() {
	if command -v runc > /dev/null; then echo runc; else echo kata; fi
}

# A table of Markdown: heading TITLE, table BASE, then a row for each value.
heading() {
	printf '\n### %s\n\n' "$*"
}

table() {
	printf '| | x %s | median | least to most | | |\n|---|---|---|---|---|---|\n' "$1"
}

# row NAME VALUE UNIT [REMARK]: one sample
row() {
	printf '| %s | | %s | | %s | %s |\n' "$1" "$2" "$3" "${4:-}"
}

# report NAME SAMPLES UNIT BASE [REMARK]: median and spread of what was sampled, first of all its ratio to the samples
# of BASE. Microseconds are shown as the milliseconds that UNIT "ms" asks for.
report() {
	local scale=1 format='%.0f to %.0f' ratio=-
	[ -e "$WORK/samples.$2" ] || { row "$1" - "$3" "no sample"; return; }
	if [ "$3" = ms ]; then scale=1000 format='%.1f to %.1f'; fi
	[ ! -e "$WORK/samples.$4" ] || ratio=$(ratio "$2" "$4")
	printf '| %s | %s | %s | %s | %s | %s |\n' "$1" "$ratio" \
		"$(awk -v v="$(median "$2")" -v s=$scale -v f="${format%% *}" 'BEGIN { printf f, v / s }')" \
		"$(awk -v a="$(of "$2" least)" -v b="$(of "$2" most)" -v s=$scale -v f="$format" 'BEGIN { printf f, a / s, b / s }')" \
		"$3" "${5:-}"
}
