#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Files of a container's root file system beside other runtimes', by fio: what virtio-fs gives.
set -uo pipefail
. "$(dirname "$0")/lib.sh"
rounds=${BENCH_FILE_ROUNDS:-3}
seconds=${BENCH_FILE_SECONDS:-3}
bundle=$WORK/bundle
started=()
declare -A jobs=(
	[read]="--rw=read --bs=1M" [write]="--rw=write --bs=1M --end_fsync=1"
	[randread]="--rw=randread --bs=4k" [randwrite]="--rw=randwrite --bs=4k"
)

fio_in() {
	local name=$1 job=$2
	# shellcheck disable=SC2086 # several words
	runtime "$name" exec bench-files fio --name="$job" --filename=/data --size=64M --ioengine=psync --runtime="$seconds" \
		--time_based --output-format=json ${jobs[$job]}
}

one_round() {
	local job
	for job in read write randread randwrite; do
		measure fio_in "$1" "$job"
		sample "$job.$1" "$(jq '.jobs[0] | [.read.bw, .write.bw] | max' "$WORK/out")"
	done
}

command -v fio > /dev/null || { echo "files: skipped, there is no fio" && exit 0; }
for name in $(runtimes); do
	"$REPO/tests/lib/make-bundle.sh" "$WORK/bundle-$name" sleep 1000
	bundle=$WORK/bundle-$name
	add_program fio
	runtime "$name" run --detach --bundle "$bundle" bench-files < /dev/null > /dev/null 2>&1 || continue
	CLEANUP+=("runtime $name delete --force bench-files")
	started+=("$name")
done
for ((i = 0; i < rounds; i++)); do
	for name in "${started[@]}"; do
		one_round "$name"
	done
done
base=$(yardstick)
for job in read write randread randwrite; do
	heading "Files, fio ${jobs[$job]}, 64 MiB, through the page cache, $rounds alternating rounds"
	table "$base"
	for name in "${started[@]}"; do
		report "$name" "$job.$name" KiB/s "$job.$base"
	done
done
