#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Volumes of pods, on directory trees as kubelet makes them.

load ../lib/cri
load ../lib/host-socket

setup() {
	[ -z "${SKIP_FILE:-}" ] || skip "$SKIP_FILE"
	V=$BATS_TEST_TMPDIR/pods/0e5a/volumes
	S=$BATS_TEST_TMPDIR/pods/0e5a/volume-subpaths
	mkdir -p "$V" "$S"
}

teardown() {
	remove_pods
	local mount
	for mount in $(awk -v dir="$BATS_TEST_TMPDIR/" 'index($5, dir) == 1 { print $5 }' /proc/self/mountinfo | tac); do
		umount -l "$mount"
	done
	[ -z "${LOOP:-}" ] || losetup -d "$LOOP"
	stop_socket
}

# write_atomically DIR KEY VALUE: as kubelet's writer of configMaps, secrets and projected volumes does.
write_atomically() {
	local new old
	new=$(mktemp -d "$1/..2026_XXXXXX")
	chmod 755 "$new"
	echo "$3" > "$new/$2"
	old=$(readlink "$1/..data" || true)
	ln -s "${new##*/}" "$1/..data_tmp"
	mv -T "$1/..data_tmp" "$1/..data"
	[ -e "$1/$2" ] || ln -s "..data/$2" "$1/$2"
	[ -z "$old" ] || rm -r "${1:?}/$old"
}

# volume PLUGIN NAME [TMPFS_OPTIONS]: makes it and leaves its path in $VOLUME.
volume() {
	VOLUME=$V/kubernetes.io~$1/$2
	mkdir -p "$VOLUME"
	[ -z "${3:-}" ] || mount -t tmpfs -o "$3" tmpfs "$VOLUME"
	chmod 777 "$VOLUME"
}

