#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# A whole distribution as the container's root: Debian, by debootstrap. Its programs run, and its files, through
# virtio-fs, behave as files do.

load helpers

setup_file() {
	local code=0 rootfs
	rootfs=$("$BATS_TEST_DIRNAME/../lib/debian-rootfs.sh" 2> "$BATS_FILE_TMPDIR/reason") || code=$?
	if [ "$code" -eq 77 ]; then
		return
	elif [ "$code" -ne 0 ]; then
		cat "$BATS_FILE_TMPDIR/reason"
		return "$code"
	fi
	# Tests write into it.
	cp -a "$rootfs" "$BATS_FILE_TMPDIR/rootfs"
	cc -O1 -D_GNU_SOURCE -static "$BATS_TEST_DIRNAME/../lib/file-check.c" -o "$BATS_FILE_TMPDIR/rootfs/usr/bin/file-check"
}

setup() {
	[ -e "$BATS_FILE_TMPDIR/rootfs" ] || skip "$(cat "$BATS_FILE_TMPDIR/reason")"
}

# make_debian COMMAND [ARG ...]: a bundle in $BUNDLE with the Debian root. Privileges can be gained there, as a
# distribution's setuid programs do.
make_debian() {
	make_bundle "$@"
	edit_config '.root.path = $rootfs | .process.noNewPrivileges = false' --arg rootfs "$BATS_FILE_TMPDIR/rootfs"
	new_id
}

# Keeps a Debian running for execs.
start_debian() {
	make_debian sleep 1000
	kata create --bundle "$BUNDLE" "$ID" < /dev/null > /dev/null 2>&1
	kata start "$ID"
}

@test "Debian: stdout, stderr and the exit status" {
	make_debian bash -c 'echo "out $BASH_VERSION"; echo err >&2; exit 7'
	local code=0
	kata run --bundle "$BUNDLE" "$ID" > "$BATS_TEST_TMPDIR/out" 2> "$BATS_TEST_TMPDIR/err" || code=$?
	[ "$code" -eq 7 ]
	[[ "$(cat "$BATS_TEST_TMPDIR/out")" == "out 5."* ]]
	[ "$(cat "$BATS_TEST_TMPDIR/err")" = err ]
	make_debian cat /etc/debian_version
	run kata run --bundle "$BUNDLE" "$ID"
	[ "$status" -eq 0 ]
	[ "$output" = "$(cat "$BATS_FILE_TMPDIR/rootfs/etc/debian_version")" ]
}

@test "Debian: signals" {
	make_debian bash -c 'trap "echo caught; exit 42" TERM; echo ready; while :; do sleep 0.1; done'
	kata run --bundle "$BUNDLE" "$ID" < /dev/null > "$BATS_TEST_TMPDIR/out" &
	local run=$! code=0
	wait_for 60 grep -q ready "$BATS_TEST_TMPDIR/out"
	kata kill "$ID" TERM
	wait "$run" || code=$?
	[ "$code" -eq 42 ]
	grep -q caught "$BATS_TEST_TMPDIR/out"
	make_debian bash -c 'trap "" TERM; echo ready; while :; do sleep 0.1; done'
	kata run --bundle "$BUNDLE" "$ID" < /dev/null > "$BATS_TEST_TMPDIR/out" &
	run=$!
	code=0
	wait_for 60 grep -q ready "$BATS_TEST_TMPDIR/out"
	kata kill "$ID" TERM
	kata kill "$ID" KILL
	wait "$run" || code=$?
	[ "$code" -eq 137 ]
}

