#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# How a Kubernetes node gets the runtime: the manifests, the installer's edits of the managers' configurations, and a
# whole node with a real containerd.

load helpers
bats_require_minimum_version 1.5.0

DEPLOY=$REPO/deploy/kubernetes

setup() {
	HOST=$BATS_TEST_TMPDIR/host
	SOURCE=$BATS_TEST_TMPDIR/source
	CONFIG=$HOST/etc/containerd/config.toml
}

# A node's root directory with a shell, and an installation that has nothing in it but a check that says yes.
make_node() {
	mkdir -p "$HOST/bin" "$HOST/etc/containerd" "$SOURCE/bin" "$SOURCE/share/defaults/kata-containers/config.d"
	cp "$(command -v busybox)" "$HOST/bin/sh"
	printf '#!/bin/sh\necho checked\n' > "$SOURCE/bin/kata-runtime"
	chmod +x "$SOURCE/bin/kata-runtime"
}

# The installer with the tools of its image: busybox and curl.
busybox_path() {
	local applet dir=$BATS_TEST_TMPDIR/busybox
	if [ ! -d "$dir" ]; then
		mkdir "$dir"
		cp "$(command -v busybox)" "$dir/busybox"
		for applet in $("$dir/busybox" --list); do
			[ "$applet" = busybox ] || ln -s busybox "$dir/$applet"
		done
		ln -s "$(command -v curl)" "$dir/curl"
	fi
	echo "$dir"
}

# deploy RUNTIME VERB
deploy() {
	HOST_ROOT=$HOST PREFIX=$SOURCE RESTART="${RESTART:-true}" CONTAINER_RUNTIME=$1 PATH=$(busybox_path) \
		sh "$DEPLOY/kata-deploy.sh" "$2"
}

# The table of runtime $2 in a TOML file as JSON, wherever the file's version has it; null when there is none.
runtime_in() {
	python3 -c 'import json, sys, tomllib
plugins = tomllib.load(open(sys.argv[1], "rb")).get("plugins", {})
runtimes = [p.get("containerd", {}).get("runtimes", {}).get(sys.argv[2]) for p in plugins.values()]
print(json.dumps(next((r for r in runtimes if r), None)))' "$1" "$2"
}

# node_goes_round RUNTIME FILE: install, install again, cleanup; FILE is where the runtime's table must be in between.
node_goes_round() {
	cp -a "$HOST/etc" "$BATS_TEST_TMPDIR/before"
	deploy "$1" install
	[ "$(runtime_in "$2" kata | jq -r .runtime_path)" = "$SOURCE/bin/containerd-shim-kata-v2" ]
	cp -a "$HOST/etc" "$BATS_TEST_TMPDIR/once"
	RESTART=false deploy "$1" install
	diff -r "$HOST/etc" "$BATS_TEST_TMPDIR/once"
	[ -x "$HOST$SOURCE/bin/kata-runtime" ]
	deploy "$1" cleanup
	diff -r "$HOST/etc" "$BATS_TEST_TMPDIR/before"
	[ ! -e "$HOST$SOURCE" ]
	RESTART=false deploy "$1" cleanup
	diff -r "$HOST/etc" "$BATS_TEST_TMPDIR/before"
}

