#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Network namespaces made here, given to containers by path: what the guest has of them, and what they look like after.

load helpers

NS= PEER= SERVER=

# Two namespaces joined by a veth pair, eth0 <-> p0, with addresses on both sides.
setup() {
	NS=kn-$BATS_TEST_NUMBER-$$ PEER=kp-$BATS_TEST_NUMBER-$$
	ip netns add "$NS"
	ip netns add "$PEER"
	n link set lo up
	p link set lo up
	n link add eth0 type veth peer name p0
	n link set p0 netns "$PEER"
	p address add 10.9.0.1/24 dev p0
	p address add fd09::1/64 dev p0 nodad
	p link set p0 up
	n link set eth0 address 02:00:00:00:09:02 mtu 1400
	n address add 10.9.0.2/24 dev eth0
	n address add fd09::2/64 dev eth0 nodad
	n link set eth0 up
	n route add default via 10.9.0.1
	n route add default via fd09::1
}

teardown() {
	local id
	[ -z "$SERVER" ] || kill "$SERVER"
	for id in $(kata list -q 2>/dev/null); do
		kata delete --force "$id" || true
	done
	ip netns del "$NS" 2>/dev/null || true
	ip netns del "$PEER" 2>/dev/null || true
	ip netns del "$PEER-2" 2>/dev/null || true
	no_leaks
}

n() {
	ip -n "$NS" "$@"
}

p() {
	ip -n "$PEER" "$@"
}

# start_in NETNS_PATH COMMAND ...: a detached container in $ID
start_in() {
	local path=$1
	shift
	make_bundle "$@"
	edit_config '(.linux.namespaces[] | select(.type == "network")).path = $p' --arg p "$path"
	edit_config '.process.capabilities |= map_values(. + ["CAP_NET_ADMIN"])'
	new_id
	kata run --detach --bundle "$BUNDLE" "$ID" < /dev/null > "$BATS_TEST_TMPDIR/$ID.log" 2>&1 || {
		cat "$BATS_TEST_TMPDIR/$ID.log"
		return 1
	}
}

start() {
	start_in "/run/netns/$NS" sleep 1000
}

stop() {
	kata delete --force "$ID"
}

inside() {
	kata exec "$ID" "$@"
}

# Addresses of an interface, on either side, one a line: comparable.
addresses_of() {
	grep -oE 'inet6? [0-9a-f.:]+/[0-9]+' | sort
}

# has COMMAND PATTERN: for wait_for
shows() {
	local pattern=$1
	shift
	"$@" 2>/dev/null | grep -qE -- "$pattern"
}

lacks() {
	! shows "$@"
}

# took COMMAND ...: whole seconds, rounded down
took() {
	local start=$EPOCHREALTIME
	"$@"
	echo $(((${EPOCHREALTIME/./} - ${start/./}) / 1000000))
}

routes() {
	kata network routes "$ID" | jq -c '.[]'
}

# All of a namespace that a container could disturb.
look_at() {
	wait_for 10 lacks tentative ip -n "$1" address
	ip -n "$1" -d -o link show | sed 's/qlen [0-9]*//'
	ip -n "$1" -o address show
	ip -n "$1" route show table all
	ip -n "$1" -6 route show table all
	tc -n "$1" qdisc show
	for dev in $(ip -n "$1" -o link show | sed 's/^[0-9]*: \([^:@]*\).*/\1/'); do
		tc -n "$1" filter show dev "$dev" ingress
	done
}

@test "an interface has its name, MAC, MTU and addresses, the link-local one too" {
	n address add 192.168.77.1 peer 192.168.77.9 dev eth0
	n address flush dev eth0 scope link
	n address add fe80::beef/64 dev eth0 nodad
	start
	run inside ip address show dev eth0
	echo "$output"
	[[ "$output" == *"mtu 1400"* && "$output" == *02:00:00:00:09:02* ]]
	[[ "$output" == *"192.168.77.1 peer 192.168.77.9/32"* ]]
	[[ "$output" != *tentative* ]]
	diff <(n address show dev eth0 | addresses_of) <(inside ip address show dev eth0 | addresses_of)
	inside ping -c 1 -w 10 10.9.0.1
	inside ping6 -c 1 -w 10 fd09::1
}