@test "Debian: apt, dpkg and perl" {
	start_debian
	[[ "$(kata exec "$ID" apt-get --version)" == "apt "* ]]
	local installed
	installed=$(grep -c '^Status: install ok installed' "$BATS_FILE_TMPDIR/rootfs/var/lib/dpkg/status")
	[ "$installed" -gt 50 ]
	[ "$(kata exec "$ID" dpkg -l | grep -c '^ii')" -eq "$installed" ]
	# It checks the checksums of what it has installed, of which there are some thousand files.
	run kata exec "$ID" dpkg --verify coreutils perl-base libc6
	echo "$output"
	[ "$status" -eq 0 ]
	[ -z "$output" ]
	[ "$(kata exec "$ID" perl -e 'print join(",", map { $_ * 2 } 1..3), "\n"')" = 2,4,6 ]
	# A package made, installed, purged: locks, renames, links, fsync.
	cat > "$BATS_FILE_TMPDIR/rootfs/tmp/package.sh" <<-'PACKAGE'
	set -e
	mkdir -p /tmp/hello/DEBIAN /tmp/hello/usr/share/hello
	printf 'Package: hello-kata\nVersion: 1\nArchitecture: all\nMaintainer: nobody <nobody@example.org>\nDescription: test\n' \
		> /tmp/hello/DEBIAN/control
	echo hello > /tmp/hello/usr/share/hello/text
	dpkg-deb --build /tmp/hello /tmp/hello.deb
	dpkg -i /tmp/hello.deb
	cat /usr/share/hello/text
	dpkg -s hello-kata | grep '^Status'
	dpkg --purge hello-kata
	test ! -e /usr/share/hello/text
	PACKAGE
	run kata exec "$ID" sh /tmp/package.sh
	echo "$output"
	[ "$status" -eq 0 ]
	[[ "$output" == *$'\nhello\nStatus: install ok installed\n'* ]]
	run kata exec "$ID" apt-cache gencaches
	echo "$output"
	[ "$status" -eq 0 ]
	kata delete --force "$ID"
}

@test "Debian: mappings, locks, attributes, links, events of files behave as on a local disk" {
	mkdir "$BATS_FILE_TMPDIR/rootfs/checked"
	make_debian file-check /checked
	run kata run --bundle "$BUNDLE" "$ID"
	echo "$output"
	[ "$status" -eq 0 ]
	[ "$(grep -c '^ok ' <<< "$output")" -eq 11 ]
}

@test "Debian: what the guest makes the host sees as it was made, and the other way round" {
	local root="$BATS_FILE_TMPDIR/rootfs"
	mkdir "$root/seen"
	cp "$root/usr/bin/id" "$root/seen/set-uid"
	chmod 4755 "$root/seen/set-uid"
	echo "from the host" > "$root/seen/host"
	chown 4321:8765 "$root/seen/host"
	ln "$root/seen/host" "$root/seen/host-link"
	ln -s ../etc/hostname "$root/seen/host-symlink"
	python3 -c 'import os, sys; os.setxattr(sys.argv[1], "user.kata", b"from the host")' "$root/seen/host"
	start_debian
	[ "$(kata exec "$ID" stat -c '%u:%g %h %s' /seen/host)" = "4321:8765 2 14" ]
	[ "$(kata exec "$ID" readlink /seen/host-symlink)" = ../etc/hostname ]
	[ "$(kata exec "$ID" stat -c %a /seen/set-uid)" = 4755 ]
	[ "$(kata exec --user 65534:65534 "$ID" /seen/set-uid -u)" = 0 ]
	[ "$(kata exec --user 65534:65534 "$ID" id -u)" = 65534 ]
	run kata exec --user 65534:65534 "$ID" sh -c 'echo changed > /seen/host'
	[ "$status" -ne 0 ]
	kata exec "$ID" sh -c 'cd /seen && cp --preserve=all host copy && ln copy copy-link && ln -s copy symlink &&
		cp /usr/bin/true own && chown 1:2 own && chmod 6711 own && mkdir -m 1777 sticky && mkfifo fifo && mknod node c 1 3'
	[ "$(stat -c '%u:%g %h %s' "$root/seen/copy")" = "4321:8765 2 14" ]
	[ "$(stat -c %i "$root/seen/copy")" = "$(stat -c %i "$root/seen/copy-link")" ]
	[ "$(readlink "$root/seen/symlink")" = copy ]
	[ "$(stat -c '%u:%g %a' "$root/seen/own")" = "1:2 6711" ]
	[ "$(stat -c '%a %F' "$root/seen/sticky")" = "1777 directory" ]
	[ "$(stat -c %F "$root/seen/fifo")" = fifo ]
	[ "$(stat -c '%F %t:%T' "$root/seen/node")" = "character special file 1:3" ]
	[ "$(python3 -c 'import os, sys; print(os.getxattr(sys.argv[1], "user.kata").decode())' "$root/seen/copy")" = "from the host" ]
	echo "changed by the host" > "$root/seen/copy"
	wait_for 10 sh -c "[ \"\$('${KATA[0]}' --root '$ROOT' exec '$ID' cat /seen/copy)\" = 'changed by the host' ]"
	kata delete --force "$ID"
}
