#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What the runtime specification promises, looked at from inside the container.

load helpers

start_container() {
	new_id
	kata create --bundle "$BUNDLE" "$ID" < /dev/null > /dev/null 2> "$BATS_TEST_TMPDIR/create.err" || {
		cat "$BATS_TEST_TMPDIR/create.err"
		return 1
	}
	kata start "$ID"
}

# in_container SHELL_COMMAND
in_container() {
	kata exec "$ID" sh -c "$1"
}

# refused TEXT: creating the bundle fails with one line that has TEXT.
refused() {
	new_id
	run kata run --bundle "$BUNDLE" "$ID"
	echo "$output"
	[ "$status" -ne 0 ]
	[[ "$output" == *"$1"* ]]
	[ "$(grep -vc level=warning <<< "$output")" -eq 1 ]
}

@test "the process: capabilities, rlimits, ids, OOM score, umask, scheduling" {
	make_bundle sleep 1000
	edit_config '.process.capabilities = {
			bounding: ["CAP_CHOWN", "CAP_KILL", "CAP_NET_RAW", "CAP_SYS_CHROOT"],
			permitted: ["CAP_CHOWN", "CAP_KILL", "CAP_NET_RAW"],
			effective: ["CAP_CHOWN", "CAP_KILL"],
			inheritable: ["CAP_NET_RAW", "CAP_KILL"],
			ambient: ["CAP_KILL"] }
		| .process.rlimits = [
			{ type: "RLIMIT_NOFILE", soft: 500000, hard: 900000 },
			{ type: "RLIMIT_CORE", soft: 0, hard: 12345 },
			{ type: "RLIMIT_NPROC", soft: 5000, hard: 6000 } ]
		| .process.user = { uid: 65534, gid: 65534, umask: 63, additionalGids: [7, 4242] }
		| .process.oomScoreAdj = 321
		| .process.scheduler = { policy: "SCHED_BATCH", nice: 5 }
		| .process.ioPriority = { class: "IOPRIO_CLASS_BE", priority: 6 }
		| .process.personality = { domain: "LINUX" }
		| .hostname = "oci-host" | .domainname = "oci.example"
		| .linux.timeOffsets = { boottime: { secs: 100000, nanosecs: 0 } }
		| .linux.namespaces += [{ type: "time" }]
		| .linux.sysctl = { "net.ipv4.ip_forward": "1", "kernel.msgmax": "65000" }'
	start_container
	run in_container 'cat /proc/1/status'
	echo "$output"
	[[ "$output" == *$'CapInh:\t0000000000002020'* ]]
	[[ "$output" == *$'CapBnd:\t0000000000042021'* ]]
	[[ "$output" == *$'CapAmb:\t0000000000000020'* ]]
	# By exec(2) a user other than root keeps what is ambient.
	[[ "$output" == *$'CapEff:\t0000000000000020'* ]]
	[[ "$output" == *$'NoNewPrivs:\t1'* ]]
	[[ "$output" == *$'Uid:\t65534\t65534'* ]]
	[[ "$output" == *$'Groups:\t7 4242'* ]]
	[[ "$output" == *$'Umask:\t0077'* ]]
	run in_container 'cat /proc/1/limits'
	echo "$output"
	[[ "$output" =~ "Max open files "\ *500000\ *900000 ]]
	[[ "$output" =~ "Max core file size "\ *0\ *12345 ]]
	[[ "$output" =~ "Max processes "\ *5000\ *6000 ]]
	[ "$(in_container 'cat /proc/1/oom_score_adj')" = 321 ]
	[ "$(in_container 'hostname; cat /proc/sys/kernel/domainname')" = $'oci-host\noci.example' ]
	[ "$(in_container 'cat /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/msgmax')" = $'1\n65000' ]
	[ "$(in_container 'cut -d. -f1 /proc/uptime')" -ge 100000 ]
	# Field 18 is priority 20 + nice, field 41 the policy: 3 is SCHED_BATCH.
	[ "$(in_container 'cut -d " " -f 19,41 /proc/1/stat')" = "5 3" ]
	# An exec gets the container's capabilities and may be given others.
	run kata exec --cap CAP_SYS_CHROOT --user 0:0 "$ID" sh -c 'grep CapEff /proc/self/status; ulimit -n'
	echo "$output"
	[[ "$output" == *0000000000042021* || "$output" == *0000000000040* ]]
	kata delete --force "$ID"
}

