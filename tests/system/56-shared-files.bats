#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What the host shares with a container, by each program that can share it: the virtiofsd of QEMU, the one in Rust, 9p.

load helpers
load ../lib/shared-files

teardown() {
	close_files
	clean_up
}

# Names lead to what is there now, not to what was there when they were looked up.
names_are_current() {
	make_shell
	mkdir "$VOLUME/d"
	echo old | tee "$VOLUME/removed" "$VOLUME/replaced" "$VOLUME/moved" "$VOLUME/d/f" > /dev/null
	run_shell
	inside 'cat /v/removed /v/replaced /v/moved /v/d/f; ls /v/absent'
	rm "$VOLUME/removed"
	echo new > "$VOLUME/tmp"
	mv "$VOLUME/tmp" "$VOLUME/replaced"
	mv "$VOLUME/moved" "$VOLUME/elsewhere"
	mv "$VOLUME/d" "$VOLUME/e"
	echo there > "$VOLUME/absent"
	inside 'echo written > /v/removed && echo moved > /v/moved; cat /v/replaced /v/absent; ls /v/d'
	echo "$output"
	[[ "$output" == $'new\nthere\n'*"No such file"* ]]
	[ "$(cat "$VOLUME/removed")" = written ]
	[ "$(cat "$VOLUME/moved")" = moved ]
	[ "$(cat "$VOLUME/elsewhere")" = old ]
	# What is open is read as it is now, its size, mode and times are the host's; 9p keeps what it has read.
	inside 'exec 5< /v/e/f; cat /v/e/f; wc -c < /v/e/f'
	echo longer > "$VOLUME/e/f"
	chmod 600 "$VOLUME/e/f"
	inside 'dd <&5 2> /dev/null; stat -c "%s %a" /v/e/f'
	echo "$output"
	[ "$output" = $'longer\n7 600' ] || [[ "${1:-}" = 9p && "$output" = $'old\n7 600' ]]
	# Both append, neither writes over the other.
	for i in 1 2 3; do
		inside "echo guest $i >> /v/log"
		echo "host $i" >> "$VOLUME/log"
	done
	[ "$(cat "$VOLUME/log")" = $'guest 1\nhost 1\nguest 2\nhost 2\nguest 3\nhost 3' ]
	stop_shell
}

# Mappings are shared by processes of the container and reach the file, on the root file system and in the volume.
mappings_are_shared() {
	cc -static -O1 -o "$BATS_TEST_TMPDIR/mapping" "$REPO/tests/lib/mapping.c"
	make_shell
	cp "$BATS_TEST_TMPDIR/mapping" "$BUNDLE/rootfs/bin/"
	echo old > "$VOLUME/f"
	echo old > "$BUNDLE/rootfs/f"
	run_shell
	for file in /f /v/f; do
		inside "mapping wait $file > /tmp/said & until grep -q mapped /tmp/said; do sleep 0.1; done; mapping set $file; wait; cat /tmp/said $file; sync"
		echo "$output"
		[[ "$output" == *$'mapped\nchanged\n!ld' ]]
	done
	[ "$(cat "$VOLUME/f" "$BUNDLE/rootfs/f")" = $'!ld\n!ld' ]
	stop_shell
}

# by_nobody COMMAND: what is left of mode 6777 of ./f after somebody else has done that with it.
by_nobody() {
	inside "rm -f f; echo old > f && chmod 6777 f && su nobody -s /bin/sh -c '$1'; stat -c %a f"
}

