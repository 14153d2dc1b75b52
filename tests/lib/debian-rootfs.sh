#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# debian-rootfs.sh [SUITE]: makes a root file system of Debian, bookworm or SUITE, with systemd once, from the mirror this
# machine's apt uses, and prints its path. It is kept in $KATA_TEST_CACHE and not to be changed: copy it. Exit status 77,
# with the reason on stderr, when there is no mirror.
set -euo pipefail
suite=${1:-bookworm}
cache=${KATA_TEST_CACHE:-/var/cache/kata-c/tests}
rootfs=$cache/debian-$suite-systemd

no_mirror() {
	echo "$*" >&2
	exit 77
}

# mirror: of the suite, otherwise of any release of Debian, as both carry the same archive.
mirror() {
	# shellcheck disable=SC2016 # apt's variables, not the shell's
	apt-get indextargets --format '$(RELEASE) $(COMPONENT) $(REPO_URI) $(ORIGIN)' 'Created-By: Packages' |
		awk -v suite="$suite" '$2 == "main" && ($4 == "" || $4 == "Debian") && $1 !~ /-(security|updates|backports)/ {
			if ($1 == suite && !best) best = $3
			if (!any) any = $3
		}
		END { print best ? best : any }'
}

if [ -e "$rootfs" ]; then
	echo "$rootfs"
	exit
fi
mkdir -p "$cache"
exec 9> "$cache/lock"
flock 9
if [ ! -e "$rootfs" ]; then
	command -v debootstrap > /dev/null || no_mirror "debootstrap is not installed"
	uri=$(mirror)
	uri=${uri%/}
	[ -n "$uri" ] || no_mirror "apt is configured with no mirror of Debian"
	# debootstrap fetches with wget, which does not read apt's settings.
	eval "$(apt-config shell proxy Acquire::http::Proxy)"
	[ -z "${proxy:-}" ] || export http_proxy=$proxy
	wget -q --timeout=20 --tries=2 -O /dev/null "$uri/dists/$suite/Release" ||
		no_mirror "the mirror $uri does not answer for $suite"
	rm -rf "$rootfs.new"
	if ! debootstrap --variant=minbase --include=systemd-sysv,dbus "$suite" "$rootfs.new" "$uri" > "$cache/debootstrap.log" 2>&1; then
		tail -n 5 "$cache/debootstrap.log" >&2
		exit 1
	fi
	rm -f "$rootfs.new"/var/cache/apt/archives/*.deb
	mv "$rootfs.new" "$rootfs"
fi
echo "$rootfs"