@test "the file system: masked and read-only paths, devices, mounts and their options" {
	make_bundle sleep 1000
	mkdir -p "$BATS_TEST_TMPDIR/vol/sub" "$BUNDLE/rootfs/image-dir"
	echo data > "$BATS_TEST_TMPDIR/vol/file"
	echo from-image > "$BUNDLE/rootfs/image-dir/file"
	mount -t tmpfs tmpfs "$BATS_TEST_TMPDIR/vol/sub"
	echo below > "$BATS_TEST_TMPDIR/vol/sub/file"
	edit_config '.mounts += [
			{ destination: "/tmpfs", type: "tmpfs", source: "tmpfs", options: ["size=1m", "mode=1770", "noexec", "nr_inodes=64"] },
			{ destination: "/image-dir", type: "tmpfs", source: "tmpfs", options: ["tmpcopyup"] },
			{ destination: "/ro", type: "bind", source: $vol, options: ["bind", "ro"] },
			{ destination: "/rw", type: "bind", source: $vol, options: ["rbind", "rw", "nosuid"] },
			{ destination: "/rro", type: "bind", source: $vol, options: ["rbind", "rro"] },
			{ destination: "/rw/nested", type: "tmpfs", source: "tmpfs" },
			{ destination: "/one-file", type: "bind", source: ($vol + "/file"), options: ["bind", "ro"] },
			{ destination: "/private", type: "bind", source: $vol, options: ["rbind", "rshared"] } ]
		| .root.readonly = true
		| .linux.rootfsPropagation = "slave"
		| .linux.maskedPaths += ["/image-dir/file", "/var"]
		| .linux.readonlyPaths += ["/tmp"]
		| .process.noNewPrivileges = false
		| .linux.devices = [
			{ path: "/dev/my-null", type: "c", major: 1, minor: 3, fileMode: 438, uid: 65534, gid: 65534 },
			{ path: "/dev/my-kmsg", type: "c", major: 1, minor: 11, fileMode: 438, uid: 0, gid: 0 } ]
		| .linux.resources.devices = [
			{ allow: false, access: "rwm" },
			{ allow: true, type: "c", major: 1, minor: 3, access: "rwm" } ]' --arg vol "$BATS_TEST_TMPDIR/vol"
	mkdir -p "$BUNDLE"/rootfs/{tmpfs,ro,rw,rro,private} && touch "$BUNDLE/rootfs/one-file"
	mkdir -p "$BATS_TEST_TMPDIR/vol/nested"
	start_container
	umount "$BATS_TEST_TMPDIR/vol/sub"
	run in_container 'cat /proc/self/mounts'
	echo "$output"
	[[ "$output" =~ "/tmpfs tmpfs rw,"[^$'\n']*noexec[^$'\n']*size=1024k,nr_inodes=64,mode=1770 ]]
	# Masked, read-only, root.
	[ -z "$(in_container 'cat /proc/keys')" ]
	[ -z "$(in_container 'ls /var')" ]
	run in_container 'touch /tmp/x'
	[[ "$output" == *"Read-only file system"* ]]
	run in_container 'touch /x'
	[[ "$output" == *"Read-only file system"* ]]
	run in_container 'echo 1 > /proc/sys/kernel/panic'
	[[ "$output" == *"Read-only file system"* ]]
	# Binds.
	[ "$(in_container 'cat /ro/file /one-file')" = $'data\ndata' ]
	run in_container 'echo x > /ro/file'
	[[ "$output" == *"Read-only file system"* ]]
	run in_container 'echo x > /rro/file'
	[[ "$output" == *"Read-only file system"* ]]
	[ "$(in_container 'cat /rw/sub/file')" = below ]
	run in_container 'echo x > /rro/sub/file'
	[[ "$output" == *"Read-only file system"* ]]
	in_container 'echo changed > /rw/file; touch /rw/nested/only-here'
	[ "$(cat "$BATS_TEST_TMPDIR/vol/file")" = changed ]
	[ ! -e "$BATS_TEST_TMPDIR/vol/nested/only-here" ]
	in_container 'touch /image-dir/new'
	[ ! -e "$BUNDLE/rootfs/image-dir/new" ]
	# Devices.
	[ "$(in_container 'stat -c "%F %t:%T %a %u" /dev/my-null')" = "character special file 1:3 666 65534" ]
	in_container 'echo x > /dev/my-null; echo x > /dev/null; head -c 1 /dev/zero > /dev/null'
	run in_container 'cat /dev/my-kmsg'
	[[ "$output" == *"not permitted"* ]]
	# Any node can be made, as under runc, but only those of the list can be opened.
	in_container 'cd /image-dir; mknod null c 1 3; mknod mem c 1 1; mknod fifo p; echo x > null'
	run in_container 'head -c 1 /image-dir/mem'
	[[ "$output" == *"not permitted"* ]]
	[ "$(in_container 'for l in fd stdin ptmx; do readlink /dev/$l; done')" = $'/proc/self/fd\n/proc/self/fd/0\npts/ptmx' ]
	kata delete --force "$ID"
}

