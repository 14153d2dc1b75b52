#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# `run true` beside a bare boot of the same machine and beside other runtimes with the same bundle, in alternating
# rounds: a machine drifts, and the ratios of one round drift with it. Then BENCH_AT_ONCE (10) at once, and exec, state
# and delete of a container.
set -uo pipefail
. "$(dirname "$0")/lib.sh"
rounds=${BENCH_ROUNDS:-9}
at_once=${BENCH_AT_ONCE:-10}
bundle=$WORK/bundle

# The argument vector of a VM that has just run, for QEMU alone: its console on stdout, nobody at QMP, and without
# the devices whose other ends are processes of ours (shared files, vsock).
bare_argv() {
	runtime "${starts[0]}" --debug --log "$WORK/log" run --bundle "$bundle" bench-argv || exit 1
	sed -n 's/.*msg="qemu argv\[[0-9]*\]: \(.*\)" sandbox=.*/\1/p' "$WORK/log" | sed 's/\\"/"/g' |
		awk '
		{arg[NR] = $0}
		END {
			for (i = 1; i <= NR; i++) {
				if (arg[i] == "-mon" || arg[i + 1] ~ /^socket,id=(chr-|qmp)/ ||
				    arg[i + 1] ~ /"driver":"vhost-(user|vsock)/) {
					i++
					continue
				}
				sub(/^socket,id=console,.*/, "stdio,id=console,signal=off", arg[i])
				sub(/ agent\.secret=console/, "", arg[i]) # nobody is there to tell it
				print arg[i]
			}
		}' > "$WORK/argv"
}

run_true() {
	runtime "$1" run --bundle "$bundle" "bench-$BASHPID-$RANDOM"
}

start_up() {
	local name i
	for ((i = 0; i < rounds; i++)); do
		measure "$REPO/tests/bench/bare-boot.sh" "$WORK/argv"
		sample bare "$TOOK"
		for name in "${starts[@]}"; do
			measure run_true "$name"
			sample "run.$name" "$TOOK"
		done
	done
	heading "Start of a container: run true, $rounds alternating rounds"
	table "bare boot"
	report "bare boot of the VM" bare ms bare
	for name in "${starts[@]}"; do
		report "$name" "run.$name" ms bare "$([ "$name" = "${starts[0]}" ] && echo "goal: 1.15")"
	done
}

# all_true NAME: so many run at the same time, and each must succeed.
all_true() {
	local i pids=()
	for ((i = 0; i < at_once; i++)); do
		run_true "$1" &
		pids+=($!)
	done
	for i in "${pids[@]}"; do
		wait "$i" || return 1
	done
}

together() {
	local name i
	for ((i = 0; i < (rounds + 2) / 3; i++)); do
		for name in "${starts[@]}"; do
			measure all_true "$name"
			sample "all.$name" $((TOOK / at_once))
		done
	done
	heading "$at_once starts at once: the time for all of them by their number, $(((rounds + 2) / 3)) alternating rounds"
	table "${starts[0]}"
	for name in "${starts[@]}"; do
		report "$name" "all.$name" ms "all.${starts[0]}"
	done
}

in_container() {
	local name started=() what base i
	base=$(yardstick)
	"$REPO/tests/lib/make-bundle.sh" "$bundle" sleep 1000
	for name in $(runtimes); do
		runtime "$name" run --detach --bundle "$bundle" bench-idle < /dev/null > /dev/null 2>&1 || continue
		CLEANUP+=("runtime $name delete --force bench-idle")
		started+=("$name")
	done
	for ((i = 0; i < rounds * 3; i++)); do
		for name in "${started[@]}"; do
			measure runtime "$name" exec bench-idle true
			sample "exec.$name" "$TOOK"
			measure runtime "$name" state bench-idle
			sample "state.$name" "$TOOK"
		done
	done
	for ((i = 0; i < rounds; i++)); do
		for name in "${started[@]}"; do
			runtime "$name" run --detach --bundle "$bundle" bench-end < /dev/null > /dev/null 2>&1 || exit 1
			measure runtime "$name" delete --force bench-end
			sample "delete.$name" "$TOOK"
		done
	done
	for what in exec state delete; do
		heading "$what of a running container, alternating rounds"
		table "$base"
		for name in "${started[@]}"; do
			report "$name" "$what.$name" ms "$what.$base"
		done
	done
}

"$REPO/tests/lib/make-bundle.sh" "$bundle" true
mapfile -t starts < <(starts)
bare_argv
# Otherwise the first start of that kind boots, and has the template made beside the others.
[[ " ${starts[*]} " != *" kata-template "* ]] || runtime kata-template factory init > /dev/null || exit 1
start_up
together
in_container
