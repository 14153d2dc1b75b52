#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# run.sh [--tags TAGS] HOST SUITE[:FILTER] ...: runs suites of tests/system, or the tests of them whose names match a
# filter, in an emulated host (debian12, debian13) of its own: a VM under TCG whose CPU has SVM, so that its Debian has
# KVM. TAP on stdout, progress on stderr. TAGS limits them to the tests that have these bats tags.
#
# Its first run boots it and keeps the state that it was in then (vm.sh): the others go on from there. What it said is
# left in $KATA_BUILD/host/HOST. Needs root, and no network.
#
# KATA_HOST_SECONDS is the time for all (two hours). KATA_HOST_PACKAGES=FOLDER installs the Debian packages in it instead
# of what the checkout builds; KATA_HOST_BEFORE and KATA_HOST_NEXT have those that 83-host-upgrade.bats goes from and to.
# KATA_HOST_STUCK is the seconds without a result after which stuck.sh looks at what the VMs do (420).
# KATA_HOST_SCRIPT=FILE runs a script in it instead of tests, with its output on stdout. KATA_HOST_QEMU is options for
# its QEMU, which boots then.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
repo=$(cd "$here/../.." && pwd)
build=${KATA_BUILD:-$repo/build}
tags=
if [ "${1:-}" = --tags ]; then
	tags=$2
	shift 2
fi
host=${1:?usage: $0 [--tags TAGS] HOST SUITE[:FILTER] ...}
shift
end=$((SECONDS + ${KATA_HOST_SECONDS:-7200}))

say() {
	echo "$(date +%T) $host: $*" >&2
}
broken() {
	say "$*"
	echo "not ok - $host: $*"
	exit 1
}

# shellcheck source=tests/host/vm.sh
. "$here/vm.sh"

# shellcheck disable=SC2317 # by the trap
clean_up() {
	vm_end
	[ -z "${dir:-}" ] || rm -rf "$dir"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

# What a user would have installed: packages, or a tree.
make_product() {
	if [ -n "${KATA_HOST_PACKAGES:-}" ]; then
		mkdir "$work/packages" && cp "$KATA_HOST_PACKAGES"/*.deb "$work/packages/"
		return
	fi
	make -s -C "$repo" B="$build" all guest && make -s -C "$repo" -o all B="$build" DESTDIR="$work/product" install
}

# upgrade_packages NAME VERSION FOLDER: those in FOLDER, or the checkout's as that version.
upgrade_packages() {
	local folder=$3
	if [ -z "$folder" ]; then
		folder=$build/host/deb/$1
		mkdir -p "$folder"
		"$repo/deploy/deb.sh" "$folder" "$2" > "$folder/log" 2>&1 || { tail -n 5 "$folder/log" >&2; return 1; }
	fi
	mkdir -p "$work/upgrade/$1" && cp "$folder"/*.deb "$work/upgrade/$1/"
}

# For the suite that goes from one version of the packages to the next.
make_upgrade() {
	local version
	version=$(sed -n 's/^VERSION := //p' "$repo/Makefile")
	upgrade_packages before "$version~before" "${KATA_HOST_BEFORE:-}" &&
		upgrade_packages next "$version" "${KATA_HOST_NEXT:-}"
}

make_work() {
	local item suite program
	mkdir -p "$work/results" "$work/cache/kata-tests/bin"
	for item in "$@"; do
		suite=${item%%:*}
		[ -e "$repo/tests/system/${suite##*/}" ] || broken "there is no suite $suite"
		if [[ "$item" = *:* ]]; then
			printf '%s\t%s\n' "${suite##*/}" "${item#*:}"
		else
			printf '%s\t\n' "${suite##*/}"
		fi
	done > "$work/list"
	! grep -q '^83-host-upgrade' "$work/list" || make_upgrade || broken "the packages do not build"
	# There is neither Go nor a network in the host.
	if program=$("$repo/tests/lib/go-build.sh" "$repo/tests/cri" 2> /dev/null); then
		cp "$program" "$work/cache/kata-tests/bin/"
	fi
	[ -z "${KATA_HOST_SCRIPT:-}" ] || install -m 755 "$KATA_HOST_SCRIPT" "$work/script"
	cat > "$work/start" <<-START
	#!/bin/bash
	date -s @$(date +%s) > /dev/null
	mkdir -p /srv/kata
	mount -t 9p -o ro,trans=virtio,version=9p2000.L,cache=loose,msize=262144 checkout /srv/kata || exit
	export KATA_HOST='$host' KATA_HOST_TAGS='$tags' KATA_TEST_RETRIES='${KATA_TEST_RETRIES:-0}'
	export KATA_HOST_STUCK='${KATA_HOST_STUCK:-420}'
	exec /srv/kata/tests/host/inside.sh /run/test-host/work
	START
	chmod +x "$work/start"
}

