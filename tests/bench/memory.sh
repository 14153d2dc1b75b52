#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What an idle container costs: PSS of each of its host processes, and the agent's RSS in the guest.
set -uo pipefail
. "$(dirname "$0")/lib.sh"
bundle=$WORK/bundle

pss() {
	awk '/^Pss:/ {print $2}' "/proc/$1/smaps_rollup"
}

children() {
	cat "/proc/$1/task/$1/children"
}

"$REPO/tests/lib/make-bundle.sh" "$bundle" sleep 1000
kata run --detach --bundle "$bundle" bench-idle < /dev/null > /dev/null || exit 1
CLEANUP+=("kata delete --force bench-idle")
shim=$(cut -d' ' -f1 "$ROOT/bench-idle/shim.pid")
standin=$(kata state bench-idle | jq .pid)

heading "Memory of an idle container: PSS of its host processes"
table -
total=0
own=0
declare -A kinds=([shim]=$shim [stand-in]=$standin)
for pid in $(children "$shim"); do
	kinds["$(basename "$(readlink "/proc/$pid/exe")")"]=$pid
	for grandchild in $(children "$pid"); do
		kinds["$(basename "$(readlink "/proc/$grandchild/exe")"), child"]=$grandchild
	done
done
for name in shim stand-in kata-proxy "${!kinds[@]}"; do
	pid=${kinds[$name]:-}
	[ -n "$pid" ] || continue
	unset "kinds[$name]"
	value=$(pss "$pid")
	total=$((total + value))
	case $name in shim | stand-in | kata-proxy) own=$((own + value)) ;; esac
	row "$name" "$value" KiB
done
row "shim, stand-in and kata-proxy" "$own" KiB "goal: 8192"
row "all" "$total" KiB
rss=$(kata metrics bench-idle | awk '$1 == "kata_agent_total_rss" {print int($2 / 1024)}')
row "agent in the guest, RSS" "$rss" KiB "goal: 3072"
