#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A container's network beside other runtimes': latency and throughput between it and its "host". Both ends of a veth
# pair are in private network namespaces, so nothing of the real host's network is touched.
set -uo pipefail
. "$(dirname "$0")/lib.sh"
seconds=${BENCH_NET_SECONDS:-4}
bundle=$WORK/bundle
host=bench-host-$$
# iperf3 with the libraries it needs, into the root file system.
add_iperf() {
	local file
	for file in $(command -v iperf3) $(ldd "$(command -v iperf3)" | grep -o '/[^ )]*'); do
		mkdir -p "$bundle/rootfs$(dirname "$file")"
		cp -L "$file" "$bundle/rootfs$file"
	done
}

make_netns() {
	ip netns add "$host" || exit 1
	CLEANUP+=("ip netns del $host")
	ip -n "$host" link set lo up
	ip netns exec "$host" iperf3 --server --daemon --pidfile "$WORK/iperf.pid" || exit 1
	CLEANUP+=("kill \$(tr -d '\\0' < $WORK/iperf.pid)")
}

# A fresh namespace for each container: runsc takes the addresses out of the one it is given.
make_link() {
	ip netns add "$1" || exit 1
	CLEANUP+=("ip netns del $1")
	ip -n "$1" link set lo up
	ip -n "$host" link add "to-$2" type veth peer name eth0 netns "$1"
	ip -n "$host" address add 192.0.2.1/24 dev "to-$2"
	ip -n "$host" link set "to-$2" up
	ip -n "$1" address add 192.0.2.2/24 dev eth0
	ip -n "$1" link set eth0 up
}

bits() {
	jq -r '.end.sum_received.bits_per_second / 1e6 | floor' "$WORK/out"
}

iperf() {
	runtime "$1" exec bench-net iperf3 --client 192.0.2.1 --time "$seconds" --json "${@:2}"
}

one_runtime() {
	local name=$1 label=$2 ns=bench-$1-$$ latency
	# shellcheck disable=SC2034 # for runsc_here
	local RUNSC_NETNS=$ns
	make_link "$ns" "$name"
	jq --arg path "/run/netns/$ns" '.process.args = ["sleep", "1000"] |
		(.linux.namespaces[] | select(.type == "network")).path = $path' \
		"$bundle/config.json" > "$WORK/c" && cp "$WORK/c" "$bundle/config.json"
	if ! runtime "$name" run --detach --bundle "$bundle" bench-net < /dev/null > /dev/null 2> "$WORK/err"; then
		row "$label" - "" "did not start: $(tail -1 "$WORK/err" | cut -c1-120)"
		ip -n "$host" link del "to-$name"
		return
	fi
	CLEANUP+=("runtime $name delete --force bench-net")
	measure runtime "$name" exec bench-net ping -c 50 -i 0.02 -q 192.0.2.1
	latency=$(sed -n 's|.*= [0-9.]*/\([0-9.]*\)/.*|\1|p' "$WORK/out")
	row "$label, ping" "$latency" ms "average of 50"
	measure iperf "$name"
	row "$label, container to host" "$(bits)" Mbit/s
	measure iperf "$name" --reverse
	row "$label, host to container" "$(bits)" Mbit/s
	measure iperf "$name" --parallel 4
	row "$label, to host, 4 streams" "$(bits)" Mbit/s
	measure runtime "$name" delete --force bench-net
	ip -n "$host" link del "to-$name"
}

command -v iperf3 > /dev/null || { echo "network: skipped, there is no iperf3" && exit 0; }
"$REPO/tests/lib/make-bundle.sh" "$bundle" sleep 1000
add_iperf
make_netns
heading "Network between container and host, $seconds s each"
for name in $(runtimes); do
	one_runtime "$name" "$name"
done
sed -e 's/^default_vcpus = .*/default_vcpus = 2/' -e 's/^network_queues = .*/network_queues = 2/' \
	"$CONFIG" > "$WORK/two-queues.toml"
CONFIG=$WORK/two-queues.toml
ip netns del "bench-kata-$$"
one_runtime kata "kata, 2 vCPUs and queues"
