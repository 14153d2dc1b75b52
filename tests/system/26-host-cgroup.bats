#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The host's cgroup: its systemd form, and its code on a real tree of version 2, which a guest has whatever the host has.

load helpers

@test "the systemd driver is refused with one line where systemd does not run" {
	[ ! -d /run/systemd/system ] || skip "systemd runs here"
	make_bundle true
	edit_config '.linux.cgroupsPath = "system.slice:kata:t"'
	new_id
	run kata --systemd-cgroup run --bundle "$BUNDLE" "$ID"
	echo "$output"
	[ "$status" -ne 0 ]
	[ "${#lines[@]}" -eq 1 ]
	[[ "$output" == *"systemd does not run on this host, so its cgroup driver cannot be used for 'system.slice:kata:t'"* ]]
}

@test "version 2: made, limited, joined and removed, by the unit test inside a VM" {
	make -s -C "$REPO" B="$BUILD" "$BUILD/tests/test-host-cgroup"
	make_bundle sh -c 'cd /sys/fs/cgroup && mkdir self && echo $$ > self/cgroup.procs && exec /test-host-cgroup'
	cp "$BUILD/tests/test-host-cgroup" "$BUNDLE/rootfs/"
	for file in $(ldd "$BUNDLE/rootfs/test-host-cgroup" | grep -o '/[^ )]*'); do
		mkdir -p "$BUNDLE/rootfs$(dirname "$file")"
		cp -L "$file" "$BUNDLE/rootfs$file"
	done
	edit_config '(.mounts[] | select(.type == "cgroup")).options -= ["ro"]'
	edit_config '.process.env += ["KATA_TEST_CGROUP2=1", "CMOCKA_MESSAGE_OUTPUT=TAP"]'
	edit_config '.process.capabilities |= map_values(. + ["CAP_SYS_ADMIN", "CAP_SYS_RESOURCE"])'
	new_id
	run kata run --bundle "$BUNDLE" "$ID"
	echo "$output"
	[ "$status" -eq 0 ]
	[[ "$output" == *"ok 9 - a_real_version_2_tree_counts_and_limits"* ]]
	[[ "$output" != *"not ok"* ]]
}
