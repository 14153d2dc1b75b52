#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What stays in a shim after many pods, execs and probes. BENCH_PODS, BENCH_PODS_AT_ONCE, BENCH_EXECS and BENCH_PROBES
# (rounds over 20 containers) make it longer; "full" is 50, 6, 500 and 100.
set -uo pipefail
. "$(dirname "$0")/lib.sh"

if [ "${1:-}" = full ]; then
	set -- 50 6 500 100
else
	set -- "${BENCH_PODS:-5}" "${BENCH_PODS_AT_ONCE:-3}" "${BENCH_EXECS:-50}" "${BENCH_PROBES:-5}"
fi
heading "Endurance"
echo '```'
cd "$WORK" || exit
KATA_TEST_NAMESPACE=kata-bench KATA_BUILD=$BUILD python3 -B "$REPO/tests/shim/endurance.py" "$@"
status=$?
echo '```'
exit $status
