#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What runc's and crun's own suites ask of a runtime, with runc's result beside ours where runc can run here.

load helpers

# both VERB [ARGUMENT ...]: $output and $status are ours, $runc and $runc_status runc's, "" and 0 where it cannot run.
both() {
	runc='' runc_status=0
	if [ -n "$HAVE_RUNC" ]; then
		run timeout 20 runc --root "$BATS_TEST_TMPDIR/runc" "$@" < /dev/null
		runc=$output runc_status=$status
	fi
	run timeout 60 "${KATA[@]}" "$@" < /dev/null
	printf 'runc (%s): %s\nours (%s): %s\n' "$runc_status" "$runc" "$status" "$output"
}

# compare: fails unless ours is what runc printed.
compare() {
	[ "$status" -eq "$runc_status" ]
	[ -z "$HAVE_RUNC" ] || [ "$output" = "$runc" ]
}

setup_file() {
	local id=probe-$$
	export HAVE_RUNC=
	command -v runc > /dev/null || return 0
	BUNDLE=$BATS_FILE_TMPDIR/probe
	"$REPO/tests/lib/make-bundle.sh" "$BUNDLE" true
	if runc --root "$BATS_FILE_TMPDIR/runc" run --bundle "$BUNDLE" "$id" < /dev/null > /dev/null 2>&1; then
		HAVE_RUNC=1
	fi
}

teardown() {
	thaw_all
	[ -z "${HOST_TREE:-}" ] || umount "$HOST_TREE/below"
	[ -z "${HOST_DEV:-}" ] || rm -rf "$HOST_DEV"
	if [ -n "$HAVE_RUNC" ] && [ -n "${ID:-}" ]; then
		runc --root "$BATS_TEST_TMPDIR/runc" delete --force "$ID" > /dev/null 2>&1 || true
	fi
	clean_up
}

# freeze PATH FROZEN|THAWED: of the host's freezer, either version; the cgroup is made.
freeze() {
	local dir=/sys/fs/cgroup/freezer/$1 file=freezer.state value=$2
	if host_has cgroup2; then
		dir=/sys/fs/cgroup/$1 file=cgroup.freeze
		value=$([ "$2" = FROZEN ] && echo 1 || echo 0)
	fi
	[ -e "$(dirname "$(dirname "$dir")")" ] || skip "no freezer here"
	mkdir -p "$dir"
	echo "$value" > "$dir/$file"
	FROZEN_DIR=$dir FROZEN_PATH=$1
}

thaw_all() {
	[ -n "${FROZEN_DIR:-}" ] || return 0
	freeze "$FROZEN_PATH" THAWED
	sleep 0.2
	find "$FROZEN_DIR" -depth -type d -exec rmdir {} \; 2> /dev/null || true
}

@test "a cgroup that is frozen, and one below it, is refused at once, and stays" {
	local begin=$SECONDS
	make_bundle true
	new_id
	freeze "$ID" FROZEN
	edit_config ".linux.cgroupsPath = \"/$ID\""
	both run --bundle "$BUNDLE" "$ID"
	[ -z "$HAVE_RUNC" ] || [[ "$runc" = *frozen* ]]
	[ "$status" -eq 1 ]
	[[ "$output" = *"/$ID is frozen"* ]]
	[ "${#lines[@]}" -eq 1 ]
	# runc 1.1 would freeze itself there.
	edit_config ".linux.cgroupsPath = \"/$ID/below\""
	run timeout 60 "${KATA[@]}" run --bundle "$BUNDLE" "$ID"
	echo "$output"
	[ "$status" -eq 1 ]
	[[ "$output" = *"/$ID is frozen"* ]]
	[ -d "$FROZEN_DIR" ]
	[ "$((SECONDS - begin))" -lt 20 ]
}

@test "a container whose cgroup was frozen on the host can be deleted by force" {
	make_bundle sleep 100
	new_id
	edit_config ".linux.cgroupsPath = \"/$ID\""
	kata run -d --bundle "$BUNDLE" "$ID" < /dev/null > /dev/null 2>&1
	freeze "$ID" FROZEN
	run timeout 60 "${KATA[@]}" delete --force "$ID"
	echo "$output"
	[ "$status" -eq 0 ]
	FROZEN_DIR=
}

