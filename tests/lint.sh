#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Checks what compilers do not: layers, sizes, formatting, shell scripts; then warnings of both compilers as errors.
set -uo pipefail
cd "$(dirname "$0")/.." || exit
bad=0
complain() {
	echo "lint: $*"
	bad=1
}

while IFS= read -r line; do
	complain "only common/loop.c may include libevent: $line"
done < <(grep -rn '#include <event2/' src | grep -v '^src/common/loop.c')
while IFS= read -r line; do
	complain "oci/names.h is private to src/oci: $line"
done < <(grep -rn --include='*.[ch]' '#include "oci/names.h"' src tests | grep -v '^src/oci/')
while IFS= read -r line; do
	complain "only rpc/pb/pb_*.c may include generated code: $line"
done < <(grep -rn 'pb-c\.h' src | grep -v '^src/rpc/pb/pb_')

# A key of the configuration is read by somebody; what has no effect is listed as such. Those that guard the others are
# the configuration's own.
while IFS= read -r field; do
	grep -rqE "(->|\.)$field\b" src/sandbox src/shim src/runtime || complain "nobody reads the configuration's $field"
done < <(grep -oE '\b(hypervisor|agent|runtime)\.[a-z0-9_]+' src/config/keys.c | sed 's/.*\.//' | sort -u |
	grep -vE '^(valid_.*|enable_annotations)$')

# Sizes.
while read -r lines file; do
	[ "$file" = total ] || [ "$lines" -le 800 ] || complain "$file has $lines lines: split it"
done < <(find src include -name '*.[ch]' -exec wc -l {} +)
[ "$(wc -l < Makefile)" -le 250 ] || complain "Makefile has more than 250 lines"

# What documents refer to is there: links, and paths of the sources in back quotes (CODING_STYLE.md quotes others').
while IFS=: read -r file path; do
	[ -e "$(dirname "$file")/$path" ] || complain "$file: dead link to $path"
done < <(git grep -oE '\]\([^)#: ]+' -- '*.md' | sed 's/\](//')
# shellcheck disable=SC2016 # the back quotes are meant
while IFS=: read -r file path; do
	compgen -G "$path" > /dev/null || complain "$file: there is no $path"
done < <(git grep -oE '`(src|include|proto|guest|tests|docs|deploy|man)/[A-Za-z0-9_./*-]+`' -- '*.md' ':!CODING_STYLE.md' | tr -d '`')

# The tables that tests write.
tests/parity.sh --check docker tests/system/3*-docker*.bats || complain "docs/parity-docker.md is not what the tests show"
tests/parity.sh --check podman tests/system/4*-podman*.bats || complain "docs/parity-podman.md is not what the tests show"
tests/host/table.sh --check tests/system/*.bats || complain "docs/hosts.md has other rows than the tests"

# What every file needs.
while IFS= read -r file; do
	head -3 "$file" | grep -q 'SPDX-License-Identifier: Apache-2.0' || complain "$file has no licence line"
done < <(git ls-files '*.c' '*.h' '*.sh' '*.bats' '*.proto')
while IFS= read -r line; do
	complain "trailing blank: $line"
done < <(git grep -nIE '[[:blank:]]+$' -- '*.c' '*.h' '*.sh' '*.md' Makefile)

if command -v clang-format > /dev/null; then
	git ls-files '*.c' '*.h' | xargs clang-format --dry-run -Werror || complain "clang-format"
fi
if command -v shellcheck > /dev/null; then
	git ls-files '*.sh' '.ci/run' 'debian/*rm' | xargs shellcheck -x -P SCRIPTDIR || complain "shellcheck"
fi
for cc in gcc clang; do
	make -s -j"$(nproc)" B="${B:-build}/lint-$cc" CC=$cc WERROR=-Werror all > /dev/null ||
		complain "$cc does not build without warnings"
done
# Layers, unused exports and headers, over includes and the objects that were just made.
while IFS= read -r line; do
	complain "layers: $line"
done < <(tests/lint/layers.py --objects "${B:-build}/lint-gcc/obj" 2>&1)
shown=$(awk '/^<!-- src\/layers.txt -->$/ { on = 1; next } on && /^```$/ { if (n++) exit; next } on' ARCHITECTURE.md)
[ "$shown" = "$(cat src/layers.txt)" ] || complain "ARCHITECTURE.md does not show src/layers.txt as it is"
bats tests/lint > /dev/null || complain "tests/lint fails"
[ "$bad" -eq 0 ] && echo "lint: ok"
exit "$bad"
