#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Builds and runs every fuzzer for FUZZ_SECONDS (60) each; a finding is kept in build/fuzz/ and fails the run.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit
seconds=${FUZZ_SECONDS:-60}
tests/deps.sh check || exit 1
make -s -j"$(nproc)" B=build/fuzzing CC=clang SAN=fuzzer-no-link,address,undefined fuzzers || exit 1
passed=0 failed=0
for fuzzer in build/fuzzing/fuzz/fuzz-*; do
	[[ "$fuzzer" = *.d ]] && continue
	name=$(basename "$fuzzer")
	corpus=build/fuzz/corpus/$name
	mkdir -p "$corpus"
	if "$fuzzer" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -artifact_prefix="build/fuzz/$name-" \
		"$corpus" > "build/fuzz/$name.log" 2>&1; then
		echo "ok: $name: $(grep -E '^Done' "build/fuzz/$name.log" | tail -1)"
		passed=$((passed + 1))
	else
		tail -30 "build/fuzz/$name.log"
		echo "not ok: $name"
		failed=$((failed + 1))
	fi
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
