# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2154 # the variables named below
# The VM that is the emulated host; for run.sh, which sets $image, the folder of build.sh, $dir, a folder for this run,
# $work and $repo, the shares, $host, $end, the value of SECONDS when it must be done, and say().
#
# It boots once. Its memory and disk as they were then are kept beside the image, under a key over the QEMU and its
# options, and every later run goes on from there: a boot takes minutes on a busy machine, going on a second.
qemu_pid=

vm_runs() {
	[ -n "$qemu_pid" ] && kill -0 "$qemu_pid" 2> /dev/null
}

vm_alive() {
	vm_runs && [ "$SECONDS" -lt "$end" ]
}

vm_end() {
	[ -n "$qemu_pid" ] || return 0
	kill "$qemu_pid" 2> /dev/null
	wait "$qemu_pid" 2> /dev/null
	qemu_pid=
}

# The machine: CPUs with SVM, hence KVM in it; no network card; ports where shares and devices are plugged in.
machine_options() {
	local i
	echo -nodefaults -no-user-config -display none -no-reboot
	echo -accel tcg,thread=multi -M q35 -cpu max,la57=off -smp 2 -m 4096
	for i in 1 2 3 4; do
		echo -device "pcie-root-port,id=port$i,chassis=$i,slot=$i"
	done
	echo -device virtio-blk-pci,drive=disk -device virtio-rng-pci "${KATA_HOST_QEMU:-}"
}
# Its TSC is not to be trusted where its CPUs wait for each other.
kernel_command_line="root=/dev/vda rw console=ttyS0 clocksource=hpet panic=-1 quiet"

# qemu DISK [OPTION ...]
qemu() {
	local -a machine
	read -ra machine <<< "$(machine_options | tr '\n' ' ')"
	rm -f "$dir/qmp"
	qemu-system-x86_64 "${machine[@]}" -drive "file=$1,format=qcow2,if=none,id=disk,cache=unsafe,discard=unmap" \
		-kernel "$image/vmlinuz" -initrd "$image/initrd.img" -append "$kernel_command_line" \
		-fsdev "local,id=checkout,path=$repo,security_model=none,readonly=on" \
		-fsdev "local,id=work,path=$work,security_model=none" \
		-serial "file:$dir/console" -qmp "unix:$dir/qmp,server=on,wait=off" "${@:2}" \
		< /dev/null 2> "$dir/qemu.log" 8>&- &
	qemu_pid=$!
	until [ -S "$dir/qmp" ]; do
		vm_alive || return
		sleep 0.1
	done
}

# qmp COMMAND ...: each a JSON object. The answers are on stdout; fails when one of them is an error.
qmp() {
	local answers
	answers=$( (printf '%s\n' '{"execute":"qmp_capabilities"}' "$@"; sleep "${QMP_SECONDS:-1}") |
		timeout 60 socat -t 1 - "UNIX-CONNECT:$dir/qmp")
	printf '%s\n' "$answers"
	! grep '"error"' <<< "$answers" >&2 && [ "$(grep -c '"return"' <<< "$answers")" -gt "$#" ]
}

# qmp_says PATTERN COMMAND: asks until the answer matches.
qmp_says() {
	until qmp "$2" | grep -q "$1"; do
		vm_alive || return
		sleep 0.5
	done
}

boot() {
	say "booting, which takes a minute or, on a busy machine, some"
	qemu-img create -q -f qcow2 -b "$image/disk" -F raw "$1" || return
	qemu "$1" || return
	until grep -q 'test-host is up' "$dir/console" 2> /dev/null; do
		vm_alive || return
		sleep 0.5
	done
}

# save FILE: the memory and the devices of the VM, which ends.
save() {
	say "keeping the state it is in"
	qmp '{"execute":"stop"}' \
		'{"execute":"migrate-set-parameters","arguments":{"max-bandwidth":100000000000}}' \
		"{\"execute\":\"migrate\",\"arguments\":{\"uri\":\"exec:cat > '$1'\"}}" > /dev/null || return
	qmp_says '"status": "completed"' '{"execute":"query-migrate"}' || return
	vm_end
}

# Boots a VM and keeps its state in the folder $1.
make_template() {
	rm -rf "$image"/booted-*
	mkdir "$1.new" || return
	if boot "$1.new/disk.qcow2" && save "$1.new/state"; then
		mv "$1.new" "$1"
		return
	fi
	tail -n 20 "$dir/console" "$dir/qemu.log" >&2
	vm_end
	rm -rf "$1.new"
	return 1
}

# Goes on from the state in the folder $1.
restore() {
	say "going on where it had booted"
	qemu-img create -q -f qcow2 -b "$1/disk.qcow2" -F qcow2 "$dir/disk.qcow2" || return
	qemu "$dir/disk.qcow2" -incoming "exec:cat '$1/state'" || return
	qmp_says '"status": "\(paused\|running\)"' '{"execute":"query-status"}' || return
	qmp '{"execute":"cont"}' > /dev/null
}

# vm_start: a host that is up, and waits for its shares.
vm_start() {
	local key template
	key=$( (qemu-system-x86_64 --version; machine_options; echo "$kernel_command_line") | sha256sum | cut -c1-16)
	template=$image/booted-$key
	# Of several runs, one boots.
	exec 8> "$image.booting"
	flock 8
	[ -e "$template" ] || make_template "$template" || return
	exec 8>&-
	restore "$template" && return
	say "its state cannot be used: $(tail -n 1 "$dir/qemu.log")"
	vm_end
	rm -rf "$template"
	boot "$dir/disk.qcow2"
}

# vm_plug_share NAME PORT: the -fsdev of that name, which the host sees by this name.
vm_plug_share() {
	qmp "{\"execute\":\"device_add\",\"arguments\":{\"driver\":\"virtio-9p-pci\",\"id\":\"$1\",\"fsdev\":\"$1\",\"mount_tag\":\"$1\",\"bus\":\"$2\"}}" \
		> /dev/null
}
