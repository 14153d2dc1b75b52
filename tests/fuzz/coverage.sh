#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What part of the lines of each parser of untrusted bytes (tests/fuzz/parsers.txt) its fuzzer reaches by the seeds alone,
# as a Markdown table; fails below 90 %. FUZZ_SECONDS (0) of fuzzing are added; `coverage.sh --keep` then makes the corpora
# anew from what was found.
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=tests/fuzz/seeds.sh
source tests/fuzz/seeds.sh
B=${B:-build}
seconds=${FUZZ_SECONDS:-0}
least=90
out=$B/fuzz-coverage
tests/deps.sh check
make -s -j"$(nproc)" B="$B/cov" CC="${FUZZ_CC:-clang}" SAN=fuzzer-no-link,address,undefined \
	CFLAGS="-fprofile-instr-generate -fcoverage-mapping" LDFLAGS=-fprofile-instr-generate fuzzers
mkdir -p "$out"

# keep NAME: what reaches more than the seeds that are made, as far as it is small.
keep() {
	local all=$out/$1.all file
	mkdir -p tests/fuzz/corpus
	fuzz_seeds "$1" "$out/$1.seeds"
	rm -rf "$all"
	mkdir "$all"
	mv "$out/$1.seeds"/corpus-* "$out/$1.found" 2> /dev/null || true
	"$B/cov/fuzz/$1" -merge=1 "$out/$1.seeds" "$out/$1.found" > /dev/null 2>&1
	find "$out/$1.seeds" -newer "$all" -size -2 -type f ! -name 'made-*' -exec mv -t "$all" {} +
	for file in "$all"/*; do
		[ ! -e "$file" ] || base64 -w0 "$file" | sed 's/$/\n/'
	done | LC_ALL=C sort > "tests/fuzz/corpus/$1"
}

# run NAME: over its seeds, and on from there.
run() {
	fuzz_seeds "$1" "$out/$1.seeds"
	mkdir -p "$out/$1.found"
	if [ "$seconds" -gt 0 ]; then
		LLVM_PROFILE_FILE=/dev/null "$B/cov/fuzz/$1" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -seed=1 \
			-artifact_prefix="$out/$1-" "$out/$1.found" "$out/$1.seeds" > "$out/$1.log" 2>&1 ||
			{ tail -30 "$out/$1.log"; exit 1; }
	fi
	if [ "${keep:-}" ]; then
		LLVM_PROFILE_FILE=/dev/null keep "$1"
		fuzz_seeds "$1" "$out/$1.seeds"
	fi
	LLVM_PROFILE_FILE=$out/$1.raw "$B/cov/fuzz/$1" -runs=0 "$out/$1.seeds" > "$out/$1.log" 2>&1 ||
		{ tail -30 "$out/$1.log"; exit 1; }
	llvm-profdata merge -sparse "$out/$1.raw" -o "$out/$1.prof"
}

[ "${1:-}" != --keep ] || keep=1
for fuzzer in tests/fuzz/fuzz-*.c; do
	run "$(basename "$fuzzer" .c)"
done
echo "| parser | fuzzer | lines | reached |"
echo "|---|---|---|---|"
status=0
while read -r source fuzzer _; do
	[[ "$fuzzer" = fuzz-* ]] || continue
	IFS=+ read -ra names <<< "$fuzzer"
	programs=() profiles=()
	for name in "${names[@]}"; do
		programs+=(${programs[0]:+-object} "$B/cov/fuzz/$name")
		profiles+=("$out/$name.prof")
	done
	llvm-profdata merge -sparse "${profiles[@]}" -o "$out/both.prof"
	# The row of a report: file, regions 3, functions 3, lines, those that were missed, and the part that was not.
	read -r lines part < <(llvm-cov report "${programs[@]}" -instr-profile="$out/both.prof" "src/$source" |
		awk '$1 == "TOTAL" { print $8, $10 }')
	echo "| \`src/$source\` | \`$fuzzer\` | $lines | $part |"
	[ "${part%.*}" -ge "$least" ] || { echo "not ok: $source: $part, less than $least %" >&2; status=1; }
done < <(grep -v '^#' tests/fuzz/parsers.txt)
exit "$status"
