#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What `make install` puts where, and that it works from there without a word about where it is. The installation is
# seen at /usr/local by processes of a mount namespace only, so nothing of this host's own is touched.

load helpers
bats_require_minimum_version 1.5.0

setup_file() {
	BUILD=${KATA_BUILD:-$(cd "$BATS_TEST_DIRNAME/../.." && pwd)/build}
	export DEST=$BATS_FILE_TMPDIR/dest
	make_in_build install DESTDIR="$DEST"
	# /etc/kata-containers would win over the installed default.
	mkdir -p "$BATS_FILE_TMPDIR/empty"
	unshare --mount sh -c 'mount --bind "$1/usr/local" /usr/local
		[ ! -d /etc/kata-containers ] || mount --bind "$2" /etc/kata-containers
		touch "$2/../mounted"; exec sleep infinity' sh "$DEST" "$BATS_FILE_TMPDIR/empty" > /dev/null 2>&1 3>&- &
	export HOLDER=$!
	wait_for 10 test -e "$BATS_FILE_TMPDIR/mounted"
}

teardown_file() {
	[ -z "${HOLDER:-}" ] || kill "$HOLDER"
}

# What is in the build folder, as it is.
make_in_build() {
	make -s -o all -C "$REPO" B="${BUILD#"$REPO"/}" "$@"
}

# installed COMMAND [ARG ...]: as on a host where this is installed, with the PATH of a service.
installed() {
	PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin nsenter --target "$HOLDER" --mount --wd="$PWD" "$@"
}

@test "every file is in its place" {
	run bash -c "cd '$DEST' && find . -type f -printf '%m %p\n' | sort -k2"
	echo "$output"
	[ "$output" = "$(cat <<-LIST
	755 ./usr/local/bin/containerd-shim-kata-v2
	755 ./usr/local/bin/kata-runtime
	755 ./usr/local/libexec/kata-proxy
	644 ./usr/local/share/bash-completion/completions/kata-runtime
	644 ./usr/local/share/defaults/kata-containers/configuration.toml
	644 ./usr/local/share/fish/vendor_completions.d/kata-runtime.fish
	644 ./usr/local/share/kata-containers/initrd.img
	644 ./usr/local/share/kata-containers/vmlinux
	644 ./usr/local/share/man/man8/containerd-shim-kata-v2.8
	644 ./usr/local/share/man/man8/kata-proxy.8
	644 ./usr/local/share/man/man8/kata-runtime.8
	644 ./usr/local/share/zsh/site-functions/_kata-runtime
	LIST
	)" ]
	# No path of the build, no place that was not filled in.
	run ! grep -rlE "$REPO|@[A-Z]+@" "$DEST/usr/local/bin" "$DEST/usr/local/libexec" "$DEST/usr/local/share/defaults"
}

@test "uninstall leaves nothing but what others put there" {
	local dest=$BATS_TEST_TMPDIR/dest
	make_in_build install DESTDIR="$dest"
	mkdir "$dest/usr/local/share/defaults/kata-containers/config.d"
	touch "$dest/usr/local/share/defaults/kata-containers/config.d/mine.toml"
	make_in_build uninstall DESTDIR="$dest"
	run find "$dest" -type f
	echo "$output"
	[ "$output" = "$dest/usr/local/share/defaults/kata-containers/config.d/mine.toml" ]
	[ ! -e "$dest/usr/local/share/kata-containers" ]
}

@test "check and env find everything" {
	run installed kata-runtime check
	echo "$output"
	[ "$status" -eq 0 ]
	for path in share/kata-containers/vmlinux share/kata-containers/initrd.img bin/containerd-shim-kata-v2 \
		share/defaults/kata-containers/configuration.toml; do
		[[ "$output" == *"/usr/local/$path"* ]]
	done
	[ "$(installed kata-runtime env --json | jq -r .Proxy.Path)" = /usr/local/libexec/kata-proxy ]
}

@test "kata-runtime run" {
	make_bundle sh -c 'cat /proc/version; exit 3'
	run installed kata-runtime --root "$ROOT" run --bundle "$BUNDLE" installed-$$
	echo "$output"
	[ "$status" -eq 3 ]
	[[ "$output" == "Linux version "* ]]
}

@test "podman knows the runtime's name" {
	local store=$BATS_TEST_TMPDIR/store
	make_bundle true
	pod() { installed podman --root "$store/root" --runroot "$store/run" --tmpdir "$store/tmp" \
		--cgroup-manager cgroupfs --runtime kata --runtime-flag "root=$ROOT" "$@"; }
	tar -C "$BUNDLE/rootfs" -c . | pod import - busybox > /dev/null
	run --separate-stderr pod run --rm --network none busybox uname -r
	echo "$output $stderr"
	pod system reset --force > /dev/null
	[ "$output" = "$(strings -n 20 "$DEST/usr/local/share/kata-containers/vmlinux" | sed -n 's/^Linux version \([^ ]*\) .*/\1/p' | head -1)" ]
}

@test "docker takes the runtime that kata-runtime configure tells it" {
	local dir=$BATS_TEST_TMPDIR/docker
	mkdir "$dir"
	echo '{ "experimental": true }' > "$dir/configured.json"
	installed kata-runtime configure --file "$dir/configured.json" docker
	KATA_DAEMON_JSON=$dir/configured.json KATA_BUILD=/nowhere installed "$REPO/tests/lib/dockerd.sh" start "$dir"
	run installed /usr/bin/docker -H "unix://$dir/docker.sock" run --rm --runtime=kata busybox sh -c 'uname -r; exit 4'
	installed "$REPO/tests/lib/dockerd.sh" stop "$dir"
	echo "$output"
	[ "$status" -eq 4 ]
	strings -n 20 "$DEST/usr/local/share/kata-containers/vmlinux" | grep -qF "Linux version $output "
}

@test "containerd takes the runtime that kata-runtime configure tells it" {
	local config=$BATS_TEST_TMPDIR/config.toml plugin=io.containerd.grpc.v1.cri
	printf 'version = 2\n[plugins."%s"]\n  sandbox_image = "kata.test/pause:1"\n' "$plugin" > "$config"
	cp "$config" "$config.old"
	installed kata-runtime configure --file "$config" containerd
	run containerd --config "$config" config dump
	echo "$output"
	[ "$status" -eq 0 ]
	[[ "$output" == *"[plugins.\"$plugin\".containerd.runtimes.kata]"*'runtime_type = "io.containerd.kata.v2"'* ]]
	[[ "$output" == *"[plugins.\"$plugin\".containerd.runtimes.runc]"* ]]
	[[ "$output" == *'sandbox_image = "kata.test/pause:1"'* ]]
	installed kata-runtime configure --file "$config" --undo containerd
	cmp "$config" "$config.old"
}

@test "containerd finds the shim" {
	local ctd=$BATS_TEST_TMPDIR/ctd
	KATA_BUILD=/nowhere installed "$REPO/tests/lib/containerd.sh" start "$ctd"
	run installed ctr --address "$ctd/containerd.sock" run --rm --runtime io.containerd.kata.v2 kata.test/busybox:1 \
		"installed-$$" sh -c 'echo in a VM; exit 4'
	installed "$REPO/tests/lib/containerd.sh" stop "$ctd"
	echo "$output"
	[ "$status" -eq 4 ]
	[ "$output" = "in a VM" ]
}
