#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Packs the initrd: a static agent as /init and the directories it mounts on, and
# for a kernel with modules those and the agent again as /sbin/modprobe, or another
# program that can be it. The same files give the same archive, bit for bit, whoever
# packs it.
#
# There is no /dev/console here: making a device node needs root, and the kernel
# brings its own (usr/default_cpio_list) in the archive built into every image.
set -euo pipefail

readonly DIRECTORIES="dev etc mnt proc root run sys tmp usr usr/bin usr/sbin var"

agent=
modules=
modprobe=
output=
scratch=

usage() {
	cat <<EOF
Usage: build.sh --agent PATH [--modules DIR [--modprobe PATH]] --output FILE

Writes an initrd with PATH as /init, and DIR/lib/modules, to FILE. /sbin/modprobe
is a link to /init where no other static program is named.
EOF
}

die() {
	echo "guest/initrd/build.sh: $*" >&2
	exit 1
}

parse_arguments() {
	while [ $# -gt 0 ]; do
		case $1 in
		--agent | --modules | --modprobe | --output)
			[ $# -ge 2 ] || die "$1 needs a value"
			case $1 in
			--agent) agent=$2 ;;
			--modules) modules=$2 ;;
			--modprobe) modprobe=$2 ;;
			--output) output=$2 ;;
			esac
			shift
			;;
		-h | --help)
			usage
			exit 0
			;;
		*) die "unknown argument '$1', see --help" ;;
		esac
		shift
	done
	[ -n "$agent" ] || die "--agent is missing, see --help"
	[ -n "$output" ] || die "--output is missing, see --help"
	[ -r "$agent" ] || die "cannot read $agent"
	[ -z "$modules" ] || [ -d "$modules/lib/modules" ] || die "no lib/modules in $modules"
	command -v cpio >/dev/null || die "missing package, try: apt install cpio"
}

# A dynamic /init ends in a kernel panic that names no reason: refuse it here.
check_static() {
	case $(od -A n -t x1 -N 4 "$agent" | tr -d ' ') in
	7f454c46)
		! LC_ALL=C readelf -l "$agent" 2>/dev/null | grep -q INTERP ||
			die "$agent is not statically linked"
		;;
	*) die "$agent is not an ELF program" ;;
	esac
}

# The kernel asks /sbin/modprobe for what it misses.
stage_modules() {
	install -d -m 755 "$scratch/root/sbin" "$scratch/root/lib"
	if [ -n "$modprobe" ]; then
		install -m 755 "$modprobe" "$scratch/root/sbin/modprobe"
	else
		ln -s ../init "$scratch/root/sbin/modprobe"
	fi
	cp -R "$modules/lib/modules" "$scratch/root/lib/modules"
	chmod -R u=rwX,go=rX "$scratch/root/lib/modules"
}

stage() {
	local dir

	for dir in $DIRECTORIES; do
		install -d -m 755 "$scratch/root/$dir"
	done
	chmod 700 "$scratch/root/root"
	chmod 1777 "$scratch/root/tmp"
	install -m 755 "$agent" "$scratch/root/init"
	[ -z "$modules" ] || stage_modules
	find "$scratch/root" -exec touch -h -d "@${SOURCE_DATE_EPOCH:-0}" {} +
}

# Uncompressed on purpose; README.md has the numbers. QEMU copies the file into
# guest memory in one go, and the kernel only has to walk it.
pack() {
	(
		cd "$scratch/root"
		find . -mindepth 1 -printf '%P\n' | LC_ALL=C sort |
			cpio -o -H newc --reproducible --owner=+0:+0 --quiet
	) >"$scratch/initrd"
	chmod 644 "$scratch/initrd"
	mv -f "$scratch/initrd" "$output"
}

main() {
	parse_arguments "$@"
	check_static
	mkdir -p "$(dirname "$output")"
	trap 'rm -rf "$scratch"' EXIT
	# Beside the output, so that the last step is a rename.
	scratch=$(mktemp -d "$output.tmp.XXXXXX")
	stage
	pack
	echo "initrd: $output, $(stat -c %s "$output") bytes"
}

main "$@"
