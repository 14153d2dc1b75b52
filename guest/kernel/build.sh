#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Builds the guest kernel from the distribution's kernel source and the
# configuration fragments and patches beside this script, once per set of
# inputs: a result is kept in the cache folder under a hash of everything that
# went into it.
#
# It does not choose options (fragments/ does), does not pack the modules into an
# initrd (../initrd/build.sh does) and does not boot what it built (smoke.sh does).
set -euo pipefail

readonly SERIES=6.12
readonly PACKAGE=linux-source-$SERIES
# Compiled objects of the last full build; it only scales the progress shown.
readonly EXPECTED_OBJECTS=2900

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$here/entry.sh"
arch=$(uname -m)
cache=${KATA_GUEST_CACHE:-/var/cache/kata-c}
jobs=$(nproc)
output=
tarball=
only=
fragments=()
patches=("$here"/patches/*.patch)
compiler=()
scratch=

usage() {
	cat <<EOF
Usage: build.sh --output DIR [--jobs N] [--source TARBALL] [--cache DIR]
       build.sh --config-only --output DIR
       build.sh --print-key

Installs DIR/vmlinux, DIR/vmlinux.config and the modules, DIR/modules/lib/modules.

  --output DIR      where to install the result
  --source TARBALL  kernel source, default: package $PACKAGE
  --cache DIR       kept results, default: \$KATA_GUEST_CACHE or /var/cache/kata-c
  --jobs N          parallel compilers, default: $jobs
  --config-only     stop after DIR/vmlinux.config is made and checked
  --print-key       print the name of the cache entry and stop

\$CC is the compiler where it is GCC; "ccache gcc" makes later builds quick.
EOF
}

die() {
	echo "guest/kernel/build.sh: $*" >&2
	exit 1
}

say() {
	echo "kernel: $*"
}

parse_arguments() {
	while [ $# -gt 0 ]; do
		case $1 in
		--output | --jobs | --source | --cache)
			[ $# -ge 2 ] || die "$1 needs a value"
			case $1 in
			--output) output=$2 ;;
			--jobs) jobs=$2 ;;
			--source) tarball=$2 ;;
			--cache) cache=$2 ;;
			esac
			shift
			;;
		--config-only | --print-key) only=$1 ;;
		-h | --help)
			usage
			exit 0
			;;
		*) die "unknown argument '$1', see --help" ;;
		esac
		shift
	done
	[ -n "$output" ] || [ "$only" = --print-key ] || die "--output is missing, see --help"
	[ -d "$here/fragments/$arch" ] || die "no fragments for $arch in $here/fragments"
	fragments=("$here"/fragments/*.config "$here/fragments/$arch"/*.config)
}

# Names every missing tool at once, as the packages that bring them.
check_tools() {
	local missing=() pair

	PATH=$PATH:/usr/sbin:/sbin # depmod, for those who are not root
	for pair in gcc:gcc ld:binutils make:make flex:flex bison:bison bc:bc perl:perl \
		xz:xz-utils zstd:zstd depmod:kmod patch:patch flock:util-linux sha256sum:coreutils; do
		command -v "${pair%%:*}" >/dev/null || missing+=("${pair#*:}")
	done
	if command -v gcc >/dev/null; then
		echo '#include <gelf.h>' | gcc -E - >/dev/null 2>&1 || missing+=(libelf-dev)
	fi
	if [ -z "$tarball" ]; then
		tarball=/usr/src/$PACKAGE.tar.xz
		[ -r "$tarball" ] || missing+=("$PACKAGE")
	fi
	[ ${#missing[@]} -eq 0 ] || die "missing packages, try: apt install ${missing[*]}"
	[ -r "$tarball" ] || die "cannot read $tarball"
}

# The compiler's words, in $compiler; a kernel is not made by what else builds the
# rest.
choose_compiler() {
	read -r -a compiler <<<"${CC:-gcc}"
	"${compiler[@]}" --version 2>/dev/null | grep -q 'Free Software Foundation' || compiler=(gcc)
}

# The source's identity: the package version when a package owns the file.
source_id() {
	local id

	if id=$(dpkg-query -S "$tarball" 2>/dev/null) &&
		id=$(dpkg-query -W -f '${Package}_${Version}' "${id%%:*}" 2>/dev/null); then
		echo "$id"
	else
		echo "sha256_$(sha256sum <"$tarball" | cut -c 1-64)"
	fi
}

cache_key() {
	{
		source_id
		echo "$arch"
		"${compiler[@]}" --version | head -n 1
		ld --version | head -n 1
		cat "${BASH_SOURCE[0]}" "$here/entry.sh" "${fragments[@]}" "${patches[@]}"
	} | sha256sum | cut -c 1-16
}

clean_up() {
	rm -rf "$scratch"
}

# Unpacks and patches the source once per version and set of patches; the build
# itself happens elsewhere. The place is the same for all patches, so that a cache
# of compiled files knows again what they leave alone.
unpack_source() {
	local dir file patched

	dir=$cache/source-$(source_id | tr -c 'a-zA-Z0-9._+~\n-' _ | cut -c 1-80)
	patched=$(cat "${patches[@]}" | sha256sum)
	if [ "$(cat "$dir/.patched" 2>/dev/null)" != "$patched" ]; then
		say "unpacking $tarball" >&2
		mkdir "$scratch/source"
		tar -x -f "$tarball" -C "$scratch/source" --strip-components=1
		for file in "${patches[@]}"; do
			patch -s -p1 -d "$scratch/source" <"$file" >&2 ||
				die "$(basename "$file") does not fit this source"
		done
		echo "$patched" >"$scratch/source/.patched"
		rm -rf "$dir"
		mv -T "$scratch/source" "$dir"
	fi
	echo "$dir"
}

# Merges the fragments and insists that every line of them came true: Kconfig
# drops an option silently when its dependencies are not met.
configure() {
	local source=$1 build=$2 twice wrong

	twice=$(sed -n -E 's/^(# )?(CONFIG_[A-Za-z0-9_]+)[ =].*/\2/p' "${fragments[@]}" |
		sort | uniq -d)
	[ -z "$twice" ] || die "asked for twice: ${twice//$'\n'/ }"
	mkdir -p "$build"
	(
		cd "$source"
		scripts/kconfig/merge_config.sh -n -O "$build" "${fragments[@]}"
	) >"$build/merge.log" 2>&1 || {
		tail -n 20 "$build/merge.log" >&2
		die "merging the fragments failed"
	}
	wrong=$(sed -n -E -e '/^CONFIG_[A-Za-z0-9_]+=/p' \
		-e '/^# CONFIG_[A-Za-z0-9_]+ is not set$/p' "${fragments[@]}" | while read -r line; do
		case $line in
		'# '*) # absent is as good as "is not set"
			line=${line#\# }
			! grep -q "^${line% is not set}=" "$build/.config" || echo "  ${line% is not set} is on"
			;;
		*) grep -qxF -e "$line" "$build/.config" || echo "  $line" ;;
		esac
	done)
	[ -z "$wrong" ] || die "the configuration does not keep these wishes:
