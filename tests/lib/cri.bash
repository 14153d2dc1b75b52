# SPDX-License-Identifier: Apache-2.0
# Shared by the tests of Kubernetes' side of container managers: a manager of the file's own, the CRI client (built when
# Go is there), pods and containers made from short descriptions. The manager is containerd: KATA_CONTAINERD and
# KATA_SANDBOXER run the same tests with another one and by the sandbox API. With KATA_CRIO it is CRI-O, for which the
# runtime is of the type KATA_CRIO_TYPE, "oci" or "vm".

load helpers
bats_require_minimum_version 1.5.0

MANAGER=containerd
NAMESPACE=k8s.io
# Of the pods, as kubelet names and removes one for each; CRI-O leaves conmon's in it.
CGROUP=
if [ -n "${KATA_CRIO:-}" ]; then
	MANAGER=crio
	NAMESPACE=default
	CGROUP=/kata-crio-$(basename "$BATS_RUN_TMPDIR")
fi

manager() {
	"$REPO/tests/lib/$MANAGER.sh" "$1" "$CTD" "${@:2}"
}

setup_file() {
	command -v "${KATA_CRIO:-containerd}" > /dev/null ||
		{ skip_file "${KATA_CRIO:-containerd} is not installed"; return; }
	CRI=$("$REPO/tests/lib/go-build.sh" "$REPO/tests/cri") || { skip_file "$CRI"; return; }
	export CRI CTD=$BATS_FILE_TMPDIR/ctd
	manager start "${KATA_CRIO_TYPE:-vm}"
}

teardown_file() {
	[ -z "${CTD:-}" ] || manager stop
	[ -z "$CGROUP" ] || find /sys/fs/cgroup -depth -type d -path "/sys/fs/cgroup*$CGROUP*" -exec rmdir {} +
}

cri() {
	timeout 60 "$CRI" "$CTD/$MANAGER.sock" "$@"
}

# run_pod [JQ_FILTER]: a pod in $POD, its configuration in $BATS_TEST_TMPDIR/pod.json.
# As with kubelet, containers have processes of their own unless a filter says otherwise.
run_pod() {
	jq -n --arg logs "$BATS_TEST_TMPDIR" --arg name "p$RANDOM" --arg cgroup "$CGROUP" '{ metadata: { name: $name, uid: $name,
		namespace: "default" }, hostname: "podhost", log_directory: $logs,
		linux: { cgroup_parent: $cgroup, security_context: { namespace_options: { pid: 1 } } } }' |
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
	[ -n "${KATA_TEST_SCOPE:-}" ] || scope+="|/run/kata/ns/$NAMESPACE|/sys/fs/cgroup/.*k8s.io/"
	for id in $(cri pods | cut -d' ' -f1); do
		cri rmp "$id"
		scope+="|/run/kata/ns/$NAMESPACE/$id|/sys/fs/cgroup/.*/$id"
	done
	KATA_TEST_SCOPE=$scope no_leaks
	[ -n "${KATA_TEST_SCOPE:-}" ] || [ -z "$(ls "/run/kata/ns/$NAMESPACE" 2>/dev/null)" ]
}

teardown() {
	remove_pods
}