# subpath VOLUME PATH_IN_IT INDEX: bound by descriptor, as kubelet does against changing links; in $SUBPATH.
subpath() {
	local fd
	SUBPATH=$S/${1##*/}/c/$3
	mkdir -p "${SUBPATH%/*}"
	if [ -d "$1/$2" ]; then mkdir "$SUBPATH"; else touch "$SUBPATH"; fi
	exec {fd}< "$1/$2"
	mount --bind "/proc/$BASHPID/fd/$fd" "$SUBPATH"
	exec {fd}<&-
}

# mounts HOST CONTAINER [MORE_JSON] ...: a jq filter that sets them.
mounts() {
	local list=
	while [ $# -gt 0 ]; do
		list+="${list:+, }{ host_path: \"$1\", container_path: \"$2\" } + ${3:-{\}}"
		shift $(($# > 3 ? 3 : $#))
	done
	echo ".mounts = [ $list ]"
}

logged() {
	grep -q "$2" "$BATS_TEST_TMPDIR/$1.log"
}

@test "configMap and secret: inotify sees updates; subPath keeps the old; last words reach the host" {
	cc -static -O1 -o "$BATS_TEST_TMPDIR/inotify-wait" "$REPO/tests/lib/inotify-wait.c"
	volume configmap cfg
	local cfg=$VOLUME secret
	write_atomically "$cfg" key old
	volume secret token size=1m
	secret=$VOLUME
	write_atomically "$secret" token t0
	subpath "$cfg" key 0
	mkdir -p "$BATS_TEST_TMPDIR/pods/0e5a/containers/c"
	touch "$BATS_TEST_TMPDIR/pods/0e5a/containers/c/1a2b"
	run_pod
	run_container c 'cat /cfg/key /sub /run/token/token; touch /cfg/x; /inotify-wait /cfg ..data && cat /cfg/key /sub;
		until grep t1 /run/token/token; do sleep 0.2; done; echo last words > /dev/termination-log; exit 3' \
		"$(mounts "$cfg" /cfg '{ readonly: true }' "$SUBPATH" /sub '{ readonly: true }' \
			"$secret" /run/token '{ readonly: true }' \
			"$BATS_TEST_TMPDIR/inotify-wait" /inotify-wait '{ readonly: true }' \
			"$BATS_TEST_TMPDIR/pods/0e5a/containers/c/1a2b" /dev/termination-log)"
	wait_for 30 logged c watching
	write_atomically "$cfg" key new
	write_atomically "$secret" token t1
	wait_for 30 is "$CONTAINER" "EXITED 3"
	cut -d' ' -f4- "$BATS_TEST_TMPDIR/c.log"
	[ "$(cut -d' ' -f4- "$BATS_TEST_TMPDIR/c.log" | grep -v touch)" = $'old\nold\nt0\nwatching\nnew\nold\nt1' ]
	logged c 'touch: /cfg/x: Read-only file system'
	[ "$(cat "$BATS_TEST_TMPDIR/pods/0e5a/containers/c/1a2b")" = "last words" ]
}

@test "emptyDir: memory with a size limit is the pod's own, shared and kept; a disk's is the host's" {
	volume empty-dir mem size=3m
	local mem=$VOLUME disk shm
	volume empty-dir disk
	disk=$VOLUME
	volume empty-dir dshm size=2m
	shm=$VOLUME
	run_pod
	run_container one 'echo a > /mem/a; echo b > /disk/b; df -k /mem /dev/shm; dd if=/dev/zero of=/mem/f bs=1M count=8;
		stat -c %a /mem; mkfifo /disk/p; echo done; cat /disk/p' "$(mounts "$mem" /mem '{}' "$disk" /disk '{}' "$shm" /dev/shm)"
	local one=$CONTAINER
	wait_for 30 logged one done
	cat "$BATS_TEST_TMPDIR/one.log"
	logged one 'tmpfs  *3072 .*/mem'
	logged one 'tmpfs  *2048 .*/dev/shm'
	logged one 'No space left on device'
	logged one ' 777$'
	[ -z "$(ls "$mem")" ]
	[ "$(cat "$disk/b")" = b ]
	cri stop "$one" 0
	cri rm "$one"
	run_container two 'cat /m/a /d/b' "$(mounts "$mem" /m '{}' "$disk" /d)"
	wait_for 30 is "$CONTAINER" "EXITED 0"
	[ "$(cut -d' ' -f4- "$BATS_TEST_TMPDIR/two.log")" = $'a\nb' ]
}

@test "emptyDir on a disk is one file system for the pod: sockets connect, also when the first container is gone" {
	cc -static -O1 -o "$BATS_TEST_TMPDIR/unix-socket" "$REPO/tests/lib/unix-socket.c"
	volume empty-dir run
	local run=$VOLUME tool=$BATS_TEST_TMPDIR/unix-socket
	run_pod
	run_container first 'sleep 1000' "$(mounts "$run" /run)"
	local first=$CONTAINER
	run_container server '/tool listen /run/s; sleep 1000' "$(mounts "$run" /run '{}' "$tool" /tool '{ readonly: true }')"
	wait_for 30 logged server listening
	cri stop "$first" 0
	cri rm "$first"
	run_container client '/tool connect /var/s' "$(mounts "$run" /var '{ readonly: true }' "$tool" /tool '{ readonly: true }')"
	wait_for 30 is "$CONTAINER" EXITED
	cat "$BATS_TEST_TMPDIR/client.log"
	logged client 'hello$'
	[ -S "$run/s" ]
	# Read-only is kept all the same.
	run_container writer 'touch /var/x' "$(mounts "$run" /var '{ readonly: true }')"
	wait_for 30 is "$CONTAINER" "EXITED 1"
	[ ! -e "$run/x" ]
	# A subPath has another path for each container.
	mkdir -m 777 "$run/sub"
	subpath "$run" sub 0
	run_container listens '/tool listen /run/s; sleep 1000' "$(mounts "$SUBPATH" /run '{}' "$tool" /tool '{ readonly: true }')"
	wait_for 30 logged listens listening
	subpath "$run" sub 1
	run_container connects '/tool connect /var/s' "$(mounts "$SUBPATH" /var '{}' "$tool" /tool '{ readonly: true }')"
	wait_for 30 is "$CONTAINER" EXITED
	cat "$BATS_TEST_TMPDIR/connects.log"
	logged connects 'hello$'
}

@test "a persistent volume that is first mounted read-only and then written is one file system" {
	cc -static -O1 -o "$BATS_TEST_TMPDIR/mapping" "$REPO/tests/lib/mapping.c"
	volume csi pv-1
	# Such volumes are a level deeper.
	local pv=$VOLUME/mount tool=("$BATS_TEST_TMPDIR/mapping" /tool '{ readonly: true }')
	mkdir -m 777 "$pv"
	echo old > "$pv/f"
	run_pod
	# The writer says "new" a moment after what is waited for.
	run_container reader 'touch /v/x; /tool wait /v/f; until grep new /v/f; do sleep 0.1; done; touch /v/x; sleep 1000' \
		"$(mounts "$pv" /v '{ readonly: true }' "${tool[@]}")"
	wait_for 30 logged reader mapped
	# Nobody writes yet: the host does not let the VM.
	run cri execsync "$CONTAINER" sh -c 'mkdir /tmp/v; mount -o bind,rw /v /tmp/v; touch /tmp/v/x'
	[ ! -e "$pv/x" ]
	run_container writer '/tool set /v/f; echo new >> /v/f; touch /v/y' "$(mounts "$pv" /v '{}' "${tool[@]}")"
	wait_for 30 is "$CONTAINER" "EXITED 0"
	wait_for 30 logged reader changed
	wait_for 30 logged reader 'new$'
	cut -d' ' -f4- "$BATS_TEST_TMPDIR/reader.log"
	wait_for 30 sh -c "[ \$(grep -c 'touch: /v/x: Read-only file system' '$BATS_TEST_TMPDIR/reader.log') -eq 2 ]"
	[ "$(cat "$pv/f")" = $'!ld\nnew' ]
	[ -e "$pv/y" ]
	[ ! -e "$pv/x" ]
}

@test "subPath and subPathExpr: of an emptyDir in memory they are part of it; links do not lead out" {
	volume empty-dir mem size=3m
	local mem=$VOLUME one two three disk
	chmod 2770 "$mem"
	chown 0:2000 "$mem"
	# kubelet makes what is not there, on the host; "$(POD)" of a subPathExpr it has filled in.
	mkdir -p "$mem/a/pod-1"
	chmod 2770 "$mem/a/pod-1"
	subpath "$mem" a/pod-1 0
	one=$SUBPATH
	mkdir "$mem/made"
	subpath "$mem" made 1
	two=$SUBPATH
	mkdir "$mem/out"
	subpath "$mem" out 2
	three=$SUBPATH
	volume empty-dir disk
	mkdir "$VOLUME/pod-1"
	# However much there is.
	seq 11000 | (cd "$VOLUME" && xargs touch)
	subpath "$VOLUME" pod-1 3
	disk=$SUBPATH
	run_pod
	run_container init 'mkdir /m/made; chmod 700 /m/made; echo made > /m/made/f; ln -s /etc /m/out; ls /m' "$(mounts "$mem" /m)"
	wait_for 30 is "$CONTAINER" "EXITED 0"
	run_container sub 'stat -c %a:%g /one /two; df -k /one; cat /two/f; ls -A /three; echo there > /one/f; touch /three/x;
		echo there > /disk/f; sleep 1000' "$(mounts "$one" /one '{}' "$two" /two '{}' "$three" /three '{}' "$disk" /disk)"
	wait_for 30 logged sub 'made$'
	wait_for 30 [ -s "$disk/f" ]
	cut -d' ' -f4- "$BATS_TEST_TMPDIR/sub.log"
	logged sub '2770:2000$'
	logged sub '700:'
	logged sub 'tmpfs  *3072 .*/one'
	run ! logged sub passwd
	run_container whole 'cat /m/a/pod-1/f; ls -l /m; ls /m/etc' "$(mounts "$mem" /m)"
	wait_for 30 is "$CONTAINER" "EXITED 0"
	cut -d' ' -f4- "$BATS_TEST_TMPDIR/whole.log"
	logged whole 'there$'
	# The link led to a directory of that name in the volume, where the file is.
	logged whole 'x$'
	[ -z "$(ls "$one")" ]
	[ "$(cat "$disk/f")" = there ]
}

@test "emptyDir of huge pages: as many as the container's limit, refused without one" {
	local huge
	volume empty-dir huge
	huge=$VOLUME
	mount -t hugetlbfs -o pagesize=2M nodev "$huge" || skip "the host has no huge pages of 2 MiB"
	chmod 777 "$huge"
	run_pod
	run -125 run_container none 'true' "$(mounts "$huge" /huge)"
	echo "$output"
	[[ "$output" == *"needs a limit of huge pages of 2048 KiB"* ]]
	# By a bundle: containerd drops the limit where the host has no hugetlb controller.
	make_bundle sh -c 'grep -c "/huge hugetlbfs .*pagesize=2M,size=4194304" /proc/mounts; grep HugePages_T /proc/meminfo; '\
'fallocate -l 4194304 /huge/x && ls -l /huge; stat -c %a /huge'
	edit_config '.mounts += [ { destination: "/huge", type: "bind", source: $v, options: [ "rbind", "rprivate" ] } ] |
		.linux.resources.hugepageLimits = [ { pageSize: "2MB", limit: 4194304 } ]' --arg v "$huge"
	new_id
	run kata run --bundle "$BUNDLE" "$ID"
	echo "$output"
	[ "$status" -eq 0 ]
	[ "${lines[0]}" = 1 ]
	[[ "${lines[1]}" =~ HugePages_Total:\ *2$ ]]
	[[ "$output" == *" 4194304 "*x* ]]
	[ "${lines[-1]}" = 777 ]
	[ -z "$(ls "$huge")" ]
}

@test "mount propagation: HostToContainer follows, None does not, Bidirectional is refused" {
	local host=$BATS_TEST_TMPDIR/host
	mkdir -p "$host"
	mount --bind "$host" "$host"
	mount --make-shared "$host"
	mkdir "$host/late"
	run_pod
	run_container c 'sleep 1000' "$(mounts "$host" /follow '{ propagation: 1 }' "$host" /still '{}')"
	cri execsync "$CONTAINER" ls /follow/late /still/late
	mount -t tmpfs tmpfs "$host/late"
	echo mounted > "$host/late/file"
	follows() { [ "$(cri execsync "$CONTAINER" cat /follow/late/file)" = mounted ]; }
	wait_for 20 follows
	run ! cri execsync "$CONTAINER" cat /still/late/file
	run -125 run_container both 'true' "$(mounts "$host" /both '{ propagation: 2 }')"
	echo "$output"
	[[ "$output" == *"(/both): Bidirectional propagation: what a container in a VM mounts cannot appear on the host"* ]]
}

@test "a persistent volume with fsGroup: its group may write, files are the group's on the host" {
	local data
	volume csi data
	data=$VOLUME
	chown 0:2000 "$data"
	chmod 2770 "$data"
	run_pod
	run_container c 'echo x > /data/new; mkdir /data/dir; echo y > /data/dir/f; mv /data/new /data/moved; id -G; exit 4' \
		"$(mounts "$data" /data)"' | .linux.security_context = { run_as_user: { value: 1000 }, run_as_group: { value: 1000 },
		supplemental_groups: [ 2000 ] }'
	wait_for 30 is "$CONTAINER" "EXITED 4"
	cat "$BATS_TEST_TMPDIR/c.log"
	logged c ' 1000 2000$'
	[ "$(stat -c '%u:%g %A' "$data/moved" "$data/dir" "$data/dir/f")" = $'1000:2000 -rw-r--r--\n1000:2000 drwxr-sr-x\n1000:2000 -rw-r--r--' ]
	# Who is not in the group may not.
	run_container d 'echo x > /data/other || exit 5' \
		"$(mounts "$data" /data)"' | .linux.security_context = { run_as_user: { value: 1001 }, run_as_group: { value: 1000 } }'
	wait_for 30 is "$CONTAINER" "EXITED 5"
	[ ! -e "$data/other" ]
}

# A disk of 8 MiB in $LOOP that starts with "hello".
make_disk() {
	truncate -s 8M "$BATS_TEST_TMPDIR/disk.img"
	printf hello | dd of="$BATS_TEST_TMPDIR/disk.img" conv=notrunc status=none
	LOOP=$(losetup -f --show "$BATS_TEST_TMPDIR/disk.img")
}

# Is the pod's VMM holding the disk open?
holds_disk() {
	ls -l "/proc/$(pgrep -f "qemu-system.*$POD")/fd" | grep -q "$LOOP"
}

@test "volumeMode Block and hostPath BlockDevice: a disk of the VM while the container is there" {
	make_disk
	run_pod
	run_container c 'head -c 5 /dev/xvda; echo; blockdev --getsize64 /dev/xvda; printf there > /dev/xvda; sync; sleep 1000' \
		".devices = [ { container_path: \"/dev/xvda\", host_path: \"$LOOP\", permissions: \"mrw\" } ]"
	wait_for 30 logged c '8388608$'
	logged c 'hello$'
	holds_disk
	cri stop "$CONTAINER" 0
	cri rm "$CONTAINER"
	run ! holds_disk
	run_container h 'head -c 5 /dev/disk; echo x > /dev/disk || exit 6' \
		"$(mounts "$LOOP" /dev/disk '{ readonly: true }')"
	wait_for 30 is "$CONTAINER" "EXITED 6"
	logged h there
	[ "$(head -c 5 "$BATS_TEST_TMPDIR/disk.img")" = there ]
}

@test "hostPath: a file, the guest's own devices; sockets and other devices are refused in a line" {
	local host=$BATS_TEST_TMPDIR/host
	mkdir "$host"
	echo data > "$host/file"
	mknod "$host/tty" c 5 0
	python3 -c 'import socket, sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])' "$host/sock"
	run_pod
	run_container c 'cat /file; ls -l /guest/vsock /zero; head -c 3 /zero | wc -c; sleep 1000' \
		"$(mounts "$host/file" /file '{}' /dev/zero /zero '{}' /dev /guest)"
	wait_for 30 logged c ' 3$'
	logged c 'data$'
	logged c '/guest/vsock'
	run -125 run_container s true "$(mounts "$host/sock" /run/x.sock)"
	echo "$output"
	[[ "$output" == *"(/run/x.sock): $host/sock is a socket of the host, to which nobody can connect from a VM"* ]]
	run -125 run_container d true "$(mounts "$host/tty" /dev/x)"
	[[ "$output" == *"(/dev/x): $host/tty is a character device of the host, which a VM cannot use"* ]]
}

@test "hostPath of type Socket where the configuration lists it: for several containers of a pod" {
	local tool=$BATS_TEST_TMPDIR/unix-socket name
	cc -static -O1 -o "$tool" "$REPO/tests/lib/unix-socket.c"
	serve_socket sha256sum
	run_pod
	for name in one two; do
		run_container "$name" 'echo word | /tool pipe /run/x.sock && stat -c "%F %a" /run/x.sock' \
			"$(mounts "$SOCKET" /run/x.sock '{}' "$tool" /tool '{ readonly: true }')"
		wait_for 60 is "$CONTAINER" "EXITED 0" || { cri status "$CONTAINER"; cat "$BATS_TEST_TMPDIR/$name.log"; false; }
		logged "$name" "$(sha256sum <<< word)"
		logged "$name" 'socket 600'
	done
}

@test "rootfs on a disk or in an image file: mounted on the host and shared, or plugged into the VM" {
	cd "$BATS_TEST_TMPDIR"
	env KATA_BUILD="$BUILD" python3 -B "$REPO/tests/shim/rootfs.py" "$BATS_TEST_TMPDIR" shared
	env KATA_BUILD="$BUILD" python3 -B "$REPO/tests/shim/rootfs.py" "$BATS_TEST_TMPDIR" plugged
}

@test "rootfs of erofs layers: disks, and files where disks run out, that the guest stacks; the upper one on a disk or in memory" {
	# Not every file system that tests may be on has white-outs and trusted attributes.
	truncate -s 200M "$BATS_TEST_TMPDIR/layers.img"
	mkfs.ext4 -q "$BATS_TEST_TMPDIR/layers.img"
	mkdir "$BATS_TEST_TMPDIR/layers"
	mount -o loop "$BATS_TEST_TMPDIR/layers.img" "$BATS_TEST_TMPDIR/layers"
	cd "$BATS_TEST_TMPDIR"
	env KATA_BUILD="$BUILD" python3 -B "$REPO/tests/shim/layers.py" "$BATS_TEST_TMPDIR/layers"
}

@test "emptyDir with disable_guest_empty_dir = false: in the sandbox's own root file system" {
	cd "$BATS_TEST_TMPDIR"
	env KATA_BUILD="$BUILD" python3 -B "$REPO/tests/shim/members.py" "$BATS_TEST_TMPDIR" local
}
