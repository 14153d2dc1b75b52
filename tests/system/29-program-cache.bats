#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What the guest keeps of a root file system's files: programs that run again are not read again, and what the host
# changes is seen.

load helpers

setup() {
	[[ "$(/usr/lib/qemu/virtiofsd --version 2> /dev/null)" = *FUSE* ]] || skip "needs the virtiofsd of QEMU 7.2"
	mkdir "$BATS_TEST_TMPDIR/conf"
	sed 's,^virtio_fs_daemon = .*,virtio_fs_daemon = "/usr/lib/qemu/virtiofsd",' "$BUILD/configuration.toml" \
		> "$BATS_TEST_TMPDIR/conf/configuration.toml"
	KATA=("$BUILD/kata-runtime" --config "$BATS_TEST_TMPDIR/conf/configuration.toml" --root "$ROOT")
	make_bundle sleep 1000
	new_id
}

teardown() {
	clean_up
}

# Bytes that the daemons of the container have read so far.
bytes_read() {
	local shim parent pid sum=0
	shim=$(cut -d' ' -f1 "$ROOT/$ID/shim.pid")
	for parent in $(pgrep -P "$shim" -x virtiofsd); do
		for pid in $parent $(pgrep -P "$parent"); do
			sum=$((sum + $(awk '$1 == "rchar:" { print $2 }' "/proc/$pid/io")))
		done
	done
	echo "$sum"
}

@test "a program that runs again is not read again" {
	kata run -d --bundle "$BUNDLE" "$ID"
	head -c 1000000 /dev/zero > "$BUNDLE/rootfs/data"
	start=$(bytes_read)
	kata exec "$ID" cat /data | cmp - "$BUNDLE/rootfs/data"
	first=$(bytes_read)
	[ $((first - start)) -ge 1000000 ]
	kata exec "$ID" cat /data | cmp - "$BUNDLE/rootfs/data"
	[ $(($(bytes_read) - first)) -lt 200000 ]
	kata delete --force "$ID"
}

@test "what the host changes in a root is seen after a second" {
	echo old > "$BUNDLE/rootfs/f"
	mkdir "$BUNDLE/rootfs/d"
	kata run -d --bundle "$BUNDLE" "$ID"
	[ "$(kata exec "$ID" sh -c 'cat /f; ls /d')" = old ]
	echo new > "$BUNDLE/rootfs/f"
	touch "$BUNDLE/rootfs/d/entry"
	run kata exec "$ID" sh -c 'sleep 1.2; cat /f; ls /d'
	[ "$output" = $'new\nentry' ]
	kata delete --force "$ID"
}