# A file that somebody else changed runs with nobody's rights any more; see chmod(2), open(2), write(2), capabilities(7).
rights_end_with_a_change() {
	make_shell
	chmod 777 "$BUNDLE/rootfs"
	mkdir -m 777 "$BUNDLE/rootfs/r"
	run_shell
	for dir in /r /v; do
		inside "cd $dir"
		for change in ': > f' 'echo > f' 'echo >> f' 'truncate -s 1 f' 'truncate -s 9999 f' \
			'dd if=/dev/zero of=f bs=1 count=1 conv=notrunc 2> /dev/null'; do
			by_nobody "$change"
			echo "$dir: $change: $output"
			[ "$output" = 777 ]
		done
		# Root may.
		inside "rm -f f; echo old > f; chmod 6777 f; echo >> f; stat -c %a f; : > f; stat -c %a f; chown 1:1 f; stat -c %a f"
		echo "$output"
		[ "$output" = $'6777\n6777\n777' ]
	done
	stop_shell
	for file in "$BUNDLE/rootfs/r" "$VOLUME"; do
		[ "$(stat -c %a "$file/f")" = 777 ]
	done
}

capabilities() {
	python3 -c 'import os, sys; print(" ".join(n for n in os.listxattr(sys.argv[1]) if n == "security.capability"))' "$1"
}

capabilities_end_with_a_change() {
	make_shell
	for file in "$BUNDLE/rootfs/w" "$BUNDLE/rootfs/t" "$VOLUME/w" "$VOLUME/t" "$VOLUME/c"; do
		echo old > "$file"
		setcap cap_net_raw+ep "$file"
		[ "$(capabilities "$file")" = security.capability ]
	done
	run_shell
	inside 'cat /w /t /v/w /v/t; echo >> /w; : > /t; echo >> /v/w; : > /v/t; chown 1 /v/c'
	for file in "$BUNDLE/rootfs/w" "$BUNDLE/rootfs/t" "$VOLUME/w" "$VOLUME/t" "$VOLUME/c"; do
		echo "$file: $(capabilities "$file")"
		[ -z "$(capabilities "$file")" ]
	done
	stop_shell
}

# What ACLs do; see acl(5). Says what happened, the same on each file system that has them.
acl_script() {
	cat <<-'SCRIPT'
	as_nobody() {
		su nobody -s /bin/sh -c "$1" > /dev/null 2>&1 && echo "$1: yes" || echo "$1: no"
	}
	for dir in /r /v; do
		cd $dir
		umask 022
		# Somebody by name may read, somebody else by name may not.
		echo text > f
		chmod 600 f
		as_nobody "cat f"
		acl access f u::6 u:65534:4 g::0 m::4 o::0
		as_nobody "cat f"
		as_nobody "echo > f"
		acl access f
		stat -c %a f
		# The mode of the group is the mask, and takes rights away again.
		chmod g= f
		as_nobody "cat f"
		acl access f u::6 u:65534:0 g::4 m::4 o::4
		as_nobody "cat f"
		# What is made below has what the directory says, whatever the umask.
		mkdir d
		acl default d u::7 u:65534:5 g::5 m::5 o::0
		umask 077
		echo text > d/f
		mkdir d/e
		acl access d/f
		acl default d/e
		stat -c %a d/f d/e
		as_nobody "cat d/f"
		as_nobody "ls d/e"
		rm -r d f
	done
	SCRIPT
}

acls_hold() {
	cc -static -O1 -o "$BATS_TEST_TMPDIR/acl" "$REPO/tests/lib/acl.c"
	make_bundle sh /script
	VOLUME=$(mktemp -d "$BATS_TEST_TMPDIR/volume.XXXXXX")
	chmod 755 "$VOLUME"
	volume "$VOLUME" /v
	mkdir "$BUNDLE/rootfs/r"
	cp "$BATS_TEST_TMPDIR/acl" "$BUNDLE/rootfs/bin/"
	acl_script > "$BUNDLE/rootfs/script"
	new_id
	run "${KATA[@]}" run --bundle "$BUNDLE" "$ID"
	echo "$output"
	[ "$status" -eq 0 ]
	[ "${lines[0]}" = "cat f: no" ]
	[ "${lines[1]}" = "cat f: yes" ]
	[ "$(grep -c '^cat d/f: yes' <<< "$output")" -eq 2 ]
	local ours=$output
	if command -v runc > /dev/null; then
		run runc --root "$BATS_TEST_TMPDIR/runc" run --bundle "$BUNDLE" "$ID"
		diff <(echo "$output") <(echo "$ours")
	fi
	# What the container sets is the host's.
	edit_config '.process.args = ["acl", "access", "/v/f", "u::6", "u:65534:4", "g::0", "m::4", "o::0"]'
	echo text > "$VOLUME/f"
	new_id
	kata run --bundle "$BUNDLE" "$ID"
	[ "$("$BATS_TEST_TMPDIR/acl" access "$VOLUME/f")" = "u::6 u:65534:4 g::0 m::4 o::0" ]
}

