#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Takes a guest kernel out of a distribution's package: the kernel itself and
# those of its modules that a pod may need (distro.modules). Nothing is compiled
# and nothing is installed on this machine. Results are kept in the cache folder
# under a hash of everything that went into them.
#
# It does not pack the modules into an initrd (../initrd/build.sh does), and it
# does not load them (kata-agent does).
set -euo pipefail

readonly DEFAULT_PACKAGE=linux-image-cloud-amd64
# Without one of these, no guest starts; without one of those, something is missed.
readonly NEEDED="VIRTIO_PCI VIRTIO_CONSOLE VIRTIO_VSOCKETS VIRTIO_NET CGROUP_BPF DEVTMPFS BLK_DEV_INITRD"
readonly MISSED="VIRTIO_FS 9P_FS NET_9P_VIRTIO OVERLAY_FS EROFS_FS VIRTIO_BLK VIRTIO_MEM VIRTIO_BALLOON HOTPLUG_PCI_PCIE NF_TABLES"

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$here/entry.sh"
cache=${KATA_GUEST_CACHE:-/var/cache/kata-c}
package=${KATA_GUEST_PACKAGE:-$DEFAULT_PACKAGE}
output=
only=
scratch=

usage() {
	cat <<EOF
Usage: distro.sh --output DIR [--package NAME|FILE.deb] [--cache DIR]
       distro.sh --print-key

Installs DIR/vmlinux, DIR/vmlinux.config and the modules, DIR/modules/lib/modules.

  --output DIR      where to install the result
  --package NAME    a Debian package that is, or depends on, a kernel image, or a
                    .deb file; default: \$KATA_GUEST_PACKAGE or $DEFAULT_PACKAGE
  --cache DIR       kept results, default: \$KATA_GUEST_CACHE or /var/cache/kata-c
  --print-key       print the name of the cache entry and stop
EOF
}

die() {
	echo "guest/kernel/distro.sh: $*" >&2
	exit 1
}

say() {
	echo "kernel: $*"
}

parse_arguments() {
	while [ $# -gt 0 ]; do
		case $1 in
		--output | --package | --cache)
			[ $# -ge 2 ] || die "$1 needs a value"
			case $1 in
			--output) output=$2 ;;
			--package) package=$2 ;;
			--cache) cache=$2 ;;
			esac
			shift
			;;
		--print-key) only=$1 ;;
		-h | --help)
			usage
			exit 0
			;;
		*) die "unknown argument '$1', see --help" ;;
		esac
		shift
	done
	[ -n "$output" ] || [ "$only" = --print-key ] || die "--output is missing, see --help"
}

# Names every missing tool at once, as the packages that bring them.
check_tools() {
	local missing=() pair

	PATH=$PATH:/usr/sbin:/sbin # depmod, for those who are not root
	for pair in dpkg-deb:dpkg apt-get:apt depmod:kmod readelf:binutils lz4:lz4 xz:xz-utils \
		zstd:zstd flock:util-linux sha256sum:coreutils; do
		command -v "${pair%%:*}" >/dev/null || missing+=("${pair#*:}")
	done
	[ ${#missing[@]} -eq 0 ] || die "missing packages, try: apt install ${missing[*]}"
}

# Follows a package that has no files of its own (linux-image-cloud-amd64) to the
# image it depends on: sets $package to NAME=VERSION.
resolve_package() {
	local name=${package%%=*} version depends

	case $package in
	*.deb)
		[ -r "$package" ] || die "cannot read $package"
		return
		;;
	*=*) version=${package#*=} ;;
	*)
		version=$(LC_ALL=C apt-cache policy "$name" | sed -n 's/^ *Candidate: //p')
		case $version in
		'' | '(none)') die "apt knows no package $name, try: apt-get update" ;;
		esac
		;;
	esac
	depends=$(LC_ALL=C apt-cache show "$name=$version" | sed -n 's/^Depends: //p' | tr ',' '\n' |
		sed -n -E 's/^ *(linux-image-[^ ]+) \(= ([^)]+)\).*/\1=\2/p' | head -n 1)
	package=${depends:-$name=$version}
}

