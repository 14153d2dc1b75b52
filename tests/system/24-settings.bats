#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Keys of configuration.toml whose effect can only be seen in a guest, and what helps to find out why something fails.

load helpers
bats_require_minimum_version 1.5.0

# configure SED_SCRIPT: a configuration that differs from the built one is used by kata from here on.
configure() {
	sed "$1" "$BUILD/configuration.toml" > "$BATS_TEST_TMPDIR/c.toml"
	KATA=("$BUILD/kata-runtime" --config "$BATS_TEST_TMPDIR/c.toml" --root "$ROOT")
}

@test "the size of pipes, seccomp and kernel parameters" {
	configure 's|^container_pipe_size = .*|container_pipe_size = 8192|
		s|^disable_guest_seccomp = .*|disable_guest_seccomp = true|
		s|^kernel_params = .*|kernel_params = "kata.test=1"|'
	make_bundle sh -c 'cat /proc/cmdline; mkdir /d && echo made'
	edit_config '.linux.seccomp = { defaultAction: "SCMP_ACT_ALLOW",
		syscalls: [ { names: [ "mkdir", "mkdirat" ], action: "SCMP_ACT_ERRNO" } ] }'
	run --separate-stderr kata run --bundle "$BUNDLE" "settings-$$"
	echo "$output $stderr"
	[[ "$output" == *" kata.test=1"* ]]
	[[ "$output" == *" agent.container_pipe_size=8192"* ]]
	[[ "$output" == *made ]]
}

@test "the agent's policy: a container runs, an exec is refused, a mount elsewhere too; nothing of it is left" {
	configure 's|^policy = .*|policy = ["*", "!ExecProcess", "mount=/[dps]*", "mount=/volumes/*", "mount=/etc/*"]|'
	make_bundle sleep 1000
	new_id
	kata run --detach --bundle "$BUNDLE" "$ID"
	run kata exec "$ID" true
	echo "$output"
	[ "$status" -ne 0 ]
	[[ "$output" == *"not allowed by the agent's policy: ExecProcess"* ]]
	[ "$(kata state "$ID" | jq -r .status)" = running ]
	kata delete --force "$ID"
	mkdir "$BATS_TEST_TMPDIR/volume"
	edit_config '.mounts += [{destination: "/home/x", type: "bind", source: $source, options: ["rbind"]}]' \
		--arg source "$BATS_TEST_TMPDIR/volume"
	new_id
	run kata run --detach --bundle "$BUNDLE" "$ID"
	echo "$output"
	[ "$status" -ne 0 ]
	[[ "$output" == *"not allowed by the agent's policy: CreateContainer, mount "*"/home/x"* ]]
	edit_config '(.mounts[] | select(.destination == "/home/x")).destination = "/volumes/x"'
	new_id
	kata run --detach --bundle "$BUNDLE" "$ID"
	kata delete --force "$ID"
	# The list of docs/agent.md.
	local names
	names=$(sed -n '/^A list without/,/^so /p' "$REPO/docs/agent.md" | grep '^    ' | tr -d ' \n' | sed 's/,/", "/g')
	configure "s|^policy = .*|policy = [\"$names\"]|"
	grep '^policy' "$BATS_TEST_TMPDIR/c.toml"
	make_bundle echo works
	new_id
	run --separate-stderr kata run --bundle "$BUNDLE" "$ID"
	echo "$output $stderr"
	[ "$output" = works ]
	# A word that is misspelt allows nothing, instead of what it was to deny.
	configure 's|^policy = .*|policy = ["*", "!ExecProces"]|'
	new_id
	run kata run --detach --bundle "$BUNDLE" "$ID"
	echo "$output"
	[ "$status" -ne 0 ]
	[[ "$output" == *"not allowed by the agent's policy"* ]]
}

