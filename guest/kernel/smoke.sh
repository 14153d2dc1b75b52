#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Boots a guest kernel under QEMU's interpreter with a small /init that uses
# every feature a pod needs (smoke/init.c), and passes on its verdict: the TAP
# lines on standard output, and an exit status of 1 when any check failed, the
# plan is missing or the guest did not power off in time. Modules are those in the
# kernel's folder, and the agent loads them, as in a pod.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
qemu=${QEMU:-qemu-system-x86_64}
kernel=
agent=$here/../../build/kata-agent
machine=pc
timeout=60
append=
scratch=

usage() {
	cat <<EOF
Usage: smoke.sh --kernel VMLINUX [--agent PATH] [--machine pc|q35] [--timeout SECONDS]
                [--append WORDS]

The agent is the one of the build folder unless named; only modules need it.
EOF
}

die() {
	echo "guest/kernel/smoke.sh: $*" >&2
	exit 1
}

parse_arguments() {
	while [ $# -gt 0 ]; do
		case $1 in
		--kernel | --agent | --machine | --timeout | --append)
			[ $# -ge 2 ] || die "$1 needs a value"
			case $1 in
			--kernel) kernel=$2 ;;
			--agent) agent=$2 ;;
			--machine) machine=$2 ;;
			--timeout) timeout=$2 ;;
			--append) append=$2 ;;
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
	[ -r "$kernel" ] || die "--kernel is missing or cannot be read, see --help"
}

# The QMP commands that plug a disk, memory and a processor into a living guest.
plug() {
	local bus=pci.0

	[ "$machine" != q35 ] || bus=slot0
	cat <<EOF
{"execute": "qmp_capabilities"}
{"execute": "device_add", "arguments": {"driver": "virtio-blk-pci", "id": "plugged", "drive": "second", "bus": "$bus"}}
{"execute": "object-add", "arguments": {"qom-type": "memory-backend-ram", "id": "ram", "size": 134217728}}
{"execute": "device_add", "arguments": {"driver": "pc-dimm", "id": "dimm", "memdev": "ram"}}
{"execute": "device_add", "arguments": {"driver": "max-x86_64-cpu", "id": "cpu", "socket-id": 1, "core-id": 0, "thread-id": 0}}
EOF
}

unplug() {
	echo '{"execute": "device_del", "arguments": {"id": "plugged"}}'
}

# Waits for a line of the guest; fails when QEMU (process $1) is gone first.
wait_for() {
	until grep -q "$2" "$scratch/console" 2>/dev/null; do
		kill -0 "$1" 2>/dev/null || return 1
		sleep 0.1
	done
}

run_qemu() {
	local ports=()

	[ "$machine" != q35 ] || ports=(-device "pcie-root-port,id=slot0,chassis=1")
	exec timeout "$timeout" "$qemu" -nodefaults -no-user-config -display none -no-reboot \
		-machine "$machine,usb=off,vmport=off" -accel tcg -cpu max \
		-smp 1,sockets=2,cores=1,threads=1,maxcpus=2 -m 512M,slots=2,maxmem=2G \
		-kernel "$kernel" -initrd "$scratch/initrd" \
		-append "console=ttyS0 quiet panic=-1 $append" -qmp stdio \
		-chardev "file,id=serial,path=$scratch/console" -serial chardev:serial \
		-device virtio-serial-pci -chardev null,id=null \
		-device virtconsole,chardev=null \
		-chardev null,id=port -device virtserialport,chardev=port \
		-device virtio-rng-pci -device virtio-balloon-pci \
		-blockdev null-co,node-name=first,size=16777216 -device virtio-blk-pci,drive=first \
		-blockdev null-co,node-name=second,size=16777216 \
		-netdev user,id=net,restrict=on -device virtio-net-pci,netdev=net,romfile= \
		-fsdev "local,id=share,path=$scratch/share,security_model=none" \
		-device virtio-9p-pci,fsdev=share,mount_tag=smoke "${ports[@]}"
}

# Return: QEMU's status; what the guest said is in $scratch/console.
boot() {
	local pid

	trap '' PIPE # a guest that fails early is gone before we answer it
	mkfifo "$scratch/qmp"
	run_qemu <"$scratch/qmp" >"$scratch/answers" &
	pid=$!
	exec 3>"$scratch/qmp"
	! wait_for "$pid" '^# plug' || plug >&3
	! wait_for "$pid" '^# unplug' || unplug >&3 2>/dev/null || true
	wait "$pid"
}

main() {
	local status=0 modules=()

	parse_arguments "$@"
	trap 'rm -rf "$scratch"' EXIT
	scratch=$(mktemp -d)
	mkdir "$scratch/share"
	echo "hello from the host" >"$scratch/share/greeting"
	"${CC:-gcc}" -std=gnu11 -Wall -Wextra -O1 -static -o "$scratch/init" "$here/smoke/init.c"
	[ ! -d "$(dirname "$kernel")/modules" ] ||
		modules=(--modules "$(dirname "$kernel")/modules" --modprobe "$agent")
	"$here/../initrd/build.sh" --agent "$scratch/init" "${modules[@]}" \
		--output "$scratch/initrd" >/dev/null
	boot || status=$?
	tr -d '\r' <"$scratch/console" >"$scratch/tap"
	if ! grep -q '^1\.\.' "$scratch/tap"; then
		tail -n 40 "$scratch/tap" >&2
		die "the guest never finished its checks (QEMU's status $status)"
	fi
	grep -E '^(ok|not ok|1\.\.|#)' "$scratch/tap"
	[ "$status" -eq 0 ] || die "the guest did not power off (QEMU's status $status)"
	! grep -q '^not ok' "$scratch/tap" || die "checks failed"
}

main "$@"
