#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What the host mounts and unmounts in a volume while the container runs, by each program that can share it, and runc.

load helpers
load ../lib/shared-files

teardown() {
	close_files
	clean_up
}

# host_disk NAME: a disk of the host in $LOOP with NAME in a file "name".
host_disk() {
	local dir=$BATS_TEST_TMPDIR/new
	truncate -s 16M "$BATS_TEST_TMPDIR/image"
	mkfs.ext4 -q "$BATS_TEST_TMPDIR/image"
	LOOP=$(losetup -f --show "$BATS_TEST_TMPDIR/image")
	mkdir -p "$dir"
	mount "$LOOP" "$dir"
	mkdir "$dir/d"
	echo "$1" | tee "$dir/name" "$dir/d/f" > /dev/null
	umount "$dir"
}

# The file system is not in use by anybody: Linux lets nobody else open a disk for itself that is mounted.
disk_is_free() {
	python3 -c 'import os, sys; os.open(sys.argv[1], os.O_RDONLY | os.O_EXCL)' "$LOOP" 2> "$BATS_TEST_TMPDIR/busy"
}

# shows TEXT COMMAND: the container says so within some seconds; what was mounted is seen a moment later.
shows() {
	local i
	for ((i = 0; i < 50; i++)); do
		inside "$2"
		[[ "$output" != *"$1"* ]] || return 0
		sleep 0.1
	done
	echo "$2: $output"
	return 1
}

late_mounts() {
	make_shell
	rm -r "$VOLUME"
	mkdir -p "$VOLUME"
	mount --bind "$VOLUME" "$VOLUME"
	mount --make-shared "$VOLUME"
	mkdir -p "$VOLUME/late" "$VOLUME/before"
	mount -t tmpfs tmpfs "$VOLUME/before"
	echo before > "$VOLUME/before/name"
	edit_config '.mounts |= map(select(.destination != "/v"))'
	volume "$VOLUME" /v rslave
	volume "$VOLUME" /still rprivate
	host_disk disk
	run_shell
	inside 'cat /v/before/name; cat /v/late/name'
	echo "$output"
	[[ "$output" == before$'\n'*"No such file"* ]]
	# What comes is seen, with what is mounted in it, and can be written.
	mount "$LOOP" "$VOLUME/late"
	shows disk 'cat /v/late/name; cat /still/late/name'
	[[ "$output" == *"No such file"* ]]
	inside 'cat /v/late/d/f; ls -R /v > /dev/null; echo text > /v/late/from-inside'
	[ "$output" = disk ]
	[ "$(cat "$VOLUME/late/from-inside")" = text ]
	mount -t tmpfs tmpfs "$VOLUME/late/d"
	echo inner > "$VOLUME/late/d/f"
	shows inner 'cat /v/late/d/f'
	# What goes is gone for both, at once, and nothing keeps the disk.
	umount "$VOLUME/late/d"
	shows disk 'cat /v/late/d/f'
	umount "$VOLUME/late"
	wait_for 10 disk_is_free
	inside 'ls /v/late'
	[ -z "$output" ]
	umount "$VOLUME/before"
	shows "No such file" 'cat /v/before/name'
	# The same place again, and one whose directory the container renames meanwhile.
	mount "$LOOP" "$VOLUME/late"
	shows disk 'cat /v/late/name'
	umount "$VOLUME/late"
	mkdir -p "$VOLUME/a/b"
	mount -t tmpfs tmpfs "$VOLUME/a/b"
	echo moved > "$VOLUME/a/b/name"
	shows moved 'cat /v/a/b/name'
	inside 'mv /v/a /v/c'
	shows moved 'cat /v/c/b/name'
	umount "$VOLUME/c/b"
	shows "No such file" 'cat /v/c/b/name'
	stop_shell
	wait_for 10 disk_is_free
	umount "$VOLUME"
}

@test "what the host mounts later appears, and can be unmounted when the container has seen it: virtiofsd of QEMU" {
	configure c
	late_mounts
}

@test "what the host mounts later appears, and can be unmounted when the container has seen it: virtiofsd in Rust" {
	configure rust
	late_mounts
}

@test "what the host mounts later appears, and can be unmounted when the container has seen it: 9p" {
	configure 9p
	late_mounts
}

@test "what the host mounts later appears, and can be unmounted when the container has seen it: runc" {
	command -v runc > /dev/null || skip "no runc"
	# shellcheck disable=SC2034 # of helpers
	KATA=(runc --root "$BATS_TEST_TMPDIR/runc")
	late_mounts
}
