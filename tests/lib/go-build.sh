#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# go-build.sh FOLDER: builds the Go program in a folder of the tests and prints its path. Programs are kept outside of
# the checkout, under a hash of their sources. Status 77 and one line saying why where it cannot be built, or not in
# GO_BUILD_SECONDS (300).
set -uo pipefail
folder=$(cd "$1" && pwd) || exit
export HOME=${HOME:-/root} GOFLAGS=-mod=readonly GOTOOLCHAIN=local
bin=${XDG_CACHE_HOME:-$HOME/.cache}/kata-tests/bin
hash=$(cat "$folder"/*.go "$folder"/go.* | sha256sum | cut -c1-16)
program=$bin/$(basename "$folder")-$hash

if [ ! -x "$program" ]; then
	go=$(command -v go || command -v /usr/local/go/bin/go) || { echo "there is no Go"; exit 77; }
	mkdir -p "$bin"
	if ! log=$(cd "$folder" && timeout "${GO_BUILD_SECONDS:-300}" "$go" build -trimpath -ldflags '-s -w' -o "$program.$$" . 2>&1); then
		rm -f "$program.$$"
		echo "$folder does not build: $(tail -1 <<< "$log")"
		exit 77
	fi
	mv "$program.$$" "$program"
fi
echo "$program"