# exported: flags of what the sandbox exports, as the programs see it that do so.
exported() {
	local shim pid
	shim=$(cut -d' ' -f1 "$ROOT/$ID/shim.pid")
	for pid in $shim $(pgrep -P "$shim") $(pgrep -P "$(pgrep -d, -P "$shim")"); do
		awk -v id="$ID" '$4 ~ "^/" && $5 ~ "/" id "(/|-[0-9]+-)" { print $5, $6 }' "/proc/$pid/mountinfo"
	done
}

# What the guest must not do is forbidden on the host, whatever the guest's kernel says.
host_forbids() {
	make_shell
	edit_config '.root.readonly = true | .process.capabilities[] += ["CAP_SYS_ADMIN"]'
	local ro own
	ro=$(mktemp -d "$BATS_TEST_TMPDIR/ro.XXXXXX")
	own=$(mktemp -d "$BATS_TEST_TMPDIR/own.XXXXXX")
	volume "$ro" /ro ro
	mount -t tmpfs -o nosuid,nodev,noexec tmpfs "$own"
	cp "$(command -v busybox)" "$own/busybox"
	volume "$own" /own
	volume "$own" /exec exec
	run_shell
	inside '/own/busybox true; echo $?; /exec/busybox true; echo $?; grep " /own " /proc/mounts'
	echo "$output"
	[[ "$output" == *denied*$'126\n0\n'*nosuid,nodev,noexec* ]]
	inside 'mount -o remount,rw / && touch /x; mount -o remount,bind,rw /ro; touch /ro/x; touch /v/x'
	echo "$output"
	[ ! -e "$BUNDLE/rootfs/x" ]
	[ ! -e "$ro/x" ]
	[ -e "$VOLUME/x" ]
	exported
	[ "$(exported | grep -c .)" -ge 5 ]
	[ -z "$(exported | grep -v 'nosuid,nodev,noexec')" ]
	[ -z "$(exported | grep -v 'nosymfollow')" ]
	[ -z "$(exported | grep -e /rootfs -e '-ro\.' | grep -v ' ro,')" ]
	stop_shell
	umount "$own"
}

# fs TYPE SOURCE DESTINATION OPTION,...: a mount of the bundle that is no bind mount.
fs() {
	edit_config '.mounts += [{ destination: $to, type: $t, source: $from, options: ($o | split(",")) }]' \
		--arg t "$1" --arg from "$2" --arg to "$3" --arg o "$4"
}

