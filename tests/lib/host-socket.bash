# SPDX-License-Identifier: Apache-2.0
# A socket of the host that the configuration of the build folder lists, by a file beside it.

# serve_socket COMMAND: in $SOCKET; each connection is the command's standard input and output.
serve_socket() {
	SOCKET_DIR=$(mktemp -d /tmp/kata-socket-XXXXXX)
	SOCKET=$SOCKET_DIR/x.sock
	mkdir -p "$BUILD/config.d"
	printf '[runtime]\nvalid_host_socket_paths = ["%s/*.sock"]\n' "$SOCKET_DIR" > "$BUILD/config.d/socket.toml"
	socat -t 1000 "UNIX-LISTEN:$SOCKET,fork,mode=0600" "SYSTEM:$1" 3>&- &
	SOCKET_SERVER=$!
	wait_for 10 test -S "$SOCKET"
}

stop_socket() {
	[ -n "${SOCKET_SERVER:-}" ] || return 0
	kill "$SOCKET_SERVER"
	rm -rf "$SOCKET_DIR" "$BUILD/config.d/socket.toml"
	rmdir --ignore-fail-on-non-empty "$BUILD/config.d"
}