@test "routes keep metric, scope, source, onlink, MTU and type" {
	n route add 10.50.0.0/16 via 172.16.0.1 dev eth0 onlink
	n route add 10.51.0.0/16 dev eth0 scope link src 10.9.0.2 metric 77
	n route add 10.52.0.0/16 via 10.9.0.1 mtu 1200 metric 5
	n route add 10.52.0.0/16 via 10.9.0.3 metric 9
	n route append default via 10.9.0.7
	n route add default via 10.9.0.8 metric 300
	n route add blackhole 10.60.0.0/16
	n route add unreachable 10.61.0.0/16
	n route add prohibit 10.62.0.0/16
	n route add blackhole fd60::/16
	n route add fd61::/16 via fd09::7 metric 55
	n neighbor add 10.9.0.9 lladdr 02:00:00:00:00:99 dev eth0
	n neighbor add fd09::9 lladdr 02:00:00:00:00:98 dev eth0
	start
	routes
	routes | grep '"10.50.0.0/16"' | jq -e '.gateway == "172.16.0.1" and .flags == 4'
	routes | grep '"10.51.0.0/16"' | jq -e '.metric == 77 and .scope == 253 and .source == "10.9.0.2" and .gateway == ""'
	routes | grep '"10.52.0.0/16"' | jq -se 'map([.gateway, .mtu, .metric]) == [["10.9.0.1",1200,5],["10.9.0.3",0,9]]'
	routes | grep '"0.0.0.0/0"' | jq -se 'map([.gateway, .metric]) == [["10.9.0.1",0],["10.9.0.7",0],["10.9.0.8",300]]'
	routes | grep '"10.60.0.0/16"' | jq -e '.type == "blackhole"'
	routes | grep '"10.61.0.0/16"' | jq -e '.type == "unreachable"'
	routes | grep '"10.62.0.0/16"' | jq -e '.type == "prohibit"'
	routes | grep '"fd60::/16"' | jq -e '.type == "blackhole"'
	routes | grep '"fd61::/16"' | jq -e '.metric == 55 and .gateway == "fd09::7"'
	run inside ip neigh
	echo "$output"
	[[ "$output" == *"10.9.0.9 dev eth0 lladdr 02:00:00:00:00:99"*PERMANENT* ]]
	[[ "$output" == *"fd09::9 dev eth0 lladdr 02:00:00:00:00:98"*PERMANENT* ]]
}

@test "changes in a running sandbox's namespace reach the guest" {
	n route add 10.70.0.0/16 via 10.9.0.1
	start
	inside ip address add 10.99.0.1/32 dev eth0
	inside ip route add 10.98.0.0/16 via 10.9.0.1
	n address add 10.9.1.2/24 dev eth0
	n address add fd0a::2/64 dev eth0 nodad
	n route add 10.71.0.0/16 via 10.9.0.1 metric 3
	wait_for 20 shows '10.71.0.0/16.*"metric":3' routes
	[ "$(inside ip address show dev eth0 | grep -cE '10.9.1.2/24|fd0a::2/64')" = 2 ]

	n address del 10.9.1.2/24 dev eth0
	n address del fd0a::2/64 dev eth0
	n route del 10.71.0.0/16
	n route del 10.70.0.0/16
	n route change default via 10.9.0.5
	wait_for 20 lacks '10.70.0.0/16' routes
	run routes
	echo "$output"
	[[ "$output" != *10.71.0.0/16* && "$output" == *10.98.0.0/16* ]]
	[ "$(grep '"0.0.0.0/0"' <<< "$output" | jq -r .gateway)" = 10.9.0.5 ]
	run inside ip address show dev eth0
	echo "$output"
	[[ "$output" != *10.9.1.2* && "$output" != *fd0a::2* && "$output" == *10.99.0.1/32* ]]

	for mtu in 1300 1500; do
		n link set eth0 mtu "$mtu"
		wait_for 20 shows "mtu $mtu" inside ip link show dev eth0
	done
	n neighbor add 10.9.0.9 lladdr 02:00:00:00:00:99 dev eth0
	wait_for 20 shows '10.9.0.9 ' inside ip neigh
	n neighbor del 10.9.0.9 dev eth0
	wait_for 20 lacks '10.9.0.9 ' inside ip neigh
	inside ping -c 1 -w 10 10.9.0.1
}

