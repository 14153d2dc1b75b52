# SPDX-License-Identifier: Apache-2.0
# Shared by the tests of Kubernetes' side of containerd: a containerd of the file's own, the CRI client (built when Go is
# there), pods and containers made from short descriptions. KATA_CONTAINERD and KATA_SANDBOXER run the same tests with
# another containerd and by the sandbox API.

load helpers
bats_require_minimum_version 1.5.0

setup_file() {
	command -v containerd > /dev/null || skip "containerd is not installed"
	CRI=$("$BATS_TEST_DIRNAME/../lib/go-build.sh" "$BATS_TEST_DIRNAME/../cri") || skip "$CRI"
	export CRI CTD=$BATS_FILE_TMPDIR/ctd
	"$BATS_TEST_DIRNAME/../lib/containerd.sh" start "$CTD"
}

teardown_file() {
	[ -z "${CTD:-}" ] || "$BATS_TEST_DIRNAME/../lib/containerd.sh" stop "$CTD"
}

cri() {
	timeout 60 "$CRI" "$CTD/containerd.sock" "$@"
}

# run_pod [JQ_FILTER]: a pod in $POD, its configuration in $BATS_TEST_TMPDIR/pod.json.
# As with kubelet, containers have processes of their own unless a filter says otherwise.
run_pod() {
	jq -n --arg logs "$BATS_TEST_TMPDIR" --arg name "p$RANDOM" '{ metadata: { name: $name, uid: $name,
		namespace: "default" }, hostname: "podhost", log_directory: $logs,
		linux: { security_context: { namespace_options: { pid: 1 } } } }' |
		jq "${1:-.}" > "$BATS_TEST_TMPDIR/pod.json"
	POD=$(cri runp "$BATS_TEST_TMPDIR/pod.json")
}

# run_container NAME SCRIPT [JQ_FILTER]: a container in $CONTAINER.
run_container() {
	jq -n --arg name "$1" --arg script "$2" '{ metadata: { name: $name }, image: { image: "kata.test/busybox:1" },
		command: [ "sh", "-c", $script ], log_path: ($name + ".log"),
		linux: { security_context: { namespace_options: { pid: 1 } } } }' |
		jq "${3:-.}" > "$BATS_TEST_TMPDIR/$1.json"
	CONTAINER=$(cri create "$POD" "$BATS_TEST_TMPDIR/$1.json" "$BATS_TEST_TMPDIR/pod.json")
	cri start "$CONTAINER"
}

is() {
	[[ "$(cri status "$1")" == "$2"* ]]
}

# Where several test runs share a host (KATA_TEST_SCOPE is set), state of other runs' pods is none of ours.
remove_pods() {
	local id scope="$BUILD|$CTD"
	[ -n "${KATA_TEST_SCOPE:-}" ] || scope+="|/run/kata/ns/k8s.io|/sys/fs/cgroup/.*k8s.io/"
	for id in $(cri pods | cut -d' ' -f1); do
		cri rmp "$id"
		scope+="|/run/kata/ns/k8s.io/$id|/sys/fs/cgroup/.*/$id"
	done
	KATA_TEST_SCOPE=$scope no_leaks
	[ -n "${KATA_TEST_SCOPE:-}" ] || [ -z "$(ls /run/kata/ns/k8s.io 2>/dev/null)" ]
}

teardown() {
	remove_pods
}
