# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# fuzz_seeds NAME FOLDER: what the fuzzer of that name begins with, from the root of the checkout: inputs of the golden
# tests, what seeds.py makes, and those of its corpus, which is a text of one input a line in base64
# (tests/fuzz/corpus/NAME).
fuzz_seeds() {
	local corpus=tests/fuzz/corpus/$1 line nr=0
	rm -rf "$2"
	mkdir -p "$2"
	case "$1" in
	fuzz-oci | fuzz-json) cp tests/golden/oci/*.json tests/golden/samples/*.json "$2" ;;
	fuzz-toml) cp configuration.toml.in "$2" ;;
	esac
	python3 -B tests/fuzz/seeds.py "$1" "$2"
	[ -e "$corpus" ] || return 0
	while read -r line; do
		nr=$((nr + 1))
		base64 -d <<< "$line" > "$2/corpus-$nr"
	done < "$corpus"
}
