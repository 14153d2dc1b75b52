# SPDX-License-Identifier: Apache-2.0
# For suites about what the host shares with a container: a configuration for each program that can share it, and a
# container whose shell does what it is told. Loaded after helpers.
# shellcheck shell=bash disable=SC2154

# The separate virtiofsd, where it is not the host's.
RUST=${KATA_TEST_VIRTIOFSD:-/usr/libexec/virtiofsd}

# configure c|rust|9p [SED_EXPRESSION]: a configuration that shares by it, used from now on.
configure() {
	local daemon=/usr/lib/qemu/virtiofsd shared_fs=virtio-fs
	case "$1" in
	rust) daemon=$RUST ;;
	9p) shared_fs=virtio-9p ;;
	esac
	[ "$1" = 9p ] || [ -x "$daemon" ] || skip "no $daemon"
	sed -e "s|^#* *shared_fs = .*|shared_fs = \"$shared_fs\"|; s|^#* *virtio_fs_daemon = .*|virtio_fs_daemon = \"$daemon\"|" \
		-e "s|^#* *valid_virtio_fs_daemon_paths = .*||; ${2:-}" "$BUILD/configuration.toml" > "$BATS_TEST_TMPDIR/c.toml"
	KATA=("$BUILD/kata-runtime" --config "$BATS_TEST_TMPDIR/c.toml" --root "$ROOT")
}

# volume HOST_DIR DESTINATION [OPTION,...]: a mount of the bundle.
volume() {
	edit_config '.mounts += [{ destination: $to, type: "bind", source: $from, options: ("rbind,\($o)" | split(",")) }]' \
		--arg from "$1" --arg to "$2" --arg o "${3:-rw}"
}

# run_shell: a container in the background whose shell does what "inside" says.
run_shell() {
	mkfifo "$BUNDLE/in" "$BUNDLE/out"
	new_id
	"${KATA[@]}" run --bundle "$BUNDLE" "$ID" < "$BUNDLE/in" > "$BUNDLE/out" 2> "$BUNDLE/err" 3>&- &
	exec {FEED}> "$BUNDLE/in" {ANSWERS}< "$BUNDLE/out"
	inside true
}

# inside COMMAND: by the container's shell; its output in $output.
inside() {
	local line
	output=
	echo "$1" >&"$FEED"
	while read -r -t $((30 * ${KATA_TEST_SLOW:-1})) -u "$ANSWERS" line; do
		[[ "$line" != "= "* ]] || return 0
		output+=${output:+$'\n'}$line
	done
	cat "$BUNDLE/err"
	return 99
}

# make_shell: a bundle with a volume at /v that is $VOLUME.
make_shell() {
	make_bundle sh -c 'while read -r line; do eval "$line" 2>&1; echo "= $?"; done'
	VOLUME=$(mktemp -d "$BATS_TEST_TMPDIR/volume.XXXXXX")
	chmod 777 "$VOLUME"
	volume "$VOLUME" /v
}

stop_shell() {
	exec {FEED}>&-
	FEED=
	wait_for 30 is_gone
	exec {ANSWERS}<&-
}

is_gone() {
	! "${KATA[@]}" state "$ID" > /dev/null 2>&1
}

# close_files: unmounts what a test has mounted below its folder, and ends its shell.
close_files() {
	local mount
	[ -z "${FEED:-}" ] || exec {FEED}>&-
	for mount in $(awk -v dir="$BATS_TEST_TMPDIR/" 'index($5, dir) == 1 { print $5 }' /proc/self/mountinfo | tac); do
		umount -l "$mount"
	done
	[ -z "${LOOP:-}" ] || losetup -d "$LOOP"
}