@test "interfaces come and go while the sandbox runs" {
	start
	for i in 1 2; do
		n link add eth1 type veth peer name p1
		n link set p1 netns "$PEER"
		p address add 10.10.0.1/24 dev p1
		p link set p1 up
		n address add 10.10.0.2/24 dev eth1
		n link set eth1 up
		n route add 10.11.0.0/16 via 10.10.0.1
		wait_for 20 shows '10.11.0.0/16' routes
		inside ping -c 1 -w 10 10.10.0.1
		inside ip address show dev eth1 | grep -q "$(n -j link show eth1 | jq -r '.[0].address')"
		n link del eth1
		wait_for 20 lacks eth1 inside ip link
	done
	inside ping -c 1 -w 10 10.9.0.1
}

@test "several interfaces of every kind the host has" {
	kinds=eth0
	n link add dummy0 type dummy 2>/dev/null && kinds="$kinds dummy0"
	n link add link eth0 mv0 type macvlan mode bridge && kinds="$kinds mv0"
	n link add link eth0 ipv0 type ipvlan mode l2 2>/dev/null && kinds="$kinds ipv0"
	n tuntap add tap0 mode tap && kinds="$kinds tap0"
	n link add br0 type bridge && kinds="$kinds br0"
	n link add eth1 type veth peer name p2 && kinds="$kinds eth1"
	n link set p2 netns "$PEER"
	p address add 10.12.0.1/24 dev p2
	p link set p2 up
	n address add 10.12.0.2/24 dev eth1
	for dev in $kinds; do
		n link set "$dev" up
	done
	start
	for dev in $kinds; do
		mac=$(n -j link show "$dev" | jq -r '.[0].address')
		echo "$dev $mac"
		inside ip link show dev "$dev" | grep -q "$mac"
		diff <(n address show dev "$dev" | addresses_of) <(inside ip address show dev "$dev" | addresses_of)
	done
	inside ping -c 1 -w 10 10.9.0.1
	inside ping -c 1 -w 10 10.12.0.1
}

@test "the namespace is as before once its container is gone, and serves another" {
	look_at "$NS" > "$BATS_TEST_TMPDIR/before"
	start
	inside ping -c 1 -w 10 10.9.0.1
	stop
	diff "$BATS_TEST_TMPDIR/before" <(look_at "$NS")

	start
	inside ping -c 1 -w 10 10.9.0.1
	kill -9 "$(cut -d' ' -f1 "$ROOT/$ID/shim.pid")"
	stop
	diff "$BATS_TEST_TMPDIR/before" <(look_at "$NS")
	start
	inside ping -c 1 -w 10 10.9.0.1
}

@test "rules of somebody else are left alone" {
	tc -n "$NS" qdisc add dev eth0 ingress
	tc -n "$NS" filter add dev eth0 parent ffff: protocol ip u32 match u32 0 0 action mirred egress redirect dev lo
	n link add eth1 type veth peer name p1
	n link set p1 netns "$PEER"
	n link set eth1 up
	look_at "$NS" > "$BATS_TEST_TMPDIR/before"
	run start
	echo "$output"
	[ "$status" -ne 0 ]
	[[ "$output" == *"eth0"*"somebody else"* ]]
	diff "$BATS_TEST_TMPDIR/before" <(look_at "$NS")
}

