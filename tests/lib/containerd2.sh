#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# containerd2.sh [VERSION]: builds a containerd 2, v2.4.2 for one, and its ctr from their Go module and prints the folder
# they are in, which is outside of the checkout and kept. For KATA_CONTAINERD (see TESTING.md). Takes minutes the first
# time; needs the Go that this containerd asks for, which is newer than Debian 12's. Status 77 and one line where it
# cannot be built.
set -uo pipefail
version=${1:-v2.4.2}
module=github.com/containerd/containerd/v2
export HOME=${HOME:-/root} GOTOOLCHAIN=local GOFLAGS=-mod=readonly CGO_ENABLED=0
folder=${XDG_CACHE_HOME:-$HOME/.cache}/kata-tests/containerd-$version

if [ ! -x "$folder/ctr" ]; then
	# The newest Go there is: /usr/local/go is where it lies when it is no package.
	PATH=/usr/local/go/bin:$PATH
	command -v go > /dev/null || { echo "there is no Go"; exit 77; }
	mkdir -p "$(dirname "$folder")"
	part=$(mktemp -d "$folder.XXXXXX")
	# In the module's own folder, as versions before 2.2 exclude modules, which only a main module may.
	if ! log=$(cd / && go mod download -json "$module@$version" | jq -er .Dir) || ! log=$(cd "$log" &&
		go build -o "$part" -tags 'no_btrfs no_devmapper no_zfs' -ldflags '-s -w' ./cmd/containerd ./cmd/ctr 2>&1); then
		rm -rf "$part"
		echo "containerd $version does not build: $(tail -1 <<< "$log")"
		exit 77
	fi
	chmod 755 "$part"
	rm -rf "$folder"
	mv -T "$part" "$folder"
fi
echo "$folder"
