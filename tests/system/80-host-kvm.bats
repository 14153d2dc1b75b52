#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# A host with KVM and the kernel's vhost devices: what is chosen, and that it is what runs.

load helpers
bats_require_minimum_version 1.5.0

setup() {
	needs_host kvm vsock vhost-net
}

# configure SED_SCRIPT: a configuration that differs from the built one is used by kata from here on.
configure() {
	sed "$1" "$BUILD/configuration.toml" > "$BATS_TEST_TMPDIR/c.toml"
	KATA=("$BUILD/kata-runtime" --config "$BATS_TEST_TMPDIR/c.toml" --root "$ROOT")
}

# start COMMAND ...: a detached container in $ID
start() {
	make_bundle "$@"
	new_id
	kata run --detach --bundle "$BUNDLE" "$ID" < /dev/null > /dev/null
}

# qemu_of ID: the pid of its QEMU.
qemu_of() {
	local pid
	for pid in $(cat "/proc/$(cut -d ' ' -f 1 "$ROOT/$1/shim.pid")/task/"*/children); do
		[[ "$(basename "$(readlink "/proc/$pid/exe")")" = qemu* ]] && echo "$pid"
	done
}

# opens PID PATTERN: whether a process has such a file open.
opens() {
	readlink "/proc/$1/fd/"* | grep -q -- "$2"
}

# cid_of ID: the number by which the kernel's vsock reaches its guest.
cid_of() {
	tr '\0' '\n' < "/proc/$(qemu_of "$1")/cmdline" | sed -n 's/.*"guest-cid":\([0-9]*\).*/\1/p'
}

# under_kvm ID: KVM made the machine that QEMU has, and the guest keeps time by the clock that only KVM gives.
under_kvm() {
	opens "$(qemu_of "$1")" anon_inode:kvm-vm
	opens "$(qemu_of "$1")" anon_inode:kvm-vcpu
	kata exec "$1" grep kvm-clock /sys/devices/system/clocksource/clocksource0/available_clocksource
}

# bats test_tags=quick
@test "check and env say KVM, vhost-vsock and vhost-net" {
	# host: command line | check, env
	run kata check
	echo "$output"
	[ "$status" -eq 0 ]
	grep -E '^ok +KVM ' <<< "$output"
	grep -E '^ok +accelerator +will use KVM' <<< "$output"
	grep -E '^ok +vsock +will use the kernel' <<< "$output"
	grep -E '^ok +vhost-net +will be used' <<< "$output"
	[[ "$output" == *"This host can run containers."* ]]
	[ "$(kata env --json | jq -r '"\(.Hypervisor.Accelerator) \(.Hypervisor.Vsock) \(.Hypervisor.VhostNet) \(.Host.KVM.Result)"')" \
		= "kvm vhost true usable" ]
}

# dial ID PORT HEX: what a program of the host that says these bytes to the guest's port gets.
dial() {
	python3 - "$(cid_of "$1")" "$2" "$3" <<- 'END'
		import socket, sys
		s = socket.socket(socket.AF_VSOCK)
		s.settimeout(20)
		s.connect((int(sys.argv[1]), int(sys.argv[2])))
		s.sendall(bytes.fromhex(sys.argv[3]))
		try:
		    print(s.recv(100).hex())
		except ConnectionResetError:
		    print("")
	END
}

# bats test_tags=quick
@test "the guest runs under KVM, its agent is reached by the kernel's vsock; exec, pause, the clock" {
	# host: command line | KVM, vhost-vsock, exec, pause
	start sh -c 'while :; do date +%s%N > /now; done'
	under_kvm "$ID"
	opens "$(qemu_of "$ID")" /dev/vhost-vsock
	run -1 pgrep -f "kata-proxy.*$ID"
	[ "$(echo word | kata exec "$ID" cat)" = word ]
	# Another program of the host reaches no agent: neither by a call (Health.Check) nor by a wrong secret.
	[ -z "$(dial "$ID" 1024 000000140000000101000a0b677270632e4865616c74681205436865636b0000)" ]
	[ -z "$(dial "$ID" 1024 "$(printf '%064d' 0)")" ]
	[ -z "$(dial "$ID" 1027 "$(printf '%064d' 0)")" ]
	run kata exec "$ID" sh -c 'exit 9'
	[ "$status" -eq 9 ]
	kata pause "$ID"
	[ "$(kata state "$ID" | jq -r .status)" = paused ]
	sleep 0.5
	local before
	before=$(cat "$BUNDLE/rootfs/now")
	sleep 20
	[ "$(cat "$BUNDLE/rootfs/now")" = "$before" ]
	kata resume "$ID"
	# The time that passed outside has passed inside.
	local apart
	apart=$(($(kata exec "$ID" date +%s) - $(date +%s)))
	echo "$apart s apart"
	[ "${apart#-}" -le 10 ]
}