@test "the host's network and one with other processes are refused and not touched" {
	ip netns exec "$NS" sleep 1000 3>&- &
	sleeper=$!
	look_at "$NS" > "$BATS_TEST_TMPDIR/before"
	ip -o address show > "$BATS_TEST_TMPDIR/host"
	wait_for 5 sh -c "ip netns pids '$NS' | grep -q ."
	run start
	echo "$output"
	kill "$sleeper"
	[ "$status" -ne 0 ]
	[[ "$output" == *"in use by process $sleeper"* ]]
	diff "$BATS_TEST_TMPDIR/before" <(look_at "$NS")

	run start_in "/proc/$$/ns/net" sleep 1000
	echo "$output"
	[ "$status" -ne 0 ]
	[[ "$output" == *"host network is not supported"* ]]
	diff "$BATS_TEST_TMPDIR/host" <(ip -o address show)
	run ip -o link show
	[[ "$output" != *_kata* ]]
}

@test "a queue for each vCPU, and offloads are negotiated" {
	sed 's/^default_vcpus = .*/default_vcpus = 2/' "$BUILD/configuration.toml" > "$BATS_TEST_TMPDIR/config.toml"
	KATA=("$BUILD/kata-runtime" --config "$BATS_TEST_TMPDIR/config.toml" --root "$ROOT")
	start
	[ "$(inside sh -c 'ls -d /sys/class/net/eth0/queues/rx-* | wc -l')" = 2 ]
	[ "$(n -d -j link show tap0_kata | jq -r '.[0].linkinfo.info_data.multi_queue')" = true ]
	inside ping -c 1 -w 10 10.9.0.1
	inside sh -c 'cat /sys/class/net/eth0/device/features' | tee "$BATS_TEST_TMPDIR/features"
	# VIRTIO_NET_F_CSUM, _GUEST_CSUM, _GUEST_TSO4, _GUEST_TSO6, _HOST_TSO4, _HOST_TSO6, _MQ
	for bit in 0 1 7 8 11 12 22; do
		[ "$(cut -c $((bit + 1)) "$BATS_TEST_TMPDIR/features")" = 1 ]
	done
}

@test "internetworking_model none gives no interface" {
	sed 's/^internetworking_model = .*/internetworking_model = "none"/' "$BUILD/configuration.toml" \
		> "$BATS_TEST_TMPDIR/config.toml"
	KATA=("$BUILD/kata-runtime" --config "$BATS_TEST_TMPDIR/config.toml" --root "$ROOT")
	start
	run inside ls /sys/class/net
	[ "$output" = lo ]
	run n -o link show
	[[ "$output" != *_kata* ]]
}

@test "internetworking_model macvtap" {
	n link add link eth0 probe type macvtap 2>/dev/null || skip "no macvtap on this host"
	n link del probe
	sed 's/^internetworking_model = .*/internetworking_model = "macvtap"/' "$BUILD/configuration.toml" \
		> "$BATS_TEST_TMPDIR/config.toml"
	KATA=("$BUILD/kata-runtime" --config "$BATS_TEST_TMPDIR/config.toml" --root "$ROOT")
	look_at "$NS" > "$BATS_TEST_TMPDIR/before"
	start
	[ "$(n -d -j link show tap0_kata | jq -r '.[0].linkinfo.info_kind')" = macvtap ]
	inside ping -c 1 -w 10 10.9.0.1
	inside ping6 -c 1 -w 10 fd09::1
	stop
	diff "$BATS_TEST_TMPDIR/before" <(look_at "$NS")
	start
	kill -9 "$(cut -d' ' -f1 "$ROOT/$ID/shim.pid")"
	stop
	diff "$BATS_TEST_TMPDIR/before" <(look_at "$NS")
}

