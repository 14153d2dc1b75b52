#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Throughput of a container's stdio: what it writes, what it reads, and through cat.
set -uo pipefail
. "$(dirname "$0")/lib.sh"
mib=${BENCH_STREAM_MIB:-256}
bundle=$WORK/bundle
bytes=$((mib << 20))
rounds=${BENCH_ROUNDS:-5}
base=$(yardstick)

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

# one DIRECTION NAME STREAM LEAST COMMAND...: one sample, less the start of this round
one() {
	local direction=$1 name=$2 stream=$3 least=$4 rate
	shift 4
	"$REPO/tests/lib/make-bundle.sh" "$bundle" "$@"
	measure through "$name" "$stream" "$least"
	rate=$(mib_per_s "$TOOK" "$empty")
	[ "$rate" = - ] || sample "$direction.$name" "$rate"
}

one_round() {
	"$REPO/tests/lib/make-bundle.sh" "$bundle" true
	measure through "$1" stdout 0
	empty=$TOOK
	one out "$1" stdout "$bytes" dd if=/dev/zero bs=64k count=$((mib * 16))
	one in "$1" stdin 1 sh -c "dd of=/dev/null bs=64k; echo"
	one cat "$1" stdin "$bytes" cat
}

for ((i = 0; i < rounds; i++)); do
	for name in $(runtimes); do
		one_round "$name"
	done
done
while read -r direction title; do
	heading "Streams, $title: $mib MiB, without the time of run true, $rounds alternating rounds"
	table "$base"
	for name in $(runtimes); do
		report "$name" "$direction.$name" MiB/s "$direction.$base"
	done
done << 'END'
out container to host
in host to container
cat through cat
END
