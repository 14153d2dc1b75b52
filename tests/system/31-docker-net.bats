#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# docker's networks with --runtime kata: bridge, none, user-defined, several, published ports, IPv6, changes while
# running.

load helpers
load ../lib/docker

setup_file() {
	docker_setup_file
	d network create --subnet 10.231.7.0/24 blue > /dev/null
	d network create --ipv6 --subnet 10.231.8.0/24 --subnet fd00:6b:6174:62::/64 green > /dev/null
}

teardown_file() {
	d ps -aq | xargs -r timeout 60 /usr/bin/docker -H "unix://$DDIR/docker.sock" rm -f > /dev/null
	d network rm blue green > /dev/null
	docker_teardown_file
}

teardown() {
	docker_teardown
}

# ip_of NAME NETWORK FIELD
ip_of() {
	d inspect -f "{{with index .NetworkSettings.Networks \"$2\"}}{{.$3}}{{end}}" "$1"
}

@test "bridge: the guest has what the namespace has" {
	# parity: run --network bridge | as runc
	kbg one busybox sleep 1000
	ip=$(ip_of one bridge IPAddress) mac=$(ip_of one bridge MacAddress)
	d exec one ip addr show eth0 > "$DDIR/eth0"
	grep -q "inet $ip/" "$DDIR/eth0"
	grep -q "link/ether $mac" "$DDIR/eth0"
	grep -q 'mtu 1500' "$DDIR/eth0"
	[ "$(d exec one ip route | awk '/default/ { print $3 }')" = "$(ip_of one bridge Gateway)" ]
	ping -c 2 -W 5 "$ip" > /dev/null
	d exec one ping -c 2 -W 5 "$(ip_of one bridge Gateway)" > /dev/null
	# Counters of the interface reach docker.
	[ "$(d stats --no-stream --format '{{.NetIO}}' one)" != "0B / 0B" ]
	# The namespace the manager sees is the stand-in's.
	nsenter -t "$(d inspect -f '{{.State.Pid}}' one)" -n ip -o addr show eth0 | grep -q "$ip"
}

@test "none: loopback and nothing else" {
	# parity: run --network none | as runc
	[ "$(krun --network none busybox ls /sys/class/net | xargs)" = lo ]
	krun --network none busybox ping -c 1 127.0.0.1 > /dev/null
}

@test "addresses that were asked for" {
	# parity: run --ip | as runc
	# parity: run --ip6 | as runc
	# parity: run --mac-address | as runc
	krun --network green --ip 10.231.8.77 --ip6 fd00:6b:6174:62::77 --mac-address 02:11:22:33:44:55 busybox \
		ip addr show eth0 > "$DDIR/eth0"
	grep -q 'inet 10.231.8.77/24' "$DDIR/eth0"
	grep -q 'inet6 fd00:6b:6174:62::77/64' "$DDIR/eth0"
	grep -q 'link/ether 02:11:22:33:44:55' "$DDIR/eth0"
}

@test "two containers in two VMs reach each other by name, IPv4 and IPv6, 100 MB each way" {
	# parity: run --network NAME | as runc
	# parity: run --network-alias | as runc
	kbg one --network green --network-alias first busybox sleep 1000
	kbg two --network green busybox sleep 1000
	d exec two ping -c 1 -W 5 one > /dev/null
	d exec one ping -c 1 -W 5 two > /dev/null
	[ "$(d exec two nslookup first 127.0.0.11 | grep -c "$(ip_of one green IPAddress)")" -ge 1 ]
	d exec two ping6 -c 1 -W 5 "$(ip_of one green GlobalIPv6Address)" > /dev/null
	# One hundred megabytes, there over IPv4 and back over IPv6.
	send one two "$(ip_of two green IPAddress)"
	send two one "$(ip_of one green GlobalIPv6Address)"
}

# Of /proc/net/tcp and tcp6: somebody listens at port 7000. Connections to that port, also those that have ended, do not.
LISTENING=':1B58 0\{8\}:\|:1B58 0\{32\}:'

# send FROM TO ADDRESS: 100 MB, equal checksums. Beside ten more busy programs for each CPU they go at 0.8 MB/s.
send() {
	local name
	# busybox's nc ends its half when its input ends, and the sender would go with it.
	D_TIMEOUT=450 d exec "$2" sh -c 'rm -f /in; mkfifo /in; sleep 450 > /in & nc -l -p 7000 < /in | md5sum > /sum; kill $!' &
	wait_for 10 d exec "$2" grep -q "$LISTENING" /proc/net/tcp /proc/net/tcp6
	D_TIMEOUT=400 d exec "$1" sh -c "head -c 100000000 /dev/zero | tr '\\0' k | nc $3 7000" || {
		# Where the bytes are: what has arrived, and the queues of both ends.
		for name in "$1" "$2"; do
			d exec "$name" sh -c 'grep -h :1B58 /proc/net/tcp /proc/net/tcp6; grep eth0 /proc/net/dev'
		done
		return 1
	}
	wait $!
	[ "$(d exec "$2" cut -c1-32 /sum)" = "$(head -c 100000000 /dev/zero | tr '\0' k | md5sum | cut -c1-32)" ]
}