@test "tmpcopyup brings the image's files" {
	make_bundle sh -c 'cat /image-dir/file; stat -c %a /image-dir/file; echo new > /image-dir/file'
	mkdir -p "$BUNDLE/rootfs/image-dir"
	echo from-image > "$BUNDLE/rootfs/image-dir/file"
	chmod 640 "$BUNDLE/rootfs/image-dir/file"
	edit_config '.mounts += [{ destination: "/image-dir", type: "tmpfs", source: "tmpfs", options: ["tmpcopyup"] }]'
	new_id
	[ "$(kata run --bundle "$BUNDLE" "$ID")" = $'from-image\n640' ]
	[ "$(cat "$BUNDLE/rootfs/image-dir/file")" = from-image ]
}

@test "a user namespace with mappings" {
	make_bundle sh -c 'cat /proc/self/uid_map /proc/self/gid_map; id -u; stat -c %u /proc/1; touch /tmp/mine; stat -c %u /tmp/mine'
	edit_config '.linux.namespaces += [{ type: "user" }]
		| .linux.uidMappings = [{ containerID: 0, hostID: 100000, size: 65536 }]
		| .linux.gidMappings = [{ containerID: 0, hostID: 200000, size: 65536 }]'
	chown -R -h 100000:200000 "$BUNDLE/rootfs"
	new_id
	run kata run --bundle "$BUNDLE" "$ID"
	echo "$output"
	[ "$status" -eq 0 ]
	[ "$(awk '{ print $1, $2, $3 }' <<< "$output")" = "$(printf '%s\n' "0 100000 65536" "0 200000 65536" "0  " "0  " "0  ")" ]
	[ "$(stat -c %u:%g "$BUNDLE/rootfs/tmp/mine")" = 100000:200000 ]
}