@test "accel is what runs: tcg in spite of KVM, kvm on demand" {
	# host: command line | TCG where KVM is
	configure 's|^accel = .*|accel = "kvm"|'
	start sleep 1000
	under_kvm "$ID"
	kata delete --force "$ID"
	configure 's|^accel = .*|accel = "tcg"|'
	kata check | grep -E 'accelerator +will use TCG'
	start sleep 1000
	run ! opens "$(qemu_of "$ID")" anon_inode:kvm
	kata delete --force "$ID"
}

@test "four starts at once choose KVM, each with a CID of its own" {
	# host: command line | four starts at once
	local i
	for i in 1 2 3 4; do
		make_bundle sleep 1000
		echo "four-$i" >> "$KATA_TEST_IDS"
		(kata run --detach --bundle "$BUNDLE" "four-$i" < /dev/null > "$BATS_TEST_TMPDIR/four-$i" 2>&1 3>&- ||
			echo "$? $(cat "$BATS_TEST_TMPDIR/four-$i")" > "$BATS_TEST_TMPDIR/failed-$i") &
	done
	wait
	run ! cat "$BATS_TEST_TMPDIR"/failed-*
	for i in 1 2 3 4; do
		under_kvm "four-$i"
		cid_of "four-$i" >> "$BATS_TEST_TMPDIR/cids"
	done
	cat "$BATS_TEST_TMPDIR/cids"
	[ "$(sort -u "$BATS_TEST_TMPDIR/cids" | wc -l)" -eq 4 ]
}

# hold_cid CID: takes a context id as a VM does and says so, until it is ended.
hold_cid() {
	exec "$BATS_TEST_DIRNAME/../lib/vsock-cid.py" hold "$1"
}

# played_qemu: a QEMU that takes what it is given, answers to nobody and says by which CID it would be reached.
played_qemu() {
	cat > "$BATS_TEST_TMPDIR/qemu-system-x86_64" <<-QEMU
	#!/bin/sh
	case "\$*" in
	*guest-cid*) ;;
	*) exec /usr/bin/qemu-system-x86_64 "\$@" ;;
	esac
	tr '\\0' '\\n' < /proc/\$\$/cmdline | sed -n 's/.*"guest-cid":\([0-9]*\).*/\1/p' >> "$BATS_TEST_TMPDIR/cids"
	echo \$\$ >> "$BATS_TEST_TMPDIR/played"
	exec sleep 1000
	QEMU
	chmod +x "$BATS_TEST_TMPDIR/qemu-system-x86_64"
}

@test "fifty VMs at once have a CID each" {
	# host: command line | fifty CIDs at once
	local i
	played_qemu
	# A script has no jail: nobody can tell what it needs in there.
	configure "s|^path = .*|path = \"$BATS_TEST_TMPDIR/qemu-system-x86_64\"|; s|^jail = .*|jail = false|"
	make_bundle true
	for i in $(seq 50); do
		echo "many-$i" >> "$KATA_TEST_IDS"
		(kata run --bundle "$BUNDLE" "many-$i" < /dev/null > "$BATS_TEST_TMPDIR/many-$i" 2>&1 3>&- || true) &
	done
	there() { [ "$(cat "$BATS_TEST_TMPDIR/played" 2> /dev/null | wc -l)" -eq 50 ]; }
	wait_for 100 there
	[ "$(sort -u "$BATS_TEST_TMPDIR/cids" | wc -l)" -eq 50 ]
	# The kernel knows each of them as somebody's.
	xargs "$BATS_TEST_DIRNAME/../lib/vsock-cid.py" taken < "$BATS_TEST_TMPDIR/cids"
	# Each start fails by its VM's end, and undoes itself.
	xargs kill < "$BATS_TEST_TMPDIR/played"
	wait
}