# Passes on what is new in the results: TAP to stdout, with the suite's name, and one line of progress per test.
shown=0
show_results() {
	local line
	while IFS= read -r line; do
		shown=$((shown + 1))
		printf '%s\n' "$line"
		case "$line" in
		ok\ * | not\ ok\ *) say "$line" ;;
		esac
	done < <(tail -n +$((shown + 1)) "$work/results/tap" 2> /dev/null) # a line that is not complete is left for later
}

# What was seen goes into one file for all hosts and runs, of which table.sh makes docs/hosts.md.
keep_seen() {
	mkdir -p "$build/host"
	{
		sed "s/^/version\t$host\t/" "$work/results/versions" 2> /dev/null
		awk -v OFS='\t' -v host="$host" -v day="$(date +%F)" '
			match($0, /^(not )?ok [0-9]+ [^ ]+: /) {
				suite = substr($0, 1, RLENGTH - 2)
				sub(/.* /, "", suite)
				test = substr($0, RLENGTH + 1)
				result = /^not / ? "fails" : "works"
				if (match(test, / # skip.*/)) {
					result = "skipped" substr(test, RSTART + 7)
					test = substr(test, 1, RSTART - 1)
				}
				sub(/ in [0-9]+(ms|sec)$/, "", test)
				print "result", host, suite, test, result, day
			}' "$work/results/tap" 2> /dev/null
	} >> "$build/host/seen"
}

keep_logs() {
	local logs=$build/host/$host
	rm -rf "$logs"
	mkdir -p "$logs"
	cp -r "$dir/console" "$dir/qemu.log" "$work/log" "$work/results/." "$logs/" 2> /dev/null
	say "its logs are in $logs"
}

[ "$(id -u)" -eq 0 ] || broken "this needs root"
image=$("$here/build.sh" "$host") || {
	status=$?
	[ "$status" -ne 77 ] || { echo "ok - $host # SKIP its image cannot be made here"; exit 0; }
	broken "the image was not made"
}
dir=$(mktemp -d "${TMPDIR:-/tmp}/kata-host.XXXXXX")
work=$dir/work
mkdir "$work"
make_product || broken "the programs or the guest do not build"
make_work "$@"
vm_start || { keep_logs; broken "it did not come up"; }
say "up after $SECONDS s"
if ! vm_plug_share checkout port1 || ! vm_plug_share work port2; then
	keep_logs
	broken "its shares were not plugged in"
fi
while vm_alive; do
	[ -n "${KATA_HOST_SCRIPT:-}" ] || show_results
	sleep 1
done
! vm_runs || late=1
if [ -n "${KATA_HOST_SCRIPT:-}" ]; then
	cat "$work/log"
else
	show_results
	keep_seen
fi
[ ! -s "$work/results/retried" ] || sed "s/^/tried twice in $host: /" "$work/results/retried" >&2
keep_logs
[ -z "${late:-}" ] || broken "it was not done in ${KATA_HOST_SECONDS:-7200} seconds"
status=$(cat "$work/results/status" 2> /dev/null) || broken "it ended before its tests did"
say "done after $SECONDS s"
exit "$status"