@test "limits are in the guest's cgroup, update changes them live, an OOM kill ends with 137" {
	make_bundle sleep 1000
	edit_config '.linux.resources += {
			memory: { limit: 536870912, swap: 536870912, reservation: 268435456 },
			cpu: { quota: 50000, period: 100000, shares: 512 },
			pids: { limit: 50 },
			unified: { "memory.high": "500000000" } }'
	start_container
	run in_container 'cd /sys/fs/cgroup && head -n 1 memory.max memory.low memory.high cpu.max cpu.weight pids.max memory.swap.max'
	echo "$output"
	limits=$(grep -v -e '^$' -e '==>' <<< "$output" | tr '\n' ' ')
	[ "$limits" = "536870912 268435456 499998720 50000 100000 20 50 0 " ]
	kata update --memory 402653184 --cpu-quota 80000 --pids-limit 77 "$ID"
	run in_container 'cd /sys/fs/cgroup && head -n 1 memory.max cpu.max pids.max'
	limits=$(grep -v -e '^$' -e '==>' <<< "$output" | tr '\n' ' ')
	echo "$limits"
	[ "$limits" = "402653184 80000 100000 77 " ]
	echo '{ "pids": { "limit": 60 } }' | kata update --resources - "$ID"
	[ "$(in_container 'cat /sys/fs/cgroup/pids.max')" = 60 ]
	# What the host charges the VM with has the VM's own needs on top.
	run find /sys/fs/cgroup -path "*/kata/$ID/memory.limit_in_bytes" -o -path "*/kata/$ID/memory.max"
	[ "$(cat ${output:-/dev/null})" -gt $((402653184 + (96 << 20))) ]
	kata events --stats "$ID" | jq -e '.type == "stats" and .data.pids.current >= 1 and .data.memory.usage.limit == 402653184 and .data.cpu.usage.total > 0'
	# Less to fill, and all of a CPU to do it.
	kata update --memory 100663296 --cpu-quota 200000 "$ID"
	run kata exec "$ID" sh -c 'x=$(head -c 200000000 /dev/zero | tr "\0" x); echo ${#x}'
	echo "$output"
	[ "$status" -eq 137 ]
	kata delete --force "$ID"
}

@test "the container's own process killed for memory ends with 137" {
	make_bundle sh -c 'exec tail /dev/zero'
	edit_config '.linux.resources.memory = { limit: 314572800 }'
	new_id
	run kata run --bundle "$BUNDLE" "$ID"
	echo "$output"
	[ "$status" -eq 137 ]
}

@test "seccomp: a listed call fails with EPERM, killing rules kill, notify is refused" {
	make_bundle sh -c 'mkdir /tmp/x; echo "mkdir $?"; chmod 700 /tmp; echo "chmod $?"; exec sync'
	edit_config '.linux.seccomp = { defaultAction: "SCMP_ACT_ALLOW", architectures: ["SCMP_ARCH_X86_64"], syscalls: [
			{ names: ["mkdir", "mkdirat", "no_such_call"], action: "SCMP_ACT_ERRNO" },
			{ names: ["chmod", "fchmodat"], action: "SCMP_ACT_ERRNO", errnoRet: 38 },
			{ names: ["sync"], action: "SCMP_ACT_KILL_PROCESS" } ] }'
	new_id
	run kata run --bundle "$BUNDLE" "$ID"
	echo "$output"
	[[ "$output" == *"Operation not permitted"* ]]
	[[ "$output" == *"mkdir 1"* ]]
	[[ "$output" == *"not implemented"* ]]
	[ "$status" -eq 159 ]
	edit_config '.linux.seccomp.syscalls = [{ names: ["mount"], action: "SCMP_ACT_NOTIFY" }]'
	refused NOTIFY
	edit_config '.linux.seccomp.listenerPath = "/run/x.sock"'
	refused listenerPath
}

@test "what a VM cannot do is refused in words" {
	make_bundle true
	edit_config '.annotations = { "io.katacontainers.config.hypervisor.default_memory": "4096" }'
	refused io.katacontainers.config.hypervisor.default_memory
	make_bundle true
	edit_config '.linux.sysctl = { "kernel.no_such_thing": "1" }'
	refused kernel.no_such_thing
	make_bundle true
	make_bundle true
	edit_config '.process.cwd = "/etc/passwd"'
	refused /etc/passwd
	make_bundle true
	mkdir "$BUNDLE/rootfs/mapped"
	edit_config '.mounts += [{ destination: "/mapped", type: "bind", source: "/usr/share", options: ["bind", "idmap"],
		uidMappings: [{ containerID: 0, hostID: 1000, size: 1 }], gidMappings: [{ containerID: 0, hostID: 1000, size: 1 }] }]'
	refused '(/mapped): ids cannot be mapped in what is shared with a VM'
}