@test "a CID is the VM's as long as it lives, and free for others afterwards" {
	# host: command line | a CID ends with its VM
	start sleep 1000
	local cid holder
	cid=$(cid_of "$ID")
	"$BATS_TEST_DIRNAME/../lib/vsock-cid.py" taken "$cid"
	kata delete --force "$ID"
	hold_cid "$cid" > "$BATS_TEST_TMPDIR/held" &
	holder=$!
	wait_for 20 grep -q held "$BATS_TEST_TMPDIR/held"
	kill "$holder"
}

@test "a CID that another program has is passed over" {
	# host: command line | a CID that is taken
	local holder
	# The first number that is drawn is always the same.
	gcc -shared -fPIC -o "$BATS_TEST_TMPDIR/random.so" -x c - <<-'C'
	#include <string.h>
	#include <sys/syscall.h>
	#include <unistd.h>
	ssize_t getrandom(void *buf, size_t len, unsigned flags)
	{
		static int nr;
		unsigned value = 4242 - 3;
		if (len != sizeof(value) || nr++)
			return syscall(SYS_getrandom, buf, len, flags);
		memcpy(buf, &value, len);
		return len;
	}
	C
	make_bundle sleep 1000
	new_id
	LD_PRELOAD=$BATS_TEST_TMPDIR/random.so kata run --detach --bundle "$BUNDLE" "$ID" < /dev/null > /dev/null
	[ "$(cid_of "$ID")" = 4242 ]
	kata delete --force "$ID"
	hold_cid 4242 > "$BATS_TEST_TMPDIR/held" &
	holder=$!
	wait_for 20 grep -q held "$BATS_TEST_TMPDIR/held"
	new_id
	LD_PRELOAD=$BATS_TEST_TMPDIR/random.so kata run --detach --bundle "$BUNDLE" "$ID" < /dev/null > /dev/null
	[ "$(cid_of "$ID")" != 4242 ]
	[ "$(kata exec "$ID" echo reached)" = reached ]
	kill "$holder"
}

@test "a stream of 256 MiB through the kernel's vsock, there and back with the same checksum" {
	# host: command line | a large stream over vhost-vsock
	make_bundle cat
	new_id
	head -c $((256 << 20)) /dev/zero | openssl enc -aes-128-ctr -nosalt -pass pass:kata -pbkdf2 2>/dev/null |
		tee >(sha256sum > "$BATS_TEST_TMPDIR/in.sum") | kata run --bundle "$BUNDLE" "$ID" |
		sha256sum > "$BATS_TEST_TMPDIR/out.sum"
	wait_for 5 test -s "$BATS_TEST_TMPDIR/in.sum"
	diff "$BATS_TEST_TMPDIR/in.sum" "$BATS_TEST_TMPDIR/out.sum"
}

# in_network COMMAND ...: a detached container in $ID whose network is $NS: eth0, 10.9.1.2, and the host's end of it.
in_network() {
	NS=kh-$BATS_TEST_NUMBER-$$
	ip netns add "$NS"
	ip -n "$NS" link add eth0 type veth peer name p0
	ip -n "$NS" link set p0 netns 1 name "p-$BATS_TEST_NUMBER"
	ip address add 10.9.1.1/24 dev "p-$BATS_TEST_NUMBER"
	ip link set "p-$BATS_TEST_NUMBER" up
	ip -n "$NS" address add 10.9.1.2/24 dev eth0
	ip -n "$NS" link set eth0 up
	make_bundle "$@"
	edit_config '(.linux.namespaces[] | select(.type == "network")).path = $p' --arg p "/run/netns/$NS"
	new_id
	kata run --detach --bundle "$BUNDLE" "$ID" < /dev/null > /dev/null
}

leave_network() {
	kata delete --force "$ID"
	ip netns del "$NS"
	wait_for 10 [ ! -e "/sys/class/net/p-$BATS_TEST_NUMBER" ]
}

