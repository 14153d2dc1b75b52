#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The Debian packages: lintian, and their life in clean root file systems of Debian 12 and 13: installed, upgraded,
# removed, purged. No VM is started; the root file systems are seen by processes of namespaces only.

load helpers
bats_require_minimum_version 1.5.0

PACKAGES="kata-runtime containerd-shim-kata-v2 kata-containers-guest"

setup_file() {
	local suite code
	make -s -C "$REPO" B="${BUILD#"$REPO"/}" deb
	for suite in bookworm trixie; do
		code=0
		"$REPO/tests/lib/debian-rootfs.sh" "$suite" > "$BATS_FILE_TMPDIR/$suite.path" 2> "$BATS_FILE_TMPDIR/$suite.reason" || code=$?
		[ "$code" -eq 0 ] || [ "$code" -eq 77 ] || { cat "$BATS_FILE_TMPDIR/$suite.reason"; return "$code"; }
	done
	make_next "$BUILD"/deb/*.deb
}

# make_next DEB ...: the same packages as a next version, in $BATS_FILE_TMPDIR/next.
make_next() {
	local deb tree=$BATS_FILE_TMPDIR/tree
	mkdir -p "$BATS_FILE_TMPDIR/next"
	for deb in "$@"; do
		rm -rf "$tree"
		dpkg-deb -R "$deb" "$tree"
		sed -i -E 's/^Version: .*/&+next/; s/(containerd-shim-kata-v2|kata-containers-guest|kata-runtime) \(= ([^)]*)\)/\1 (= \2+next)/g' \
			"$tree/DEBIAN/control"
		[ ! -e "$tree/etc/kata-containers" ] || echo "# the next version" >> "$tree/usr/share/defaults/kata-containers/configuration.toml"
		dpkg-deb --root-owner-group -Znone -b "$tree" "$BATS_FILE_TMPDIR/next/$(basename "$deb")" > /dev/null
	done
}

# use SUITE: a root file system of our own in $TREE.
use() {
	SUITE=$1
	[ -s "$BATS_FILE_TMPDIR/$SUITE.path" ] || skip "$(cat "$BATS_FILE_TMPDIR/$SUITE.reason")"
	TREE=$BATS_FILE_TMPDIR/$SUITE
	APT=${KATA_TEST_CACHE:-/var/cache/kata-c/tests}/apt-$SUITE
	mkdir -p "$APT/partial"
	rm -rf "$TREE" # of a first try
	cp -a "$(cat "$BATS_FILE_TMPDIR/$SUITE.path")" "$TREE"
	echo force-unsafe-io > "$TREE/etc/dpkg/dpkg.cfg.d/test"
	printf 'APT::Keep-Downloaded-Packages "true";\nAPT::Install-Recommends "false";\nAPT::Sandbox::User "root";\n' \
		> "$TREE/etc/apt/apt.conf.d/test"
	printf '#!/bin/sh\nexit 101\n' > "$TREE/usr/sbin/policy-rc.d"
	chmod +x "$TREE/usr/sbin/policy-rc.d"
	mkdir "$TREE/mnt/debs" "$TREE/mnt/next"
}

# inside COMMAND [ARG ...]: in the root file system, with processes of its own.
inside() {
	unshare --mount --pid --fork --kill-child sh -ec 'tree=$1 apt=$2 debs=$3 next=$4
		shift 4
		mount -t proc proc "$tree/proc"
		mount -t tmpfs -o mode=755 tmpfs "$tree/dev"
		mkdir "$tree/dev/pts"
		mount -t devpts -o newinstance,ptmxmode=0666 devpts "$tree/dev/pts"
		ln -s pts/ptmx "$tree/dev/ptmx"
		for node in null zero random urandom tty; do touch "$tree/dev/$node"; mount --bind "/dev/$node" "$tree/dev/$node"; done
		ln -s /proc/self/fd "$tree/dev/fd"
		mount --bind "$apt" "$tree/var/cache/apt/archives"
		mount --bind "$debs" "$tree/mnt/debs"
		mount --bind "$next" "$tree/mnt/next"
		exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive LC_ALL=C \
			${http_proxy:+"http_proxy=$http_proxy"} chroot "$tree" "$@"' \
		sh "$TREE" "$APT" "$BUILD/deb" "$BATS_FILE_TMPDIR/next" "$@"
}

# Everything that is there, but for what dpkg and apt write down.
files() {
	(cd "$TREE" && find . \( -path ./var/lib/dpkg -o -path ./var/lib/apt -o -path ./var/cache -o -path ./var/log -o -path ./tmp \) \
		-prune -o -printf '%M %U:%G %p\n' | sort -k3)
}

# What the packages need of Debian, each by its own name.
dependencies() {
	local deb
	for deb in "$BUILD"/deb/*.deb; do
		dpkg-deb -f "$deb" Depends
	done | tr ',' '\n' | sed 's/^ *//; s/ *$//' | grep -vE "^(${PACKAGES// /|}) |^$" | sort -u | paste -sd, -
}

installed_versions() {
	# shellcheck disable=SC2086 # three words
	inside dpkg-query -W -f '${Package} ${db:Status-Status} ${Version}\n' $PACKAGES
}

