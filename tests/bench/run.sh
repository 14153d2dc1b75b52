#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# run.sh [start|memory|streams|network|endurance ...]: side by side in one run with other runtimes on the same bundle.
# Machines differ and drift: read the ratios. BENCH_ROUNDS, BENCH_STREAM_MIB and BENCH_NET_SECONDS make it longer or
# shorter; endurance.sh has its own.
set -uo pipefail
dir=$(cd "$(dirname "$0")" && pwd)

echo "$(nproc) CPUs, $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -1), load $(cut -d' ' -f1 /proc/loadavg)"
[ $# -gt 0 ] || set -- start memory streams network endurance
failed=0
for part in "$@"; do
	"$dir/$part.sh" || failed=1
done
exit $failed
