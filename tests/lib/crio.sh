#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# crio.sh start DIR oci|vm | restart DIR | stop DIR: a CRI-O of our own below DIR with images made from the host's
# busybox-static, whose one runtime is ours: for "oci" kata-runtime through conmon, for "vm" the shim. It listens on
# DIR/crio.sock. KATA_CRIO is the path of crio; pinns, its helper, lies beside it or in the PATH.
set -euo pipefail
action=$1
dir=$2
repo=$(cd "$(dirname "$0")/../.." && pwd)
build=${KATA_BUILD:-$repo/build}

# Beside DIR, whose name is too long for the sockets below it.
attach=/tmp/kata-attach-$(cksum <<< "$dir" | cut -d' ' -f1)

# The handler's name has "kata" in it: only then CRI-O keeps the sandbox container of a pod that does not need one for
# its processes.
runtime() {
	if [ "$1" = vm ]; then
		cat <<-TOML
		runtime_type = "vm"
		runtime_path = "$build/containerd-shim-kata-v2"
		runtime_config_path = "$build/configuration.toml"
		runtime_root = "$dir/vm"
		TOML
		return
	fi
	printf '#!/bin/sh\nexec "%s/kata-runtime" --config "%s/configuration.toml" "$@"\n' "$build" "$build" \
		> "$dir/kata-runtime"
	chmod +x "$dir/kata-runtime"
	cat <<-TOML
	runtime_type = "oci"
	runtime_path = "$dir/kata-runtime"
	runtime_root = "${KATA_ROOT:-/run/kata}"
	monitor_path = "$(command -v conmon)"
	monitor_cgroup = "pod"
	TOML
}

config() {
	cat <<-TOML
	[crio]
	root = "$dir/storage"
	runroot = "$dir/run"
	storage_driver = "overlay"
	log_dir = "$dir/log"
	version_file = "$dir/version"
	clean_shutdown_file = "$dir/clean.shutdown"
	[crio.api]
	listen = "$dir/crio.sock"
	[crio.runtime]
	default_runtime = "kata"
	cgroup_manager = "cgroupfs"
	conmon_cgroup = "pod"
	container_exits_dir = "$dir/exits"
	container_attach_socket_dir = "$attach"
	namespaces_dir = "$dir/namespaces"
	pinns_path = "$(PATH=$(dirname "$KATA_CRIO"):$PATH command -v pinns)"
	hooks_dir = []
	cdi_spec_dirs = ["$dir/cdi"]
	apparmor_profile = "unconfined"
	irqbalance_config_file = "$dir/irqbalance"
	irqbalance_config_restore_file = "disable"
	disable_hostport_mapping = true
	[crio.runtime.runtimes.kata]
	privileged_without_host_devices = true
	$(runtime "$1")
	[crio.image]
	pause_image = "kata.test/pause:1"
	pause_command = ""
	signature_policy = "$dir/policy.json"
	[crio.network]
	network_dir = "$dir/cni"
	plugin_dirs = ["/usr/lib/cni"]
	[crio.nri]
	enable_nri = false
	TOML
}

serve() {
	# A file that is looked for apart from what the configuration names.
	CONTAINERS_REGISTRIES_CONF=$dir/registries.conf \
		setsid "$KATA_CRIO" --config "$dir/crio.conf" --config-dir "$dir/crio.conf.d" >> "$dir/crio.log" 2>&1 < /dev/null &
	echo $! > "$dir/crio.pid"
	for _ in $(seq 200); do
		kill -0 "$(cat "$dir/crio.pid")" 2>/dev/null || break
		[ ! -S "$dir/crio.sock" ] || return 0
		sleep 0.1
	done
	tail -20 "$dir/crio.log" >&2
	exit 1
}

# Podman's storage is CRI-O's.
image() {
	"$repo/tests/lib/image-archive.sh" "$dir/image.tar" "$@"
	podman --root "$dir/storage" --runroot "$dir/run" --storage-driver overlay load -q -i "$dir/image.tar" > /dev/null
	rm -f "$dir/image.tar"
}

start() {
	mkdir -p "$dir"/{exits,namespaces} "$attach"
	config "$1" > "$dir/crio.conf"
	echo '{ "default": [ { "type": "insecureAcceptAnything" } ] }' > "$dir/policy.json"
	touch "$dir/registries.conf"
	"$repo/tests/lib/cni.sh" "$dir" 203.0.113.0/24
	image kata.test/busybox:1 sh
	image kata.test/pause:1 /bin/busybox sleep 1000000
	serve
}

# Mounts that a failed test left behind would keep the folder.
stop() {
	local pid
	pid=$(cat "$dir/crio.pid" 2>/dev/null) || return 0
	kill "$pid" 2>/dev/null || true
	for _ in $(seq 100); do
		kill -0 "$pid" 2>/dev/null || break
		sleep 0.1
	done
	rm -rf "$attach"
	grep -o " $dir/[^ ]*" /proc/self/mountinfo | sort -r | xargs -r umount -l 2>/dev/null || true
}

case "$action" in
start) start "$3" ;;
restart)
	kill -9 "$(cat "$dir/crio.pid")" 2>/dev/null || true
	rm -f "$dir/crio.sock"
	serve
	;;
stop) stop ;;
*) echo "usage: $0 start DIR oci|vm | restart DIR | stop DIR" >&2; exit 2 ;;
esac
