#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# A container gets its memory limit, exactly: it is the guest cgroup's, and what the VM itself needs is on top of it, in
# the VM's RAM and in the host's cgroup. So memory runs out in the container's cgroup, as under runc, and QEMU is not
# killed. With memory_limit = "within" the limit is the host cgroup's, and guest RAM and VMM share it.

bats_require_minimum_version 1.5.0
load helpers

# limit_memory MIB
limit_memory() {
	edit_config ".linux.resources.memory.limit = $(($1 << 20)) | .linux.cgroupsPath = \"/kata-test-$$\""
}

# within: the other rule, from here on
within() {
	sed 's|^memory_limit = .*|memory_limit = "within"|' "$BUILD/configuration.toml" > "$BATS_TEST_TMPDIR/c.toml"
	KATA=("$BUILD/kata-runtime" --config "$BATS_TEST_TMPDIR/c.toml" --root "$ROOT")
}

# The host's limit of the VM, in bytes.
host_limit() {
	find /sys/fs/cgroup \( -path "*/kata-test-$$/memory.limit_in_bytes" -o -path "*/kata-test-$$/memory.max" \) \
		-exec cat {} +
}

# under_runc: the bundle's container with the same limits by runc, or nothing where runc cannot run
under_runc() {
	command -v runc > /dev/null || return 1
	runc --root "$BATS_TEST_TMPDIR/runc" run --bundle "$BUNDLE" "runc-$$"
}

# make_work FREE: a bundle that reads and writes more than all memory there is, then fills most of FREE KiB.
make_work() {
	local work="dd if=/dev/zero of=/big bs=1M count=200 2>/dev/null && cat /big | wc -c && free=$1 &&
		dd if=/dev/zero of=/dev/shm/fill bs=1k count=\$((free * 3 / 4)) 2>/dev/null && echo filled"
	make_bundle sh -c "${work//[$'\n\t']/ }"
}
# shellcheck disable=SC2016 # for the container's shell
of_guest='$(awk "/MemAvailable/ { print \$2 }" /proc/meminfo)'
# shellcheck disable=SC2016
of_cgroup='$((($(cat /sys/fs/cgroup/memory.max) -
	$(awk "/^(anon|kernel) / { n += \$2 } END { print n }" /sys/fs/cgroup/memory.stat)) / 1024))'

@test "the limit is the container's, down to 16 MiB; the VM is on top" {
	local mib max total current host
	for mib in 16 64 512; do
		# shellcheck disable=SC2016 # for the container's shell
		make_bundle sh -c 'cat /sys/fs/cgroup/memory.max; awk "/MemTotal/ { print \$2 }" /proc/meminfo; read x; true'
		limit_memory "$mib"
		mkfifo "$BUNDLE/in"
		kata run --bundle "$BUNDLE" "on-top-$mib-$$" < "$BUNDLE/in" > "$BUNDLE/out" &
		exec 8> "$BUNDLE/in"
		wait_for 60 sh -c "[ \$(wc -l < '$BUNDLE/out') -eq 2 ]"
		{ read -r max; read -r total; } < "$BUNDLE/out"
		host=$(host_limit)
		echo "limit $mib MiB: in the guest $max bytes of $total KiB RAM, on the host $host"
		[ "$max" -eq $((mib << 20)) ]
		[ "$total" -gt $((mib << 10)) ]
		[ -z "$host" ] || [ "$host" -gt $(((mib + 64 + 48) << 20)) ]
		[ -z "$host" ] || [ "$host" -le $(((mib + mib / 32 + 64 + 48 + 256) << 20)) ]
		current=$(kata events --stats "on-top-$mib-$$" | jq '.data.memory.usage | .usage, .limit' | xargs)
		echo "stats: $current"
		[ "${current#* }" -eq $((mib << 20)) ]
		[ "${current% *}" -lt $((mib << 20)) ]
		[ "${current% *}" -gt 100000 ]
		exec 8>&-
		wait %1
	done
}

@test "a container works in a limit of 16 MiB" {
	make_work "$of_cgroup"
	limit_memory 16
	run --separate-stderr kata run --bundle "$BUNDLE" limit-16
	echo "$output $stderr"
	[ "$status" -eq 0 ]
	[ "${lines[0]}" = 209715200 ]
	[ "${lines[1]}" = filled ]
}

