#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Builds and runs every fuzzer for FUZZ_SECONDS (60) each; a finding is kept in $B/fuzz/ (build/fuzz/) and fails the run.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit
# shellcheck source=tests/fuzz/seeds.sh
source tests/fuzz/seeds.sh
seconds=${FUZZ_SECONDS:-60}
B=${B:-build}
tests/deps.sh check || exit 1
make -s -j"$(nproc)" B="$B/fuzzing" CC=clang SAN=fuzzer-no-link,address,undefined fuzzers || exit 1

passed=0 failed=0
for fuzzer in "$B"/fuzzing/fuzz/fuzz-*; do
	[[ "$fuzzer" = *.d ]] && continue
	name=$(basename "$fuzzer")
	corpus=$B/fuzz/corpus/$name
	mkdir -p "$corpus"
	seeds=$B/fuzz/seeds/$name
	fuzz_seeds "$name" "$seeds"
	if "$fuzzer" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -artifact_prefix="$B/fuzz/$name-" \
		"$corpus" "$seeds" > "$B/fuzz/$name.log" 2>&1; then
		echo "ok: $name: $(grep -E '^Done' "$B/fuzz/$name.log" | tail -1)"
		passed=$((passed + 1))
	else
		tail -30 "$B/fuzz/$name.log"
		echo "not ok: $name"
		failed=$((failed + 1))
	fi
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
