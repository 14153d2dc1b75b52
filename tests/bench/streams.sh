#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Throughput of a container's stdio: what it writes, what it reads, and through cat.
set -uo pipefail
. "$(dirname "$0")/lib.sh"
mib=${BENCH_STREAM_MIB:-256}
bundle=$WORK/bundle
bytes=$((mib << 20))

zeros() {
	head -c "$bytes" /dev/zero
}

# through NAME DIRECTION: runs one container; its start is part of the time and is taken off by the caller.
through() {
	local n
	case $2 in
	stdout) n=$(runtime "$1" run --bundle "$bundle" bench-stream < /dev/null | wc -c) ;;
	stdin) n=$(zeros | runtime "$1" run --bundle "$bundle" bench-stream | wc -c) ;;
	esac
	[ "$n" -ge "$3" ]
}

mib_per_s() {
	# Too short to be told from the start: more MiB are needed, or a quieter machine.
	awk -v us="$1" -v base="$2" -v mib="$mib" 'BEGIN {
		if (us > base) printf "%.0f", mib * 1e6 / (us - base); else print "-"
	}'
}

heading "Streams: $mib MiB, without the time of run true"
for name in $(runtimes); do
	"$REPO/tests/lib/make-bundle.sh" "$bundle" true
	measure through "$name" stdout 0
	base=$TOOK
	"$REPO/tests/lib/make-bundle.sh" "$bundle" dd if=/dev/zero bs=64k count=$((mib * 16))
	measure through "$name" stdout "$bytes"
	row "$name, container to host" "$(mib_per_s "$TOOK" "$base")" MiB/s
	"$REPO/tests/lib/make-bundle.sh" "$bundle" sh -c "dd of=/dev/null bs=64k; echo"
	measure through "$name" stdin 1
	row "$name, host to container" "$(mib_per_s "$TOOK" "$base")" MiB/s
	"$REPO/tests/lib/make-bundle.sh" "$bundle" cat
	measure through "$name" stdin "$bytes"
	row "$name, through cat" "$(mib_per_s "$TOOK" "$base")" MiB/s
done
