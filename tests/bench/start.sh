#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# `run true` beside a bare boot of the same machine and beside other runtimes with the same bundle, in alternating
# rounds: a machine drifts, and the ratios of one round drift with it. Then exec, state and delete of a container.
set -uo pipefail
. "$(dirname "$0")/lib.sh"
rounds=${BENCH_ROUNDS:-9}
bundle=$WORK/bundle

# The argument vector of a VM that has just run, for QEMU alone: its console on stdout, nobody at QMP, and without
# the devices whose other ends are processes of ours (shared files, vsock).
bare_argv() {
	kata --debug --log "$WORK/log" run --bundle "$bundle" bench-argv || exit 1
	sed -n 's/.*msg="qemu argv\[[0-9]*\]: \(.*\)" sandbox=.*/\1/p' "$WORK/log" | sed 's/\\"/"/g' |
		awk '
		{arg[NR] = $0}
		END {
			for (i = 1; i <= NR; i++) {
				if (arg[i] == "-mon" || arg[i + 1] ~ /^socket,id=(chr-|qmp)/ ||
				    arg[i + 1] ~ /"driver":"vhost-user/) {
					i++
					continue
				}
				sub(/^socket,id=console,.*/, "stdio,id=console,signal=off", arg[i])
				print arg[i]
			}
		}' > "$WORK/argv"
}

run_true() {
	runtime "$1" run --bundle "$bundle" "bench-$BASHPID-$RANDOM"
}

start_up() {
	local name value bare i
	for ((i = 0; i < rounds; i++)); do
		measure "$REPO/tests/bench/bare-boot.sh" "$WORK/argv"
		sample bare "$TOOK"
		for name in $(runtimes); do
			measure run_true "$name"
			sample "run.$name" "$TOOK"
		done
	done
	bare=$(median bare)
	heading "Start of a container: run true, median of $rounds alternating rounds"
	row "bare boot of the VM" "$(ms "$bare")" ms
	for name in $(runtimes); do
		value=$(median "run.$name")
		row "$name run true" "$(ms "$value")" ms "$(ratio "run.$name" bare) x bare boot"
	done
}

in_container() {
	local name i
	"$REPO/tests/lib/make-bundle.sh" "$bundle" sleep 1000
	heading "In a running container, median of $((rounds * 3))"
	for name in $(runtimes); do
		runtime "$name" run --detach --bundle "$bundle" bench-idle < /dev/null > /dev/null 2>&1 || continue
		CLEANUP+=("runtime $name delete --force bench-idle")
		for ((i = 0; i < rounds * 3; i++)); do
			measure runtime "$name" exec bench-idle true
			sample "exec.$name" "$TOOK"
			measure runtime "$name" state bench-idle
			sample "state.$name" "$TOOK"
		done
		measure runtime "$name" delete --force bench-idle
		row "$name exec true" "$(ms "$(median "exec.$name")")" ms
		row "$name state" "$(ms "$(median "state.$name")")" ms
		row "$name delete --force" "$(ms "$TOOK")" ms "one sample"
	done
}

"$REPO/tests/lib/make-bundle.sh" "$bundle" true
bare_argv
start_up
in_container