@test "vCPUs follow the quota of a single container; the exact quota is the cgroup's" {
	configure 's|^default_vcpus = .*|default_vcpus = 1|; s|^default_maxvcpus = .*|default_maxvcpus = 3|'
	make_bundle sleep 1000
	new_id
	kata run --detach --bundle "$BUNDLE" "$ID"
	[ "$(kata exec "$ID" nproc)" -eq 1 ]
	kata update --cpu-period 100000 --cpu-quota 250000 "$ID"
	[ "$(kata exec "$ID" nproc)" -eq 3 ]
	[ "$(kata exec "$ID" cat /sys/fs/cgroup/cpu.max)" = "250000 100000" ]
	kata update --cpu-period 100000 --cpu-quota 150000 "$ID"
	[ "$(kata exec "$ID" nproc)" -eq 2 ]
	kata update --cpu-period 100000 --cpu-quota 40000 "$ID"
	[ "$(kata exec "$ID" nproc)" -eq 1 ]
	[ "$(kata exec "$ID" cat /sys/fs/cgroup/cpu.max)" = "40000 100000" ]
	kata update --cpu-period 100000 --cpu-quota 200000 "$ID"
	[ "$(kata exec "$ID" nproc)" -eq 2 ]
}

# host_bandwidth PATH: quota and period of a cgroup of the host, whose version is either
host_bandwidth() {
	local dir
	for dir in /sys/fs/cgroup/cpu/$1 /sys/fs/cgroup/cpu,cpuacct/$1; do
		[ ! -e "$dir/cpu.cfs_quota_us" ] || cat "$dir/cpu.cfs_quota_us" "$dir/cpu.cfs_period_us" | xargs && return
	done
	cat "/sys/fs/cgroup/$1/cpu.max"
}

@test "a quota and its period are one value, in the guest and on the host" {
	local parent=kata-cpu-$$ dir
	make_bundle sleep 1000
	edit_config ".linux.resources.cpu = { quota: 500000, period: 1000000 } | .linux.cgroupsPath = \"/$parent/c\""
	new_id
	kata run --detach --bundle "$BUNDLE" "$ID"
	both() {
		echo "guest $(kata exec "$ID" cat /sys/fs/cgroup/cpu.max), host $(host_bandwidth "$parent/c")"
		[ "$(kata exec "$ID" cat /sys/fs/cgroup/cpu.max)" = "$1" ]
		[ "$(host_bandwidth "$parent/c")" = "$1" ]
	}
	both "500000 1000000"
	kata update --cpu-period 900000 "$ID"
	both "500000 900000"
	kata update --cpu-quota 600000 "$ID"
	both "600000 900000"
	[ "$(kata exec "$ID" nproc)" -eq 1 ]
	# Below a parent that allows 0.7 CPUs: the shorter period alone would be more.
	for dir in /sys/fs/cgroup/cpu/$parent /sys/fs/cgroup/cpu,cpuacct/$parent; do
		[ ! -e "$dir/cpu.cfs_quota_us" ] || { echo 70000 > "$dir/cpu.cfs_quota_us"; break; }
	done
	kata update --cpu-period 100000 --cpu-quota 60000 "$ID"
	both "60000 100000"
	kata update --cpu-period 900000 --cpu-quota 540000 "$ID"
	both "540000 900000"
	kata delete --force "$ID"
	for dir in /sys/fs/cgroup/{cpu,*}/"$parent"; do [ ! -d "$dir" ] || rmdir "$dir" || true; done
	[ ! -d "/sys/fs/cgroup/$parent" ] || rmdir "/sys/fs/cgroup/$parent"
}

@test "modules that the guest has not are an error with their name" {
	configure 's|^kernel_modules = .*|kernel_modules = ["nosuch option=1"]|'
	make_bundle true
	run kata run --bundle "$BUNDLE" "settings-$$"
	echo "$output"
	[ "$status" -eq 1 ]
	[[ "$output" == *nosuch* ]]
}

