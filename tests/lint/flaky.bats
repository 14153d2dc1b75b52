#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The test runner's own: what passes at its second try only is told.

setup() {
	# shellcheck source=tests/lib/flaky.sh
	source "$BATS_TEST_DIRNAME/../lib/flaky.sh"
	cd "$BATS_TEST_TMPDIR"
}

@test "a unit test that failed once is flaky, one that failed twice is not" {
	printf 'ok 1 - one\nnot ok 2 - two_words\nnot ok 3 - skipped # SKIP\n' > first
	flaky_unit test-x first 1
	[ "${#flaky[@]}" -eq 0 ]
	flaky_unit test-x first 0
	: > first
	flaky_unit test-crashed first 0
	run flaky_print
	[ "$output" = $'flaky: test-x: two_words\nflaky: test-crashed\n2 flaky' ]
}

@test "bats' tests that were tried twice are flaky unless they failed in the end" {
	# bats would take what begins with its word for tests of this file.
	sed 's/^TEST/@test/' > suite.bats <<-SUITE
	load $BATS_TEST_DIRNAME/../lib/retry
	TEST "a_name: with, (all) -kinds- of 100% signs" {
	  ! mkdir $PWD/tried
	}
	TEST "never passes" {
	  echo why
	  false
	}
	TEST "passes" {
	  true
	}
	SUITE
	: > retried
	KATA_TEST_RETRIES=1 KATA_TEST_RETRIED=$PWD/retried bats --tap suite.bats > tap || true
	cat tap retried
	[ "$(grep -c '^ok' tap)" -eq 2 ]
	run flaky_said retried
	echo "$output"
	[ "$(grep -c '^first try: ' <<< "$output")" -eq 2 ]
	[[ "$output" = *"first try: suite.bats: never passes"*"in test file"*"\`false' failed"*"# why"* ]]
	flaky_bats retried tap
	run flaky_print
	echo "$output"
	[ "$output" = $'flaky: suite.bats: a_name: with, (all) -kinds- of 100% signs\n1 flaky' ]
	# As an emulated host tells it.
	sed -i 's/^\(ok\|not ok\) \([0-9]*\) /\1 \2 suite: /' tap
	flaky=()
	flaky_bats retried tap
	[ "${#flaky[@]}" -eq 1 ]
	flaky=()
	run flaky_print
	[ "$output" = "0 flaky" ]
}