# bats test_tags=quick
@test "memory runs out in the container's cgroup: one process ends, as under runc" {
	# host: command line | memory limit, out of memory
	local command='dd if=/dev/zero of=/fill/x bs=1M count=1000 2> /dev/null; echo "dd: $?"; rm /fill/x; echo "still here"'
	make_bundle sh -c "$command"
	edit_config '.mounts += [ { destination: "/fill", type: "tmpfs", source: "tmpfs", options: [ "size=2g" ] } ]'
	limit_memory 512
	run --separate-stderr kata run --bundle "$BUNDLE" "tmpfs-$$"
	echo "$output"
	[ "$status" -eq 0 ]
	[ "$output" = "dd: 137
still here" ]
	if runc=$(under_runc); then
		echo "runc: $runc"
		[ "$output" = "$runc" ]
	else
		echo "# runc cannot run here: $runc" >&3
	fi
}

@test "out of memory: the container's process ends with 137, with any limit" {
	local mib
	for mib in 16 128; do
		make_bundle sh -c 'exec tail /dev/zero'
		limit_memory "$mib"
		run kata run --bundle "$BUNDLE" "oom-$mib-$$"
		echo "$output"
		[ "$status" -eq 137 ]
		[[ "$output" == *"container oom-$mib-$$ ran out of memory"* ]]
	done
}

# now_has GUEST_BYTES HOST_BYTES PIDS
now_has() {
	local now
	now="$(kata exec "$ID" sh -c 'cd /sys/fs/cgroup && cat memory.max' | xargs) $(host_limit) $(
		kata exec "$ID" cat /sys/fs/cgroup/pids.max)"
	echo "now $now"
	[ "$now" = "$1 $2 $3" ]
}

# MiB of RAM that the guest has
guest_ram() {
	kata exec "$ID" awk '/MemTotal/ { print int($2 / 1024) }' /proc/meminfo
}

@test "update: down and up, as a whole or not at all" {
	local host ram
	make_bundle sleep 1000
	edit_config '.linux.resources.pids.limit = 55 |
		.mounts += [ { destination: "/fill", type: "tmpfs", source: "tmpfs", options: [ "size=2g" ] } ]'
	limit_memory 512
	new_id
	kata run --detach --bundle "$BUNDLE" "$ID"
	host=$(host_limit) ram=$(guest_ram)
	now_has $((512 << 20)) "$host" 55
	# What is no longer needed is the host's again.
	kata update --memory $((128 << 20)) "$ID"
	echo "RAM $ram, then $(guest_ram) MiB"
	[ "$(guest_ram)" -le $((ram - 350)) ]
	[ -z "$host" ] || [ "$(host_limit)" -le $((host - (350 << 20))) ]
	now_has $((128 << 20)) "$(host_limit)" 55
	kata update --memory $((800 << 20)) "$ID"
	[ "$(guest_ram)" -gt 800 ]
	host=$(host_limit)
	[ -z "$host" ] || [ "$host" -gt $((900 << 20)) ]
	now_has $((800 << 20)) "$host" 55
	# What is in use cannot be given back.
	kata exec "$ID" dd if=/dev/zero of=/fill/x bs=1M count=100
	run kata update --memory $((64 << 20)) --pids-limit 77 --cpu-quota 30000 "$ID"
	echo "$output"
	[ "$status" -ne 0 ]
	[[ "$output" == *"cannot give back"* ]]
	now_has $((800 << 20)) "$host" 55
	[[ "$(kata exec "$ID" cat /sys/fs/cgroup/cpu.max)" == max* ]]
	# Nor does a part of an update stay, whichever part of it the kernel refuses.
	ram=$(guest_ram)
	for limit in 200 900; do
		run kata update --resources - "$ID" <<< '{ "memory": { "limit": '$((limit << 20))' }, "pids": { "limit": 66 },
			"unified": { "memory.high": "1000000000", "pids.max": "none" } }'
		echo "$output"
		[ "$status" -ne 0 ]
		[[ "$output" == *pids.max* ]]
		[ "$(kata exec "$ID" cat /sys/fs/cgroup/memory.high)" = max ]
		now_has $((800 << 20)) "$host" 55
		[ "$(guest_ram)" -ge $((ram - 8)) ]
	done
	# Page cache is given back, and the container goes on.
	kata exec "$ID" rm /fill/x
	kata exec "$ID" dd if=/dev/zero of=/cached bs=1M count=100
	kata exec "$ID" cat /cached > /dev/null
	kata update --memory $((16 << 20)) "$ID"
	now_has $((16 << 20)) "$(host_limit)" 55
	kata delete --force "$ID"
}

@test "within: a container works in the smallest limit there is" {
	within
	make_work "$of_guest"
	limit_memory 128
	run --separate-stderr kata run --bundle "$BUNDLE" limit-128
	echo "$output $stderr"
	[ "$status" -eq 0 ]
	[ "${lines[0]}" = 209715200 ]
	[ "${lines[1]}" = filled ]
}

@test "within: a limit that is too small is refused with the number it needs" {
	within
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