@test "rate limits are set up, and go with the container" {
	sed -e 's/^rx_rate_limiter_max_rate = .*/rx_rate_limiter_max_rate = 8000000/' \
		-e 's/^tx_rate_limiter_max_rate = .*/tx_rate_limiter_max_rate = 4000000/' "$BUILD/configuration.toml" \
		> "$BATS_TEST_TMPDIR/config.toml"
	KATA=("$BUILD/kata-runtime" --config "$BATS_TEST_TMPDIR/config.toml" --root "$ROOT")
	look_at "$NS" > "$BATS_TEST_TMPDIR/before"
	start
	run tc -n "$NS" qdisc show
	echo "$output"
	[[ "$output" == *"dev tap0_kata root"*"rate 8Mbit"* ]]
	[[ "$output" == *"dev eth0 root"*"rate 4Mbit"* ]]
	# 4 MiB at 8 Mbit/s, 2 MiB at 4, less what a burst may take: it cannot be faster than that.
	ip netns exec "$PEER" socat -u OPEN:/dev/zero,readbytes=4194304 TCP-LISTEN:7000,bind=10.9.0.1 3>&- &
	wait_for 10 shows :7000 ip netns exec "$PEER" ss -ltn
	[ "$(took inside sh -c 'nc 10.9.0.1 7000 < /dev/null > /dev/null')" -ge 3 ]
	ip netns exec "$PEER" socat -u TCP-LISTEN:7001,bind=10.9.0.1 OPEN:"$BATS_TEST_TMPDIR/got",creat 3>&- &
	wait_for 10 shows :7001 ip netns exec "$PEER" ss -ltn
	[ "$(took inside sh -c 'head -c 2097152 /dev/zero | nc 10.9.0.1 7001')" -ge 3 ]
	wait $!
	[ "$(stat -c %s "$BATS_TEST_TMPDIR/got")" = 2097152 ]
	stop
	diff "$BATS_TEST_TMPDIR/before" <(look_at "$NS")
}

@test "names of the namespace's server, by UDP and by TCP where an answer was cut" {
	"$REPO/tests/lib/name-server.py" "/run/netns/$NS" "$BATS_TEST_TMPDIR/ready" 3>&- &
	SERVER=$!
	wait_for 10 test -e "$BATS_TEST_TMPDIR/ready"
	echo 'nameserver 127.0.0.11' > "$BATS_TEST_TMPDIR/resolv.conf"
	make_bundle sleep 1000
	for file in $(command -v getent) $(ldd "$(command -v getent)" | grep -o '/[^ )]*'); do
		mkdir -p "$BUNDLE/rootfs$(dirname "$file")"
		cp -L "$file" "$BUNDLE/rootfs$file"
	done
	edit_config '(.linux.namespaces[] | select(.type == "network")).path = $p' --arg p "/run/netns/$NS"
	edit_config '.mounts += [{destination: "/etc/resolv.conf", type: "bind", source: $f, options: ["rbind", "rprivate"]}]' \
		--arg f "$BATS_TEST_TMPDIR/resolv.conf"
	new_id
	kata run --detach --bundle "$BUNDLE" "$ID" < /dev/null > "$BATS_TEST_TMPDIR/log" 2>&1
	run inside getent ahostsv4 many.example
	echo "$output" | head
	[ "$(grep -c STREAM <<< "$output")" = 200 ]
	[[ "$output" == *10.53.0.1\ * && "$output" == *10.53.0.200\ * ]]
}

@test "resolv.conf, hosts and hostname follow their files" {
	for f in resolv.conf hosts hostname; do
		echo "first $f" > "$BATS_TEST_TMPDIR/$f"
	done
	make_bundle sleep 1000
	edit_config '(.linux.namespaces[] | select(.type == "network")).path = $p' --arg p "/run/netns/$NS"
	for f in resolv.conf hosts hostname; do
		edit_config '.mounts += [{destination: ("/etc/" + $f), type: "bind", source: ($d + "/" + $f),
			options: ["rbind", "rprivate"]}]' --arg f "$f" --arg d "$BATS_TEST_TMPDIR"
	done
	new_id
	kata run --detach --bundle "$BUNDLE" "$ID" < /dev/null > "$BATS_TEST_TMPDIR/log" 2>&1
	for f in resolv.conf hosts hostname; do
		[ "$(inside cat "/etc/$f")" = "first $f" ]
		echo "second, longer $f" > "$BATS_TEST_TMPDIR/$f"
	done
	for f in resolv.conf hosts hostname; do
		wait_for 10 shows "^second, longer $f\$" inside cat "/etc/$f"
	done
}

