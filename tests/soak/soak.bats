#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Mixed verbs by docker, podman and containerd at once, for KATA_SOAK_SECONDS (600): what the shims of three containers
# hold at the end is what they held when all verbs had been used, and so are the state directories and processes.

load ../system/helpers
load ../lib/docker

setup_file() {
	BUILD=${KATA_BUILD:-$(cd "$BATS_TEST_DIRNAME/../.." && pwd)/build}
	export STORE=$BATS_FILE_TMPDIR/store CTD=$BATS_FILE_TMPDIR/ctd
	docker_setup_file
	"$REPO/tests/lib/containerd.sh" start "$CTD"
	mkdir -p "$STORE"
	printf '[network]\nnetwork_config_dir = "%s/netavark"\n[engine]\nevents_logger = "file"\n' "$STORE" > "$STORE/conf"
	export CONTAINERS_CONF=$STORE/conf
	printf '#!/bin/sh\nexec "%s/kata-runtime" --config "%s/configuration.toml" --root "%s" "$@"\n' \
		"$BUILD" "$BUILD" "${KATA_ROOT:-/run/kata}" > "$STORE/kata"
	chmod +x "$STORE/kata"
	"$REPO/tests/lib/make-bundle.sh" "$STORE/image" true
	tar -C "$STORE/image/rootfs" -c . | pod import --change 'CMD ["sh"]' - busybox > /dev/null
}

teardown() {
	d rm -f keep > /dev/null 2>&1 || true
	pod rm -fa > /dev/null 2>&1 || true
	c task rm -f keep > /dev/null 2>&1 || true
	c container rm keep > /dev/null 2>&1 || true
	no_leaks
}

teardown_file() {
	pod system reset -f > /dev/null 2>&1 || true
	"$REPO/tests/lib/containerd.sh" stop "$CTD"
	docker_teardown_file
}

pod() {
	timeout 120 podman --root "$STORE/root" --runroot "$STORE/run" --tmpdir "$STORE/tmp" --cgroup-manager cgroupfs \
		--runtime "$STORE/kata" "$@"
}

c() {
	timeout 120 ctr --address "$CTD/containerd.sock" "$@"
}

ctd_run() {
	c run --runtime io.containerd.kata.v2 --runtime-config-path "$BUILD/configuration.toml" "$@"
}

# One verb of a manager, by its number. Those of one manager follow each other.
docker_verb() {
	case $(($1 % 8)) in
	0) krun busybox true ;;
	1) d exec keep sh -c 'head -c 100000 /dev/zero' | wc -c | grep -qx 100000 ;;
	2) d stats --no-stream keep > /dev/null ;;
	3) d pause keep > /dev/null && d unpause keep > /dev/null ;;
	4) d top keep > /dev/null ;;
	5) d update --pids-limit $((100 + RANDOM % 100)) keep > /dev/null ;;
	6) echo x | d exec -i keep cat > /dev/null ;;
	7) d inspect keep > /dev/null ;;
	esac
}

podman_verb() {
	case $(($1 % 6)) in
	0) pod run --rm --network none busybox true ;;
	1) pod exec keep true ;;
	2) pod stats --no-stream keep > /dev/null ;;
	3) pod pause keep > /dev/null && pod unpause keep > /dev/null ;;
	4) pod top keep > /dev/null ;;
	5) echo x | pod exec -i keep cat > /dev/null ;;
	esac
}

containerd_verb() {
	case $(($1 % 6)) in
	0) ctd_run --rm kata.test/busybox:1 "run-$1" true ;;
	1) c task exec --exec-id "e$1" keep true ;;
	2) c task metrics keep > /dev/null ;;
	3) c task pause keep && c task resume keep ;;
	4) c task ps keep > /dev/null ;;
	5) c task exec --exec-id "e$1" keep sh -c 'head -c 100000 /dev/zero' | wc -c | grep -qx 100000 ;;
	esac
}

# verbs MANAGER FIRST END: its verbs, from that number on until that time; says how many, or which one failed.
verbs() {
	local number=$2
	while [ "$SECONDS" -lt "$3" ]; do
		"$1_verb" "$number" || { echo "failed: verb $number of $1"; return 1; }
		number=$((number + 1))
	done
	echo "$1: $((number - $2)) verbs"
}

# all_verbs FIRST SECONDS: by all three at once.
all_verbs() {
	local end=$((SECONDS + $2)) status=0 manager pids=() pid
	for manager in docker podman containerd; do
		verbs "$manager" "$1" "$end" > "$BATS_TEST_TMPDIR/$manager" 2>&1 3>&- &
		pids+=($!)
	done
	for pid in "${pids[@]}"; do wait "$pid" || status=1; done
	cat "$BATS_TEST_TMPDIR"/{docker,podman,containerd}
	return "$status"
}

# Descriptors, threads and KiB of memory of each shim, oldest first; then state directories and processes of ours.
sample() {
	local pid
	for pid in $(pgrep -f "^$BUILD/containerd-shim-kata-v2|containerd-shim-kata-v2 .*-id" | sort -n); do
		echo "shim $(find "/proc/$pid/fd" -mindepth 1 2> /dev/null | wc -l) $(find "/proc/$pid/task" -mindepth 1 -maxdepth 1 | wc -l)" \
			"$(awk '/^VmRSS/ { print $2 }' "/proc/$pid/status")"
	done
	echo "state $(find "$ROOT" -mindepth 1 -maxdepth 4 -type d | wc -l) 0 0"
	echo "processes $(pgrep -cf "$BUILD/|qemu-system|virtiofsd") 0 0"
}

# Return: is each line of the second at most a little more than that of the first?
is_flat() {
	paste -d' ' "$1" "$2" | awk '$6 > $2 + 2 || $7 > $3 || $8 > $4 + 2048 { bad = 1; print "more: " $0 } END { exit bad }' &&
		[ "$(wc -l < "$1")" -eq "$(wc -l < "$2")" ]
}

@test "mixed verbs by docker, podman and containerd at once leave the shims as they were" {
	local seconds=${KATA_SOAK_SECONDS:-600}
	# What stays behind of these would keep bats' own descriptor.
	kbg keep busybox sleep 100000 3>&-
	pod run -d --network none --name keep busybox sleep 100000 3>&-
	ctd_run -d kata.test/busybox:1 keep sleep 100000 3>&-
	all_verbs 0 $((seconds / 5 + 10)) # each of them once, at least
	sleep 3
	sample > "$BATS_TEST_TMPDIR/before"
	all_verbs 100000 "$seconds"
	sleep 3
	sample > "$BATS_TEST_TMPDIR/after"
	sed 's/^/# before: /' "$BATS_TEST_TMPDIR/before" >&3
	sed 's/^/# after: /' "$BATS_TEST_TMPDIR/after" >&3
	is_flat "$BATS_TEST_TMPDIR/before" "$BATS_TEST_TMPDIR/after"
}