@test "disks: each way of I/O, sector sizes" {
	local device aio
	truncate -s 16M "$BATS_TEST_TMPDIR/disk"
	device=$(losetup --find --show "$BATS_TEST_TMPDIR/disk") || skip "there are no loop devices"
	echo content | dd of="$device" conv=fsync 2> /dev/null
	for aio in io_uring native threads; do
		configure "s|^block_device_aio = .*|block_device_aio = \"$aio\"|
			s|^block_device_logical_sector_size = .*|block_device_logical_sector_size = 4096|
			s|^block_device_physical_sector_size = .*|block_device_physical_sector_size = 4096|"
		make_bundle sh -c 'head -c 8 /dev/disk; cat /sys/class/block/vd*/queue/logical_block_size'
		edit_config '.linux.devices = [ { path: "/dev/disk", type: "b", major: ($major | tonumber),
			minor: ($minor | tonumber) } ] | .linux.resources.devices += [ { allow: true, type: "b",
			major: ($major | tonumber), minor: ($minor | tonumber), access: "rwm" } ]' \
			--arg major "$((0x$(stat -c %t "$device")))" --arg minor "$((0x$(stat -c %T "$device")))"
		run kata run --bundle "$BUNDLE" "disk-$aio-$$"
		echo "$aio: $output"
		[ "$status" -eq 0 ] || break
		[ "$output" = $'content\n4096' ] || break
	done
	losetup --detach "$device"
	[ "$output" = $'content\n4096' ]
}

@test "a start that fails quotes the guest's last words; the timeline of one that works has each step" {
	make_bundle sleep 1000
	configure 's|^kernel_params = .*|kernel_params = "rdinit=/nosuch"|'
	run kata run --bundle "$BUNDLE" "words-$$"
	echo "$output"
	[ "$status" -eq 1 ]
	[[ "$output" == *"the guest kernel panicked"*"last words of the guest"*"Kernel panic"* ]]
	configure ''
	kata run --detach --bundle "$BUNDLE" "words-$$" < /dev/null > /dev/null
	[ "$(kata timeline "words-$$" | jq -r '.[] | select(.ns > 0).name' | head -1)" != "" ]
	kata timeline --svg "words-$$" | python3 -c 'import sys, xml.dom.minidom; xml.dom.minidom.parse(sys.stdin)'
}

@test "a shell in the guest, where the initrd has one" {
	mkdir -p "$BATS_TEST_TMPDIR/add/bin"
	cp "$(command -v busybox)" "$BATS_TEST_TMPDIR/add/bin/sh"
	(cat "$BUILD/guest/initrd.img" && cd "$BATS_TEST_TMPDIR/add" && find . | cpio --quiet -o -H newc) \
		> "$BATS_TEST_TMPDIR/initrd"
	configure "s|^initrd = .*|initrd = \"$BATS_TEST_TMPDIR/initrd\"|
		s|^debug_console_enabled = .*|debug_console_enabled = true|"
	make_bundle sleep 1000
	kata run --detach --bundle "$BUNDLE" "shell-$$" < /dev/null > /dev/null
	[ -e "$ROOT/shell-$$/vsock.sock" ] || skip "this host has vhost-vsock"
	run timeout 20 bash -c "(echo 'CONNECT 1026'; echo 'echo from pid \$\$ on \$(cat /proc/1/comm); exit') |
		socat -t 10 - 'UNIX-CONNECT:$ROOT/shell-$$/vsock.sock'"
	echo "$output"
	[[ "$output" == *"on init"* ]]
}

@test "a container cannot take the agent's ports" {
	make_bundle /bin/vsock-bind 1024 1025 1026 1027 1028 1029 1030 1099
	cc -static -O1 -o "$BUNDLE/rootfs/bin/vsock-bind" "$REPO/tests/lib/vsock-bind.c"
	run kata run --bundle "$BUNDLE" "ports-$$"
	echo "$output"
	[ "$status" -eq 0 ]
	for port in 1024 1025 1026 1027 1028 1029 1030; do
		[[ "$output" == *"$port: Address already in use"* ]]
	done
	[[ "$output" == *"1099: free"* ]]
}
