#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# run.sh [boot|start|memory|streams|network|files|endurance ...]: side by side in one run with other runtimes on the same
# bundle, as Markdown that can be put into an issue as it is; chart.py makes a picture of it. Machines differ and drift:
# read the ratios. BENCH_ROUNDS, BENCH_AT_ONCE, BENCH_ALIVE, BENCH_STREAM_MIB and BENCH_NET_SECONDS make it longer or
# shorter; endurance.sh has its own.
set -uo pipefail
dir=$(cd "$(dirname "$0")" && pwd)

build=${KATA_BUILD:-$dir/../../build}
setting() {
	sed -n "s/^$1 = \"\{0,1\}\([^\"]*\)\"\{0,1\}$/\1/p" "$build/configuration.toml" | head -1
}

# The machine, for who reads the tables elsewhere.
qemu=$(setting path)
cat << END
| | |
|---|---|
| CPU | $(nproc) x $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -1) |
| memory | $(awk '/^MemTotal/ { printf "%.0f GiB", $2 / 1048576 }' /proc/meminfo) |
| host | $(. /etc/os-release && echo "$PRETTY_NAME"), Linux $(uname -r), load $(cut -d' ' -f1 /proc/loadavg) at the start |
| KVM | $("$build/kata-runtime" --config "$build/configuration.toml" check 2>&1 | sed -n 's/^[a-z]* *KVM *//p' | tr '|' ,) |
| QEMU | $("${qemu:-qemu-system-x86_64}" --version | head -1) |
| kata | $("$build/kata-runtime" --version | head -1) |
END
for other in runc crun runsc; do
	command -v "$other" > /dev/null && echo "| $other | $("$other" --version 2> /dev/null | head -1) |"
done
[ $# -gt 0 ] || set -- boot start memory streams network files endurance
failed=0
for part in "$@"; do
	"$dir/$part.sh" || failed=1
done
exit $failed