# ended_by SIGNAL VERB ...: the verb, half a second later the signal, and its end within a second of that.
ended_by() {
	local signal=$1 pid begin
	shift
	"${KATA[@]}" "$@" < /dev/null > "$BATS_TEST_TMPDIR/out" 2>&1 &
	pid=$!
	wait_for 20 [ -e "$BATS_TEST_TMPDIR/begun" ]
	kill -s "$signal" "$pid"
	begin=$(date +%s%N)
	wait "$pid" || true
	ENDED_MS=$((($(date +%s%N) - begin) / 1000000))
	cat "$BATS_TEST_TMPDIR/out"
	echo "ended in $ENDED_MS ms"
}

@test "SIGTERM and SIGINT end a create and a run that wait for a hook, with everything undone" {
	local signal verb
	make_bundle true
	printf '#!/bin/sh\ntouch %s/begun\nexec sleep 100\n' "$BATS_TEST_TMPDIR" > "$BUNDLE/hook"
	chmod +x "$BUNDLE/hook"
	edit_config '.hooks.createRuntime = [{ "path": $path }]' --arg path "$BUNDLE/hook"
	for verb in create run; do
		for signal in TERM INT; do
			new_id
			rm -f "$BATS_TEST_TMPDIR/begun"
			ended_by "$signal" "$verb" --bundle "$BUNDLE" "$ID"
			[ "$ENDED_MS" -lt $((2000 * ${KATA_TEST_SLOW:-1})) ]
			grep -q interrupted "$BATS_TEST_TMPDIR/out"
			run kata state "$ID"
			[ "$status" -ne 0 ]
		done
	done
}

@test "seccomp: a call newer than the profile is one the kernel lacks, an older one is forbidden" {
	make_bundle /bin/syscall 272 440 450 1000
	cc -O1 -static -o "$BUNDLE/rootfs/bin/syscall" "$REPO/tests/lib/syscall.c"
	new_id
	# Everything up to faccessat2 (439), but unshare (272) is left out.
	edit_config '.linux.seccomp = { defaultAction: "SCMP_ACT_ERRNO", architectures: ["SCMP_ARCH_X86_64"], syscalls: [
		{ action: "SCMP_ACT_ALLOW", names: $names } ] }' --argjson names "$(sed -n 's/^#define __NR_\([a-z0-9_]*\) \([0-9]*\)$/\2 "\1"/p' \
		"$(find /usr/include -path '*asm/unistd_64.h' | head -n 1)" | awk '$1 <= 439 && $1 != 272 { print $2 }' | jq -s .)"
	both run --bundle "$BUNDLE" "$ID"
	[ "$output" = $'272: 1\n440: 38\n450: 38\n1000: 38' ]
	compare
}

@test "ps: options choose the columns, a stopped container has none but the header" {
	make_bundle sleep 1000
	new_id
	kata run -d --bundle "$BUNDLE" "$ID" < /dev/null > /dev/null 2>&1
	kata exec -d "$ID" sleep 500 < /dev/null
	run kata ps "$ID"
	echo "$output"
	[[ "${lines[0]}" =~ ^UID\ +PID\ +PPID\ +C\ +STIME\ +TTY\ +TIME\ +CMD$ ]]
	[ "${#lines[@]}" -eq 3 ]
	[[ "$output" = *"sleep 500"* ]]
	# The first process began when the container did, in this host's time.
	run kata ps "$ID" -o etimes=
	[ "${lines[0]}" -le 60 ]
	run kata ps "$ID" -- -e -x
	[[ "${lines[0]}" =~ ^\ +PID\ +TTY\ +STAT\ +TIME\ +COMMAND$ ]]
	run kata ps -f table "$ID" -o pid,wchan
	[ "$status" -eq 1 ]
	[ "$output" = 'ps: no column "wchan" is known of a guest'"'"'s process' ] || [[ "$output" = *'no column \"wchan\"'* ]]
	kata kill "$ID" KILL
	wait_for 10 stopped
	run kata ps "$ID"
	[ "$status" -eq 0 ]
	[ "${#lines[@]}" -eq 1 ]
	[[ "$output" =~ ^UID\ +PID ]]
	run kata ps --format json "$ID"
	[ "$output" = "[]" ]
}

