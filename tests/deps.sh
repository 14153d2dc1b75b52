#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Installs Debian packages: `tests/deps.sh build` what the build and the guest need, `tests/deps.sh demo` the same without
# what only a kernel of our own needs, `tests/deps.sh deb` what `make deb` needs as well, `tests/deps.sh check` what the
# tests need, `tests/deps.sh bench` what `make bench` measures by and compares with, `tests/deps.sh kubernetes` also what
# those tests need that only run on request, `tests/deps.sh lint` the linters.
# Does nothing when everything is there.
set -euo pipefail

demo_packages=(
	build-essential pkg-config protobuf-c-compiler protobuf-compiler libprotobuf-c-dev libyajl-dev libevent-dev
	libnl-3-dev libnl-route-3-dev libseccomp-dev libcap-dev libmd-dev libsystemd-dev
	# a distribution's guest kernel, and the initrd
	kmod lz4 xz-utils zstd cpio
	# to run a VM
	qemu-system-x86 qemu-system-common busybox-static
)
build_packages=(
	"${demo_packages[@]}"
	# our own guest kernel
	linux-source-6.12 flex bison bc libelf-dev libssl-dev patch
)
check_packages=(
	clang libclang-rt-14-dev libcmocka-dev bats jq tmux iproute2 iputils-ping iperf3 python3 procps socat strace llvm
	golang-go patchelf curl zsh fish lintian
	debootstrap docker.io iptables podman containerd runc crun conmon catatonit fuse-overlayfs slirp4netns netavark
	aardvark-dns containernetworking-plugins e2fsprogs erofs-utils docker-compose qemu-utils
)
deb_packages=(debhelper fakeroot)
kubernetes_packages=(etcd-server openssl)
# Where a distribution does not have one of these, it is left out.
bench_packages=(runc crun runsc iperf3 fio jq iproute2 iputils-ping procps python3 socat cpio git)
lint_packages=(clang clang-format clang-tidy cppcheck shellcheck)

case "${1:-build}" in
demo) wanted=("${demo_packages[@]}") ;;
build) wanted=("${build_packages[@]}") ;;
check) wanted=("${build_packages[@]}" "${deb_packages[@]}" "${check_packages[@]}") ;;
bench) wanted=("${build_packages[@]}" "${bench_packages[@]}") ;;
deb) wanted=("${build_packages[@]}" "${deb_packages[@]}") ;;
kubernetes) wanted=("${build_packages[@]}" "${check_packages[@]}" "${kubernetes_packages[@]}") ;;
lint) wanted=("${build_packages[@]}" "${lint_packages[@]}") ;;
*) echo "usage: $0 [build|demo|deb|check|bench|kubernetes|lint]" >&2; exit 2 ;;
esac

missing=()
for package in "${wanted[@]}"; do
	status=$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null || true)
	[ "$status" = installed ] || missing+=("$package")
done
[ "${#missing[@]}" -gt 0 ] || exit 0
if [ "$(id -u)" -ne 0 ]; then
	echo "these packages are missing: ${missing[*]}; run this as root to install them" >&2
	exit 1
fi
export DEBIAN_FRONTEND=noninteractive
# Services of the managers are started by the tests themselves, with their own settings.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
	printf '#!/bin/sh\nexit 101\n' > "$policy"
	chmod +x "$policy"
	trap 'rm -f "$policy"' EXIT
fi
apt-get update -qq
if [ "${1:-}" = bench ]; then
	for i in "${!missing[@]}"; do
		candidate=$(apt-cache policy "${missing[i]}" | sed -n 's/^  Candidate: //p')
		if [ "${candidate:-(none)}" = "(none)" ]; then
			echo "there is no package ${missing[i]} here"
			unset 'missing[i]'
		fi
	done
	[ "${#missing[@]}" -gt 0 ] || exit 0
fi
echo "installing ${#missing[@]} packages"
apt-get install -y -qq --no-install-recommends "${missing[@]}" > /dev/null