@test "network list, add, del and routes" {
	start
	kata network list "$ID" | jq -e '.[] | select(.name == "eth0") | .mtu == 1400 and .hwAddr == "02:00:00:00:09:02" and
		any(.IPAddresses[]; .address == "10.9.0.2" and .mask == "24")'
	address='{"name": "eth0", "IPAddresses": [{"address": "10.9.4.4", "mask": "24"}]}'
	kata network add "$ID" <<< "$address"
	inside ip address show dev eth0 | grep -q 10.9.4.4/24
	kata network routes --update "$ID" <<< '[{"dest": "10.80.0.0/16", "gateway": "10.9.4.1", "device": "eth0", "metric": 4}]'
	routes | grep '"10.80.0.0/16"' | jq -e '.metric == 4'
	kata network del "$ID" <<< "$address"
	run inside ip address show dev eth0
	[[ "$output" != *10.9.4.4* && "$output" == *10.9.0.2/24* ]]

	run kata network add "$ID" <<< '{"name": "eth7"}'
	echo "$output"
	[ "$status" -ne 0 ]
	[[ "$output" == *"Link not found"*eth7* ]]
	run kata network del "$ID" <<< '{"name": "eth7"}'
	[ "$status" -ne 0 ]
	[[ "$output" == *"no interface eth7"* ]]
	run kata network del "$ID" <<< '{"IPAddresses": [{"address": "10.9.4.4", "mask": "24"}]}'
	[ "$status" -ne 0 ]
	[[ "$output" == *"the interface has no name"* ]]
	run kata network add "$ID" <<< '{"name": "eth0", "IPAddresses": [{"address": "10.9.4.400", "mask": "24"}]}'
	echo "$output"
	[ "$status" -ne 0 ]
	[[ "$output" == *"bad address 10.9.4.400"* ]]
	run kata network routes --update "$ID" <<< '[{"dest": "10.80.0.0/16", "device": "eth0", "type": "warp"}]'
	[ "$status" -ne 0 ]
	run kata network frobnicate "$ID"
	[ "$status" -ne 0 ]
}

@test "network del unplugs an interface and network add plugs it again, as often as wanted" {
	n link add eth1 type veth peer name p1
	n link set p1 netns "$PEER"
	p address add 10.10.0.1/24 dev p1
	p link set p1 up
	n address add 10.10.0.2/24 dev eth1
	n link set eth1 up
	n route add 10.11.0.0/16 via 10.10.0.1
	n neighbor add 10.10.0.9 lladdr 02:00:00:00:00:99 dev eth1
	look='ip address show dev eth1; ip route show dev eth1; tc qdisc show dev eth1; tc filter show dev eth1 ingress'
	wait_for 10 lacks tentative n address show dev eth1
	ip netns exec "$NS" sh -c "$look" > "$BATS_TEST_TMPDIR/before"
	start
	for i in 1 2; do
		kata network del "$ID" <<< '{"name": "eth1"}'
		wait_for 20 lacks eth1 inside ip link
		kata network del "$ID" <<< '{"name": "eth1"}'
		# Nothing of ours is left on it, and its changes are no reason to plug it.
		diff "$BATS_TEST_TMPDIR/before" <(ip netns exec "$NS" sh -c "$look")
		n link set eth1 mtu $((1400 + i))
		n link set eth1 mtu 1500
		inside ping -c 1 -w 10 10.9.0.1
		[[ "$(routes)" != *10.11.0.0/16* ]]
		kata network list "$ID" | jq -e 'all(.[]; .name != "eth1")'

		kata network add "$ID" <<< '{"name": "eth1", "IPAddresses": [{"address": "10.10.0.3", "mask": "24"}]}'
		inside ping -c 1 -w 10 10.10.0.1
		inside ip address show dev eth1 | grep -q 10.10.0.3/24
		inside ip neigh | grep -q '10.10.0.9 .*PERMANENT'
		routes | grep -q 10.11.0.0/16
	done
}

