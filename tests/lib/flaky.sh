# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Sourced by tests/run.sh: tests that pass only at their second try. They count as passed, and are told apart.

flaky=()

# failed_names FILE: the names of the tests that failed by this TAP.
failed_names() {
	grep '^not ok ' "$1" | grep -iv '# skip' | sed 's/^not ok [0-9]* \(- \)\?//; s/ in [0-9]*m\?s$//'
}

# test_description NAME: what bats calls $BATS_TEST_DESCRIPTION, from $BATS_TEST_NAME.
test_description() {
	local name=${1#test_}
	name=${name//_/ }
	printf '%b\n' "${name//-/\\x}"
}

# flaky_unit TEST FIRST STATUS: the program failed with the TAP in the file FIRST; its second try ended with STATUS.
flaky_unit() {
	local name names
	[ "$3" -eq 0 ] || return 0
	names=$(failed_names "$2")
	# One that crashed names none.
	while read -r name; do
		flaky+=("$1${name:+: $name}")
	done <<< "$names"
}

# flaky_bats RETRIED TAP: which of the retried tests, as lib/retry.bash lists them, did not fail in the end.
flaky_bats() {
	local suite name description failures
	[ -e "$1" ] || return 0
	failures=$(failed_names "$2")
	while IFS=' ' read -r suite name; do
		suite=${suite%:}
		description=$(test_description "$name")
		grep -qxF -e "$description" -e "${suite%.bats}: $description" <<< "$failures" ||
			flaky+=("$suite: $description")
	done < "$1"
}

# flaky_said RETRIED: what first tries said, the last lines of each.
flaky_said() {
	[ -s "$1.said" ] || return 0
	awk '/^first try: /{ if (n) flush(); head = $0; n = 0; next } { line[n++] = $0 }
		function flush(  i) { print head; for (i = n > 40 ? n - 40 : 0; i < n; i++) print line[i] }
		END { flush() }' "$1.said"
	rm -f "$1.said"
}

# flaky_print: their names, and how many.
flaky_print() {
	[ "${#flaky[@]}" -eq 0 ] || printf 'flaky: %s\n' "${flaky[@]}"
	echo "${#flaky[@]} flaky"
}