# Directories of the host laid over each other and a disk of the host, as podman's ":O" asks for them.
host_mounts_work() {
	make_shell
	local dir=$BATS_TEST_TMPDIR
	mkdir -p "$dir/lower/d" "$dir/upper" "$dir/work" "$dir/more"
	echo lower | tee "$dir/lower/f" > "$dir/lower/g"
	fs overlay overlay /o "lowerdir=$dir/lower,upperdir=$dir/upper,workdir=$dir/work,private,nosuid"
	truncate -s 16M "$dir/image"
	mkfs.ext4 -q "$dir/image"
	LOOP=$(losetup -f --show "$dir/image")
	fs ext4 "$LOOP" /disk rw
	fs overlay overlay /image "lowerdir=$dir/lower:$dir/more,ro"
	run_shell
	inside 'cat /o/f; echo upper > /o/f; rm /o/g; ls /o; echo data > /disk/f; cat /disk/f /image/g; touch /image/x'
	echo "$output"
	[[ "$output" == $'lower\nd\nf\ndata\nlower\n'*"Read-only file system" ]]
	inside 'grep -c " /o virtiofs.*nosuid\| /o 9p.*nosuid" /proc/mounts'
	[ "$output" = 1 ]
	[ "$(cat "$dir/upper/f" "$dir/lower/f" "$dir/lower/g")" = $'upper\nlower\nlower' ]
	! grep -q " $dir/upper\|$LOOP " /proc/mounts
	if [ "${1:-}" = kill ]; then
		kill -9 "$(cut -d' ' -f1 "$ROOT/$ID/shim.pid")"
		"${KATA[@]}" delete --force "$ID"
	fi
	stop_shell
	! grep -q "$dir" /proc/self/mountinfo
	losetup -d "$LOOP"
	wait_for 10 loop_is_free
	debugfs -R 'cat f' "$dir/image" 2> /dev/null | grep -q data
	LOOP=
}

loop_is_free() {
	! losetup -j "$BATS_TEST_TMPDIR/image" | grep -q .
}

# What docs/limits.md says of features that not every file system has.
features() {
	cc -static -O1 -o "$BATS_TEST_TMPDIR/file-features" "$REPO/tests/lib/file-features.c"
	make_shell
	cp "$BATS_TEST_TMPDIR/file-features" "$BUNDLE/rootfs/bin/"
	run_shell
	for dir in / /v; do
		inside "file-features $dir > /tmp/said; sort /tmp/said"
		echo "$output"
		[ "$(echo "$output" | tr '\n' ' ')" = "$1" ]
	done
	stop_shell
}

# What has two sides, of which one is another kernel's: as docs/limits.md has it, so that it is told when that changes.
kernels_stay_apart() {
	cc -static -O1 -o "$BATS_TEST_TMPDIR/inotify-wait" "$REPO/tests/lib/inotify-wait.c"
	make_shell
	cp "$BATS_TEST_TMPDIR/inotify-wait" "$BUNDLE/rootfs/bin/"
	mkfifo "$VOLUME/fifo"
	mkdir "$VOLUME/watched"
	run_shell
	inside 'cat /v/fifo > /tmp/fifo & inotify-wait /v/watched name > /tmp/watched & sleep 1; cat /tmp/watched'
	[ "$output" = watching ]
	# Nobody of the host reads it.
	run timeout 2 sh -c 'echo host > "$1"' sh "$VOLUME/fifo"
	[ "$status" -eq 124 ]
	touch "$VOLUME/new"
	mv "$VOLUME/new" "$VOLUME/watched/name"
	inside 'ls /v/watched; sleep 1; jobs | grep -c Running'
	echo "$output"
	# The change is seen, though nobody told of it; both still wait.
	[ "$output" = $'name\n2' ]
	# A change of the guest's own is told there, and a FIFO has both sides in it.
	inside 'touch /v/n2; mv /v/n2 /v/watched/name; echo guest > /v/fifo; wait; cat /tmp/fifo'
	[ "$output" = guest ]
	stop_shell
}

# fallocate_keeps MODE: what is left of 6777 after fallocate(2) by somebody else.
fallocate_keeps() {
	make_shell
	run_shell
	for dir in /root /v; do
		inside "chmod 755 /root; touch $dir/s; chmod 6777 $dir/s; su nobody -s /bin/sh -c 'fallocate -l 4096 $dir/s'; stat -c '%a %s' $dir/s"
		echo "$output"
		[ "$output" = "$1 4096" ]
	done
	stop_shell
}

@test "what has another kernel on its other side stays apart: virtiofsd of QEMU" {
	configure c
	kernels_stay_apart
}

