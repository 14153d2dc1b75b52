#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Sockets of the host that the configuration lets containers have.

load helpers

setup() {
	cc -static -O1 -o "$BATS_TEST_TMPDIR/tool" "$REPO/tests/lib/unix-socket.c"
	DIR=$(mktemp -d /tmp/kata-socket-XXXXXX)
	sed "s|^valid_host_socket_paths = .*|valid_host_socket_paths = [\"$DIR/allowed/*.sock\"]|" "$BUILD/configuration.toml" \
		> "$BATS_TEST_TMPDIR/config.toml"
	KATA=("$BUILD/kata-runtime" --config "$BATS_TEST_TMPDIR/config.toml" --root "$ROOT")
	mkdir "$DIR/allowed" "$DIR/other"
	SERVERS=()
}

teardown() {
	local id
	for id in $(kata list -q 2>/dev/null); do
		kata delete --force "$id" || true
	done
	[ ${#SERVERS[@]} = 0 ] || kill "${SERVERS[@]}" 2>/dev/null || true
	rm -rf "$DIR"
	no_leaks
}

# serve SOCKET COMMAND: with the connection as standard input and output
serve() {
	socat -t 1000 "UNIX-LISTEN:$1,fork,mode=0660" "SYSTEM:$2" 3>&- &
	SERVERS+=($!)
	wait_for 10 test -S "$1"
}

# with_mounts SOURCE DESTINATION ...: a bundle that sleeps, with these sockets
with_mounts() {
	make_bundle sleep 1000
	cp "$BATS_TEST_TMPDIR/tool" "$BUNDLE/rootfs/tool"
	while [ $# -gt 0 ]; do
		edit_config '.mounts += [{destination: $d, type: "bind", source: $s, options: ["rbind", "rprivate"]}]' \
			--arg s "$1" --arg d "$2"
		shift 2
	done
	new_id
}

start() {
	with_mounts "$@"
	kata run --detach --bundle "$BUNDLE" "$ID" < /dev/null > "$BATS_TEST_TMPDIR/log" 2>&1 || {
		cat "$BATS_TEST_TMPDIR/log"
		return 1
	}
}

inside() {
	kata exec "$ID" "$@"
}

@test "a socket of the host: owner and mode, 20 MB both ways with a half-closed end, many clients" {
	serve "$DIR/allowed/sum.sock" sha256sum
	serve "$DIR/allowed/echo.sock" cat
	chown 0:1234 "$DIR/allowed/sum.sock"
	ln -s allowed/echo.sock "$DIR/link"
	# A file may lead there by a link: its own path counts.
	start "$DIR/allowed/sum.sock" /run/sum.sock "$DIR/link" /run/deep/er/echo.sock
	[ "$(inside stat -c '%F %u %g %a' /run/sum.sock)" = "socket 0 1234 660" ]
	# shellcheck disable=SC2016 # for the container's shell
	inside sh -c 'head -c 20000000 /dev/urandom > /data; sha256sum < /data > /want; /tool pipe /run/sum.sock < /data > /got;
		cmp /want /got && /tool pipe /run/deep/er/echo.sock < /data > /back && cmp /data /back'
	# shellcheck disable=SC2016
	[ "$(inside sh -c 'for i in $(seq 40); do echo $i | /tool pipe /run/deep/er/echo.sock & done | sort -n | md5sum; wait')" = \
		"$(seq 40 | md5sum)" ]
	# Others than the owner are kept out by the guest's kernel, as by the host's.
	run kata exec --user 1000:1000 "$ID" /tool connect /run/sum.sock
	echo "$output"
	[ "$status" -ne 0 ]
	[[ "$output" == *"Permission denied"* ]]
	kata exec --user 1000:1234 "$ID" sh -c '/tool pipe /run/sum.sock < /dev/null' | grep -q ^e3b0c442
}

# closed PID: the one connection of a server has ended
closed() {
	! kill -0 "$1" 2>/dev/null
}

@test "either side of a host's socket may go" {
	socat -u "UNIX-LISTEN:$DIR/allowed/a.sock" "CREATE:$DIR/got" 3>&- &
	server=$!
	wait_for 10 test -S "$DIR/allowed/a.sock"
	start "$DIR/allowed/a.sock" /run/a.sock
	inside sh -c '(echo word; exec sleep 1000) | /tool pipe /run/a.sock > /dev/null 2>&1 &'
	wait_for 20 grep -q word "$DIR/got"
	# The client is killed: the server sees its end.
	inside sh -c 'killall tool'
	wait_for 20 closed "$server"
	# Nobody listens any more, in whatever way.
	run inside sh -c '/tool connect /run/a.sock'
	[ "$output" = "" ]
	# A server that is killed ends its clients; the container goes on.
	kata delete --force "$ID"
	serve "$DIR/allowed/b.sock" "echo hello; exec sleep 1000"
	start "$DIR/allowed/b.sock" /run/b.sock
	[ "$(inside /tool connect /run/b.sock)" = hello ]
	inside sh -c '/tool pipe /run/b.sock < /dev/null > /out; echo ended > /end' &
	client=$!
	wait_for 20 inside grep -q hello /out
	pkill -P "${SERVERS[0]}"
	wait "$client"
	[ "$(inside cat /end)" = ended ]
}

@test "sockets that are not listed, not stream sockets, or left out of the configuration are refused in a line" {
	serve "$DIR/other/x.sock" cat
	ln -s ../other/x.sock "$DIR/allowed/x.sock"
	socat -u "UNIX-RECV:$DIR/allowed/log.sock" OPEN:/dev/null 3>&- &
	SERVERS+=($!)
	wait_for 10 test -S "$DIR/allowed/log.sock"
	for source in "$DIR/other/x.sock" "$DIR/allowed/x.sock"; do
		with_mounts "$source" /run/x.sock
		run kata run --bundle "$BUNDLE" "$ID"
		echo "$output"
		[ "$status" -ne 0 ]
		[[ "$output" == *"(/run/x.sock): $source is a socket of the host, to which nobody can connect from a VM unless valid_host_socket_paths"* ]]
	done
	with_mounts "$DIR/allowed/log.sock" /run/log.sock
	run kata run --bundle "$BUNDLE" "$ID"
	echo "$output"
	[ "$status" -ne 0 ]
	[[ "$output" == *"is a datagram socket of the host: only stream sockets reach into a VM"* ]]
}