# there_and_back NAME ADDRESS PORT: a container serves at the address; 100 MB go there and 100 MB come back. The address is
# docker's option, and what socat is given, less the port.
there_and_back() {
	local port sum
	head -c 100000000 /dev/urandom > "$DDIR/blob"
	sum=$(md5sum < "$DDIR/blob")
	kbg "$1" -p "$2::7000" -v "$DDIR/blob:/blob:ro" busybox \
		sh -c 'nc -l -p 7000 | md5sum > /sum; nc -l -p 7000 < /blob; sleep 1000'
	port=$(d inspect -f '{{(index (index .NetworkSettings.Ports "7000/tcp") 0).HostPort}}' "$1")
	wait_for 10 d exec "$1" grep -q "$LISTENING" /proc/net/tcp /proc/net/tcp6
	timeout 60 socat -u FILE:"$DDIR/blob" "TCP:$2:$port"
	wait_for 20 d exec "$1" test -s /sum
	[ "$(d exec "$1" cat /sum)" = "$sum" ]
	wait_for 10 d exec "$1" grep -q "$LISTENING" /proc/net/tcp /proc/net/tcp6
	[ "$(timeout 60 socat -u "TCP:$2:$port" - | md5sum)" = "$sum" ]
}

@test "a published port, 100 MB from the host and back" {
	# parity: stats (network) | as runc
	# parity: run -p | as runc
	# parity: port | as runc
	there_and_back one 127.0.0.1
	# "103MB / 102MB": what has come and gone.
	read -r received _ sent <<< "$(d stats --no-stream --format '{{.NetIO}}' one)"
	echo "$received $sent"
	[ "${received%MB}" != "$received" ] && [ "${sent%MB}" != "$sent" ]
	[ "$(cut -d . -f 1 <<< "${received%MB}")" -ge 100 ]
	[ "$(cut -d . -f 1 <<< "${sent%MB}")" -ge 100 ]
	[[ "$(d port one 7000/tcp)" == 127.0.0.1:* ]]
}

@test "a port published on an IPv6 address, 100 MB from the host and back" {
	# parity: run -p [ADDRESS]:PORT | as runc
	there_and_back one '[::1]'
	[[ "$(d port one 7000/tcp)" == *::1*:* ]]
}

@test "networks that come and go while the container runs" {
	# parity: network connect | as runc
	# parity: network disconnect | as runc
	# parity: run on two networks | as runc
	d create --runtime kata --name one --network blue busybox sleep 1000 > /dev/null
	d network connect --ip 10.231.8.50 green one
	d start one > /dev/null
	d exec one ip addr > "$DDIR/addr"
	grep -q 'inet 10.231.7' "$DDIR/addr"
	grep -q 'inet 10.231.8.50/24' "$DDIR/addr"
	ping -c 1 -W 5 10.231.8.50 > /dev/null
	d network connect bridge one
	ip=$(ip_of one bridge IPAddress)
	wait_for 15 sh -c "/usr/bin/docker -H unix://$DDIR/docker.sock exec one ip addr | grep -q 'inet $ip/'"
	ping -c 1 -W 5 "$ip" > /dev/null
	d network disconnect green one
	wait_for 15 sh -c "! /usr/bin/docker -H unix://$DDIR/docker.sock exec one ip addr | grep -q 10.231.8.50"
	d exec one ping -c 1 -W 5 "$(ip_of one blue Gateway)" > /dev/null
}

@test "links and hosts files follow docker" {
	# parity: run --link | as runc
	kbg one busybox sleep 1000
	krun --link one:other busybox ping -c 1 -W 5 other > /dev/null
	ip=$(ip_of one bridge IPAddress)
	krun --link one:other busybox grep -q "$ip.*other" /etc/hosts
}

@test "docker-compose: two services reach each other by name" {
	# parity: docker-compose up, exec, logs, ps, stop, down | as runc
	command -v docker-compose > /dev/null || skip "docker-compose is not installed"
	mkdir -p "$DDIR/project"
	cat > "$DDIR/project/docker-compose.yml" <<-YAML
	version: "2.4"
	services:
	  server:
	    image: busybox
	    runtime: kata
	    init: true
	    command: sh -c 'while :; do echo answer of \$\$(hostname) | nc -l -p 7000; done'
	    hostname: box
	  client:
	    image: busybox
	    runtime: kata
	    depends_on: [server]
	    command: sh -c 'until nc server 7000 < /dev/null; do sleep 0.5; done; sleep 1000'
	YAML
	export DOCKER_HOST=unix://$DDIR/docker.sock COMPOSE_PROJECT_NAME=pair
	cd "$DDIR/project"
	timeout 120 docker-compose up -d
	wait_for 30 sh -c "docker-compose logs client 2>&1 | grep -q 'answer of box'"
	[ "$(timeout 60 docker-compose exec -T client nc server 7000 < /dev/null)" = "answer of box" ]
	timeout 60 docker-compose exec -T server ping -c 1 -W 5 client
	# In two VMs.
	[ "$(timeout 60 docker-compose exec -T client cat /proc/sys/kernel/random/boot_id)" != \
		"$(timeout 60 docker-compose exec -T server cat /proc/sys/kernel/random/boot_id)" ]
	[ "$(timeout 60 docker-compose ps | grep -c ' Up ')" -eq 2 ]
	timeout 60 docker-compose stop -t 5
	timeout 60 docker-compose down
	[ -z "$(d ps -aq)" ]
	[ -z "$(d network ls -q --filter name=pair)" ]
}