stopped() {
	[ "$(kata state "$ID" | jq -r .status)" = stopped ]
}

@test "a read-only /dev has its devices, and nothing can be added" {
	make_bundle sh -c 'exec 2>&1; echo x > /dev/null && ls /dev/pts /dev/shm > /dev/zero && touch /dev/more; echo y > /dev/shm/y && cat /dev/shm/y'
	edit_config '(.mounts[] | select(.destination == "/dev")).options += ["ro"]'
	new_id
	both run --bundle "$BUNDLE" "$ID"
	[[ "$output" = *"Read-only file system"* ]]
	[[ "${lines[1]}" = y ]]
	compare
}

@test "startContainer hooks are under the container's filter" {
	make_bundle cat /tmp/hook
	printf '#!/bin/sh\nmkdir /tmp/denied > /tmp/hook 2>&1\necho "mkdir: $?" >> /tmp/hook\n' > "$BUNDLE/rootfs/hook"
	chmod +x "$BUNDLE/rootfs/hook"
	edit_config '.hooks.startContainer = [{ "path": "/hook" }] |
		.linux.seccomp = { defaultAction: "SCMP_ACT_ALLOW", syscalls: [
			{ action: "SCMP_ACT_ERRNO", names: ["mkdir", "mkdirat"] } ] }'
	new_id
	both run --bundle "$BUNDLE" "$ID"
	[[ "$output" = *"mkdir: 1" ]]
	compare
}

@test "a file and a directory that somebody put below /dev are the host's, its nodes the guest's" {
	HOST_DEV=/dev/kata-test-$$
	mkdir -p "$HOST_DEV/dir/below"
	echo file > "$HOST_DEV/file"
	echo below > "$HOST_DEV/dir/below/file"
	make_bundle sh -c 'cat /dev/mine /dev/dir/below/file && echo written > /dev/dir/new && echo x > /dev/null2 && echo node'
	edit_config '.mounts += [
		{ type: "bind", source: ($dev + "/file"), destination: "/dev/mine", options: ["rbind", "ro"] },
		{ type: "bind", source: ($dev + "/dir"), destination: "/dev/dir", options: ["rbind"] },
		{ type: "bind", source: "/dev/null", destination: "/dev/null2", options: ["rbind"] } ]' --arg dev "$HOST_DEV"
	new_id
	both run --bundle "$BUNDLE" "$ID"
	[ "$output" = $'file\nbelow\nnode' ]
	[ "$(cat "$HOST_DEV/dir/new")" = written ]
	compare
}

# io_limits ID: those of the host's cgroup, either version.
io_limits() {
	cat "/sys/fs/cgroup/$1/io.max" "/sys/fs/cgroup/blkio/$1"/blkio.throttle.*_device 2> /dev/null || true
}

