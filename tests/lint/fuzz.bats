#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Every parser of untrusted bytes has a fuzzer (tests/fuzz/parsers.txt), and the corpora are there.

cd_root() {
	cd "$BATS_TEST_DIRNAME/../.." || return
}

listed() {
	grep -v '^#' tests/fuzz/parsers.txt
}

@test "every source that parses is listed with its fuzzer, or with the reason why it has none" {
	cd_root
	missing=
	while read -r source; do
		listed | grep -q "^${source#src/} " || missing+=" $source"
	done < <(grep -rlE --include='*.c' \
		'^(int|bool|void|ssize_t|size_t|struct|char|const|uint[0-9]*_t)[^=;]*[ *_](parse|decode|scan|feed|unpack)[a-z_]*\(' src)
	echo "not in tests/fuzz/parsers.txt:$missing"
	[ -z "$missing" ]
}

@test "what is listed is there, and each fuzzer feeds something" {
	cd_root
	while read -r source fuzzer why; do
		[ -e "src/$source" ]
		if [ "$fuzzer" = - ]; then
			[ -n "$why" ]
		else
			for name in ${fuzzer//+/ }; do
				[ -e "tests/fuzz/$name.c" ]
				[ -s "tests/fuzz/corpus/$name" ]
			done
		fi
	done < <(listed)
	for fuzzer in tests/fuzz/fuzz-*.c; do
		listed | grep -q "[ +]$(basename "$fuzzer" .c)\([ +]\|$\)"
	done
}
