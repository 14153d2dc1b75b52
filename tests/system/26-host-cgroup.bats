#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The host's cgroup: its code on a real tree of version 2, which a guest has whatever the host has, and its systemd
# driver with a real systemd, that of a Debian in a VM.

load helpers

# cmocka says "not ok" of a skipped test.
none_failed() {
	[ -z "$(grep '^not ok' <<< "$output" | grep -v '# SKIP')" ]
}

# The Debian's disk, with the unit test that systemd starts.
make_disk() {
	local code=0 rootfs file unit dir=$BATS_TEST_TMPDIR/debian
	rootfs=$("$REPO/tests/lib/debian-rootfs.sh" 2> "$BATS_TEST_TMPDIR/reason") || code=$?
	[ "$code" -ne 77 ] || skip "$(cat "$BATS_TEST_TMPDIR/reason")"
	[ "$code" -eq 0 ]
	make -s -C "$REPO" B="$BUILD" "$BUILD/tests/test-host-cgroup"
	cp -a "$rootfs" "$dir"
	mkdir "$dir/test"
	cp "$BUILD/tests/test-host-cgroup" "$dir/test/"
	for file in $(ldd "$BUILD/tests/test-host-cgroup" | grep -o '/[^ )]*'); do
		[ -e "$dir$file" ] || cp -L "$file" "$dir/test/"
	done
	cat > "$dir/etc/systemd/system/test.service" <<-'SERVICE'
	[Unit]
	Requires=dbus.socket
	After=dbus.socket
	DefaultDependencies=no
	SuccessAction=poweroff-force
	FailureAction=poweroff-force
	[Service]
	Type=oneshot
	TimeoutStartSec=200
	Environment=LD_LIBRARY_PATH=/test CMOCKA_MESSAGE_OUTPUT=TAP KATA_TEST_SYSTEMD=1
	ExecStart=/test/test-host-cgroup
	StandardOutput=file:/dev/hvc0
	StandardError=inherit
	SERVICE
	# Nothing else is to start.
	rm -f "$dir"/usr/lib/systemd/system-generators/*
	for unit in dbus.service dbus.socket; do
		mkdir "$dir/etc/systemd/system/$unit.d"
		printf '[Unit]\nDefaultDependencies=no\n' > "$dir/etc/systemd/system/$unit.d/early.conf"
	done
	DISK=$BATS_TEST_TMPDIR/disk
	mke2fs -q -t ext4 -d "$dir" "$DISK" 600M
	rm -rf "$dir"
}

# systemd_vm KERNEL_OPTION: what the unit test says below the systemd of a Debian.
systemd_vm() {
	local dir=$BATS_TEST_TMPDIR
	timeout 280 qemu-system-x86_64 -nodefaults -no-user-config -display none -no-reboot -machine q35 -accel tcg -cpu max \
		-smp 2 -m 512M -kernel "$BUILD/guest/vmlinux" -serial "file:$dir/console" -device virtio-serial-pci \
		-append "console=ttyS0 root=/dev/vda rw panic=-1 systemd.unit=test.service systemd.log_target=console $1" \
		-drive "file=$DISK,format=raw,if=none,snapshot=on,id=disk" -device virtio-blk-pci,drive=disk \
		-chardev "file,path=$dir/output,id=output" -device virtconsole,chardev=output || return
	cat "$dir/output"
}

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
	[[ "$output" == *" - a_real_version_2_tree_counts_and_limits"$'\n'* ]]
	none_failed
}

@test "systemd: a scope is made, limited, changed, ended and forgotten, with version 2, and version 1 beside it" {
	make_disk
	local mode
	for mode in 1 0; do
		run systemd_vm "systemd.unified_cgroup_hierarchy=$mode"
		tail -n 5 "$BATS_TEST_TMPDIR/console"
		echo "$output"
		[ "$status" -eq 0 ]
		grep -q "^ok .* a_real_systemd_makes_keeps_and_removes_a_scope" <<< "$output"
		grep -q "^ok .* a_real_systemd_forgets_a_scope_that_failed" <<< "$output"
		none_failed
	done
}