check_installed() {
	local program
	for program in /usr/bin/kata-runtime /usr/bin/containerd-shim-kata-v2 /usr/libexec/kata-proxy; do
		run inside ldd "$program"
		echo "$output"
		[ "$status" -eq 0 ]
		[[ "$output" != *"not found"* ]]
	done
	run -0 inside kata-runtime env --json
	echo "$output"
	[ "$(jq -r '.Proxy.Path' <<< "$output")" = /usr/libexec/kata-proxy ]
	[ "$(jq -r '.Runtime.Config.Paths[0]' <<< "$output")" = /etc/kata-containers/configuration.toml ]
	[ "$(jq -r .Kernel.Path <<< "$output")" = /usr/lib/kata-containers/vmlinux ]
	[ "$(jq -c '[.Shim, .Proxy, .Kernel, .Initrd, .Virtiofsd | .Usable]' <<< "$output")" = '[true,true,true,true,true]' ]
	[ -x "$TREE$(jq -r .Hypervisor.Path <<< "$output")" ]
	run -0 inside bash -c 'source /usr/share/bash-completion/completions/kata-runtime; compopt() { :; }
		COMP_WORDS=(kata-runtime resu) COMP_CWORD=1; _kata_runtime; echo "${COMPREPLY[*]}"'
	[ "$output" = resume ]
}

# The whole life of the packages on one Debian.
life() {
	use "$1"
	local version
	version=$(dpkg-deb -f "$BUILD"/deb/kata-runtime_*.deb Version)
	inside apt-get -qq update
	inside apt-get -qq -y satisfy "$(dependencies)" > /dev/null
	files > "$BATS_FILE_TMPDIR/before"

	echo "# install"
	inside sh -c 'dpkg -i /mnt/debs/*.deb'
	[ "$(installed_versions | sort | xargs)" = "$(printf '%s\n' $PACKAGES | sort | sed "s/$/ installed $version/" | xargs)" ]
	check_installed

	echo "# upgrade: the administrator's settings stay, dependencies follow"
	echo "# mine" >> "$TREE/etc/kata-containers/configuration.toml"
	mkdir "$TREE/etc/kata-containers/config.d"
	printf '[hypervisor.qemu]\ndefault_memory = 777\n' > "$TREE/etc/kata-containers/config.d/50-mine.toml"
	inside sh -c 'apt-get -qq -y install /mnt/next/*.deb'
	[ "$(installed_versions | sort | xargs)" = "$(printf '%s\n' $PACKAGES | sort | sed "s/$/ installed $version+next/" | xargs)" ]
	[ "$(tail -n 1 "$TREE/etc/kata-containers/configuration.toml")" = "# mine" ]
	[ "$(tail -n 1 "$TREE/usr/share/defaults/kata-containers/configuration.toml")" = "# the next version" ]
	check_installed
	inside kata-runtime env | grep -q 777

	echo "# remove: settings stay, what was told to managers goes"
	inside mkdir -p /etc/docker
	echo '{"debug": true}' > "$TREE/etc/docker/daemon.json"
	inside kata-runtime configure docker
	inside kata-runtime configure podman
	grep -q /usr/bin/kata-runtime "$TREE/etc/docker/daemon.json"
	inside sh -c "apt-get -qq -y remove $PACKAGES"
	[ ! -e "$TREE/etc/containers" ] # there was none
	[ "$(jq -c . "$TREE/etc/docker/daemon.json")" = '{"debug":true}' ]
	rm -r "$TREE/etc/docker"
	[ -e "$TREE/etc/kata-containers/configuration.toml" ]
	[ ! -e "$TREE/usr/bin/kata-runtime" ]
	[ ! -e "$TREE/usr/lib/kata-containers" ]

	echo "# installed again, the settings are there; purged, nothing is"
	inside sh -c 'dpkg -i /mnt/debs/*.deb'
	inside kata-runtime env | grep -q 777
	inside sh -c "dpkg --purge $PACKAGES"
	files > "$BATS_FILE_TMPDIR/after"
	diff "$BATS_FILE_TMPDIR/before" "$BATS_FILE_TMPDIR/after"
	rm -rf "$TREE"
}

@test "lintian has nothing to say" {
	command -v lintian > /dev/null || skip "there is no lintian"
	run lintian --allow-root --fail-on error,warning,info "$BUILD"/deb/*.deb
	echo "$output"
	[ "$status" -eq 0 ]
	[ -z "$output" ]
}

@test "nothing of the place where they were built is in the packages" {
	local deb tree=$BATS_TEST_TMPDIR/tree
	mkdir "$tree"
	for deb in "$BUILD"/deb/*.deb; do
		dpkg-deb -R "$deb" "$tree/$(basename "$deb")"
	done
	run ! grep -rlF "$REPO" "$tree"
	# What deploy/ has to fill in; compressed bytes say anything.
	run ! grep -rIlE "@[A-Z]+@" "$tree"
}

@test "Debian 12: installed, upgraded, removed, purged" {
	life bookworm
}

@test "Debian 13: installed, upgraded, removed, purged" {
	life trixie
}