@test "an interface that goes down and up does so in the guest" {
	start
	inside ip link show dev eth0 | grep -q '[<,]UP[,>]'
	n link set eth0 down
	wait_for 20 lacks '[<,]UP[,>]' inside ip link show dev eth0
	n link set eth0 up
	n address add fd09::2/64 dev eth0 nodad
	n route add default via 10.9.0.1
	n route add default via fd09::1
	wait_for 20 shows '[<,]UP[,>]' inside ip link show dev eth0
	wait_for 20 shows 'default via fd09::1' inside ip -6 route
	inside ping -c 1 -w 10 10.9.0.1
	inside ping6 -c 1 -w 10 fd09::1
	[ "$(routes | grep '"0.0.0.0/0"' | jq -r .gateway)" = 10.9.0.1 ]
}

carrier_is() {
	[ "$(inside cat /sys/class/net/eth0/carrier)" = "$1" ]
}

@test "the guest's carrier is the interface's" {
	p link set p0 down
	start
	wait_for 20 carrier_is 0
	p link set p0 up
	wait_for 20 carrier_is 1
	inside ping -c 1 -w 10 10.9.0.1
	p link set p0 down
	wait_for 20 carrier_is 0
	inside ip address show dev eth0 | grep -q 10.9.0.2/24
	# What leaves its namespace goes down there.
	p link set p0 up
	wait_for 20 carrier_is 1
	ip netns add "$PEER-2"
	p link set p0 netns "$PEER-2"
	wait_for 20 carrier_is 0
	ip -n "$PEER-2" address add 10.9.0.1/24 dev p0
	ip -n "$PEER-2" link set p0 up
	wait_for 20 carrier_is 1
	inside ping -c 1 -w 10 10.9.0.1
}

# advertise LIFETIME [PREFIX VALID PREFERRED]...: a word from the router, which is the other end
advertise() {
	ip netns exec "$PEER" "$REPO/tests/lib/router-advertise.py" p0 "$@"
}

# What routers told the guest's kernel: the flags are RTF_ADDRCONF with _EXPIRES, and with _DEFAULT.
default_routers() {
	inside awk '$1 $2 ~ /^0+$/ && $9 == "00450003" { print $5, $10 }' /proc/net/ipv6_route
}

router_prefixes() {
	inside awk '$9 == "004c0001" { print $1, $10 }' /proc/net/ipv6_route
}

has_two_of_prefix() {
	[ "$(inside ip address show dev "$1" | grep -c 'inet6 fd77:')" = 2 ]
}

@test "what IPv6 routers said before and say later" {
	p address add fd99::1 dev lo
	wait_for 10 lacks tentative ip -n "$PEER" address
	router=$(p -j address show dev p0 scope link | jq -r '.[0].addr_info[] | select(.family == "inet6").local')
	n route del default via fd09::1
	wait_for 10 lacks tentative ip -n "$NS" address
	advertise 1800 fd77:: 86400 14400
	wait_for 10 shows 'fd77::.*mngtmpaddr' ip -n "$NS" address show dev eth0
	n -6 route show default | grep -q "via $router .*proto ra"
	start
	# At once, without a word from the router, and without looking for duplicates once more.
	diff <(n address show dev eth0 | addresses_of) <(inside ip address show dev eth0 | addresses_of)
	[[ "$(inside ip address show dev eth0)" != *tentative* ]]
	[ "$(default_routers | wc -l)" = 1 ]
	[[ "$(router_prefixes)" == "fd77000000000000"*" eth0" ]]
	inside ping6 -c 1 -w 10 fd99::1

	# The router is the same one for the guest's kernel: it takes itself back, and another prefix comes.
	advertise 0 fd77:: 86400 0 fd78:: 600 600
	wait_for 20 shows fd78:: inside ip address show dev eth0
	[ "$(default_routers | wc -l)" = 0 ]
	[ "$(inside ip address show dev eth0 | grep -c 'inet6 fd77::')" = 1 ]
	advertise 1800
	wait_for 20 shows eth0 default_routers
	[ "$(default_routers | wc -l)" = 1 ]
	inside ping6 -c 1 -w 10 fd99::1

	# The namespace hears nothing any more, and forgets. The guest does not.
	n -6 route flush proto ra
	n address flush dev eth0 mngtmpaddr
	n address add 10.9.1.2/24 dev eth0
	wait_for 20 shows 10.9.1.2/24 inside ip address show dev eth0
	[ "$(inside ip address show dev eth0 | grep -cE 'inet6 (fd77|fd78)::')" = 2 ]
	[ "$(default_routers | wc -l)" = 1 ]
}

