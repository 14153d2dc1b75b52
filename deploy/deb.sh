#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# deb.sh OUTPUT [VERSION]: the Debian packages of this checkout (debian/), in the folder OUTPUT. Built in a copy of the
# sources, so that nothing is left in the checkout. VERSION is the packages' when it is not debian/changelog's.
set -euo pipefail
[ $# -ge 1 ] || { sed -n '3,4s/^# //p' "$0" >&2; exit 2; }
output=$1
version=${2:-}
repo=$(cd "$(dirname "$0")/.." && pwd)

die() {
	echo "deb: $*" >&2
	exit 1
}

cd "$repo"
tests/deps.sh deb
ours=$(sed -n 's/^VERSION := //p' Makefile)
theirs=$(dpkg-parsechangelog -S Version)
[ "$ours" = "$theirs" ] || die "Makefile has version $ours and debian/changelog $theirs"

mkdir -p "$output"
output=$(cd "$output" && pwd)
source=$output/src
rm -rf "$source" "$output"/*.deb "$output"/*.buildinfo "$output"/*.changes
mkdir "$source"
# What git knows and what it does not ignore, as it is now.
git ls-files -z --cached --others --exclude-standard |
	while IFS= read -r -d '' file; do [ ! -e "$file" ] || printf '%s\0' "$file"; done |
	xargs -0 cp -a --parents -t "$source"
cd "$source"
if [ -n "$version" ] && [ "$version" != "$theirs" ]; then
	{
		printf 'kata-containers (%s) unstable; urgency=medium\n\n  * Local build.\n\n' "$version"
		dpkg-parsechangelog -S Maintainer | sed 's/^/ -- /' | tr '\n' ' '
		echo " $(date -R -d "@$(dpkg-parsechangelog -S Timestamp)")"
		echo
		cat debian/changelog
	} > debian/changelog.new
	mv debian/changelog.new debian/changelog
fi
# Nothing is signed: these are not uploads.
dpkg-buildpackage --build=binary --no-sign > "$output/build.log" 2>&1 || {
	tail -n 30 "$output/build.log" >&2
	die "the packages do not build: $output/build.log"
}
cd "$output"
rm -rf "$source"
for deb in *.deb; do
	echo "$output/$deb, $(stat -c %s "$deb") bytes"
done