@test "limits of I/O on the host's disks are the VM's cgroup's, those of plugged disks also the container's" {
	local disk dir file
	disk=$(lsblk -dno MAJ:MIN,TYPE | awk '$2 == "disk" { print $1; exit }')
	[ -n "$disk" ] || skip "no disk here"
	make_bundle sh -c 'cat /sys/fs/cgroup/io.max; sleep 100'
	new_id
	edit_config '.linux.cgroupsPath = "/" + $id | .linux.resources.blockIO = {
		weight: 500,
		throttleReadBpsDevice: [{ major: ($disk | split(":")[0] | tonumber), minor: ($disk | split(":")[1] | tonumber), rate: 1048576 }],
		throttleWriteIOPSDevice: [{ major: ($disk | split(":")[0] | tonumber), minor: ($disk | split(":")[1] | tonumber), rate: 100 }] }' \
		--arg disk "$disk" --arg id "$ID"
	kata run -d --bundle "$BUNDLE" "$ID" > "$BATS_TEST_TMPDIR/out" 2> "$BATS_TEST_TMPDIR/err" < /dev/null
	cat "$BATS_TEST_TMPDIR/out" "$BATS_TEST_TMPDIR/err"
	if host_has cgroup2; then
		grep -q "^$disk .*rbps=1048576 .*wiops=100" "/sys/fs/cgroup/$ID/io.max" || grep -q "no controller" "$BATS_TEST_TMPDIR/err"
	else
		dir=/sys/fs/cgroup/blkio/$ID
		[ "$(cat "$dir/blkio.throttle.read_bps_device")" = "$disk 1048576" ]
		[ "$(cat "$dir/blkio.throttle.write_iops_device")" = "$disk 100" ]
	fi
	# The guest knows nothing of such a disk.
	[ ! -s "$BATS_TEST_TMPDIR/out" ]
	# An update that the guest refuses leaves them as they were, with what had no limit before.
	file=$(io_limits "$ID")
	run kata update --resources - "$ID" <<< '{ "unified": { "pids.max": "none" }, "blockIO": {
		"throttleReadBpsDevice": [ { "major": '"${disk%:*}"', "minor": '"${disk#*:}"', "rate": 2097152 } ],
		"throttleReadIOPSDevice": [ { "major": '"${disk%:*}"', "minor": '"${disk#*:}"', "rate": 200 } ] } }'
	echo "$output"
	[ "$status" -ne 0 ]
	[[ "$output" = *pids.max* ]]
	[ "$(io_limits "$ID")" = "$file" ]
	kata delete --force "$ID"
	edit_config '.linux.resources.blockIO = { throttleReadBpsDevice: [{ major: 250, minor: 77, rate: 1048576 }] }'
	new_id
	edit_config '.linux.cgroupsPath = "/" + $id' --arg id "$ID"
	both run --bundle "$BUNDLE" "$ID"
	[ "$status" -eq 1 ]
	[[ "$output" = *"250:77 "*"No such device"* ]] || [[ "$output" = *"250:77 "* ]]
	[ -z "$HAVE_RUNC" ] || [ "$runc_status" -eq 1 ]
}

@test "exec --ignore-paused runs when the container goes on" {
	make_bundle sleep 1000
	new_id
	kata run -d --bundle "$BUNDLE" "$ID" < /dev/null > /dev/null 2>&1
	kata pause "$ID"
	run kata exec "$ID" true
	[ "$status" -ne 0 ]
	kata exec --ignore-paused "$ID" echo goes on < /dev/null > "$BATS_TEST_TMPDIR/exec" &
	local pid=$!
	sleep 1
	kill -0 "$pid"
	[ ! -s "$BATS_TEST_TMPDIR/exec" ]
	kata resume "$ID"
	wait "$pid"
	[ "$(cat "$BATS_TEST_TMPDIR/exec")" = "goes on" ]
}

@test "the first of two containers with one cgroupsPath is deleted quietly" {
	local first begin
	make_bundle sleep 1000
	new_id
	first=$ID
	edit_config '.linux.cgroupsPath = "/" + $id' --arg id "$first"
	kata run -d --bundle "$BUNDLE" "$first" < /dev/null > /dev/null 2>&1
	new_id
	kata run -d --bundle "$BUNDLE" "$ID" < /dev/null > /dev/null 2>&1
	begin=$(date +%s%N)
	run kata --log "$BATS_TEST_TMPDIR/log" delete --force "$first"
	echo "$output" "$((($(date +%s%N) - begin) / 1000000)) ms"
	cat "$BATS_TEST_TMPDIR/log"
	[ "$status" -eq 0 ]
	[ -z "$output" ]
	! grep -q "level=\(warning\|error\)" "$BATS_TEST_TMPDIR/log"
	[ "$(kata state "$ID" | jq -r .status)" = running ]
	kata delete --force "$ID"
	[ -z "$(find /sys/fs/cgroup -maxdepth 2 -name "$first")" ]
}

