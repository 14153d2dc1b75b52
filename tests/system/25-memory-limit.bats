#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The one sizing rule: guest RAM and what its VMM needs are together at most the container's limit, and the host's
# cgroup enforces it. So a guest may use all that it sees, and QEMU is not killed for it.

bats_require_minimum_version 1.5.0
load helpers

# limit_memory MIB
limit_memory() {
	edit_config ".linux.resources.memory.limit = $(($1 << 20)) | .linux.cgroupsPath = \"/kata-test-$$\""
}

# Reads and writes more than the guest's memory, then fills most of it.
load_of_work='dd if=/dev/zero of=/big bs=1M count=200 2>/dev/null && cat /big | wc -c &&
	free=$(awk "/MemAvailable/ {print \$2}" /proc/meminfo) &&
	dd if=/dev/zero of=/dev/shm/fill bs=1k count=$((free * 3 / 4)) 2>/dev/null && echo filled'

@test "a container works in the smallest limit there is" {
	make_bundle sh -c "${load_of_work//[$'\n\t']/ }"
	limit_memory 128
	run --separate-stderr kata run --bundle "$BUNDLE" limit-128
	echo "$output $stderr"
	[ "$status" -eq 0 ]
	[ "${lines[0]}" = 209715200 ]
	[ "${lines[1]}" = filled ]
}

@test "a limit that is too small is refused with the number it needs" {
	make_bundle true
	limit_memory 127
	run kata run --bundle "$BUNDLE" limit-127
	[ "$status" -ne 0 ]
	[[ $output == *"127 MiB is too small for a VM: it needs at least 128 MiB"* ]]
}

@test "cgroups that are mounted twice are one" {
	make_bundle true
	limit_memory 256
	mkdir "$BATS_TEST_TMPDIR/sys"
	run unshare --mount sh -c 'mount --rbind /sys "$0" && exec "$@"' "$BATS_TEST_TMPDIR/sys" \
		"${KATA[@]}" run --bundle "$BUNDLE" "twice-$$"
	echo "$output"
	[ "$status" -eq 0 ]
}
