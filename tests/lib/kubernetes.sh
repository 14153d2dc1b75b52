#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# kubernetes.sh start DIR | restart-kubelet DIR | stop DIR: a Kubernetes of one node, "node", below DIR, made of the program that
# tests/kubernetes builds ($KUBERNETES names it), Debian's etcd and a containerd of its own (containerd.sh) with the
# runtimes runc and kata. `DIR/bin/kubectl` talks to it.
#
# It has namespaces of its own (mounts, network, processes), where folders of DIR are at /run, /opt, /var/lib, /var/log,
# /usr/local/bin and /etc/containerd, and files of DIR at the sysctls that kubelet writes. So the host sees its processes
# and its cgroups, below DIR/cgroup, and nothing else of it. What the node's pods run is killed with it.
set -euo pipefail
action=$1
dir=$2
repo=$(cd "$(dirname "$0")/../.." && pwd)
node=192.0.2.1                # of the documentation range
services=198.18.0             # of the range for benchmarks; there is no kube-proxy
api=https://$services.1       # so the address of the service "kubernetes" is one of the node's
sysctls="vm/overcommit_memory vm/panic_on_oom kernel/panic kernel/panic_on_oops kernel/keys/root_maxkeys
	kernel/keys/root_maxbytes"

# inside COMMAND [ARG ...]: in the node's namespaces.
inside() {
	nsenter --target "$(cat "$dir/node.pid")" --mount --net --pid "$@"
}

# kubelet uses version 2, too, where it is mounted beside version 1.
hierarchies() {
	awk '$3 ~ "^cgroup" { print $2 }' /proc/mounts
}

# cgroup v1 wants a cpuset to be filled before anything is in it.
make_cgroups() {
	local path file
	for path in $(hierarchies); do
		mkdir "$path/$1"
		for file in cpuset.cpus cpuset.mems; do
			[ ! -e "$path/cgroup.clone_children" ] || [ ! -e "$path/$file" ] || cat "$path/$file" > "$path/$1/$file"
		done
	done
	echo "$1" > "$dir/cgroup"
}

# The processes of the namespaces: the first of them only reaps.
make_namespaces() {
	local name
	mkdir -p "$dir"/{run,var-lib/kubelet,var-log,opt,bin,containerd,sysctl}
	for name in $sysctls; do
		install -D -m 644 "/proc/sys/$name" "$dir/sysctl/$name"
	done
	# shellcheck disable=SC2016 # the inner shell's
	dir=$dir node=$node service=$services.1 sysctls=$sysctls setsid unshare --mount --net --pid --fork --mount-proc sh -ec '
		mount --make-rshared /
		for name in $sysctls; do mount --bind "$dir/sysctl/$name" "/proc/sys/$name"; done
		mount --bind "$dir/containerd" /etc/containerd
		mount --bind "$dir/bin" /usr/local/bin
		mount --bind "$dir/opt" /opt
		mount --bind "$dir/var-log" /var/log
		mount --bind "$dir/var-lib" /var/lib
		mount --bind "$dir/run" /run
		ip link set lo up
		ip address add "$node/32" dev lo
		ip address add "$service/32" dev lo
		touch "$dir/ready"
		exec catatonit -P' > "$dir/node.log" 2>&1 < /dev/null &
	for _ in $(seq 100); do
		[ ! -e "$dir/ready" ] || break
		sleep 0.1
	done
	[ -e "$dir/ready" ] || { cat "$dir/node.log" >&2; exit 1; }
	pgrep -P $! > "$dir/node.pid"
}

# kubeconfig USER: credentials of a user of tokens.csv.
kubeconfig() {
	cat > "$dir/$1.kubeconfig" <<-YAML
	apiVersion: v1
	kind: Config
	current-context: test
	clusters: [ { name: test, cluster: { server: "$api", certificate-authority: $dir/api/apiserver.crt } } ]
	users: [ { name: "$1", user: { token: "token-$1" } } ]
	contexts: [ { name: test, context: { cluster: test, user: "$1" } } ]
	YAML
}

credentials() {
	openssl genrsa -out "$dir/accounts.key" 2048 2> /dev/null
	printf '%s\n' 'token-admin,admin,1,system:masters' 'token-kubelet,system:node:node,2,system:nodes' > "$dir/tokens.csv"
	kubeconfig admin
	kubeconfig kubelet
}

kubelet_config() {
	cat <<-YAML
	apiVersion: kubelet.config.k8s.io/v1beta1
	kind: KubeletConfiguration
	address: $node
	authentication: { anonymous: { enabled: true }, webhook: { enabled: false } }
	authorization: { mode: AlwaysAllow }
	containerRuntimeEndpoint: unix://$dir/containerd/containerd.sock
	clusterDNS: [ $services.10 ]
	cgroupDriver: cgroupfs
	cgroupRoot: /$(cat "$dir/cgroup")
	enforceNodeAllocatable: [ none ]
	evictionHard: { memory.available: "0%", nodefs.available: "0%", nodefs.inodesFree: "0%", imagefs.available: "0%" }
	failCgroupV1: false
	failSwapOn: false
	imageGCHighThresholdPercent: 100
	makeIPTablesUtilChains: false
	resolvConf: $dir/resolv.conf
	syncFrequency: 5s
	volumePluginDir: /var/lib/kubelet/plugins
	YAML
}

