#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# stuck.sh: in an emulated host, tells what its VMs do, for a test that does not go on: what CPU time their threads use
# and where they wait, why and where their guests leave to KVM, what is running, and what the kernel said.
set -uo pipefail
tracing=/sys/kernel/tracing
[ -e $tracing/events ] || mount -t tracefs tracefs $tracing

# A line for each thread of each QEMU: "QEMU THREAD STATE USER SYSTEM NAME", times in ticks.
threads() {
	local pid task stat
	for pid in $(pgrep '^qemu-system'); do
		for task in "/proc/$pid/task/"*; do
			stat=$(cat "$task/stat" 2> /dev/null) || continue
			stat=${stat##*) }
			echo "$pid ${task##*/} $(cut -d ' ' -f 1,12,13 <<< "$stat") $(cat "$task/comm")"
		done
	done
}

# exits SECONDS: how often guests left for which reason, at which address.
exits() {
	[ -e $tracing/events/kvm/kvm_exit ] || return
	echo > $tracing/trace
	echo 1 > $tracing/events/kvm/kvm_exit/enable
	sleep "$1"
	echo 0 > $tracing/events/kvm/kvm_exit/enable
	grep -v '^#' $tracing/trace | sed -n 's/.*kvm_exit: *\(vcpu [0-9]*\)\? *reason \([^ ]*\) rip \([^ ]*\).*/\1 \2 \3/p' |
		sort | uniq -c | sort -rn | head -n 40
}

echo "== threads of QEMU, twice in five seconds"
threads
sleep 5
echo
threads
echo "== exits of guests in five seconds"
exits 5
echo "== stacks"
for stack in $(pgrep '^qemu-system' | sed 's|.*|/proc/&/task/*/stack|'); do
	echo "$stack $(cat "${stack%stack}comm")"
	cat "$stack"
done
echo "== processes"
ps -eo pid,ppid,stat,time,wchan:20,args --forest | cut -c 1-200
echo "== kernel"
dmesg | tail -n 40
