#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# dockerd.sh start DIR [OPTION ...] | stop DIR: a docker daemon of our own below DIR with the runtime "kata" of this
# checkout and an image "busybox" made from the host's busybox-static. Talk to it with
# `docker -H unix://DIR/docker.sock`. `run DIR [OPTION ...]` is start without the image, for a daemon that was stopped.
# Options are dockerd's.
#
# KATA_DOCKERD is the path of another dockerd than Debian's. With KATA_DOCKER_SHIM=1, for docker 23 and later, "kata" is
# the shim in place of kata-runtime. KATA_DAEMON_JSON is a configuration file to use instead of one that names this
# checkout.
set -euo pipefail
action=$1
dir=$2
shift 2
repo=$(cd "$(dirname "$0")/../.." && pwd)
build=${KATA_BUILD:-$repo/build}
slow=${KATA_TEST_SLOW:-1}
docker=/usr/bin/docker

runtime() {
	if [ -n "${KATA_DOCKER_SHIM:-}" ]; then
		echo "\"runtimeType\": \"io.containerd.kata.v2\", \"options\": { \"ConfigPath\": \"$build/configuration.toml\" }"
		return
	fi
	cat > "$dir/kata" <<-WRAPPER
	#!/bin/sh
	exec "$build/kata-runtime" --config "$build/configuration.toml" "\$@"
	WRAPPER
	chmod +x "$dir/kata"
	echo "\"path\": \"$dir/kata\""
}

run() {
	mkdir -p "$dir"
	echo "{ \"experimental\": true, \"runtimes\": { \"kata\": { $(runtime) } } }" > "$dir/daemon.json"
	PATH=$build:$PATH setsid "${KATA_DOCKERD:-/usr/sbin/dockerd}" --config-file "${KATA_DAEMON_JSON:-$dir/daemon.json}" \
		--data-root "$dir/data" --exec-root "$dir/exec" \
		--pidfile "$dir/docker.pid" --host "unix://$dir/docker.sock" --ipv6 \
		--fixed-cidr-v6 fd00:6b:6174:61::/64 "$@" >> "$dir/dockerd.log" 2>&1 < /dev/null &
	for _ in $(seq $((300 * slow))); do
		"$docker" -H "unix://$dir/docker.sock" version > /dev/null 2>&1 && break
		sleep 0.1
	done
	"$docker" -H "unix://$dir/docker.sock" version > /dev/null || {
		tail -20 "$dir/dockerd.log" >&2
		exit 1
	}
}

image() {
	local root
	root=$(mktemp -d)
	"$repo/tests/lib/make-bundle.sh" "$root" true
	tar -C "$root/rootfs" -c . | "$docker" -H "unix://$dir/docker.sock" import \
		--change 'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' \
		--change 'CMD ["sh"]' - busybox > /dev/null
	rm -rf "$root"
}

stop() {
	local pid
	pid=$(cat "$dir/docker.pid" 2>/dev/null) || return 0
	"$docker" -H "unix://$dir/docker.sock" ps -aq 2>/dev/null |
		xargs -r "$docker" -H "unix://$dir/docker.sock" rm -f > /dev/null 2>&1 || true
	kill "$pid" 2>/dev/null || true
	for _ in $(seq $((100 * slow))); do
		kill -0 "$pid" 2>/dev/null || break
		sleep 0.1
	done
	# Its containerd goes with it, but when it was killed or stopped with live-restore; ours must not stay.
	pid=$(cat "$dir/exec/containerd/containerd.pid" 2>/dev/null || true)
	[ -z "$pid" ] || kill "$pid" 2>/dev/null || true
	ip link delete docker0 2>/dev/null || true
}

case "$action" in
start)
	run "$@"
	image
	;;
run) run "$@" ;;
stop) stop ;;
*) echo "usage: $0 start|run|stop DIR [OPTION ...]" >&2; exit 2 ;;
esac
