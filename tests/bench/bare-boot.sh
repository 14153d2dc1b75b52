#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# bare-boot.sh ARGV-FILE: run QEMU until the agent says on the console that it is ready, then kill it. What is
# measured against: nothing of ours but the kernel and the initrd takes part.
set -uo pipefail
mapfile -t argv < "$1"

coproc qemu (exec "${argv[@]}" 2> /dev/null)
# shellcheck disable=SC2154 # coproc sets qemu_PID
pid=$qemu_PID
ready=1
while IFS= read -r -t 60 line <&"${qemu[0]}"; do
	case $line in *"kata-agent: ready"*)
		ready=0
		break
		;;
	esac
done
kill -KILL "$pid" 2> /dev/null
wait "$pid" 2> /dev/null
exit $ready