# 20 MB from the guest to the host.
carries() {
	(socat -u TCP-LISTEN:5000,bind=10.9.1.1,reuseaddr - | sha256sum > "$BATS_TEST_TMPDIR/out.sum") &
	local server=$!
	head -c 20000000 /dev/urandom > "$BUNDLE/rootfs/data"
	wait_for 10 sh -c 'ss -ltn | grep -q 10.9.1.1:5000'
	kata exec "$ID" sh -c 'nc 10.9.1.1 5000 < /data'
	wait "$server"
	diff <(sha256sum < "$BUNDLE/rootfs/data") "$BATS_TEST_TMPDIR/out.sum"
}

@test "packets pass through vhost-net, unless the configuration says otherwise" {
	# host: command line | vhost-net
	in_network sleep 1000
	opens "$(qemu_of "$ID")" /dev/vhost-net
	carries
	leave_network
	configure 's|^disable_vhost_net = .*|disable_vhost_net = true|'
	in_network sleep 1000
	run ! opens "$(qemu_of "$ID")" /dev/vhost-net
	carries
	leave_network
}

@test "macvtap: packets pass through vhost-net" {
	# host: command line | macvtap with vhost-net
	configure 's|^internetworking_model = .*|internetworking_model = "macvtap"|'
	in_network sleep 1000
	ip -n "$NS" -d link | grep -q 'macvtap.* mode passthru'
	opens "$(qemu_of "$ID")" /dev/vhost-net
	opens "$(qemu_of "$ID")" '^/dev/tap[0-9]'
	carries
	leave_network
}

@test "a queue of vhost-net for each vCPU, or as many as the configuration says" {
	# host: command line | queues of vhost-net
	configure 's|^default_vcpus = .*|default_vcpus = 2|'
	in_network sleep 1000
	queues() { kata exec "$ID" sh -c 'ls -d /sys/class/net/eth0/queues/tx-* | wc -l'; }
	[ "$(readlink "/proc/$(qemu_of "$ID")/fd/"* | grep -c /dev/vhost-net)" -eq 2 ]
	[ "$(queues)" -eq 2 ]
	carries
	leave_network
	configure 's|^default_vcpus = .*|default_vcpus = 2|; s|^network_queues = .*|network_queues = 1|'
	in_network sleep 1000
	[ "$(readlink "/proc/$(qemu_of "$ID")/fd/"* | grep -c /dev/vhost-net)" -eq 1 ]
	[ "$(queues)" -eq 1 ]
	leave_network
}

@test "vCPUs are plugged for a quota and really unplugged" {
	# host: command line | vCPUs plugged and unplugged
	configure 's|^default_vcpus = .*|default_vcpus = 1|; s|^default_maxvcpus = .*|default_maxvcpus = 2|'
	start sleep 1000
	vcpus() { readlink "/proc/$(qemu_of "$ID")/fd/"* | grep -c anon_inode:kvm-vcpu; }
	[ "$(vcpus)" -eq 1 ]
	kata update --cpu-period 100000 --cpu-quota 200000 "$ID"
	[ "$(kata exec "$ID" nproc)" -eq 2 ]
	[ "$(vcpus)" -eq 2 ]
	kata update --cpu-period 100000 --cpu-quota 50000 "$ID"
	[ "$(kata exec "$ID" nproc)" -eq 1 ]
	# KVM keeps a vCPU that is gone for the next one; that it is gone, QEMU's threads say.
	wait_for 20 sh -c "[ \"\$(cat /proc/$(qemu_of "$ID")/task/*/comm | grep -c KVM)\" -eq 1 ]"
}

# total: the guest's memory in KiB.
total() {
	kata exec "$ID" awk '/MemTotal/ { print $2 }' /proc/meminfo
}

@test "memory grows by DIMMs, and by virtio-mem, which gives it back" {
	# host: command line | memory plugged
	local mem was grown
	for mem in false true; do
		configure "s|^enable_virtio_mem = .*|enable_virtio_mem = $mem|; s|^default_memory = .*|default_memory = 512|"
		start sleep 1000
		was=$(total)
		kata update --memory $((1 << 30)) "$ID"
		grown=$(total)
		[ "$grown" -gt $((was + 256 * 1024)) ]
		# A guest can rarely empty a DIMM: what it gives back goes into the balloon, or out of virtio-mem.
		kata update --memory $((512 << 20)) "$ID"
		echo "virtio-mem $mem: $was, $grown, $(total)"
		[ "$(total)" -lt $((grown - 256 * 1024)) ]
		kata delete --force "$ID"
	done
}