# run NAME COMMAND [ARG ...]: as a daemon of the node.
run() {
	# shellcheck disable=SC2016 # the inner shell's
	inside setsid sh -c 'echo $$ > "$0.pid"; exec "$@"' "$dir/$1" "${@:2}" >> "$dir/$1.log" 2>&1 < /dev/null 3>&- &
}

# until_ready SECONDS COMMAND [ARG ...]
until_ready() {
	local end=$((SECONDS + $1))
	shift
	until "$@" > "$dir/wait.log" 2>&1; do
		if [ "$SECONDS" -ge "$end" ]; then
			cat "$dir/wait.log" >&2
			tail -n 5 "$dir"/{etcd,api,kubelet}.log >&2 || true
			exit 1
		fi
		sleep 0.5
	done
}

control_plane() {
	run etcd etcd --data-dir "$dir/etcd" --log-level warn
	run api "$KUBERNETES" kube-apiserver --etcd-servers http://127.0.0.1:2379 --advertise-address "$node" \
		--secure-port 443 --cert-dir "$dir/api" --service-cluster-ip-range "$services.0/24" --allow-privileged \
		--authorization-mode Node,RBAC --token-auth-file "$dir/tokens.csv" --kubelet-preferred-address-types InternalIP \
		--service-account-issuer "$api" --service-account-signing-key-file "$dir/accounts.key" \
		--service-account-key-file "$dir/accounts.key"
	until_ready 180 "$dir/bin/kubectl" get --raw /readyz
	run controllers "$KUBERNETES" kube-controller-manager --kubeconfig "$dir/admin.kubeconfig" --leader-elect=false \
		--service-account-private-key-file "$dir/accounts.key" --root-ca-file "$dir/api/apiserver.crt" \
		--pvclaimbinder-sync-period 1s
	run scheduler "$KUBERNETES" kube-scheduler --kubeconfig "$dir/admin.kubeconfig" --leader-elect=false
}

# What the installer of deploy/kubernetes calls to restart containerd; another process does it, as systemd does.
systemctl() {
	mkfifo "$dir/requests" "$dir/answers"
	cat > "$dir/bin/systemctl" <<-SH
	#!/bin/sh
	echo "\$*" > "$dir/requests"
	read -r status < "$dir/answers"
	exit "\$status"
	SH
	chmod +x "$dir/bin/systemctl"
	# shellcheck disable=SC2016 # the inner shell's
	run systemd bash -c 'while read -r request < "$2/requests"; do
		echo "$request"
		[ "$request" = "restart containerd" ] && "$1/tests/lib/containerd.sh" restart "$2/containerd"
		echo $? > "$2/answers"
	done' bash "$repo" "$dir"
}

kubelet() {
	run kubelet "$KUBERNETES" kubelet --config "$dir/kubelet.yaml" --kubeconfig "$dir/kubelet.kubeconfig" \
		--hostname-override node --node-ip "$node"
}

restart_kubelet() {
	inside kill -9 "$(cat "$dir/kubelet.pid")"
	kubelet
}

start() {
	mkdir -p "$dir"
	make_cgroups "kata-kubernetes-$$"
	make_namespaces
	credentials
	echo "nameserver 192.0.2.53" > "$dir/resolv.conf"
	printf '#!/bin/sh\nexec nsenter --target %s --net "%s" kubectl --kubeconfig "%s" "$@"\n' \
		"$(cat "$dir/node.pid")" "$KUBERNETES" "$dir/admin.kubeconfig" > "$dir/bin/kubectl"
	chmod +x "$dir/bin/kubectl"
	control_plane
	KATA_DEFAULT_RUNTIME=runc inside "$repo/tests/lib/containerd.sh" start "$dir/containerd"
	systemctl
	kubelet_config > "$dir/kubelet.yaml"
	kubelet
	until_ready 120 "$dir/bin/kubectl" wait --for condition=Ready node/node --timeout 5s
	until_ready 60 "$dir/bin/kubectl" get serviceaccount default
}

stop() {
	local pid path
	if pid=$(cat "$dir/node.pid" 2> /dev/null); then
		kill -9 "$pid" 2> /dev/null || true
		for _ in $(seq 600); do
			kill -0 "$pid" 2> /dev/null || break
			sleep 0.1
		done
	fi
	[ -e "$dir/cgroup" ] || return 0
	for path in $(hierarchies); do
		find "$path/$(cat "$dir/cgroup")" -depth -type d -exec rmdir {} + || true
	done
}

case "$action" in
start) start ;;
restart-kubelet) restart_kubelet ;;
stop) stop ;;
*) echo "usage: $0 start|restart-kubelet|stop DIR" >&2; exit 2 ;;
esac
