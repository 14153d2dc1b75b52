#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# boot.sh [KERNEL [INITRD] ...]: what a kernel's boot costs, in numbers that no load of the machine changes:
# instructions until /init, of the program only that prints them; bytes of code that the emulator has made of them; and
# guest memory that has been touched until then. Another INITRD is that of a pod: its size counts, and its agent does not
# run.
set -uo pipefail
. "$(dirname "$0")/lib.sh"

qemu=$(sed -n 's/^path = "\(.*\)"$/\1/p' "$CONFIG" | head -1)
qemu=${qemu:-qemu-system-x86_64}

# The initrd of a pod with the counter in place of the agent: as large, since a later archive in it wins.
make_initrd() {
	mkdir -p "$WORK/root"
	"${CC:-gcc}" -O1 -static -o "$WORK/root/init" "$(dirname "$0")/ticks.c" || exit 1
	{
		cat "$1"
		(cd "$WORK/root" && echo init | cpio -o -H newc --quiet)
	} > "$WORK/initrd"
}

# boot KERNEL ARGUMENT...: QEMU with what a pod has, less what other processes serve; its pid in $pid.
boot() {
	local kernel=$1
	shift
	rm -f "$WORK/console" "$WORK/monitor"
	"$qemu" -nodefaults -no-user-config -display none -no-reboot -machine q35,usb=off,sata=off,vmport=off,smm=off,hpet=off \
		-bios qboot.rom -cpu max -m 512M,slots=2,maxmem=4G -smp 1,maxcpus=2 \
		-object memory-backend-memfd,id=ram,size=512M,share=on -numa node,memdev=ram \
		-device pcie-root-port,id=rp0,chassis=1,addr=10.0,multifunction=on \
		-device pcie-root-port,id=rp1,chassis=2,addr=10.1 -device virtio-serial-pci \
		-chardev "file,id=console,path=$WORK/console" -device virtconsole,chardev=console \
		-device virtio-rng-pci -device virtio-balloon-pci,free-page-reporting=on \
		-netdev user,id=net,restrict=on -device virtio-net-pci,netdev=net,romfile= \
		-kernel "$kernel" -initrd "$WORK/initrd" -monitor "unix:$WORK/monitor,server=on,wait=off" \
		-append "console=hvc0 quiet panic=-1 no_timer_check noreplace-smp swiotlb=noforce $append" "$@" 2> "$WORK/err" &
	pid=$!
	for _ in $(seq 1200); do
		! grep -q ticks "$WORK/console" 2> /dev/null || return 0
		kill -0 "$pid" 2> /dev/null || break
		sleep 0.05
	done
	tail -3 "$WORK/err" "$WORK/console" >&2
	return 1
}

translated() {
	echo "info jit" | timeout 5 socat - "unix-connect:$WORK/monitor" | sed -n 's|^gen code size *\([0-9]*\)/.*|\1|p'
}

end() {
	kill -KILL "$pid" 2> /dev/null
	wait "$pid" 2> /dev/null
}

append=${BENCH_APPEND:-}
[ $# -gt 0 ] || set -- "$BUILD/guest/vmlinux" "$BUILD/guest/initrd.img"
heading "A boot, counted until /init"
echo "| kernel | instructions | emulator's code, KiB | guest memory touched, KiB | kernel and initrd, KiB |"
echo "|---|---|---|---|---|"
while [ $# -gt 0 ]; do
	kernel=$1 initrd=${2:-$BUILD/guest/initrd.img}
	shift $(($# > 1 ? 2 : 1))
	make_initrd "$initrd"
	boot "$kernel" -accel tcg -icount shift=0,sleep=off || { end; exit 1; }
	ticks=$(sed -n 's/^ticks \([0-9]*\).*/\1/p' "$WORK/console")
	end
	boot "$kernel" -accel tcg || { end; exit 1; }
	code=$(translated)
	memory=$(awk '/memfd:memory-backend-memfd/ { found = 1 } found && /^Rss:/ { print $2; exit }' "/proc/$pid/smaps")
	end
	echo "| $kernel | $ticks | $((code / 1024)) | $memory | $(($(stat -c %s "$kernel") / 1024)) + $(($(stat -c %s "$initrd") / 1024)) |"
done
