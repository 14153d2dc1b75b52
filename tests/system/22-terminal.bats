#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# A person at a terminal: tmux plays the person.

load helpers
load ../lib/terminal

setup() {
	terminal_setup
}

teardown() {
	close_terminal
	clean_up
}

terminal_bundle() {
	make_bundle "$@"
	edit_config '.process.terminal = true | .process.env += ["PS1=guest> "]'
	new_id
}

@test "an interactive shell: size, resize, Ctrl-C, job control, full screen, the terminal afterwards" {
	terminal_bundle sh
	open_terminal "stty -a > $BATS_TEST_TMPDIR/before; ${KATA[*]} run --bundle $BUNDLE $ID; echo code \$?; stty -a > $BATS_TEST_TMPDIR/after"
	expect '^guest>' 60
	type_line 'stty size; tty'
	expect '^30 100$'
	expect '^/dev/(console|pts/0)$'
	tm resize-window -t t -x 83 -y 24
	sleep 1
	type_line 'clear; stty size'
	expect '^24 83$'
	# Ctrl-C ends the foreground program and nothing else.
	type_line 'clear; sleep 1000; echo status $?'
	sleep 1
	tm send-keys -t t C-c
	type_line 'echo status $?'
	expect '^status 130$'
	# Job control.
	type_line 'clear; sleep 777'
	sleep 0.5
	tm send-keys -t t C-z
	expect 'Stopped +sleep 777'
	type_line 'jobs; bg; fg'
	sleep 0.5
	tm send-keys -t t C-c
	type_line 'echo after $?'
	expect '^after 130$'
	# A program that takes the whole screen.
	type_line 'clear; vi /tmp/text'
	expect '^~$'
	tm send-keys -t t 'iwritten in vi' Escape
	sleep 1 # or the next key would be part of an escape sequence
	tm send-keys -t t ':wq' Enter
	expect '^guest>'
	type_line 'clear; cat /tmp/text'
	expect '^written in vi$'
	# End of input ends the shell; the host's terminal is as before.
	type_line 'exit 5'
	expect '^code 5$'
	wait_for 10 test -s "$BATS_TEST_TMPDIR/after"
	diff <(tail -n +2 "$BATS_TEST_TMPDIR/before") <(tail -n +2 "$BATS_TEST_TMPDIR/after")
	close_terminal
}

@test "exec --tty beside a container without a terminal; the last key is not lost, Ctrl-D ends it" {
	make_bundle sleep 1000
	new_id
	kata create --bundle "$BUNDLE" "$ID" < /dev/null > /dev/null 2>&1
	kata start "$ID"
	open_terminal "${KATA[*]} exec --tty --env 'PS1=guest> ' $ID sh; echo code \$?"
	expect '^guest>'
	type_line 'stty size; echo pid $$'
	expect '^30 100$'
	tm resize-window -t t -x 70 -y 20
	sleep 1
	type_line 'clear; stty size'
	expect '^20 70$'
	# Between two prompts the key would be an end of input for nobody.
	type_line 'PS1="next> "; false'
	expect '^next>'
	tm send-keys -t t C-d
	expect '^code 1$'
	type_line 'stty -a | grep -o " -\?echo "'
	expect '^ echo *$'
	close_terminal
	kata delete --force "$ID"
}

@test "the terminal comes back when the container dies" {
	terminal_bundle sh
	open_terminal "${KATA[*]} run --bundle $BUNDLE $ID; echo code \$?"
	expect '^guest>' 60
	kata kill "$ID" KILL
	expect 'code 137$'
	type_line 'clear; stty -a | grep -o " -\?icanon "'
	expect '^ icanon *$'
	close_terminal
}

@test "--console-socket: the receiver gets the terminal, of the size in config.json" {
	terminal_bundle sh -c 'stty size; read line; echo "got $line"; test -t 1 && exit 6'
	edit_config '.process.consoleSize = { height: 41, width: 132 }'
	echo "a line" > "$BATS_TEST_TMPDIR/in"
	"$REPO/tests/lib/console-receiver.py" "$BATS_TEST_TMPDIR/console.sock" "$BATS_TEST_TMPDIR/in" \
		"$BATS_TEST_TMPDIR/out" 3>&- &
	wait_for 5 test -S "$BATS_TEST_TMPDIR/console.sock"
	run kata run --keep --console-socket "$BATS_TEST_TMPDIR/console.sock" --bundle "$BUNDLE" "$ID"
	echo "$output"
	[ "$status" -eq 6 ]
	wait
	cat "$BATS_TEST_TMPDIR/out"
	grep -q '^41 132' "$BATS_TEST_TMPDIR/out"
	grep -q '^got a line' "$BATS_TEST_TMPDIR/out"
	kata delete "$ID"
}

@test "a terminal that cannot be had is an error of one line" {
	terminal_bundle sh
	run kata create --bundle "$BUNDLE" "$ID"
	[ "$status" -eq 1 ]
	[[ "$output" == *"--console-socket"* ]]
	run kata run --console-socket /no/such/socket --bundle "$BUNDLE" "$ID"
	[ "$status" -eq 1 ]
	[[ "$output" == *"/no/such/socket"* ]]
}

@test "a terminal can be fed through a pipe" {
	terminal_bundle sh
	run sh -c "printf 'test -t 0 && exit 3\n' | ${KATA[*]} run --bundle $BUNDLE $ID"
	echo "$output"
	[ "$status" -eq 3 ]
}