@test "what has another kernel on its other side stays apart: virtiofsd in Rust" {
	configure rust
	kernels_stay_apart
}

@test "set-user-ID stays where others allocate space: virtiofsd of QEMU" {
	configure c
	fallocate_keeps 6777
}

@test "set-user-ID stays where others allocate space: virtiofsd in Rust" {
	configure rust
	fallocate_keeps 6777
}

@test "names in volumes are current: virtiofsd of QEMU" {
	configure c
	names_are_current
}

@test "names in volumes are current: virtiofsd in Rust" {
	configure rust
	names_are_current
}

@test "names in volumes are current: 9p" {
	configure 9p
	names_are_current 9p
}

@test "mappings are shared: virtiofsd of QEMU" {
	configure c
	mappings_are_shared
}

@test "mappings are shared: virtiofsd in Rust" {
	configure rust
	mappings_are_shared
}

@test "mappings are shared: 9p" {
	configure 9p
	mappings_are_shared
}

@test "rights end with a change by somebody else: virtiofsd of QEMU" {
	configure c
	rights_end_with_a_change
}

@test "rights end with a change by somebody else: virtiofsd in Rust" {
	configure rust
	rights_end_with_a_change
}

@test "rights end with a change by somebody else: 9p" {
	configure 9p
	rights_end_with_a_change
}

@test "capabilities of files end with a change: virtiofsd of QEMU" {
	configure c
	capabilities_end_with_a_change
}

@test "capabilities of files end with a change: virtiofsd in Rust" {
	configure rust
	capabilities_end_with_a_change
}

@test "capabilities of files end with a change: 9p" {
	configure 9p
	capabilities_end_with_a_change
}

@test "ACLs are set, inherited and hold: virtiofsd of QEMU" {
	configure c
	acls_hold
}

@test "ACLs are set, inherited and hold: virtiofsd in Rust" {
	configure rust
	acls_hold
}

@test "the host itself forbids what the guest must not do: virtiofsd of QEMU" {
	configure c
	host_forbids
}

@test "the host itself forbids what the guest must not do: virtiofsd in Rust" {
	configure rust
	host_forbids
}

@test "the host itself forbids what the guest must not do: 9p" {
	configure 9p
	host_forbids
}

@test "mounts of the host that are no binds: virtiofsd of QEMU" {
	configure c
	host_mounts_work
}

@test "mounts of the host that are no binds: virtiofsd in Rust" {
	configure rust
	host_mounts_work
}

@test "mounts of the host that are no binds: 9p" {
	configure 9p
	host_mounts_work
}

@test "mounts of the host that are no binds end with a shim that is killed" {
	configure c
	host_mounts_work kill
}

@test "locks: those that cannot be had are refused at start, others are said to be local" {
	for locks in host refuse; do
		configure c "s/^volume_locks = .*/volume_locks = \"$locks\"/"
		make_shell
		new_id
		run "${KATA[@]}" run --bundle "$BUNDLE" "$ID"
		echo "$output"
		[ "$status" -ne 0 ]
		[[ "$output" == *"volume_locks = "*"not supported"* ]]
	done
	configure c
	make_shell
	new_id
	"${KATA[@]}" --log "$BATS_TEST_TMPDIR/log" run --bundle "$BUNDLE" "$ID" < /dev/null
	grep "level=warning.*volume $VOLUME: locks exclude within this VM only" "$BATS_TEST_TMPDIR/log"
}

@test "features of file systems: virtiofsd of QEMU" {
	configure c
	features "O_TMPFILE no allocate yes btime no collapse-range no insert-range no punch-hole yes zero-range yes "
}

@test "features of file systems: virtiofsd in Rust" {
	configure rust
	features "O_TMPFILE no allocate yes btime no collapse-range no insert-range no punch-hole yes zero-range yes "
}

@test "features of file systems: 9p" {
	configure 9p
	features "O_TMPFILE no allocate no btime no collapse-range no insert-range no punch-hole no zero-range no "
}
