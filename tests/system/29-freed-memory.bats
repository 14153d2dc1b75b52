#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Memory that a guest used and freed is the host's again.

bats_require_minimum_version 1.5.0
load helpers

# MiB of QEMU that are in the host's memory.
resident() {
	awk '/^Rss:/ { print int($2 / 1024) }' "/proc/$qemu/smaps_rollup"
}

gave_back() {
	[ $(($(resident) - before)) -le $((grown / 20)) ]
}

# gives_back: what is no longer used, but for a twentieth. Linux reports at least 64 MiB each two seconds.
gives_back() {
	if ! wait_for 30 gave_back; then
		echo "$before MiB, $grown more, $(($(resident) - before)) of them kept"
		return 1
	fi
}

# fills_and_frees: in the container's tmpfs
fills_and_frees() {
	kata exec "$ID" dd if=/dev/zero of=/mem/x bs=1M count=512 2> /dev/null < /dev/null
	grown=$(($(resident) - before))
	[ "$grown" -ge 505 ]
	kata exec "$ID" rm /mem/x
	gives_back
}

has_grown() {
	[ $(($(resident) - before)) -ge 505 ]
}

start() {
	make_bundle sleep 1000
	edit_config '.mounts += [{destination: "/mem", type: "tmpfs", source: "tmpfs", options: ["size=600m"]}]'
	new_id
	kata run --detach --bundle "$BUNDLE" "$ID" < /dev/null > /dev/null
	qemu=$(pgrep -f "guest=sandbox-$ID,")
	kata exec "$ID" true
	before=$(resident)
}

@test "512 MiB that a container had in a tmpfs are the host's again when the files have gone" {
	start
	fills_and_frees
	# Not once only.
	fills_and_frees
}

@test "512 MiB of a process are the host's again when it has gone" {
	start
	kata exec "$ID" dd if=/dev/zero of=/dev/null bs=512M count=1 > /dev/null 2>&1 &
	wait_for 60 has_grown
	grown=$(($(resident) - before))
	wait
	gives_back
}

@test "reclaim_guest_freed_memory = false keeps it, and so does memory that was taken at boot" {
	local key
	for key in 'reclaim_guest_freed_memory = false' 'enable_mem_prealloc = true'; do
		sed "s|^${key%% *} = .*|$key|" "$BUILD/configuration.toml" > "$BATS_TEST_TMPDIR/c.toml"
		KATA=("$BUILD/kata-runtime" --config "$BATS_TEST_TMPDIR/c.toml" --root "$ROOT")
		start
		[ "$(tr '\0' '\n' < "/proc/$qemu/cmdline" | grep -c free-page-reporting)" -eq 0 ]
		kata delete --force "$ID"
	done
}
