#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# From a clean checkout to a container in a VM: packages, build, guest, one `kata-runtime run`.
set -euo pipefail
cd "$(dirname "$0")/.."

if [ "$(id -u)" -ne 0 ]; then
	echo "make demo: run it as root: packages are installed and a container is started" >&2
	exit 1
fi
say() { printf '\n== %s\n' "$*"; }

say "packages"
tests/deps.sh build
say "build"
make -s -j"$(nproc)" all
say "guest kernel and initrd (the first time this takes some minutes)"
make -s guest
say "what this host offers"
build/kata-runtime --config build/configuration.toml check || true

bundle=$(mktemp -d)
trap 'rm -rf "$bundle"' EXIT
tests/lib/make-bundle.sh "$bundle" sh -c 'echo "Hello from a container."; uname -a; cat /proc/cmdline; free -m'
say "the host's kernel"
uname -a
say "kata-runtime run: the guest's kernel, its command line, its memory"
build/kata-runtime --config build/configuration.toml run --bundle "$bundle" "demo-$$"
