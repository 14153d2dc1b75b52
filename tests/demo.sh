#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# From a clean checkout to a container in a VM: packages, build, guest, one `kata-runtime run`. The guest's kernel is our
# own if it is in the cache already, or else Debian's as it is packaged, which spares ten minutes. `KERNEL=own|distro`
# chooses.
set -euo pipefail
cd "$(dirname "$0")/.."

if [ "$(id -u)" -ne 0 ]; then
	echo "make demo: run it as root: packages are installed and a container is started" >&2
	exit 1
fi
say() { printf '\n== %s\n' "$*"; }

# Without the package of its source, there is no kernel of our own to be had without a wait.
cached_kernel() {
	local key cache=${KATA_GUEST_CACHE:-/var/cache/kata-c}
	key=$(guest/kernel/build.sh --print-key 2>/dev/null) && [ -d "$cache/$key" ]
}

say "packages"
tests/deps.sh demo
if [ -z "${KERNEL:-}" ]; then
	if cached_kernel; then KERNEL=own; else KERNEL=distro; fi
fi
[ "$KERNEL" = distro ] || tests/deps.sh build
config=build/configuration.toml
[ "$KERNEL" != distro ] || config=build/configuration-distro.toml
say "build"
make -s -j"$(nproc)" all KERNEL="$KERNEL"
say "guest kernel ($KERNEL) and initrd"
make -s guest KERNEL="$KERNEL"
say "what this host offers"
build/kata-runtime --config "$config" check || true

bundle=$(mktemp -d)
trap 'rm -rf "$bundle"' EXIT
tests/lib/make-bundle.sh "$bundle" sh -c 'echo "Hello from a container."; uname -a; cat /proc/cmdline; free -m'
say "the host's kernel"
uname -a
say "kata-runtime run: the guest's kernel, its command line, its memory"
build/kata-runtime --config "$config" run --bundle "$bundle" "demo-$$"