$wrong"
}

# Turns make's wall of lines into a counter; keeps anything that is not a step.
show_progress() {
	awk -v total="$EXPECTED_OBJECTS" -v tty="$([ -t 1 ] && echo 1 || echo 0)" '
	function show(force,   percent) {
		percent = int(objects * 100 / total)
		if (percent > 99) percent = 99
		if (tty) printf "\rkernel: %4d objects, about %2d%% ", objects, percent
		else if (force || percent >= shown + 10) {
			shown = percent - percent % 10
			printf "kernel: %4d objects, about %d%%\n", objects, percent
		}
		fflush()
	}
	/^  (CC|AS|CC32|AS32) / { objects++; show(0); next }
	/^  [A-Z0-9_]+ +[^ ]/ || /^make(\[[0-9]+\])?: / || /^#/ || /^ *$/ { next }
	{ if (tty) printf "\n"; print; fflush() }
	END { if (tty) printf "\rkernel: %4d objects, done       \n", objects
	      else printf "kernel: %d objects, done\n", objects }'
}

# Nothing of the time, the place or the builder may reach the result.
compile() {
	local source=$1 build=$2

	export KBUILD_BUILD_TIMESTAMP="Thu Jan  1 00:00:00 UTC 1970" \
		KBUILD_BUILD_VERSION=1 KBUILD_BUILD_USER=kata KBUILD_BUILD_HOST=kata LC_ALL=C TZ=UTC
	# Where a compiler cache is told so, places that differ are no difference.
	export CCACHE_BASEDIR=${CCACHE_BASEDIR:-$cache}
	if ! make -C "$source" O="$build" -j "$jobs" CC="${compiler[*]}" vmlinux modules \
		2>"$build/errors" | show_progress; then
		tail -n 30 "$build/errors" >&2
		die "the kernel did not compile"
	fi
}

# The modules, packed; the lists of them as far as the agent reads them.
install_modules() {
	local source=$1 build=$2 result=$3 dir

	make -C "$source" O="$build" -j "$jobs" CC="${compiler[*]}" INSTALL_MOD_PATH="$result/modules" \
		INSTALL_MOD_STRIP=1 modules_install >"$build/log" 2>&1 || {
		tail -n 30 "$build/log" >&2
		die "the modules could not be installed"
	}
	for dir in "$result"/modules/lib/modules/*; do
		rm -f "$dir/build" "$dir/source"
		entry_trim_lists "$dir"
	done
}

build_entry() {
	local entry=$1 source build result

	source=$(unpack_source)
	build=$scratch/build
	result=$scratch/result
	say "configuring $(basename "$source") for $arch"
	configure "$source" "$build"
	mkdir "$result"
	cp "$build/.config" "$result/vmlinux.config"
	if [ "$only" = --config-only ]; then
		entry_install "$result" "$output" vmlinux.config
		return
	fi
	compile "$source" "$build"
	# QEMU finds the PVH entry in a program header note: symbols can go.
	objcopy --strip-all "$build/vmlinux" "$result/vmlinux"
	chmod 644 "$result/vmlinux"
	install_modules "$source" "$build" "$result"
	chmod -R u=rwX,go=rX "$result"
	mv -T "$result" "$entry"
}

main() {
	local entry key

	parse_arguments "$@"
	check_tools
	choose_compiler
	key=kernel-$(cache_key)
	if [ "$only" = --print-key ]; then
		echo "$key"
		return
	fi
	mkdir -p "$cache" "$output"
	cache=$(cd "$cache" && pwd)
	entry=$cache/$key
	# One builder at a time; a second one waits here and then finds the result.
	exec 9>"$cache/kernel.lock"
	flock 9
	if [ ! -d "$entry" ] || [ "$only" = --config-only ]; then
		rm -rf "$cache"/tmp.* # of builders that were killed: we hold the lock
		scratch=$(mktemp -d "$cache/tmp.XXXXXX")
		trap clean_up EXIT
		trap 'exit 130' INT TERM HUP
		build_entry "$entry"
	else
		say "$key is in the cache"
	fi
	[ "$only" = --config-only ] && return
	entry_install "$entry" "$output" vmlinux vmlinux.config modules
	say "$output/vmlinux, $(stat -c %s "$output/vmlinux") bytes"
}

main "$@"