# The package's identity: its version when it has a name.
package_id() {
	case $package in
	*.deb) sha256sum <"$package" ;;
	*) echo "$package" ;;
	esac
}

cache_key() {
	{
		package_id
		cat "${BASH_SOURCE[0]}" "$here/entry.sh" "$here/distro.modules"
	} | sha256sum | cut -c 1-16
}

clean_up() {
	rm -rf "$scratch"
}

# Unpacks the package to $scratch/root.
unpack_package() {
	local file=$package

	mkdir "$scratch/root" "$scratch/download"
	if [ "${package%.deb}" = "$package" ]; then
		say "downloading $package"
		(cd "$scratch/download" && apt-get download -qq "$package") 2>"$scratch/errors" || {
			cat "$scratch/errors" >&2
			die "apt cannot download $package, try: apt-get update"
		}
		file=$(echo "$scratch/download"/*.deb)
	fi
	dpkg-deb -x "$file" "$scratch/root"
	# Where /lib is a link to /usr/lib, packages bring their files there.
	if [ -d "$scratch/root/usr/lib/modules" ]; then
		mkdir -p "$scratch/root/lib"
		mv "$scratch/root/usr/lib/modules" "$scratch/root/lib/modules"
	fi
	compgen -G "$scratch/root/boot/vmlinuz-*" >/dev/null || die "$package holds no kernel"
	[ -d "$scratch/root/lib/modules" ] || die "$package holds no modules"
}

# What a kernel lacks is said by name, now and not by a guest that does not start.
check_config() {
	local config=$1 option lacks=()

	for option in $NEEDED; do
		grep -qE "^CONFIG_$option=[ym]" "$config" || lacks+=("CONFIG_$option")
	done
	[ ${#lacks[@]} -eq 0 ] || die "no guest can run with $package: it lacks ${lacks[*]}"
	for option in $MISSED; do
		grep -qE "^CONFIG_$option=[ym]" "$config" || lacks+=("CONFIG_$option")
	done
	[ ${#lacks[@]} -eq 0 ] || say "note: $package lacks ${lacks[*]}"
}

# field FILE OFFSET BYTES: a number of the boot protocol's header
# (Documentation/arch/x86/boot.rst).
field() {
	od -A n -t "u$3" -j "$2" -N "$3" "$1" | tr -d ' '
}

# The ELF image inside of a bzImage, which spares each boot the unpacking. Fails
# when there is none, or none with a PVH entry (Xen's note 0x12), by which QEMU
# starts an ELF image.
extract_vmlinux() {
	local image=$1 target=$2 start length unpack

	start=$((($(field "$image" $((0x1f1)) 1) + 1) * 512 + $(field "$image" $((0x248)) 4)))
	length=$(field "$image" $((0x24c)) 4)
	case $(od -A n -t x1 -j "$start" -N 4 "$image" | tr -d ' ') in
	02214c18) unpack="lz4 -d -c" ;;
	fd377a58) unpack="xz -d -c" ;;
	28b52ffd) unpack="zstd -d -c" ;;
	1f8b*) unpack="gzip -d -c" ;;
	*) return 1 ;;
	esac
	# The last four bytes are the unpacked size; gzip has it in its format.
	[ "$unpack" = "gzip -d -c" ] || length=$((length - 4))
	# shellcheck disable=SC2086 # a program and its options
	tail -c "+$((start + 1))" "$image" | head -c "$length" | $unpack >"$target" 2>"$scratch/errors" || true
	LC_ALL=C readelf -n "$target" 2>/dev/null | grep -A 1 'Xen ' | grep -q '0x00000012'
}

# Prints the files of the modules that distro.modules chooses, and of those they
# need, relative to lib/modules/<release>. Reads modules.dep of all.
choose_modules() {
	local dir=$1 line file

	while read -r line; do
		case $line in
		'' | '#'*) ;;
		-*) printf -- '- %s\n' "${line#-}" ;;
		*) printf '+ %s\n' "$line" ;;
		esac
	done <"$here/distro.modules" >"$scratch/patterns"
	sed -n -E 's|^kernel/([^:]*)\.ko[^:]*:.*|\1|p' "$dir/modules.dep" | while read -r file; do
		local chosen=0 sign pattern

		while read -r sign pattern; do
			# shellcheck disable=SC2254 # a pattern is what it is
			case $file in
			$pattern) [ "$sign" = + ] && chosen=1 || chosen=0 ;;
			esac
		done <"$scratch/patterns"
		[ "$chosen" = 0 ] || echo "kernel/$file"
	done >"$scratch/chosen"
	awk '
	NR == FNR { chosen[$1] = 1; next }
	{
		name = $1
		sub(/\.ko.*/, "", name)
		if (!(name in chosen)) next
		sub(/:$/, "", $1)
		for (i = 1; i <= NF; i++) print $i
	}' "$scratch/chosen" "$dir/modules.dep" | sort -u
}

