#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# debian-rootfs.sh [SUITE]: makes a root file system of Debian, bookworm or SUITE, with systemd once, from the mirror this
# machine's apt uses, and prints its path. It is kept in $KATA_TEST_CACHE and not to be changed: copy it. Exit status 77,
# with the reason on stderr, when there is no mirror.
set -euo pipefail
suite=${1:-bookworm}
cache=${KATA_TEST_CACHE:-/var/cache/kata-c/tests}
rootfs=$cache/debian-$suite-systemd

if [ -e "$rootfs" ]; then
	echo "$rootfs"
	exit
fi
mkdir -p "$cache"
exec 9> "$cache/lock"
flock 9
if [ ! -e "$rootfs" ]; then
	uri=$("$(dirname "$0")/debian-mirror.sh" "$suite")
	eval "$(apt-config shell proxy Acquire::http::Proxy)"
	[ -z "${proxy:-}" ] || export http_proxy=$proxy
	rm -rf "$rootfs.new"
	if ! debootstrap --variant=minbase --include=systemd-sysv,dbus "$suite" "$rootfs.new" "$uri" > "$cache/debootstrap.log" 2>&1; then
		tail -n 5 "$cache/debootstrap.log" >&2
		exit 1
	fi
	rm -f "$rootfs.new"/var/cache/apt/archives/*.deb
	mv "$rootfs.new" "$rootfs"
fi
echo "$rootfs"