@test "an interface that does not listen to routers does not do so in the guest" {
	n link add eth1 type veth peer name p1
	n link set p1 netns "$PEER"
	p link add br0 type bridge
	p link set p0 master br0
	p link set p1 master br0
	p link set p1 up
	p link set br0 up
	ip netns exec "$NS" sysctl -qw net.ipv6.conf.eth0.accept_ra=0 net.ipv6.conf.eth0.autoconf=0 \
		net.ipv6.conf.eth1.accept_ra=2 net.ipv6.conf.eth1.use_tempaddr=2 net.ipv6.conf.eth1.forwarding=1
	n link set eth1 up
	wait_for 10 lacks tentative ip -n "$PEER" address
	wait_for 10 lacks tentative ip -n "$NS" address
	start
	for setting in accept_ra autoconf use_tempaddr forwarding disable_ipv6; do
		for dev in eth0 eth1; do
			file=/proc/sys/net/ipv6/conf/$dev/$setting
			[ "$(inside cat "$file")" = "$(ip netns exec "$NS" cat "$file")" ]
		done
	done
	ip netns exec "$PEER" "$REPO/tests/lib/router-advertise.py" br0 1800 fd77:: 86400 14400
	# Both have the frame, one of them heeds it: with an address of its own and one for privacy.
	wait_for 20 has_two_of_prefix eth1
	[[ "$(inside ip address show dev eth0)" != *fd77:* ]]
	[[ "$(default_routers)" == *eth1 ]]
	ip netns exec "$NS" sysctl -qw net.ipv6.conf.eth0.accept_ra=1 net.ipv6.conf.eth0.disable_ipv6=1
	wait_for 20 shows 1 inside cat /proc/sys/net/ipv6/conf/eth0/disable_ipv6
	wait_for 20 lacks inet6 inside ip address show dev eth0
}

# there_and_back FAMILY HOST_ADDRESS GUEST_ADDRESS
there_and_back() {
	head -c 104857600 "$BATS_TEST_TMPDIR/data" | ip netns exec "$PEER" socat -u - "TCP$1-LISTEN:7000,bind=$2" 3>&- &
	wait_for 10 shows :7000 ip netns exec "$PEER" ss -ltn
	[ "$(inside sh -c "nc ${2//[\[\]]/} 7000 < /dev/null | sha256sum | cut -d' ' -f1")" = "$SUM" ]
	ip netns exec "$PEER" socat -u "TCP$1-LISTEN:7001,bind=$2" - 3>&- | sha256sum > "$BATS_TEST_TMPDIR/sum" &
	wait_for 10 shows :7001 ip netns exec "$PEER" ss -ltn
	inside sh -c "nc ${2//[\[\]]/} 7001 < /data"
	wait_for 60 grep -q "$SUM" "$BATS_TEST_TMPDIR/sum"
}

@test "100 MB each way, IPv4 and IPv6, with equal checksums" {
	head -c 104857600 /dev/urandom > "$BATS_TEST_TMPDIR/data"
	SUM=$(sha256sum < "$BATS_TEST_TMPDIR/data" | cut -d' ' -f1)
	make_bundle sleep 1000
	edit_config '(.linux.namespaces[] | select(.type == "network")).path = $p' --arg p "/run/netns/$NS"
	edit_config '.mounts += [{destination: "/data", type: "bind", source: $f, options: ["bind", "ro"]}]' \
		--arg f "$BATS_TEST_TMPDIR/data"
	new_id
	kata run --detach --bundle "$BUNDLE" "$ID" < /dev/null > "$BATS_TEST_TMPDIR/log" 2>&1
	there_and_back 4 10.9.0.1
	there_and_back 6 '[fd09::1]'
}
