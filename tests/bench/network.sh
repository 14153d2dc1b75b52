#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A container's network beside other runtimes': latency and throughput between it and its "host". Both ends of a veth
# pair are in private network namespaces, so nothing of the real host's network is touched.
set -uo pipefail
. "$(dirname "$0")/lib.sh"
seconds=${BENCH_NET_SECONDS:-4}
bundle=$WORK/bundle
host=bench-host-$$
rounds=${BENCH_NET_ROUNDS:-3}
labels=()
make_netns() {
	ip netns add "$host" || exit 1
	CLEANUP+=("ip netns del $host")
	ip -n "$host" link set lo up
	ip netns exec "$host" iperf3 --server --daemon --pidfile "$WORK/iperf.pid" || exit 1
	CLEANUP+=("kill \$(tr -d '\\0' < $WORK/iperf.pid)")
}

# make_link NAMESPACE LINK SUBNET: a fresh namespace for each container, since runsc takes the addresses out of the one
# it is given, and a network of its own, since all of them are there at once.
make_link() {
	ip netns add "$1" || exit 1
	CLEANUP+=("ip netns del $1")
	ip -n "$1" link set lo up
	ip -n "$host" link add "to-$2" type veth peer name eth0 netns "$1"
	ip -n "$host" address add "198.18.$3.1/24" dev "to-$2"
	ip -n "$host" link set "to-$2" up
	ip -n "$1" address add "198.18.$3.2/24" dev eth0
	ip -n "$1" link set eth0 up
}

bits() {
	jq -r '.end.sum_received.bits_per_second / 1e6 | floor' "$WORK/out"
}

# in_net LABEL COMMAND...: in the container of that label
in_net() {
	# shellcheck disable=SC2034 # for runsc_here
	local label=$1 RUNSC_NETNS=bench-$1-$$ CONFIG=${configs[$1]}
	shift
	runtime "${label%%-*}" exec "net-$label" "$@"
}

# start LABEL: runtime NAME, or NAME-VARIANT with the configuration of that variant
start() {
	local label=$1 ns=bench-$1-$$ subnet=$((${#labels[@]} + 1)) CONFIG=${configs[$1]}
	# shellcheck disable=SC2034 # for runsc_here
	local RUNSC_NETNS=$ns
	make_link "$ns" "$subnet" "$subnet"
	jq --arg path "/run/netns/$ns" '.process.args = ["sleep", "1000"] |
		(.linux.namespaces[] | select(.type == "network")).path = $path' \
		"$bundle/config.json" > "$WORK/c" && cp "$WORK/c" "$bundle/config.json"
	if ! runtime "${label%%-*}" run --detach --bundle "$bundle" "net-$label" < /dev/null > /dev/null 2> "$WORK/err"; then
		echo "$label did not start: $(tail -1 "$WORK/err" | cut -c1-120)" >&2
		ip -n "$host" link del "to-$subnet"
		return
	fi
	CLEANUP+=("CONFIG=${configs[$label]} runtime ${label%%-*} delete --force net-$label")
	labels+=("$label")
	subnets[$label]=$subnet
}

one_round() {
	local label=$1 to=198.18.${subnets[$1]}.1
	measure in_net "$label" ping -c 50 -i 0.02 -q "$to"
	sample "ping.$label" "$(sed -n 's|.*= [0-9.]*/\([0-9.]*\)/.*|\1|p' "$WORK/out" | awk '{ print $1 * 1000 }')"
	measure in_net "$label" iperf3 --client "$to" --time "$seconds" --json
	sample "out.$label" "$(bits)"
	measure in_net "$label" iperf3 --client "$to" --time "$seconds" --json --reverse
	sample "in.$label" "$(bits)"
	measure in_net "$label" iperf3 --client "$to" --time "$seconds" --json --parallel 4
	sample "four.$label" "$(bits)"
}

declare -A configs subnets
command -v iperf3 > /dev/null || { echo "network: skipped, there is no iperf3" && exit 0; }
"$REPO/tests/lib/make-bundle.sh" "$bundle" sleep 1000
add_program iperf3
make_netns
sed -e 's/^default_vcpus = .*/default_vcpus = 2/' -e 's/^network_queues = .*/network_queues = 2/' \
	"$CONFIG" > "$WORK/two-queues.toml"
for name in $(runtimes); do
	configs[$name]=$CONFIG
	start "$name"
done
configs[kata-2]=$WORK/two-queues.toml
start kata-2
for ((i = 0; i < rounds; i++)); do
	for label in "${labels[@]}"; do
		one_round "$label"
	done
done
base=$(yardstick)
while read -r what unit title; do
	heading "Network, $title, $rounds alternating rounds (kata-2: two vCPUs and queues)"
	table "$base"
	for label in "${labels[@]}"; do
		report "$label" "$what.$label" "$unit" "$what.$base"
	done
done << 'END'
ping ms ping, average of 50
out Mbit/s container to host
in Mbit/s host to container
four Mbit/s to host, four streams
END