@test "labels of the host's AppArmor and SELinux policies do not reach into the guest" {
	make_bundle sleep 1000
	edit_config '.process.apparmorProfile = "docker-default" | .process.selinuxLabel = "system_u:system_r:container_t:s0"
		| .linux.mountLabel = "system_u:object_r:container_file_t:s0"'
	new_id
	kata --log "$BATS_TEST_TMPDIR/log" create --bundle "$BUNDLE" "$ID" < /dev/null > /dev/null
	grep -q "AppArmor profile docker-default is not used in the VM" "$BATS_TEST_TMPDIR/log"
	grep -q "SELinux label system_u:system_r:container_t:s0 is not used in the VM" "$BATS_TEST_TMPDIR/log"
	kata start "$ID"
	[ "$(kata exec --apparmor docker-default --process-label system_u:system_r:container_t:s0 "$ID" echo ran)" = ran ]
	run kata exec --apparmor acme "$ID" true
	echo "$output"
	[ "$status" -eq 255 ]
	[[ "$output" == *"AppArmor profile acme"*"no AppArmor"* ]]
	kata delete --force "$ID"
	edit_config '.process.apparmorProfile = "acme"'
	refused "AppArmor profile acme"
	kata features | jq -e '.linux.apparmor.enabled == false and .linux.selinux.enabled == false'
}

hook() {
	cat > "$BATS_TEST_TMPDIR/$1.sh" <<-HOOK
	#!/bin/sh
	cat > "$BATS_TEST_TMPDIR/$1.state"
	readlink /proc/self/ns/net > "$BATS_TEST_TMPDIR/$1.netns"
	echo "$1 \$1 \$HOOK_VAR" >> "$BATS_TEST_TMPDIR/order"
	$2
	HOOK
	chmod +x "$BATS_TEST_TMPDIR/$1.sh"
	edit_config '.hooks[$kind] += [{ path: $path, args: ["hook", "arg"], env: ["HOOK_VAR=v", "PATH=/usr/bin:/bin"], timeout: 10 }]' \
		--arg kind "$1" --arg path "$BATS_TEST_TMPDIR/$1.sh"
}

@test "hooks: order, state, network namespace; startContainer runs in the guest" {
	make_bundle sh -c 'cat /from-hook; sleep 1000'
	for kind in prestart createRuntime createContainer poststart poststop; do
		hook "$kind"
	done
	printf '#!/bin/sh\ncat > /from-hook\nuname -r > /kernel\n' > "$BUNDLE/rootfs/hook"
	chmod +x "$BUNDLE/rootfs/hook"
	edit_config '.hooks.startContainer = [{ path: "/hook" }] | .annotations = { "test.key": "value" }'
	new_id
	kata create --bundle "$BUNDLE" "$ID" < /dev/null > "$BATS_TEST_TMPDIR/out" 2>&1
	pid=$(kata state "$ID" | jq -r .pid)
	[ "$(cat "$BATS_TEST_TMPDIR/order")" = $'prestart arg v\ncreateRuntime arg v\ncreateContainer arg v' ]
	[ "$(readlink "/proc/$pid/ns/net")" = "$(cat "$BATS_TEST_TMPDIR/createContainer.netns")" ]
	[ "$(readlink /proc/self/ns/net)" = "$(cat "$BATS_TEST_TMPDIR/prestart.netns")" ]
	kata start "$ID"
	wait_for 10 test -s "$BATS_TEST_TMPDIR/out"
	[ "$(jq -r '.status + " " + .id + " " + .annotations["test.key"]' "$BATS_TEST_TMPDIR/out")" = "created $ID value" ]
	[ "$(cat "$BUNDLE/rootfs/kernel")" != "$(uname -r)" ]
	wait_for 10 test -s "$BATS_TEST_TMPDIR/poststart.state"
	for kind in prestart createRuntime createContainer poststart; do
		jq -e --arg id "$ID" --arg bundle "$BUNDLE" --argjson pid "$pid" \
			'.id == $id and .bundle == $bundle and .pid == $pid and .annotations["test.key"] == "value"' \
			"$BATS_TEST_TMPDIR/$kind.state"
	done
	[ "$(jq -r .status "$BATS_TEST_TMPDIR/createRuntime.state")" = creating ]
	[ "$(jq -r .status "$BATS_TEST_TMPDIR/poststart.state")" = running ]
	kata delete --force "$ID"
	[ "$(tail -n 1 "$BATS_TEST_TMPDIR/order")" = "poststop arg v" ]
	[ "$(jq -r .status "$BATS_TEST_TMPDIR/poststop.state")" = stopped ]
}

