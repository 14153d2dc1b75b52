#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# parity.sh MANAGER TAP BATS-FILE ... > docs/parity-MANAGER.md
# A table of what a manager's flags and verbs do with this runtime, compared with runc. TAP is what bats printed for
# the files; the rows are "# parity: WHAT | VERDICT" comments inside their tests. A row counts only if its test passed.
# parity.sh --check MANAGER BATS-FILE ...: is the table that of these files, with every test passed? Shows what is not.
set -euo pipefail
[ $# -ge 3 ] || { sed -n '3,6s/^# //p' "$0" >&2; exit 2; }
if [ "$1" = --check ]; then
	manager=$2
	shift 2
	"$0" "$manager" <(sed -n 's/^@test "\(.*\)" {$/ok 1 \1/p' "$@") "$@" |
		diff "$(dirname "$0")/../docs/parity-$manager.md" -
	exit
fi
manager=$1
tap=$2
shift 2
cat << HEAD
# $manager with this runtime, compared with runc

Written by \`tests/parity.sh\` from the results of the system tests: every row was shown by a test that passed.

| flag or verb | behaviour | shown by |
|---|---|---|
HEAD
awk -v tap="$tap" '
	BEGIN {
		while ((getline line < tap) > 0) {
			if (line !~ /^(not )?ok [0-9]+ /)
				continue
			good = line !~ /^not /
			skipped = line ~ / # skip/
			sub(/^(not )?ok [0-9]+ /, "", line)
			sub(/ # skip.*/, "", line)
			sub(/ in [0-9]+(ms|sec)$/, "", line)
			result[line] = skipped ? "skipped" : good ? "passed" : "failed"
		}
	}
	/^@test "/ {
		test = $0
		sub(/^@test "/, "", test)
		sub(/" \{$/, "", test)
	}
	/^\t# parity: / {
		row = $0
		sub(/^\t# parity: /, "", row)
		split(row, part, / \| /)
		verdict = part[2]
		if (result[test] != "passed")
			verdict = "not shown: the test " (result[test] ? result[test] : "was not run")
		printf "| %s | %s | %s |\n", part[1], verdict, test
	}
' "$@" | LC_ALL=C sort
