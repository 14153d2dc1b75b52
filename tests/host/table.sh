#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# table.sh SEEN BATS-FILE ... > docs/hosts.md
# A table of what was seen to work on which host. SEEN is what run.sh wrote down: a line for each result and for each
# program's version. The rows are "# host: MANAGER | FEATURE" comments inside the tests of the files; a cell tells of the
# last time that its test ran on that host, or that it never did.
# table.sh --check BATS-FILE ...: does docs/hosts.md have the rows of these files? Shows the difference.
set -euo pipefail
[ $# -ge 2 ] || { sed -n '3,7s/^# //p' "$0" >&2; exit 2; }

# rows BATS-FILE ...: "suite<TAB>test<TAB>manager<TAB>feature"
rows() {
	awk -v OFS='\t' '
		FNR == 1 { suite = FILENAME; sub(/.*\//, "", suite); sub(/\.bats$/, "", suite) }
		/^@test "/ { test = $0; sub(/^@test "/, "", test); sub(/" \{$/, "", test) }
		/^\t# host: / { sub(/^\t# host: /, ""); split($0, part, / \| /); print suite, test, part[1], part[2] }
	' "$@" | LC_ALL=C sort -t $'\t' -k3,4
}

if [ "$1" = --check ]; then
	shift
	diff <(sed -n 's/^| \([^|]*\) | \([^|]*\) | .* | \([^|]*\) |$/\1 | \2 | \3/p' "$(dirname "$0")/../../docs/hosts.md" |
		grep -v '^manager ' | LC_ALL=C sort) \
		<(rows "$@" | awk -F '\t' '{ print $3 " | " $4 " | " $2 }' | LC_ALL=C sort)
	exit
fi
seen=$1
shift
cat << HEAD
# What was seen on which host

Written by \`tests/host/table.sh\` from what the emulated hosts' tests said (TESTING.md). Each cell is the last result
of the test on that host; what no test has shown there says so.

HEAD
rows "$@" | awk -F '\t' -v seen="$seen" '
	BEGIN {
		nr = split("debian12 debian13", hosts, " ")
		while ((getline line < seen) > 0) {
			split(line, part, "\t")
			if (part[1] == "version" && part[4] != "") {
				if (!((part[2], part[3]) in version))
					order[part[2]] = order[part[2]] SUBSEP part[3]
				version[part[2], part[3]] = part[4]
			} else if (part[1] == "result") {
				result[part[2], part[3], part[4]] = part[5]
				day[part[2], part[3], part[4]] = part[6]
			}
		}
		print "| host | programs |\n|---|---|"
		for (i = 1; i <= nr; i++) {
			text = ""
			m = split(order[hosts[i]], programs, SUBSEP)
			for (j = 2; j <= m; j++)
				text = text (text ? ", " : "") programs[j] " " version[hosts[i], programs[j]]
			printf "| %s | %s |\n", hosts[i], text ? text : "never started"
		}
		printf "\n| manager | feature |"
		for (i = 1; i <= nr; i++)
			printf " %s |", hosts[i]
		print " shown by |\n|---|---|---|---|---|"
	}
	{
		printf "| %s | %s |", $3, $4
		for (i = 1; i <= nr; i++) {
			key = hosts[i] SUBSEP $1 SUBSEP $2
			printf " %s |", key in result ? result[key] ", " day[key] : "never seen"
		}
		printf " %s |\n", $2
	}
'