@test "the manifests are ones that Kubernetes takes, and the checker knows what it does not take" {
	local checker
	checker=$("$REPO/tests/lib/go-build.sh" "$REPO/tests/manifests") || skip "$checker"
	"$checker" "$DEPLOY"/*.yaml
	refused() {
		sed "$2" "$DEPLOY/$1" > "$BATS_TEST_TMPDIR/bad.yaml"
		run "$checker" "$BATS_TEST_TMPDIR/bad.yaml"
		echo "$output"
		[ "$status" -eq 1 ]
		[[ "$output" == *"$3"* ]]
	}
	refused install.yaml 's/hostPID: true/hostPid: true/' 'unknown field'
	refused install.yaml 's/hostPID: true/hostPID: "yes"/' 'cannot unmarshal string'
	refused install.yaml 's/^      app: kata-deploy/      app: other/' 'does not select'
	refused install.yaml 's/^      - name: host/      - name: root/' 'which is no volume'
	refused runtimeclass.yaml '/^handler/d' 'handler is missing'
	refused runtimeclass.yaml 's/"176Mi"/"160MB"/' 'quantities must match'
	refused rbac.yaml 's/name: kata-deploy$/name: Kata_Deploy/' 'metadata.name'
	refused rbac.yaml '/verbs:/d' 'verbs is missing'
}

@test "what the manifests say is what the installer and the runtime do" {
	[ "$(sed -n 's/^handler: //p' "$DEPLOY/runtimeclass.yaml")" = kata ]
	grep -q 'runtimes.kata' "$DEPLOY/kata-deploy.sh"
	grep -q "$(sed -n 's/^label=//p' "$DEPLOY/kata-deploy.sh"): \"true\"" "$DEPLOY/runtimeclass.yaml"
	grep -q "kata-deploy:$(sed -n 's/^VERSION := //p' "$REPO/Makefile")\$" "$DEPLOY/install.yaml"
	[ "$(sed -e 's/kata-cleanup/kata-deploy/' -e 's/sh cleanup/sh install/' -e '/^#/d' "$DEPLOY/cleanup.yaml")" = "$(sed '/^#/d' "$DEPLOY/install.yaml")" ]
}

@test "containerd 1: the full default configuration" {
	command -v containerd > /dev/null || skip "containerd is not installed"
	make_node
	containerd config default > "$CONFIG"
	node_goes_round containerd://1.6.20 "$CONFIG"
	deploy containerd://1.6.20 install
	containerd --config "$CONFIG" config dump > "$BATS_TEST_TMPDIR/dump"
	[ "$(runtime_in "$BATS_TEST_TMPDIR/dump" kata | jq -r .runtime_type)" = "$SOURCE/bin/containerd-shim-kata-v2" ]
	[ "$(runtime_in "$BATS_TEST_TMPDIR/dump" runc | jq -r .runtime_type)" = io.containerd.runc.v2 ]
}

@test "containerd 1: a short configuration without runc, whose last line is open" {
	make_node
	printf 'version = 2\n[plugins."io.containerd.grpc.v1.cri"]\n  sandbox_image = "pause:1"' > "$CONFIG"
	node_goes_round containerd://1.7.27 "$CONFIG"
	deploy containerd://1.7.27 install
	[ "$(runtime_in "$CONFIG" runc | jq -r .runtime_type)" = io.containerd.runc.v2 ]
	[ "$(tomlq_sandbox_image)" = pause:1 ]
}

tomlq_sandbox_image() {
	python3 -c 'import sys, tomllib
print(tomllib.load(open(sys.argv[1], "rb"))["plugins"]["io.containerd.grpc.v1.cri"]["sandbox_image"])' "$CONFIG"
}

@test "containerd 1: what was added behind ours stays" {
	make_node
	printf 'version = 2' > "$CONFIG"
	deploy containerd://1.7.27 install
	printf '[debug]\n  level = "debug"' >> "$CONFIG"
	deploy containerd://1.7.27 cleanup
	[ "$(cat "$CONFIG")" = $'version = 2\n[debug]\n  level = "debug"' ]
}

@test "containerd 1 and 2: no configuration at all" {
	make_node
	node_goes_round containerd://1.7.27 "$CONFIG"
	rm -rf "$BATS_TEST_TMPDIR"/{before,once}
	node_goes_round containerd://2.1.4 "$HOST/etc/containerd/conf.d/kata.toml"
}

@test "containerd 2 with a file of version 2" {
	make_node
	printf 'version = 2\n\n[plugins]\n' > "$CONFIG"
	node_goes_round containerd://2.0.5 "$CONFIG"
}

@test "containerd 2: imports are added to, line for line" {
	make_node
	local dropin=$HOST/etc/containerd/conf.d/kata.toml
	imports() { python3 -c 'import json, sys, tomllib
print(json.dumps(tomllib.load(open(sys.argv[1], "rb")).get("imports")))' "$CONFIG" | jq -c .; }
	for text in 'version = 3\n' '# first\n  version = 3 # form\nimports = []\n[debug]\nimports = ["x"]\n' \
		'imports = ["/a.toml"]\nversion = 3' 'version = 3\nimports = [\n  "/a.toml",\n]\n'; do
		rm -rf "$BATS_TEST_TMPDIR"/{before,once}
		# shellcheck disable=SC2059 # the text is a format
		printf "$text" > "$CONFIG"
		node_goes_round containerd://2.1.4 "$dropin"
		deploy containerd://2.1.4 install
		[ "$(imports | jq -r '.[0]')" = /etc/containerd/conf.d/kata.toml ]
		deploy containerd://2.1.4 cleanup
	done
	printf 'version = 3\nimports = ["/etc/containerd/conf.d/*.toml"]\n' > "$CONFIG"
	deploy containerd://2.1.4 install
	[ "$(imports)" = '["/etc/containerd/conf.d/*.toml"]' ]
}

@test "CRI-O: a drop-in" {
	make_node
	mkdir -p "$HOST/etc/crio/crio.conf.d"
	cp -a "$HOST/etc" "$BATS_TEST_TMPDIR/before"
	deploy cri-o://1.30.2 install
	deploy cri-o://1.30.2 install
	run python3 -c 'import sys, tomllib
kata = tomllib.load(open(sys.argv[1], "rb"))["crio"]["runtime"]["runtimes"]["kata"]
print(kata["runtime_type"], kata["runtime_path"])' "$HOST/etc/crio/crio.conf.d/99-kata.conf"
	[ "$output" = "vm $SOURCE/bin/containerd-shim-kata-v2" ]
	deploy cri-o://1.30.2 cleanup
	diff -r "$HOST/etc" "$BATS_TEST_TMPDIR/before"
}

@test "what cannot be done is said, and changes nothing" {
	make_node
	refused() {
		printf '%b' "$2" > "$CONFIG"
		run deploy "$1" install
		echo "$output"
		[ "$status" -eq 1 ]
		[[ "$output" == *"$3"* ]]
		[ "$(cat "$CONFIG")" = "$(printf '%b' "$2")" ]
	}
	refused docker://20.10 'version = 2\n' 'containerd 1.6 or newer or CRI-O is needed'
	refused containerd://1.5.9 'version = 2\n' 'containerd 1.6 or newer'
	refused containerd://1.7.0 'disabled_plugins = ["x"]\n' 'has no line "version = 2"'
	refused containerd://1.7.0 'version = 2\n[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.kata]\n' \
		'that is not ours'
	RESTART=false refused containerd://1.7.0 'version = 2\n' 'does not start, not even'
	RESTART="[ -e $BATS_TEST_TMPDIR/first ] || { touch $BATS_TEST_TMPDIR/first; false; }" \
		refused containerd://1.7.0 'version = 2\n' 'runs with its old one again'
	printf '#!/bin/sh\necho "MISSING QEMU"; exit 1\n' > "$SOURCE/bin/kata-runtime"
	refused containerd://1.7.0 'version = 2\n' 'cannot run pods in VMs'
	[[ "$output" == *"MISSING QEMU"* ]]
}

@test "the administrator's drop-ins survive an upgrade" {
	make_node
	echo 'version = 2' > "$CONFIG"
	deploy containerd://1.7.0 install
	touch "$HOST$SOURCE/share/defaults/kata-containers/config.d/50-mine.toml" "$HOST$SOURCE/bin/old-program"
	deploy containerd://1.7.0 install
	[ -e "$HOST$SOURCE/share/defaults/kata-containers/config.d/50-mine.toml" ]
	[ ! -e "$HOST$SOURCE/bin/old-program" ]
}

@test "the API says what the node has, and gets its label" {
	make_node
	echo 'version = 2' > "$CONFIG"
	echo secret > "$BATS_TEST_TMPDIR/token"
	touch "$BATS_TEST_TMPDIR/ca.crt"
	"$REPO/tests/lib/kube-node.py" "$BATS_TEST_TMPDIR/labels" containerd://1.7.27 > "$BATS_TEST_TMPDIR/address" 3>&- &
	local server=$!
	wait_for 10 test -s "$BATS_TEST_TMPDIR/address"
	export SERVICE_ACCOUNT=$BATS_TEST_TMPDIR KUBERNETES_API
	KUBERNETES_API=$(cat "$BATS_TEST_TMPDIR/address")
	NODE_NAME=node1 deploy "" install
	[ "$(jq -r '."katacontainers.io/kata-runtime"' "$BATS_TEST_TMPDIR/labels")" = true ]
	grep -q runtimes.kata "$CONFIG"
	NODE_NAME=node1 deploy "" cleanup
	[ "$(jq -c . "$BATS_TEST_TMPDIR/labels")" = '{"kubernetes.io/os":"linux"}' ]
	NODE_NAME=node2 run deploy "" install
	kill "$server"
	[ "$status" -eq 1 ]
	[[ "$output" == *"cannot read node node2"* ]]
	[ "$(cat "$CONFIG")" = "version = 2" ]
}

@test "the bundle needs nothing of its host but a kernel" {
	"$REPO/deploy/bundle.sh" "$HOST" -o all B="${BUILD#"$REPO"/}" PREFIX=/usr/local
	mkdir -p "$HOST"/{proc,sys,dev,run,tmp,old,bin}
	cp "$(command -v busybox)" "$HOST/bin/busybox"
	"$REPO/tests/lib/make-bundle.sh" "$HOST/bundle" sh -c 'cat /proc/version; cat /proc/mounts; exit 3'
	run unshare --mount sh -c 'mount --bind "$1" "$1" && cd "$1" && mount --rbind /proc proc && mount --rbind /sys sys &&
		mount --rbind /dev dev && mount -t tmpfs tmpfs run && mount -t tmpfs tmpfs tmp && pivot_root . old &&
		/bin/busybox umount -l /old && exec /usr/local/bin/kata-runtime --root "$2" run --bundle /bundle "alone-$$"' \
		sh "$HOST" "$ROOT"
	echo "$output"
	[ "$status" -eq 3 ]
	[[ "$output" == "Linux version "*" virtiofs "* ]]
}

# node COMMAND [ARG ...]: as a process of the node, whose /usr/local is what the installer has put there.
node() {
	PATH=/usr/sbin:/usr/bin:/sbin:/bin nsenter --target "$NODE" --mount --wd="$PWD" "$@"
}

# A mount namespace where the directory $1 is at /usr/local; its process in $HOLDER.
hold() {
	rm -f "$BATS_TEST_TMPDIR/mounted"
	unshare --mount sh -c 'mount --bind "$1" /usr/local && touch "$2" && exec sleep infinity' sh \
		"$1" "$BATS_TEST_TMPDIR/mounted" > /dev/null 2>&1 3>&- &
	HOLDER=$!
	wait_for 10 test -e "$BATS_TEST_TMPDIR/mounted"
}

@test "a node with containerd: install, a pod in a VM, cleanup waits for it, as before" {
	local cri ctd=$BATS_TEST_TMPDIR/ctd pod container name version
	command -v containerd > /dev/null || skip "containerd is not installed"
	cri=$("$REPO/tests/lib/go-build.sh" "$REPO/tests/cri") || skip "$cri"
	version=$("${KATA_CONTAINERD:-containerd}" --version | awk '{ sub("^v", "", $3); print $3 }')
	"$REPO/deploy/bundle.sh" "$BATS_TEST_TMPDIR/bundle" -o all B="${BUILD#"$REPO"/}" PREFIX=/usr/local
	mkdir -p "$HOST"/{proc,sys,dev,etc/containerd,usr/local}
	for name in proc sys dev; do
		mount --rbind "/$name" "$HOST/$name"
		mount --make-rslave "$HOST/$name"
	done
	hold "$HOST/usr/local"
	NODE=$HOLDER
	hold "$BATS_TEST_TMPDIR/bundle/usr/local"
	installer() {
		HOST_ROOT=$HOST PREFIX=/usr/local CONTAINER_RUNTIME=containerd://$version \
			RESTART="cp $CONFIG $ctd/config.toml && env -u HOST_ROOT -u PREFIX KATA_BUILD=/nowhere PATH=/usr/sbin:/usr/bin:/sbin:/bin nsenter --target $NODE --mount $REPO/tests/lib/containerd.sh restart $ctd" \
			nsenter --target "$HOLDER" --mount --wd="$PWD" "$DEPLOY/kata-deploy.sh" "$@"
	}
	KATA_BUILD=/nowhere node "$REPO/tests/lib/containerd.sh" start "$ctd"
	sed -e '/runtimes.kata\]/,/ConfigPath/d' "$ctd/config.toml" > "$CONFIG"
	run ! grep -q 'runtimes.kata' "$CONFIG"
	cp "$CONFIG" "$BATS_TEST_TMPDIR/before"

	installer install
	jq -n --arg logs "$BATS_TEST_TMPDIR" '{ metadata: { name: "p", uid: "p", namespace: "default" }, log_directory: $logs,
		linux: {} }' > "$BATS_TEST_TMPDIR/pod.json"
	jq -n '{ metadata: { name: "c" }, image: { image: "kata.test/busybox:1" }, command: [ "sleep", "1000" ], linux: {} }' \
		> "$BATS_TEST_TMPDIR/container.json"
	c() { timeout 60 "$cri" "$ctd/containerd.sock" "$@"; }
	pod=$(c runp "$BATS_TEST_TMPDIR/pod.json")
	container=$(c create "$pod" "$BATS_TEST_TMPDIR/container.json" "$BATS_TEST_TMPDIR/pod.json")
	c start "$container"
	run c execsync "$container" cat /proc/cmdline
	[[ "$output" == *rdinit=* || "$output" == *console=* ]]
	# What runs is what was copied, the loader and the libraries too.
	shim=$(pgrep -f "containerd-shim-kata-v2 .*-id $pod ")
	for pid in "$shim" $(pgrep -P "$shim"); do
		run bash -c "awk '\$6 ~ \"^/\" {print \$6}' /proc/$pid/maps | grep -E '\.so|/bin/|libexec' | sort -u"
		echo "$output"
		[ -n "$output" ]
		[[ "$output" != */usr/lib/* && "$output" != */lib/x86_64-linux-gnu/libc.so* ]]
	done
	run installer cleanup
	echo "$output"
	[ "$status" -eq 1 ]
	[[ "$output" == *"1 pods of this runtime still run"* ]]
	grep -q runtimes.kata "$CONFIG"
	c rmp "$pod"
	RESTART=true installer cleanup || true
	node "$REPO/tests/lib/containerd.sh" stop "$ctd"
	cmp "$CONFIG" "$BATS_TEST_TMPDIR/before"
	[ -z "$(ls -A "$HOST/usr/local")" ]
}

teardown() {
	local path
	[ -z "${NODE:-}" ] || { node "$REPO/tests/lib/containerd.sh" stop "$BATS_TEST_TMPDIR/ctd" || true; kill "$NODE" "$HOLDER"; }
	for path in proc sys dev; do
		! mountpoint -q "$HOST/$path" || umount --recursive "$HOST/$path"
	done
	no_leaks
}
