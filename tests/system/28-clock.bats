#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The guest's clock is the host's: at the first process, while it runs, and after the VM was stopped.

load helpers

# Starts a container that answers each line with its time, in microseconds: adjtimex is busybox's only applet that
# knows more than seconds.
start_teller() {
	local print='/tv_sec/ { s = $NF } /tv_usec/ { printf "%d%06d\n", s, $NF }'
	make_bundle sh -c "while read -r line; do adjtimex | awk '$print'; done"
	new_id
	coproc TELLER { kata run --bundle "$BUNDLE" "$ID"; }
	# Bash forgets the coprocess when it ends.
	exec {to}>&"${TELLER[1]}" {from}<&"${TELLER[0]}"
	pid=$TELLER_PID
	ask > /dev/null
}

end_teller() {
	local fd=${TELLER[1]}
	exec {to}>&- {fd}>&-
	wait "$pid"
	exec {from}<&-
}

# ask: "OFFSET HALF" in microseconds: how far off the container's time is from the middle between question and answer,
# and half that time. The best of a few.
ask() {
	local before after answer half best=
	for _ in 1 2 3 4 5 6 7 8; do
		before=${EPOCHREALTIME/./}
		echo >&"$to"
		read -r -t 60 -u "$from" answer
		after=${EPOCHREALTIME/./}
		half=$(((after - before) / 2))
		if [ -z "$best" ] || [ "$half" -lt "${best#* }" ]; then
			best="$((answer - before - half)) $half"
		fi
	done
	echo "$best"
}

# right LIMIT_US
right() {
	local offset half
	read -r offset half < <(ask)
	echo "$offset us off, half of the round trip is $half us"
	[ "${offset#-}" -le $(($1 + half)) ]
}

qemu_of() {
	local child
	for child in $(cat "/proc/$(cut -d ' ' -f 1 "$ROOT/$ID/shim.pid")/task/"*/children); do
		[[ "$(readlink "/proc/$child/exe")" == */qemu-system-* ]] && echo "$child"
	done
}

@test "the first process has the host's time, and what it writes to a volume is not from its future" {
	mkdir "$BATS_TEST_TMPDIR/v"
	make_bundle sh -c 'touch /v/s; echo $(($(stat -c %Y /v/s) - $(date +%s)))'
	edit_config '.mounts += [{"destination": "/v", "type": "bind", "source": $d, "options": ["rbind"]}]' \
		--arg d "$BATS_TEST_TMPDIR/v"
	new_id
	kata run --bundle "$BUNDLE" "$ID" < /dev/null > "$BATS_TEST_TMPDIR/out"
	cat "$BATS_TEST_TMPDIR/out"
	[[ "$(tail -1 "$BATS_TEST_TMPDIR/out")" =~ ^(0|-1)$ ]]
}

# A busy host loses timer interrupts, by which a kernel would judge the TSC, and each look at the ACPI timer is an exit.
@test "a guest reads its time from the processor" {
	make_bundle cat /sys/devices/system/clocksource/clocksource0/current_clocksource
	new_id
	kata run --bundle "$BUNDLE" "$ID" < /dev/null > "$BATS_TEST_TMPDIR/out"
	cat "$BATS_TEST_TMPDIR/out"
	[[ "$(cat "$BATS_TEST_TMPDIR/out")" =~ ^(tsc|kvm-clock) ]]
}

@test "the time is right from the start, and again two seconds after QEMU was stopped" {
	start_teller
	right 50000
	qemu=$(qemu_of)
	kill -STOP "$qemu"
	sleep 5
	kill -CONT "$qemu"
	sleep 2
	right 20000
	end_teller
}

@test "the time is right while it is followed" {
	start_teller
	for _ in 1 2 3 4 5 6; do
		sleep 5
		right 20000
	done
	end_teller
}

# settle_and_look WHAT: two seconds later it is right, which is written down.
settle_and_look() {
	local offset half
	sleep 2
	read -r offset half < <(ask)
	echo "$(($(date +%s) - begin)) s: after $1 $offset us off, half of the round trip is $half us"
	nr=$((nr + 1))
	[ "${offset#-}" -le "$worst" ] || worst=${offset#-}
	[ "${offset#-}" -le $((20000 + half)) ] || late="$late $1:$offset/$half"
}

# bats test_tags=endurance
@test "the time is right two seconds after any stop, for minutes" {
	[ -n "${KATA_CLOCK_SECONDS:-}" ] || skip "make check-clock"
	local begin nr=0 worst=0 late= stop=0
	start_teller
	begin=$(date +%s) qemu=$(qemu_of)
	while [ $(($(date +%s) - begin)) -lt "$KATA_CLOCK_SECONDS" ]; do
		# Long and short ones, by the process and by the runtime, and times without any.
		stop=$((stop % 20 + 3))
		case $((nr % 4)) in
		0) kill -STOP "$qemu" && sleep "$stop" && kill -CONT "$qemu" && settle_and_look "SIGSTOP for $stop s" ;;
		1) kata pause "$ID" && sleep "$stop" && kata resume "$ID" && settle_and_look "a pause of $stop s" ;;
		2) sleep "$stop" && settle_and_look "$stop s as they go" ;;
		3) kill -STOP "$qemu" && sleep 0.3 && kill -CONT "$qemu" && settle_and_look "SIGSTOP for 0.3 s" ;;
		esac
	done
	end_teller
	echo "# $nr looks, at worst $worst us off${late:+; late:$late}" >&3
	[ -z "$late" ]
}
