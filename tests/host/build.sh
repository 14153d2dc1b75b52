#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# build.sh [debian12|debian13]: makes the disk, the kernel and the initrd of an emulated host, and prints the folder they
# are in. It is kept in $KATA_TEST_CACHE under a key over what it is made from, and never changed: a host runs on a copy
# on write. What the host does comes to it through a share when it runs (run.sh), so it seldom has to be made again.
# Exit status 77, with the reason on stderr, where there is no mirror of Debian.
set -euo pipefail
host=${1:-debian12}
here=$(cd "$(dirname "$0")" && pwd)
cache=${KATA_TEST_CACHE:-/var/cache/kata-c/tests}

packages=(
	# a host as Debian installs it
	systemd-sysv dbus udev kmod linux-image-amd64 initramfs-tools zstd apparmor ca-certificates
	iproute2 iputils-ping iptables nftables procps psmisc less e2fsprogs dbus-user-session libpam-systemd uidmap
	# what runs containers
	qemu-system-x86 docker.io containerd runc crun podman conmon catatonit fuse-overlayfs slirp4netns netavark
	aardvark-dns containernetworking-plugins
	# what the project's programs are linked with: there is no network to get it from when they are installed
	libprotobuf-c1 libyajl2 libnl-route-3-200 libseccomp2 libcap2 libmd0 libsystemd0
	# what the tests use
	bats jq tmux curl socat python3 iperf3 busybox-static erofs-utils openssl gcc libc6-dev make file
	strace
)
case "$host" in
debian12)
	suite=bookworm
	packages+=(libevent-core-2.1-7 docker-compose)
	;;
debian13)
	suite=trixie
	packages+=(libevent-core-2.1-7t64 docker-cli docker-compose virtiofsd passt)
	;;
*)
	echo "usage: $0 [debian12|debian13]" >&2
	exit 2
	;;
