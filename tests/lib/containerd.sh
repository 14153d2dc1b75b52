#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# containerd.sh start DIR | restart DIR | stop DIR | image DIR NAME [CMD ...] | import DIR ARCHIVE: a containerd of our own
# below DIR, which finds this checkout's shim first, with a CRI plugin whose default handler is ours and whose images are
# made from the host's busybox-static. Talk to it with `ctr -a DIR/containerd.sock`. KATA_CONTAINERD names another
# containerd than the PATH's, KATA_SANDBOXER=shim lets containerd 2 start pods by the sandbox API,
# KATA_DEFAULT_RUNTIME=runc makes runc the default handler.
set -euo pipefail
action=$1
dir=$2
repo=$(cd "$(dirname "$0")/../.." && pwd)
build=${KATA_BUILD:-$repo/build}
slow=${KATA_TEST_SLOW:-1}
containerd=${KATA_CONTAINERD:-containerd}

# containerd 2.0 takes options for runc's when pods are started by the sandbox API: the shim's own flag serves then.
options() {
	if [ -z "${KATA_SANDBOXER:-}" ]; then
		echo '[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.kata.options]'
		echo "ConfigPath = \"$build/configuration.toml\""
		return
	fi
	mkdir -p "$dir/bin"
	printf '#!/bin/sh\nexec "%s/containerd-shim-kata-v2" -config "%s/configuration.toml" "$@"\n' "$build" "$build" \
		> "$dir/bin/containerd-shim-kata-v2"
	chmod +x "$dir/bin/containerd-shim-kata-v2"
}

config() {
	cat <<-TOML
	version = 2
	root = "$dir/root"
	state = "$dir/state"
	disabled_plugins = ["io.containerd.internal.v1.opt"]
	[grpc]
	  address = "$dir/containerd.sock"
	[ttrpc]
	  address = "$dir/containerd.sock.ttrpc"
	[plugins."io.containerd.grpc.v1.cri"]
	  sandbox_image = "kata.test/pause:1"
	  restrict_oom_score_adj = true
	  disable_apparmor = true
	  [plugins."io.containerd.grpc.v1.cri".containerd]
	    default_runtime_name = "${KATA_DEFAULT_RUNTIME:-kata}"
	    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
	      runtime_type = "io.containerd.runc.v2"
	    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.kata]
	      runtime_type = "io.containerd.kata.v2"
	      privileged_without_host_devices = true
	      pod_annotations = ["io.katacontainers.*"]
	      ${KATA_SANDBOXER:+sandboxer = \"$KATA_SANDBOXER\"}
	      $(options)
	  [plugins."io.containerd.grpc.v1.cri".cni]
	    bin_dir = "/usr/lib/cni"
	    conf_dir = "$dir/cni"
	TOML
}

serve() {
	PATH=$dir/bin:$build:$PATH setsid "$containerd" --config "$dir/config.toml" >> "$dir/containerd.log" 2>&1 < /dev/null &
	echo $! > "$dir/containerd.pid"
	for _ in $(seq $((100 * slow))); do
		kill -0 "$(cat "$dir/containerd.pid")" 2>/dev/null || break
		timeout 2 ctr -a "$dir/containerd.sock" version > /dev/null 2>&1 && return
		sleep 0.1
	done
	tail -20 "$dir/containerd.log" >&2
	exit 1
}

start() {
	mkdir -p "$dir"
	config > "$dir/config.toml"
	"$repo/tests/lib/cni.sh" "$dir" 198.51.100.0/24
	serve
	image kata.test/busybox:1 sh
	image kata.test/pause:1 /bin/busybox sleep 1000000
}

image() {
	"$repo/tests/lib/image-archive.sh" "$dir/image.tar" "$@"
	import "$dir/image.tar"
	rm -f "$dir/image.tar"
}

import() {
	local namespace
	for namespace in default k8s.io; do
		ctr -a "$dir/containerd.sock" -n "$namespace" image import "$1" > /dev/null
	done
}

stop() {
	local pid
	pid=$(cat "$dir/containerd.pid" 2>/dev/null) || return 0
	kill "$pid" 2>/dev/null || true
	for _ in $(seq $((100 * slow))); do
		kill -0 "$pid" 2>/dev/null || break
		sleep 0.1
	done
	# Overlay mounts of containers that a failed test left behind.
	grep -o " $dir/[^ ]*" /proc/self/mountinfo | sort -r | xargs -r umount -l 2>/dev/null || true
}

case "$action" in
start) start ;;
restart)
	kill -9 "$(cat "$dir/containerd.pid")"
	serve
	;;
stop) stop ;;
image | import) shift 2; "$action" "$@" ;;
*) echo "usage: $0 start|restart|stop|image|import DIR" >&2; exit 2 ;;
esac
