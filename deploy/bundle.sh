#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# bundle.sh DESTDIR [MAKE-VARIABLE=VALUE ...]: `make install` below DESTDIR together with all that the programs need
# of a host: QEMU, its firmware, virtiofsd, and the libraries and the dynamic loader of all of them. What is at PREFIX
# (/opt/kata) then runs on any distribution. Taken from this machine's packages; needs patchelf.
set -euo pipefail
[ $# -ge 1 ] || { sed -n '3,5s/^# //p' "$0" >&2; exit 2; }
dest=$1
shift
repo=$(cd "$(dirname "$0")/.." && pwd)
prefix=/opt/kata
for variable; do
	case $variable in PREFIX=*) prefix=${variable#PREFIX=} ;; esac
done
tree=$dest$prefix
qemu=$(command -v qemu-system-x86_64)
loader=ld-linux-x86-64.so.2

# take FILE TARGET: a program or loadable module and the libraries it names; programs get our loader.
take() {
	local library
	install -D -m 755 "$1" "$tree/$2"
	while read -r library; do
		[ -e "$tree/lib/$(basename "$library")" ] || install -D -m 644 "$library" "$tree/lib/$(basename "$library")"
	done < <(ldd "$1" | grep -o '/[^ )]*')
	# RPATH, not RUNPATH: it holds for the libraries of libraries, too.
	patchelf --force-rpath --set-rpath "$prefix/lib" "$tree/$2"
	if patchelf --print-interpreter "$1" > /dev/null 2>&1; then
		patchelf --set-interpreter "$prefix/lib/$loader" "$tree/$2"
	fi
}

find_virtiofsd() {
	local path
	for path in /usr/libexec/virtiofsd /usr/lib/qemu/virtiofsd /usr/lib/virtiofsd; do
		[ ! -x "$path" ] || { echo "$path"; return; }
	done
	echo "there is no virtiofsd" >&2
	return 1
}

make -s -C "$repo" PREFIX="$prefix" "$@" DESTDIR="$dest" install
[ -e "$tree/share/kata-containers/initrd.img" ] || { echo "run \`make guest\` first" >&2; exit 1; }
for program in bin/kata-runtime bin/containerd-shim-kata-v2 libexec/kata-proxy; do
	take "$tree/$program" "$program.new"
	mv "$tree/$program.new" "$tree/$program"
done
take "$qemu" bin/qemu-system-x86_64
virtiofsd=$(find_virtiofsd)
take "$virtiofsd" libexec/virtiofsd
chmod 755 "$tree/lib/$loader"

# QEMU looks for modules and data relative to its own place. Distributions that build TCG as a module have one here.
modules=$(find /usr/lib -path '*/qemu/accel-tcg-x86_64.so' -print -quit)
[ -z "$modules" ] || take "$modules" "${modules#/usr/}"
for file in qboot.rom bios-256k.bin pvh.bin linuxboot_dma.bin kvmvapic.bin; do
	path=$(find /usr/share/qemu /usr/share/seabios -name "$file" -print -quit)
	[ -n "$path" ] || { echo "there is no $file" >&2; exit 1; }
	install -D -m 644 "$(realpath "$path")" "$tree/share/qemu/$file"
done

mkdir -p "$tree/share/defaults/kata-containers/config.d"
cat > "$tree/share/defaults/kata-containers/config.d/10-bundle.toml" <<-TOML
# What was installed together.
[hypervisor.qemu]
path = "$prefix/bin/qemu-system-x86_64"
firmware = "$prefix/share/qemu/qboot.rom"
virtio_fs_daemon = "$prefix/libexec/virtiofsd"
valid_hypervisor_paths = ["$prefix/bin/qemu-system-x86_64"]
valid_virtio_fs_daemon_paths = ["$prefix/libexec/virtiofsd"]
TOML
