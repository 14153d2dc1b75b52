#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What `kata-runtime check` and `env` say of hosts that lack something, and that it is true.

load helpers

# configure SED_SCRIPT
configure() {
	sed "$1" "$BUILD/configuration.toml" > "$BATS_TEST_TMPDIR/c.toml"
	KATA=("$BUILD/kata-runtime" --config "$BATS_TEST_TMPDIR/c.toml" --root "$ROOT")
}

# says VERDICT WHAT TEXT: a line of check's output.
says() {
	grep -E "^$1 +$2 +.*$3" <<< "$output" || { echo "$output"; return 1; }
}

capable() {
	[ "$(kata env --json | jq -r .Host.VMContainerCapable)" = "$1" ]
}

@test "a host that has everything" {
	run kata check
	[ "$status" -eq 0 ]
	says '(ok|note)' accelerator 'will use (KVM|TCG)'
	says ok QEMU 'QEMU emulator version'
	says ok 'guest kernel' "$BUILD/guest/vmlinux"
	[[ "$output" == *"This host can run containers."* ]]
	capable true
}

@test "KVM that is asked for and cannot be used" {
	unshare --mount sh -c '! [ -e /dev/kvm ] || mount --bind /dev/null /dev/kvm; exec "$@"' sh \
		"${KATA[@]}" check | grep -E '^note +KVM'
	configure 's|^accel = .*|accel = "kvm"|'
	run unshare --mount sh -c '! [ -e /dev/kvm ] || mount --bind /dev/null /dev/kvm; exec "$@"' sh "${KATA[@]}" check
	[ "$status" -eq 1 ]
	says MISSING accelerator 'accel is "kvm" but KVM is not usable'
	run unshare --mount sh -c '! [ -e /dev/kvm ] || mount --bind /dev/null /dev/kvm; exec "$@"' sh "${KATA[@]}" env
	[[ "$output" == *'Accelerator = "none"'*"VMContainerCapable = false"* ]]
}

@test "guest assets, QEMU and shim that are missing are named" {
	configure 's|^kernel = .*|kernel = "/nosuch/vmlinux"|; s|^initrd = .*|initrd = ""|; s|^path = .*|path = "/nosuch/qemu"|'
	run kata check
	[ "$status" -eq 1 ]
	says MISSING 'guest kernel' '/nosuch/vmlinux: No such file'
	says MISSING 'guest initrd' 'not found$'
	says MISSING QEMU '/nosuch/qemu: No such file'
	[[ "$output" == *"This host cannot run containers yet"* ]]
	capable false
	make_bundle true
	run kata run --bundle "$BUNDLE" "missing-$$"
	echo "$output"
	[ "$status" -eq 1 ]
	[[ "$output" == */nosuch/* ]]
	cp "$BUILD/kata-runtime" "$BATS_TEST_TMPDIR/kata-runtime"
	run env PATH=/usr/bin:/bin "$BATS_TEST_TMPDIR/kata-runtime" --config "$BUILD/configuration.toml" check
	[ "$status" -eq 1 ]
	says MISSING shim 'not found$'
}

@test "a QEMU that is too old, and one that says nothing" {
	printf '#!/bin/sh\necho "QEMU emulator version 6.2.0"\n' > "$BATS_TEST_TMPDIR/qemu"
	chmod +x "$BATS_TEST_TMPDIR/qemu"
	configure "s|^path = .*|path = \"$BATS_TEST_TMPDIR/qemu\"|"
	run kata check
	[ "$status" -eq 1 ]
	says MISSING QEMU '6.2.0: 7.2 or newer is needed'
	configure 's|^path = .*|path = "/bin/true"|'
	run kata check
	says note QEMU 'does not tell its version'
}

# without_virtiofsd COMMAND [ARG ...]: on a host that has none in the places where it is looked for.
without_virtiofsd() {
	unshare --mount sh -c 'for path in $0; do [ ! -e "$path" ] || mount --bind /dev/null "$path"; done; exec "$@"' \
		'/usr/libexec/virtiofsd /usr/local/libexec/virtiofsd /usr/lib/virtiofsd /usr/lib/qemu/virtiofsd
		/opt/kata/libexec/virtiofsd' "$@"
}

@test "without virtiofsd it says 9p, and it is 9p" {
	run without_virtiofsd "${KATA[@]}" check
	[ "$status" -eq 0 ]
	says note 'shared files' 'no virtiofsd was found: will use 9p'
	make_bundle sh -c 'grep " / " /proc/mounts'
	run without_virtiofsd "${KATA[@]}" run --bundle "$BUNDLE" "nine-$$"
	echo "$output"
	[ "$status" -eq 0 ]
	[[ "$output" == *" 9p "* ]]
}

@test "a virtiofsd that is configured and not there is an error" {
	configure 's|^virtio_fs_daemon = .*|virtio_fs_daemon = "/nosuch/virtiofsd"|'
	run kata check
	[ "$status" -eq 1 ]
	says MISSING 'shared files' 'virtio_fs_daemon /nosuch/virtiofsd: No such file'
	make_bundle true
	run kata run --bundle "$BUNDLE" "nine-$$"
	[ "$status" -eq 1 ]
	[[ "$output" == */nosuch/virtiofsd* ]]
}

@test "cgroups that are not mounted" {
	run unshare --mount sh -c 'umount --recursive /sys/fs/cgroup && exec "$@"' sh "${KATA[@]}" check
	[ "$status" -eq 1 ]
	says MISSING cgroups 'not mounted at /sys/fs/cgroup'
}

@test "a configuration that is not there, and one with a word nobody knows" {
	run "$BUILD/kata-runtime" --config /nosuch/c.toml check
	[ "$status" -eq 1 ]
	[[ "$output" == *"/nosuch/c.toml: No such file"* ]]
	configure 's|^accel = .*|accel = "auto"\nacel = "tcg"|'
	run kata check
	[ "$status" -eq 0 ]
	says note configuration 'hypervisor.qemu.acel: unknown key, ignored'
}
