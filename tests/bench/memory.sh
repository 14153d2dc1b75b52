#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What idle containers cost, each in a VM of its own: PSS of each kind of host process, for one alone and with more and
# more of them alive; what the host has less; the agent's RSS in the guest. BENCH_ALIVE (10) is the largest number.
set -uo pipefail
. "$(dirname "$0")/lib.sh"
alive=${BENCH_ALIVE:-10}
bundle=$WORK/bundle
nr=0

available() {
	awk '/^MemAvailable:/ { print $2 }' /proc/meminfo
}

# more NUMBER: idle containers until there are so many.
more() {
	while [ "$nr" -lt "$1" ]; do
		kata run --detach --bundle "$bundle" "bench-idle-$nr" < /dev/null > /dev/null || return 1
		CLEANUP+=("kata delete --force bench-idle-$nr")
		nr=$((nr + 1))
	done
	sleep 2 # what a start has used goes back in the background
}

# sums: "NAME KIB" of all of them by the kind of process
sums() {
	local i name pid
	for ((i = 0; i < nr; i++)); do
		processes "bench-idle-$i" | while read -r name pid; do
			echo "$name $(pss "$pid")"
		done
	done | awk '{ sum[$1] += $2 } END { for (name in sum) print name, sum[name] }' | sort
}

# of_kind NAME: KiB of all processes of that name, in the sums of now
of_kind() {
	awk -v name="$1" '$1 ~ name { sum += $2 } END { print sum + 0 }' "$WORK/sums"
}

one_alone() {
	local name value
	heading "Memory of an idle container: PSS of its host processes"
	table -
	while read -r name value; do
		row "$name" "$value" KiB
	done < "$WORK/sums"
	row "shim, stand-in and kata-proxy" "$(of_kind '^(shim|stand-in|kata-proxy)$')" KiB "goal: 8192"
	row "all" "$(of_kind .)" KiB
	row "agent in the guest, RSS" "$(kata metrics bench-idle-0 |
		awk '$1 == "kata_agent_total_rss" {print int($2 / 1024)}')" KiB "goal: 3072"
}

# together: a line for the number that is alive now
together() {
	local all
	all=$(of_kind .)
	awk -v n="$nr" -v all="$all" -v qemu="$(of_kind qemu)" -v fs="$(of_kind virtiofsd)" \
		-v own="$(of_kind '^(shim|stand-in|kata-proxy)$')" -v last="$last" -v was="$was" -v gone=$((free - $(available))) 'BEGIN {
		growth = (all - was) / (n - last) / 1024
		printf "| %d | %.1f | %.1f | %.1f | %.1f | %.1f | %.1f | %.1f |\n", n, all / n / 1024, qemu / n / 1024, fs / n / 1024,
			own / n / 1024, all / 1024, growth, gone / n / 1024
	}'
	last=$nr was=$all
}

"$REPO/tests/lib/make-bundle.sh" "$bundle" sleep 100000
# Where starts are from a template all of these are: otherwise it would be made beside them, and some would have booted.
! grep -q '^enable_template = true' "$CONFIG" || kata factory init > /dev/null || exit 1
free=$(available)
last=0 was=0
more 1 || exit 1
sums > "$WORK/sums"
one_alone
heading "Memory with more and more idle containers, each in its VM: PSS in MiB"
echo "| alive | each | its QEMU | virtiofsd | shim, stand-in, kata-proxy | all of them | growth for each more | the host has less, for each |"
echo "|---|---|---|---|---|---|---|---|"
for many in 1 2 5 10 20 30 40 50; do
	[ "$many" -le "$alive" ] || break
	more "$many" || exit 1
	sums > "$WORK/sums"
	together
done
