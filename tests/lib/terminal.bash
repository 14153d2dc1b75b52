# SPDX-License-Identifier: Apache-2.0
# For the tests that need a person at a terminal: tmux plays the person.

terminal_setup() {
	command -v tmux > /dev/null || skip "tmux is not installed"
	TMUX_SOCKET="$BATS_TEST_TMPDIR/tmux"
}

tm() {
	tmux -S "$TMUX_SOCKET" -f /dev/null "$@"
}

screen() {
	tm capture-pane -p -t t
}

# A line of the screen matches the extended regular expression.
shows() {
	screen | grep -Eq -- "$1"
}

expect() {
	wait_for "${2:-20}" shows "$1" || {
		echo "expected: $1"
		screen
		return 1
	}
}

type_line() {
	tm send-keys -t t "$1" Enter
}

# Opens a terminal of 100 x 30 with a shell in it, and runs the command there.
open_terminal() {
	tm new-session -d -s t -x 100 -y 30 "env PS1='host> ' sh" 3>&-
	expect '^host>'
	type_line "$1"
}

close_terminal() {
	tm kill-server 2>/dev/null || true
}