# Unpacks what is packed: the agent hands modules to the kernel as they are.
copy_module() {
	local source=$1 target=$2

	mkdir -p "$(dirname "$target")"
	case $source in
	*.ko) cp "$source" "$target" ;;
	*.ko.xz) xz -d -c "$source" >"${target%.xz}" ;;
	*.ko.zst) zstd -q -d -c "$source" >"${target%.zst}" ;;
	*.ko.gz) gzip -d -c "$source" >"${target%.gz}" ;;
	*) die "module of an unknown kind: $source" ;;
	esac
}

copy_modules() {
	local release=$1 result=$2 from to file

	from=$scratch/root/lib/modules/$release
	to=$result/modules/lib/modules/$release
	mkdir -p "$to"
	depmod -b "$scratch/root" "$release"
	choose_modules "$from" | while read -r file; do
		copy_module "$from/$file" "$to/$file"
	done
	cp "$from/modules.builtin" "$from/modules.order" "$to"
	# depmod takes the names of built-in modules from here.
	[ ! -e "$from/modules.builtin.modinfo" ] || cp "$from/modules.builtin.modinfo" "$to"
	depmod -b "$result/modules" "$release"
	entry_trim_lists "$to"
	say "$(find "$to" -name '*.ko' | wc -l) modules of $release," \
		"$(du -s -k "$to" | cut -f 1) KiB"
}

build_entry() {
	local entry=$1 result=$scratch/result release image

	unpack_package
	image=$(echo "$scratch/root"/boot/vmlinuz-*)
	release=${image##*/vmlinuz-}
	check_config "$scratch/root/boot/config-$release"
	mkdir "$result"
	cp "$scratch/root/boot/config-$release" "$result/vmlinux.config"
	if ! extract_vmlinux "$image" "$result/vmlinux"; then
		say "note: $package holds no ELF image with a PVH entry: QEMU gets it packed"
		cp "$image" "$result/vmlinux"
	fi
	copy_modules "$release" "$result"
	chmod -R u=rwX,go=rX "$result"
	mv -T "$result" "$entry"
}

main() {
	local entry key

	parse_arguments "$@"
	check_tools
	resolve_package
	key=distro-$(cache_key)
	if [ "$only" = --print-key ]; then
		echo "$key"
		return
	fi
	mkdir -p "$cache" "$output"
	cache=$(cd "$cache" && pwd)
	entry=$cache/$key
	# One builder at a time; a second one waits here and then finds the result.
	exec 9>"$cache/distro.lock"
	flock 9
	if [ -d "$entry" ]; then
		say "$key is in the cache"
	else
		rm -rf "$cache"/distro-tmp.* # of builders that were killed: we hold the lock
		scratch=$(mktemp -d "$cache/distro-tmp.XXXXXX")
		trap clean_up EXIT
		trap 'exit 130' INT TERM HUP
		build_entry "$entry"
	fi
	entry_install "$entry" "$output" vmlinux vmlinux.config modules
	say "$output/vmlinux, $(stat -c %s "$output/vmlinux") bytes, of $package"
}

main "$@"
