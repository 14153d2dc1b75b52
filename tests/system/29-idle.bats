#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Nothing of ours ticks: an idle container wakes nobody up.

bats_require_minimum_version 1.5.0
load helpers

# Times a process went to sleep, that is, was woken up.
sleeps() {
	awk '/^voluntary_ctxt_switches/ { n += $2 } END { print n }' "/proc/$1"/task/*/status
}

# The processes of the container's sandbox that have to do with the host only, as "NAME PID".
ours() {
	local shim
	shim=$(pgrep -f "containerd-shim-kata-v2 .*-id $ID( |\$)")
	echo "shim $shim"
	pgrep -P "$shim" -x kata-proxy | sed 's/^/proxy /'
	echo "stand-in $(kata state "$ID" | jq .pid)"
}

# quiet: ten seconds in which none of them was woken up. The guest's clock is looked at after 1, 2, 4, 8, 16, 32 and then
# each 64 seconds, so every other window is one.
quiet() {
	local name pid now busy=
	declare -A before
	while read -r name pid; do before[$name]=$(sleeps "$pid"); done <<< "$processes"
	sleep 10
	while read -r name pid; do
		now=$(sleeps "$pid")
		[ "$now" -eq "${before[$name]}" ] || busy+=" $name:$((now - before[$name]))"
	done <<< "$processes"
	echo "woken up in ten seconds:${busy:- nobody}"
	[ -z "$busy" ]
}

@test "an idle container wakes up neither shim nor proxy nor stand-in" {
	make_bundle sleep 1000
	new_id
	kata run --detach --bundle "$BUNDLE" "$ID" < /dev/null > /dev/null
	processes=$(ours)
	[ "$(wc -l <<< "$processes")" -ge 2 ]
	wait_for 100 quiet
	# What has happened meanwhile does not come back.
	kata exec "$ID" true
	wait_for 100 quiet
}
