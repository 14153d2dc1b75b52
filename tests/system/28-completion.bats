#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Completion in the shells themselves, and that the manual page tells of every verb and option. No VM is started.

load helpers

setup() {
	[ -z "${SKIP_FILE:-}" ] || skip "$SKIP_FILE"
	export PATH=$BUILD:$PATH
}

# in_bash WORD ...: what bash would offer for the last of the words, which are cut as bash cuts them.
in_bash() {
	bash -c 'source <(kata-runtime completion bash)
		compopt() { :; } # there is no completion going on
		COMP_WORDS=(kata-runtime "$@") COMP_CWORD=$#
		_kata_runtime
		echo "${COMPREPLY[*]}"' bash "$@"
}

in_fish() {
	fish --no-config -c 'kata-runtime completion fish | source; complete -C $argv[1]' "kata-runtime $1" | cut -f1 | xargs
}

# in_zsh LINE PATTERN
in_zsh() {
	mkdir -p "$BATS_TEST_TMPDIR/functions"
	kata-runtime completion zsh > "$BATS_TEST_TMPDIR/functions/_kata-runtime"
	timeout 60 zsh -f "$REPO/tests/lib/zsh-complete.zsh" "$BATS_TEST_TMPDIR/functions" "kata-runtime $1" "$2"
}

need() {
	command -v "$1" > /dev/null || skip "there is no $1"
}

@test "bash completes verbs, options, values, files and ids" {
	[ "$(in_bash k)" = kill ]
	[ "$(in_bash kill --)" = "--all --help" ]
	[ "$(in_bash --log-format j)" = json ]
	[ "$(in_bash --log-format = j)" = json ]
	[ "$(in_bash --log-format =)" = "text json" ]
	mkdir -p "$BATS_TEST_TMPDIR/root/web-1" "$BATS_TEST_TMPDIR/root/web-2"
	touch "$BATS_TEST_TMPDIR"/root/web-{1,2}/state.json "$BATS_TEST_TMPDIR/a file"
	[ "$(in_bash --root "$BATS_TEST_TMPDIR/root" delete w | tr ' ' '\n' | sort | xargs)" = "web-1 web-2" ]
	[ "$(in_bash --root = "$BATS_TEST_TMPDIR/root" delete web-1)" = web-1 ]
	[ "$(in_bash --root "$BATS_TEST_TMPDIR/root" exec -e A = B web-2)" = web-2 ]
	[ "$(in_bash exec -p "$BATS_TEST_TMPDIR/a")" = "$BATS_TEST_TMPDIR/a file" ]
	[ "$(in_bash spec --bundle = "$BATS_TEST_TMPDIR/ro")" = "$BATS_TEST_TMPDIR/root" ]
	[ "$(in_bash exec web-1 ls -)" = "" ]
}

@test "fish completes verbs, options, values, files and ids" {
	need fish
	[ "$(in_fish k)" = kill ]
	[ "$(in_fish 'kill --')" = "--all --help" ]
	[ "$(in_fish 'list --format=j')" = --format=json ]
	mkdir -p "$BATS_TEST_TMPDIR/root/web-1"
	touch "$BATS_TEST_TMPDIR/root/web-1/state.json" "$BATS_TEST_TMPDIR/file"
	[ "$(in_fish "--root $BATS_TEST_TMPDIR/root delete w")" = web-1 ]
	[ "$(in_fish "exec -p $BATS_TEST_TMPDIR/fi")" = "$BATS_TEST_TMPDIR/file" ]
	[ "$(in_fish "spec --bundle=$BATS_TEST_TMPDIR/ro")" = "--bundle=$BATS_TEST_TMPDIR/root/" ]
}

@test "zsh completes verbs, options, values, files and ids" {
	need zsh
	in_zsh k kill
	in_zsh 'list --form' --format
	in_zsh 'network ' 'routes'
	mkdir -p "$BATS_TEST_TMPDIR/root/web-1"
	touch "$BATS_TEST_TMPDIR/root/web-1/state.json"
	in_zsh "--root $BATS_TEST_TMPDIR/root delete w" web-1
	in_zsh "spec --bundle=$BATS_TEST_TMPDIR/ro" /root
	run in_zsh 'kill --al' --all
	echo "$output"
	[ "$status" -eq 0 ]
}

# offered WORD ...: candidates for a word that begins so.
offered() {
	kata-runtime complete -- "$@" | cut -f1
}

# in_page TEXT: stands it there, not as a part of a longer word?
in_page() {
	grep -qE -e "(^|[^-a-z])$1([^-a-z]|\$)" "$BATS_TEST_TMPDIR/page"
}

@test "the manual page has every verb and every option" {
	sed -e 's/\\-/-/g' -e 's/\\f[BIRP]//g' "$REPO/man/kata-runtime.8" > "$BATS_TEST_TMPDIR/page"
	local verb option missing=() nr=0
	for option in $(offered -); do
		in_page "$option" || missing+=("$option")
	done
	for verb in $(offered ""); do
		in_page "$verb" || missing+=("$verb")
		for option in $(offered "$verb" -); do
			nr=$((nr + 1))
			in_page "$option" || missing+=("$verb $option")
		done
	done
	printf '%s\n' "${missing[@]}"
	[ "$nr" -gt 60 ] # the tables were there
	[ "${#missing[@]}" -eq 0 ]
	! in_page --no-such-option
}