esac
key=$( (cat "$here/build.sh" "$here"/image/*; echo "$suite") | sha256sum | cut -c1-16)
folder=$cache/host-$host-$key

# With mounts of its own that vanish with it.
if [ -z "${KATA_HOST_BUILD:-}" ] && [ ! -e "$folder" ]; then
	mkdir -p "$cache"
	KATA_HOST_BUILD=1 exec unshare --mount --propagation private "$here/build.sh" "$host"
fi

say() {
	echo "$host: $*" >&2
}

in_rootfs() {
	DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 chroot "$work/rootfs" "$@"
}

# quietly LOG COMMAND [ARG ...]: its last lines only when it fails.
quietly() {
	local log=$1
	shift
	"$@" > "$log" 2>&1 || {
		tail -n 15 "$log" >&2
		return 1
	}
}

make_rootfs() {
	say "making a root file system of Debian $suite"
	quietly "$cache/host-$host.log" debootstrap --variant=minbase --include=ca-certificates "$suite" "$work/rootfs" "$uri"
	mount -t proc proc "$work/rootfs/proc"
	mount --rbind /sys "$work/rootfs/sys"
	mount --bind /dev "$work/rootfs/dev"
	cp /etc/resolv.conf "$work/rootfs/etc/resolv.conf"
	# Daemons are started by the tests that need them.
	printf '#!/bin/sh\nexit 101\n' > "$work/rootfs/usr/sbin/policy-rc.d"
	chmod +x "$work/rootfs/usr/sbin/policy-rc.d"
	printf 'force-unsafe-io\npath-exclude=/usr/share/doc/*\npath-exclude=/usr/share/locale/*\n' \
		> "$work/rootfs/etc/dpkg/dpkg.cfg.d/test-host"
	# The initrd with what this host's own disk needs only: it is unpacked by an emulated CPU.
	mkdir -p "$work/rootfs/etc/initramfs-tools/conf.d"
	printf 'MODULES=list\nCOMPRESS=lz4\n' > "$work/rootfs/etc/initramfs-tools/conf.d/test-host"
	[ -z "${proxy:-}" ] || echo "Acquire::http::Proxy \"$proxy\";" > "$work/rootfs/etc/apt/apt.conf.d/test-host"
}

install_packages() {
	say "installing ${#packages[@]} packages and what they need"
	in_rootfs apt-get update -qq
	quietly "$cache/host-$host.log" in_rootfs apt-get install -y -qq --no-install-recommends lz4 initramfs-tools
	printf 'virtio_pci\nvirtio_blk\next4\n' >> "$work/rootfs/etc/initramfs-tools/modules"
	quietly "$cache/host-$host.log" in_rootfs apt-get install -y -qq --no-install-recommends "${packages[@]}"
	in_rootfs apt-get clean
	rm -rf "$work"/rootfs/var/lib/apt/lists/* "$work/rootfs/usr/sbin/policy-rc.d" \
		"$work/rootfs/etc/apt/apt.conf.d/test-host" "$work/rootfs/etc/resolv.conf"
}

configure() {
	local root=$work/rootfs unit
	echo test-host > "$root/etc/hostname"
	printf '127.0.0.1 localhost\n127.0.1.1 test-host\n::1 localhost\n' > "$root/etc/hosts"
	: > "$root/etc/resolv.conf"
	printf '/dev/vda / ext4 rw,noatime 0 1\n' > "$root/etc/fstab"
	in_rootfs passwd -d root > /dev/null
	install -m 755 "$here/image/test-host" "$root/usr/local/sbin/test-host"
	install -m 644 "$here/image/test-host.service" "$root/etc/systemd/system/test-host.service"
	in_rootfs systemctl -q enable test-host.service
	# A host that lives for minutes has no use for these, and there is no network.
	for unit in apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer e2scrub_reap.service \
		fstrim.timer man-db.timer podman-auto-update.timer podman.service podman-restart.service podman.socket \
		docker.service docker.socket containerd.service getty@tty1.service nftables.service; do
		in_rootfs systemctl -q disable "$unit" 2> /dev/null || true
	done
	# As slow as this host is where others work as well, it is not broken.
	mkdir -p "$root/etc/systemd/system.conf.d"
	printf '[Manager]\nDefaultTimeoutStartSec=900\nDefaultTimeoutStopSec=300\nDefaultDeviceTimeoutSec=900\n' \
		> "$root/etc/systemd/system.conf.d/test-host.conf"
	# The console is the log of this machine: nobody logs in there.
	in_rootfs systemctl -q mask serial-getty@ttyS0.service podman-auto-update.service
}

# A file system in a file, filled when it is made: no loop device is needed.
make_disk() {
	say "making the disk"
	umount -l "$work/rootfs/dev" "$work/rootfs/sys" "$work/rootfs/proc"
	cp -L "$work/rootfs/vmlinuz" "$work/rootfs/initrd.img" "$work/"
	truncate -s 20G "$work/disk"
	mkfs.ext4 -q -L test-host -E lazy_itable_init=1,lazy_journal_init=1 -d "$work/rootfs" "$work/disk"
	rm -rf --one-file-system "$work/rootfs"
}

if [ ! -e "$folder" ]; then
	exec 9> "$cache/host-$host.lock"
	flock 9
fi
if [ ! -e "$folder" ]; then
	uri=$("$here/../lib/debian-mirror.sh" "$suite")
	eval "$(apt-config shell proxy Acquire::http::Proxy)"
	[ -z "${proxy:-}" ] || export http_proxy=$proxy
	work=$folder.new
	rm -rf --one-file-system "$work"
	mkdir "$work"
	trap 'rm -rf --one-file-system "$work"' EXIT
	make_rootfs
	install_packages
	configure
	make_disk
	find "$cache" -maxdepth 1 -name "host-$host-*" ! -name "${work##*/}" -exec rm -rf {} +
	mv "$work" "$folder"
fi
echo "$folder"
