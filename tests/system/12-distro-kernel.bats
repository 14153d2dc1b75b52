#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# A distribution's kernel as the guest's: its modules are loaded by the agent, and what it lacks is said by name.

bats_require_minimum_version 1.5.0
load helpers
load ../lib/docker

setup_file() {
	local words
	export FOLDER=$BATS_FILE_TMPDIR/build
	if ! words=$(make -s -C "$REPO" B="$BUILD" guest KERNEL=distro 2>&1); then
		echo "$words"
		[[ $words == *"apt cannot download"* || $words == *"apt knows no package"* ]]
		skip_file "no mirror has the distribution's kernel"
		return
	fi
	# A build folder whose configuration names the other kernel.
	mkdir "$FOLDER"
	for program in kata-runtime containerd-shim-kata-v2 kata-proxy; do
		ln -s "$BUILD/$program" "$FOLDER/$program"
	done
	# This kernel needs several times the CPU time of ours, of which a busy machine gives little.
	sed 's/^dial_timeout = .*/dial_timeout = 150/; s/^start_timeout = .*/start_timeout = 180/' \
		"$BUILD/configuration-distro.toml" > "$FOLDER/configuration.toml"
	export D_TIMEOUT=200
	BUILD=$FOLDER
	docker_setup_file
}

teardown_file() {
	[ -z "${DDIR:-}" ] || docker_teardown_file
}

setup() {
	[ -z "${SKIP_FILE:-}" ] || skip "$SKIP_FILE"
	BUILD=$FOLDER
	configure ''
}

# configure SED_SCRIPT: with the changed configuration from here on
configure() {
	sed "$1" "$FOLDER/configuration.toml" > "$BATS_TEST_TMPDIR/c.toml"
	KATA=("$BUILD/kata-runtime" --config "$BATS_TEST_TMPDIR/c.toml" --root "$ROOT")
}

@test "run: the distribution's kernel, with the modules of the devices that are there" {
	make_bundle sh -c 'uname -r; cat /proc/modules; grep " / " /proc/mounts'
	new_id
	run kata run --bundle "$BUNDLE" "$ID"
	echo "$output"
	[ "$status" -eq 0 ]
	[ "${lines[0]}" = "$(basename "$REPO"/build/guest-distro/modules/lib/modules/*)" ]
	for module in virtio_pci virtio_console virtiofs vmw_vsock_virtio_transport; do
		grep -q "^$module " <<< "$output"
	done
	[[ $output == *"/ virtiofs "* ]]
	# Of no device here, and of no use.
	run ! grep -qE '^(virtio_blk|xfs|ip_tables) ' <<< "$output"
}

@test "exec, and a volume that both sides write to" {
	make_bundle sleep 1000
	mkdir "$BATS_TEST_TMPDIR/volume"
	edit_config '.mounts += [{destination: "/v", type: "bind", source: $d, options: ["rbind"]}]' \
		--arg d "$BATS_TEST_TMPDIR/volume"
	new_id
	kata run --detach --bundle "$BUNDLE" "$ID" < /dev/null > /dev/null 2>&1
	head -c 1048576 /dev/urandom > "$BATS_TEST_TMPDIR/volume/in"
	kata exec "$ID" sh -c 'cat /v/in > /v/out'
	cmp "$BATS_TEST_TMPDIR/volume/in" "$BATS_TEST_TMPDIR/volume/out"
	kata exec "$ID" cat < "$BATS_TEST_TMPDIR/volume/in" | cmp - "$BATS_TEST_TMPDIR/volume/in"
	kata delete --force "$ID"
}