@test "rbind,ro leaves what is mounted below writable, rro does not" {
	local option expected
	HOST_TREE=$BATS_TEST_TMPDIR/tree
	mkdir -p "$HOST_TREE/below"
	mount -t tmpfs tmpfs "$HOST_TREE/below"
	make_bundle sh -c 'exec 2>&1; touch /tree/top; touch /tree/below/b && echo written'
	for option in ro rro; do
		edit_config '.mounts = [.mounts[] | select(.destination != "/tree")] +
			[{ type: "bind", source: $tree, destination: "/tree", options: ["rbind", $option] }]' \
			--arg tree "$HOST_TREE" --arg option "$option"
		new_id
		both run --bundle "$BUNDLE" "$ID"
		expected=$'touch: /tree/top: Read-only file system\nwritten'
		[ "$option" = ro ] || expected=$'touch: /tree/top: Read-only file system\ntouch: /tree/below/b: Read-only file system'
		[ "$output" = "$expected" ]
		compare
		rm -f "$HOST_TREE/below/b"
	done
}

@test "a limit of I/O on a disk that is plugged in is the container's, with the guest's number" {
	local device numbers
	truncate -s 16M "$BATS_TEST_TMPDIR/disk"
	device=$(losetup --find --show "$BATS_TEST_TMPDIR/disk") || skip "there are no loop devices"
	numbers="--argjson major $((0x$(stat -c %t "$device"))) --argjson minor $((0x$(stat -c %T "$device")))"
	make_bundle sh -c 'grep -o " .*" /sys/fs/cgroup/io.max; grep -c "^$(cat /sys/block/vd*/dev) " /sys/fs/cgroup/io.max'
	# shellcheck disable=SC2086 # several words
	edit_config '.linux.devices = [ { path: "/dev/disk", type: "b", major: $major, minor: $minor } ]
		| .linux.resources.devices += [ { allow: true, type: "b", major: $major, minor: $minor, access: "rwm" } ]
		| .linux.resources.blockIO = { throttleReadBpsDevice: [ { major: $major, minor: $minor, rate: 1048576 } ] }' $numbers
	new_id
	run timeout 60 "${KATA[@]}" run --bundle "$BUNDLE" "$ID" < /dev/null
	losetup --detach "$device"
	echo "$output"
	[ "$status" -eq 0 ]
	[ "$output" = $' rbps=1048576 wbps=max riops=max wiops=max\n1' ]
}

@test "SIGTERM ends a create whose shim is stuck, with everything undone" {
	make_bundle true
	printf '#!/bin/sh\nkill -s STOP "$PPID"\ntouch %s/begun\nexec sleep 100\n' "$BATS_TEST_TMPDIR" > "$BUNDLE/hook"
	chmod +x "$BUNDLE/hook"
	edit_config '.hooks.createRuntime = [{ "path": $path }]' --arg path "$BUNDLE/hook"
	new_id
	ended_by TERM create --bundle "$BUNDLE" "$ID"
	[ "$ENDED_MS" -lt $((4000 * ${KATA_TEST_SLOW:-1})) ]
	run kata state "$ID"
	[ "$status" -ne 0 ]
}

@test "of two variables with one name the last holds, and an empty HOME is that of the user" {
	make_bundle env
	edit_config '.process.env = ["PATH=/bin", "HOME=/a", "HOME=", "A=1", "B=x\ny", "A=2"]'
	new_id
	both run --bundle "$BUNDLE" "$ID"
	[ "$output" = $'PATH=/bin\nHOME=/root\nA=2\nB=x\ny' ]
	compare
}

@test "devices that the host does not have are nodes that cannot be opened" {
	make_bundle sh -c 'exec 2>&1; stat -c %F:%t:%T:%a /dev/none /dev/noc; cat /dev/none; cat /dev/noc; echo x > /dev/null && echo on'
	edit_config '.linux.devices += [ { path: "/dev/none", type: "b", major: 8, minor: 666, fileMode: 416 },
			{ path: "/dev/noc", type: "c", major: 10, minor: 666, fileMode: 416 } ] |
		.linux.resources.devices += [ { allow: true, type: "b", major: 8, minor: 666, access: "rw" } ]'
	new_id
	run timeout "$((60 * ${KATA_TEST_SLOW:-1}))" "${KATA[@]}" --log "$BATS_TEST_TMPDIR/log" run --bundle "$BUNDLE" "$ID" < /dev/null
	echo "$output"
	cat "$BATS_TEST_TMPDIR/log"
	[ "$status" -eq 0 ]
	[ "${lines[0]}" = "block special file:8:29a:640" ]
	[ "${lines[1]}" = "character special file:a:29a:640" ]
	# Whatever has these numbers in the guest, the container may not open it.
	[ "${lines[2]}" = "cat: can't open '/dev/none': Operation not permitted" ]
	[ "${lines[3]}" = "cat: can't open '/dev/noc': Operation not permitted" ]
	[ "${lines[4]}" = on ]
}

