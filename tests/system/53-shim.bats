#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The real shim behind a containerd that is played by tests/shim: every method, bad clients, dead guests.

load helpers
bats_require_minimum_version 1.5.0

# played PROGRAM NAME [ARGUMENT ...]: one of the cases in a program of tests/shim.
played() {
	cd "$BATS_TEST_TMPDIR"
	timeout 400 env KATA_BUILD="$BUILD" python3 -B "$REPO/tests/shim/$1.py" "${@:2}"
}
shim() { played cases "$@"; }
abandoned() { played abandoned "$@"; }

teardown() {
	if [ -n "$NETNS" ]; then
		ip netns del "$NETNS-peer" || true
		ip netns del "$NETNS" || true
	fi
	KATA_TEST_SCOPE="$BUILD/|/run/kata/ns/kata-test-shim|/sys/fs/cgroup/.*kata-test-shim/" no_leaks
	[ -z "$(ls /run/kata/ns/kata-test-shim 2>/dev/null)" ]
}

# new_netns: $NETNS and $NETNS-peer, with one interface of the latter in the former.
new_netns() {
	NETNS=kata-shim-$$
	ip netns add "$NETNS"
	ip netns add "$NETNS-peer"
	ip -n "$NETNS-peer" link add peer type veth peer name eth0 netns "$NETNS"
	ip -n "$NETNS" addr add 198.51.100.2/24 dev eth0
	ip -n "$NETNS" link set eth0 up
	ip -n "$NETNS" link set lo up
	ip -n "$NETNS-peer" addr add 198.51.100.1/24 dev peer
	ip -n "$NETNS-peer" link set peer up
}

@test "-info: mounts that the shim makes itself, features" { shim info; }

@test "garbage, half frames, unknown methods, too long messages" { shim garbage; }

@test "a client that does not read stalls only itself" { shim slow_reader; }

@test "clients and the event service come and go" { shim reconnects; }

@test "a container that is made while nobody listens can be killed" { shim lost_create; }

@test "a guest that never comes up: deadlines hold, others are answered, Shutdown ends the wait" { shim silent_guest; }

@test "a guest that answers no more: every call ends by its deadline" { shim stopped_guest; }

@test "Task v2: every method once" { shim task_v2; }

@test "Task v3: every method once" { shim task_v3; }

@test "a hook makes the network" { shim hook_network; }

@test "the Sandbox API: a pod without a pause container, its metrics, its network, out of memory" {
	new_netns
	shim sandbox_api "/run/netns/$NETNS"
}

@test "something is killed at a random moment of a pod's life" {
	cd "$BATS_TEST_TMPDIR"
	env KATA_BUILD="$BUILD" python3 -B "$REPO/tests/shim/killer.py" 10
}

@test "the shim is killed: delete runs the poststop hooks that it owed, each once" {
	new_netns
	shim killed "/run/netns/$NETNS"
}

@test "execs leave the shim's descriptors and threads as they were" { shim flat; }

@test "the client goes while the VM boots: a shim that nobody knows of ends" { abandoned while_it_boots; }

@test "the client goes while the container is made: a shim that nobody knows of ends" { abandoned while_it_is_made; }

@test "the client goes while a container is made that another one was told of: it stays" { abandoned known; }

@test "the client goes while a pod's further container is made: the pod stays" {
	new_netns
	abandoned member "/run/netns/$NETNS"
}

@test "a shim that was never asked for anything ends once its client goes" { abandoned never_asked; }

@test "clients that go leave containers and sandboxes" { abandoned stays; }

@test "start without a bundle leaves no server" { abandoned lost_bundle; }
