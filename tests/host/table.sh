#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# table.sh SEEN BATS-FILE ... > docs/hosts.md
# A table of what was seen to work on which host. SEEN is what run.sh wrote down: a line for each result and for each
# program's version. The rows are "# host: MANAGER | FEATURE" comments inside the tests of the files; a cell tells of the
# last time that its test ran on that host, or that it never did. Below are the other suites with their counts, and what
# failed, with its reason from known.tsv ("HOST<TAB>SUITE<TAB>TEST<TAB>REASON").
# table.sh --check BATS-FILE ...: does docs/hosts.md have the rows of these files? Shows the difference.
set -euo pipefail
[ $# -ge 2 ] || { sed -n '3,8s/^# //p' "$0" >&2; exit 2; }

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
of the test on that host; what no test has shown there says so. The hosts' CPUs are emulated, and so is what their
KVM runs on: what works there works, but nothing here says how fast.

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
# The suites that are for any host: how many of their tests had which result.
awk -F '\t' -v known="$(dirname "$0")/known.tsv" '
	BEGIN {
		nr = split("debian12 debian13", hosts, " ")
		while ((getline line < known) > 0) {
			split(line, part, "\t")
			reason[part[1], part[2], part[3]] = part[4]
		}
	}
	$1 == "result" && $3 !~ /^8.-host/ {
		if (!(($2, $3, $4) in result)) {
			order[++nr_tests] = $2 SUBSEP $3 SUBSEP $4
			suites[$3]
		}
		result[$2, $3, $4] = $5
	}
	END {
		for (i = 1; i <= nr_tests; i++) {
			split(order[i], part, SUBSEP)
			what = result[order[i]]
			sub(/ .*/, "", what)
			count[part[1], part[2], what]++
			if (what == "fails")
				failed = failed sprintf("| %s | %s: %s | %s |\n", part[1], part[2], part[3],
					order[i] in reason ? reason[order[i]] : "not looked into")
		}
		print "\nOf the suites that run anywhere, the tests that were run on these hosts:\n\n| suite | debian12 | debian13 |\n|---|---|---|"
		for (suite in suites) {
			text = "| " suite " |"
			for (i = 1; i <= nr; i++) {
				cell = ""
				m = split("works fails skipped", words, " ")
				split("passed failed skipped", names, " ")
				for (j = 1; j <= m; j++)
					if ((hosts[i], suite, words[j]) in count)
						cell = cell (cell ? ", " : "") count[hosts[i], suite, words[j]] " " names[j]
				text = text " " (cell ? cell : "none") " |"
			}
			print text | "LC_ALL=C sort"
		}
		close("LC_ALL=C sort")
		if (failed)
			printf "\n| host | what failed | why |\n|---|---|---|\n%s", failed
	}
' "$seen"