@test "a process without input has the null device, in a container and in an exec" {
	# As docker run and docker exec without -i: programs look at what their input is.
	local look='readlink /proc/self/fd/0; cat; test /proc/self/fd/0 -ef /dev/null && echo same' runtime out=$BATS_TEST_TMPDIR/out
	make_bundle sh -c "$look; sleep 1000"
	new_id
	for runtime in "runc --root $BATS_TEST_TMPDIR/runc" "${KATA[*]}"; do
		[ -n "$HAVE_RUNC" ] || [[ "$runtime" != runc* ]] || continue
		$runtime run -d --bundle "$BUNDLE" "$ID" < /dev/null > "$out" 2>&1
		wait_for 10 grep -q same "$out"
		[ "$(cat "$out")" = $'/dev/null\nsame' ]
		# What runc's exec has in the foreground is a pipe of its own.
		[[ "$runtime" = runc* ]] || [ "$($runtime exec "$ID" sh -c "$look" < /dev/null)" = $'/dev/null\nsame' ]
		$runtime delete --force "$ID"
	done
}

# cpu_of FILE: of the cgroup /$ID that runc or the VM has on the host.
cpu_of() {
	if host_has cgroup2; then
		cat "/sys/fs/cgroup/$ID/cpu.max"
	else
		cat "/sys/fs/cgroup/cpu/$ID/cpu.cfs_quota_us" "/sys/fs/cgroup/cpu/$ID/cpu.cfs_period_us" | paste -sd ' '
	fi
}

# cpu_updates RUNTIME [ARGUMENT ...]: what is left of one of period and quota when the other is changed.
cpu_updates() {
	"$@" run -d --bundle "$BUNDLE" "$ID" < /dev/null > /dev/null 2>&1
	"$@" update --cpu-period 900000 "$ID"
	cpu_of
	"$@" update --cpu-quota 600000 "$ID"
	cpu_of
	[ "$1" = runc ] || "$@" exec "$ID" cat /sys/fs/cgroup/cpu.max
	"$@" delete --force "$ID"
}

@test "update: period and quota of the CPU are one value, whichever is changed" {
	make_bundle sleep 1000
	edit_config '.linux.resources.cpu = { quota: 500000, period: 1000000 } | .linux.cgroupsPath = "/" + $id' --arg id "cpu-$$"
	ID=cpu-$$
	local runc=
	[ -z "$HAVE_RUNC" ] || runc=$(cpu_updates runc --root "$BATS_TEST_TMPDIR/runc")
	run cpu_updates "${KATA[@]}"
	echo "$output"
	[ "$output" = $'500000 900000\n600000 900000\n600000 900000' ]
	[ -z "$runc" ] || [ "$runc" = "$(head -n 2 <<< "$output")" ]
}

@test "exec: in a container that is created, and not in a cgroup that is not there" {
	make_bundle sh -c 'echo started; sleep 1000'
	new_id
	local runtime
	for runtime in "runc --root $BATS_TEST_TMPDIR/runc" "${KATA[*]}"; do
		[ -n "$HAVE_RUNC" ] || [[ "$runtime" != runc* ]] || continue
		$runtime create --bundle "$BUNDLE" "$ID" < /dev/null > "$BATS_TEST_TMPDIR/out" 2>&1
		[ "$($runtime exec "$ID" sh -c 'echo $((6 * 7))' < /dev/null)" = 42 ]
		run $runtime exec --cgroup no/such/group "$ID" true < /dev/null
		echo "$output"
		[ "$status" -ne 0 ]
		[ ! -s "$BATS_TEST_TMPDIR/out" ]
		[ "$($runtime state "$ID" | jq -r .status)" = created ]
		$runtime delete --force "$ID"
	done
}