@test "modules come when a container needs them, and none that leads to the agent" {
	make_bundle sh /script
	cat > "$BUNDLE/rootfs/script" <<-'SCRIPT'
		mount -t overlay -o lowerdir=/bin:/etc overlay /mnt
		grep overlay /proc/mounts
		grep -c "^overlay " /proc/modules
		mount -t nosuchfs none /mnt
		for cid in 1 3; do /vsock-connect $cid 1024; done
		grep "^vsock_loopback" /proc/modules
	SCRIPT
	cc -static -o "$BUNDLE/rootfs/vsock-connect" "$REPO/tests/lib/vsock-connect.c"
	mkdir -p "$BUNDLE/rootfs/mnt"
	edit_config '(.process.capabilities | .[]) += ["CAP_SYS_ADMIN"]'
	new_id
	run kata run --bundle "$BUNDLE" "$ID"
	echo "$output"
	[[ ${lines[0]} == "overlay /mnt overlay "* ]]
	[ "${lines[1]}" = 1 ]
	[[ $output == *"mounting none on /mnt failed: No such device"* ]]
	[ "$(grep -c '^connect: ' <<< "$output")" -eq 2 ]
	[[ $output != *connected* && $output != *vsock_loopback* ]]
}

@test "docker run: the network, an interface that is plugged later" {
	kbg one busybox sleep 1000
	ip=$(d inspect -f '{{.NetworkSettings.IPAddress}}' one)
	ping -c 2 -W 5 "$ip" > /dev/null
	d exec one ping -c 2 -W 5 "$(d inspect -f '{{.NetworkSettings.Gateway}}' one)" > /dev/null
	d network create --subnet 10.231.9.0/24 red > /dev/null
	d network connect red one
	wait_for 20 d exec one ip addr show eth1
	[[ $(d exec one ip addr show eth1) == *"inet 10.231.9."* ]]
	d rm -f one > /dev/null
	d network rm red > /dev/null
	docker_teardown
}

@test "memory: a limit holds, and more can be plugged" {
	make_bundle sleep 1000
	edit_config '.linux.resources.memory.limit = 268435456'
	new_id
	kata run --detach --bundle "$BUNDLE" "$ID" < /dev/null > /dev/null 2>&1
	before=$(kata exec "$ID" awk '/MemTotal/ {print $2}' /proc/meminfo)
	[ "$before" -gt 262144 ] # the guest's kernel and agent have theirs on top
	[ "$(kata exec "$ID" cat /sys/fs/cgroup/memory.max)" -eq 268435456 ]
	kata update --memory 536870912 "$ID"
	after=$(kata exec "$ID" awk '/MemTotal/ {print $2}' /proc/meminfo)
	echo "$before $after"
	[ "$after" -ge "$((before + 100000))" ] # memory comes in blocks of 128 MiB
	[ "$(kata exec "$ID" cat /sys/fs/cgroup/memory.max)" -eq 536870912 ]
	kata delete --force "$ID"
}

@test "9p, which it lacks, is named" {
	configure 's/^shared_fs = .*/shared_fs = "virtio-9p"/'
	make_bundle true
	new_id
	run kata run --bundle "$BUNDLE" "$ID"
	echo "$output"
	[ "$status" -ne 0 ]
	[[ $output == *"the guest's kernel lacks 9p (CONFIG_9P_FS)"* ]]
}

@test "an initrd without the modules: what is missing is named" {
	"$REPO/guest/initrd/build.sh" --agent "$REPO/build/kata-agent" --output "$BATS_TEST_TMPDIR/initrd.img" > /dev/null
	# Without a driver of the virtio console, only a serial port can say it.
	configure "s|^initrd = .*|initrd = \"$BATS_TEST_TMPDIR/initrd.img\"|; s|^use_legacy_serial = .*|use_legacy_serial = true|"
	make_bundle true
	new_id
	run kata run --bundle "$BUNDLE" "$ID"
	echo "$output"
	[ "$status" -ne 0 ]
	[[ $output == *"the guest's kernel lacks virtio over PCI (CONFIG_VIRTIO_PCI), vsock (CONFIG_VIRTIO_VSOCKETS)"* ]]
}