@test "a hook that fails: before the start it aborts with its stderr, after it only warns" {
	for kind in prestart createRuntime createContainer; do
		make_bundle true
		hook "$kind" 'echo "words of the hook" >&2; exit 3'
		refused "words of the hook"
		[[ "$output" == *"$kind"* ]]
		no_leaks
	done
	make_bundle true
	edit_config '.hooks.startContainer = [{ path: "/bin/false" }]'
	refused /bin/false
	make_bundle sh -c 'echo ran; exit 4'
	hook poststart 'exit 3'
	hook poststop 'exit 3'
	new_id
	run kata run --bundle "$BUNDLE" "$ID"
	echo "$output"
	[ "$status" -eq 4 ]
	[[ "$output" == *ran* ]]
}

# pod_container TYPE [SANDBOX]: makes the bundle the first container of a pod, or a further one of it, which is in the
# pod's network namespace as managers have it.
pod_container() {
	[ -z "${2:-}" ] || edit_config '(.linux.namespaces[] | select(.type == "network")).path = $netns' \
		--arg netns "/proc/$(kata state "$2" | jq -r .pid)/ns/net"
	edit_config '.annotations["io.katacontainers.pkg.oci.container_type"] = $type
		| if $sandbox == "" then . else .annotations["io.katacontainers.pkg.oci.sandbox_id"] = $sandbox end' \
		--arg type "$1" --arg sandbox "${2:-}"
}

@test "hooks of a pod's second container: told of it, in the pod's network, and of it only" {
	make_bundle sleep 1000
	pod_container pod_sandbox
	start_container
	local pod=$ID pid
	make_bundle sleep 1000
	pod_container pod_container "$pod"
	for kind in prestart createRuntime createContainer poststart poststop; do
		hook "$kind"
	done
	new_id
	ID="$ID-member"
	kata create --bundle "$BUNDLE" "$ID" < /dev/null > "$BATS_TEST_TMPDIR/out" 2>&1
	pid=$(kata state "$ID" | jq -r .pid)
	[ "$(cat "$BATS_TEST_TMPDIR/order")" = $'prestart arg v\ncreateRuntime arg v\ncreateContainer arg v' ]
	[ "$(readlink "/proc/$(kata state "$pod" | jq -r .pid)/ns/net")" = "$(cat "$BATS_TEST_TMPDIR/createContainer.netns")" ]
	[ "$(readlink /proc/self/ns/net)" = "$(cat "$BATS_TEST_TMPDIR/createRuntime.netns")" ]
	kata start "$ID"
	wait_for 10 test -s "$BATS_TEST_TMPDIR/poststart.state"
	for kind in prestart createRuntime createContainer poststart; do
		jq -e --arg id "$ID" --arg bundle "$BUNDLE" --argjson pid "$pid" \
			'.id == $id and .bundle == $bundle and .pid == $pid' "$BATS_TEST_TMPDIR/$kind.state"
	done
	kata delete --force "$ID"
	[ "$(tail -n 1 "$BATS_TEST_TMPDIR/order")" = "poststop arg v" ]
	[ "$(jq -r '.status + " " + .id' "$BATS_TEST_TMPDIR/poststop.state")" = "stopped $ID" ]
	[ "$(kata state "$pod" | jq -r .status)" = running ]

	# A member that cannot be made goes by itself, too.
	: > "$BATS_TEST_TMPDIR/order"
	edit_config '.process.args = ["/no/such/program"]'
	run kata create --bundle "$BUNDLE" "$ID"
	echo "$output"
	[ "$status" -eq 1 ]
	[ "$(tail -n 1 "$BATS_TEST_TMPDIR/order")" = "poststop arg v" ]
	[ "$(kata exec "$pod" echo alive)" = alive ]
	kata delete --force "$pod"
}