@test "exec --env replaces a variable of the container's, in its place" {
	make_bundle sleep 1000
	edit_config '.process.env += ["A=1", "B=1"]'
	new_id
	local runtime
	for runtime in "runc --root $BATS_TEST_TMPDIR/runc" "${KATA[*]}"; do
		[ -n "$HAVE_RUNC" ] || [[ "$runtime" != runc* ]] || continue
		$runtime run -d --bundle "$BUNDLE" "$ID" < /dev/null > /dev/null 2>&1
		run $runtime exec --env A=2 --env C=3 "$ID" sh -c 'echo $A$B$C; tr "\0" "\n" < /proc/$$/environ | grep -c ^A=' < /dev/null
		echo "$output"
		[ "${lines[0]}" = 213 ]
		[ "${lines[1]}" = 1 ]
		$runtime delete --force "$ID"
	done
}

# What the agent's protocol wants: under runc such a process goes on, as docs/limits.md says.
@test "a first process without a handler ends on SIGTERM, one with a handler does as it likes" {
	make_bundle sleep 1000
	new_id
	kata run -d --bundle "$BUNDLE" "$ID" < /dev/null > /dev/null 2>&1
	kata kill "$ID" TERM
	wait_for 10 eval '[ "$(kata state "$ID" | jq -r .status)" = stopped ]'
	kata delete "$ID"
	make_bundle sh -c 'trap "echo heard" TERM; echo ready; while :; do sleep 0.1; done'
	new_id
	kata run -d --bundle "$BUNDLE" "$ID" < /dev/null > "$BATS_TEST_TMPDIR/out" 2>&1
	wait_for 10 grep -q ready "$BATS_TEST_TMPDIR/out"
	kata kill "$ID" TERM
	wait_for 10 grep -q heard "$BATS_TEST_TMPDIR/out"
	[ "$(kata state "$ID" | jq -r .status)" = running ]
	kata delete --force "$ID"
}

@test "a socket of MPTCP can be had" {
	printf '#include <sys/socket.h>\nint main(void) { return socket(AF_INET, SOCK_STREAM, 262) < 0; }\n' > "$BATS_TEST_TMPDIR/mptcp.c"
	make_bundle /mptcp
	cc -static -o "$BUNDLE/rootfs/mptcp" "$BATS_TEST_TMPDIR/mptcp.c"
	new_id
	kata run --bundle "$BUNDLE" "$ID" < /dev/null
}

@test "list is sorted, and goes on where a state file is damaged" {
	make_bundle sleep 1000
	local id
	ID=z-$$
	for id in "z-$$" "a-$$"; do
		kata create --bundle "$BUNDLE" "$id" < /dev/null > /dev/null 2>&1
	done
	mkdir -p "$ROOT/m-$$"
	echo '{ "id": ' > "$ROOT/m-$$/state.json"
	kata list -q > "$BATS_TEST_TMPDIR/list"
	rm -r "${ROOT:?}/m-$$"
	cat "$BATS_TEST_TMPDIR/list"
	[ "$(grep -v "^m-" "$BATS_TEST_TMPDIR/list")" = "a-$$"$'\n'"z-$$" ]
	kata delete --force "a-$$"
	kata delete --force "z-$$"
}

@test "mount, cgroup and time namespaces that are the host's are refused, not passed over" {
	make_bundle true
	new_id
	local type config
	config=$(cat "$BUNDLE/config.json")
	for type in mount cgroup time; do
		echo "$config" > "$BUNDLE/config.json"
		edit_config '.linux.namespaces = [ .linux.namespaces[] | select(.type != $t) ] + [{ type: $t, path: ("/proc/self/ns/" + $f) }]' \
			--arg t "$type" --arg f "$(sed s/mount/mnt/ <<< "$type")"
		run kata run --bundle "$BUNDLE" "$ID"
		echo "$output"
		[ "$status" -ne 0 ]
		[[ "$output" == *"$type"* ]]
	done
}
