#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# A person at a terminal with docker run -it --runtime kata.

load helpers
load ../lib/docker
load ../lib/terminal

setup_file() {
	docker_setup_file
}

teardown_file() {
	docker_teardown_file
}

setup() {
	terminal_setup
	DOCKER="/usr/bin/docker -H unix://$DDIR/docker.sock"
}

teardown() {
	close_terminal
	docker_teardown
}

@test "run -it: full screen, resize, Ctrl-C, detach, attach, exit status" {
	# parity: run -it | as runc
	# parity: detach by ctrl-p ctrl-q | as runc
	# parity: attach after a detach | as runc
	open_terminal "$DOCKER run -it --name one --runtime kata -e PS1='guest> ' busybox sh; echo code \$?"
	expect '^guest>' 60
	type_line 'clear; stty size; tty'
	expect '^30 100$'
	expect '^/dev/(console|pts/0)$'
	tm resize-window -t t -x 83 -y 24
	type_line 'clear; until [ "$(stty size)" = "24 83" ]; do sleep 0.1; done; echo resized $((1 + 1))'
	expect '^resized 2$'
	# Ctrl-C ends the foreground program and nothing else.
	type_line 'clear; echo pid of sleep; sleep 1000'
	expect '^pid of sleep$'
	wait_for 20 d exec one sh -c 'ps | grep -q "sleep 100[0]"'
	tm send-keys -t t C-c
	type_line 'echo status $?'
	expect '^status 130$'
	# A program that takes the whole screen, and follows its size.
	type_line 'clear; vi /tmp/text'
	expect '^~$'
	[ "$(screen | grep -c '^~$')" -eq 22 ]
	tm send-keys -t t 'iwritten in vi' Escape
	sleep 1 # or the next key would be part of an escape sequence
	tm send-keys -t t ':wq' Enter
	expect '^guest>'
	type_line 'clear; cat /tmp/text'
	expect '^written in vi$'
	# Detached, it goes on; attached again it is the same shell.
	type_line 'clear; word=kept; echo word $word'
	expect '^word kept$'
	tm send-keys -t t C-p C-q
	expect 'code 0$' # behind the guest's prompt
	is_state one running
	tm resize-window -t t -x 70 -y 20
	type_line "clear; $DOCKER attach one; echo code \$?"
	sleep 1 # what is typed before docker has the terminal, the host's shell would read
	type_line ''
	expect '^guest>'
	type_line 'clear; until [ "$(stty size)" = "20 70" ]; do sleep 0.1; done; echo still $word'
	expect '^still kept$'
	type_line 'clear; exit 5'
	expect '^code 5$'
	[ "$(d inspect -f '{{.State.Status}} {{.State.ExitCode}}' one)" = "exited 5" ]
	# The host's terminal is as before.
	type_line 'clear; stty -a | grep -o " -\?icanon "'
	expect '^ icanon *$'
}

@test "--detach-keys; exec -it beside a container without a terminal" {
	# parity: attach --detach-keys | as runc
	# parity: exec --detach-keys | as runc
	kbg one -t -i busybox sh
	open_terminal "$DOCKER attach --detach-keys ctrl-x,x one; echo code \$?"
	sleep 1
	type_line 'echo $((40 + 2))'
	expect '^42'
	tm send-keys -t t C-x x
	expect 'read escape sequence$'
	is_state one running
	type_line "clear; $DOCKER exec -it --detach-keys ctrl-y -e PS1='exec> ' one sh; echo code \$?"
	expect '^exec>'
	tm resize-window -t t -x 77 -y 22
	type_line 'clear; until [ "$(stty size)" = "22 77" ]; do sleep 0.1; done; echo resized $((1 + 1))'
	expect '^resized 2$'
	tm send-keys -t t C-y
	expect '^code '
	# The exec goes on, too.
	[ "$(d exec one ps | grep -c ' sh$')" -eq 2 ]
}