@test "poststop hooks run after a create that failed" {
	make_bundle true
	hook prestart 'echo "words of the hook" >&2; exit 3'
	hook createRuntime
	hook poststop
	refused "words of the hook"
	[ "$(cat "$BATS_TEST_TMPDIR/order")" = $'prestart arg v\npoststop arg v' ]
	[ "$(jq -r '.status + " " + (.pid // 0 | tostring)' "$BATS_TEST_TMPDIR/poststop.state")" = "stopped 0" ]
	: > "$BATS_TEST_TMPDIR/order"
	make_bundle /no/such/program
	hook createRuntime
	hook poststop
	refused "no such file or directory"
	[ "$(cat "$BATS_TEST_TMPDIR/order")" = $'createRuntime arg v\npoststop arg v' ]
}

@test "ps, list, events, spec, features, env, check" {
	make_bundle sh -c 'sleep 1000 & sleep 2000'
	start_container
	run kata ps "$ID"
	echo "$output"
	[[ "$output" == *"sleep 1000"* && "$output" == *"sleep 2000"* ]]
	kata ps --format json "$ID" | jq -e 'length >= 1'
	kata list --format json | jq -e --arg id "$ID" '.[] | select(.id == $id) | .status == "running"'
	[[ "$(kata list)" == *"$ID"*running* ]]
	kata features | jq -e '.ociVersionMax and .hooks and .mountOptions and .linux.namespaces and .linux.capabilities'
	kata env > /dev/null
	kata env --json | jq -e . > /dev/null
	run kata check
	echo "$output"
	[[ "$output" == *QEMU* || "$output" == *qemu* ]]
	kata delete --force "$ID"
	mkdir "$BATS_TEST_TMPDIR/spec"
	(cd "$BATS_TEST_TMPDIR/spec" && kata spec && mv "$BUNDLE/rootfs" . &&
		jq '.process.terminal = false | .process.args = ["echo", "from the default spec"]' config.json > c && mv c config.json)
	new_id
	[ "$(kata run --bundle "$BATS_TEST_TMPDIR/spec" "$ID")" = "from the default spec" ]
	run kata spec --bundle "$BATS_TEST_TMPDIR/spec"
	[ "$status" -eq 1 ]
}

@test "QEMU has no capability and gains none" {
	make_bundle sleep 1000
	new_id
	kata create --bundle "$BUNDLE" "$ID" < /dev/null > /dev/null 2>&1
	kata start "$ID"
	local qemu
	qemu=$(pgrep -f "^[^ ]*qemu-system[^ ]* -name guest=sandbox-$ID,")
	grep -E 'Cap|NoNewPrivs|Seccomp:' "/proc/$qemu/status"
	for set in CapPrm CapEff CapBnd CapInh CapAmb; do
		grep -qx "$set:"$'\t0000000000000000' "/proc/$qemu/status"
	done
	grep -qx $'NoNewPrivs:\t1' "/proc/$qemu/status"
	grep -qx $'Seccomp:\t2' "/proc/$qemu/status"
	kata delete --force "$ID"
}
