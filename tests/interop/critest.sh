#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# critest.sh OUT: the validation of container runtimes of the Go module sigs.k8s.io/cri-tools, by a containerd of our own
# with this runtime and with runc beside it; TAP on stdout, what it said below OUT.
#
# critest.list names what cannot pass, with the reason: everything else has to. What is listed and passes is told.
# Images come from here: what wants a registry cannot pass. KATA_ONLY=REGEX chooses some of the tests.
set -uo pipefail
repo=$(cd "$(dirname "$0")/../.." && pwd)
out=$(mkdir -p "$1" && cd "$1" && pwd)
list=$repo/tests/interop/critest.list
module=$repo/tests/interop/critest

# In namespaces of their own: containerd and its containers end with them. Mounts are shared there, as systemd has them.
if [ -z "${KATA_INTEROP_INSIDE:-}" ]; then
	KATA_INTEROP_INSIDE=1 exec unshare --pid --ipc --fork --kill-child --mount --mount-proc bash -c '
		mount --make-rshared / && mount -t tmpfs tmpfs /run && mkdir -p /run/lock /run/netns && "$@"; exit $?' bash "$0" "$out"
fi

# build_program: prints its path. It is the test of a package, so that it is not "go build" that makes it.
build_program() {
	local hash bin go
	hash=$(cat "$module"/*.go "$module"/go.* | sha256sum | cut -c1-16)
	bin=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/kata-tests/bin
	if [ ! -x "$bin/critest-$hash" ]; then
		go=$(command -v /usr/local/go/bin/go || command -v go) || { echo "there is no Go"; return 1; }
		mkdir -p "$bin"
		(cd "$module" && GOFLAGS=-mod=readonly GOTOOLCHAIN=local CGO_ENABLED=0 "$go" test -c -trimpath -ldflags '-s -w' \
			-o "$bin/critest-$hash.$$" sigs.k8s.io/cri-tools/cmd/critest) >&2 || return
		mv "$bin/critest-$hash.$$" "$bin/critest-$hash"
	fi
	echo "$bin/critest-$hash"
}

# start_containerd: with the images that critest names: a shell that has what their busybox has, and web servers that say
# of themselves what nginx does.
start_containerd() {
	local name port serve='echo httpd; echo $$ > /var/run/nginx.pid; echo page > /index.html; : master process; httpd -f -h /'
	"$repo/tests/lib/containerd.sh" start "$work" &&
		KATA_IMAGE_PROGRAMS="ipcs pgrep $module/brctl" \
			"$repo/tests/lib/containerd.sh" image "$work" kata.test/tools:1 sh || return
	while read -r name port; do
		"$repo/tests/lib/containerd.sh" image "$work" "$name" sh -c "$serve -p $port; true" || return
	done <<-LIST
	kata.test/web:1 80
	registry.k8s.io/e2e-test-images/nginx:1.14-2 80
	registry.k8s.io/e2e-test-images/httpd:2.4.39-4 80
	gcr.io/k8s-staging-cri-tools/hostnet-nginx-amd64:latest 12003
	LIST
}

# run_with HANDLER: one run; its report is $out/HANDLER.json.
run_with() {
	rm -f "$out/$1.json"
	(cd "$out" && timeout $((3600 * ${KATA_TEST_SLOW:-1})) "$program" -runtime-endpoint "unix://$work/containerd.sock" \
		-runtime-handler "$1" -test-images-file "$work/images.yaml" -ginkgo.focus "${KATA_ONLY:-.}" \
		-ginkgo.no-color -ginkgo.json-report "$out/$1.json") > "$out/$1.out" 2>&1 < /dev/null
	[ -s "$out/$1.json" ]
}

# results HANDLER: "STATE NAME" for each test.
results() {
	jq -r '.[].SpecReports[] | select(.LeafNodeType == "It" and .LeafNodeText != "")
		| .State + " " + (((.ContainerHierarchyTexts // []) + [ .LeafNodeText ]) | join(" "))' "$out/$1.json" |
		grep -E -e "${KATA_ONLY:-.}" | grep -v benchmark | sort -k2
}

# reason NAME: why it cannot pass.
reason() {
	awk -v name="$1: " 'index($0, name) == 1 { print substr($0, length(name) + 1) }' "$list"
}

program=$(build_program) || { echo "Bail out! critest does not build"; exit 1; }
work=$(mktemp -d /tmp/critest.XXXXXX)
trap '"$repo/tests/lib/containerd.sh" stop "$work"; cp "$work/containerd.log" "$out/"; rm -rf "$work"' EXIT
start_containerd > "$out/containerd.out" 2>&1 || { echo "Bail out! containerd does not start"; exit 1; }
printf 'defaultTestContainerImage: kata.test/tools:1\nwebServerTestImage: kata.test/web:1\n' > "$work/images.yaml"
run_with kata || { echo "Bail out! critest says nothing"; tail -n 20 "$out/kata.out" | sed 's/^/# /'; exit 1; }
if command -v runc > /dev/null; then run_with runc; fi
number=0 passed=0 missed=0
while read -r state name; do
	case "$state" in skipped | pending) continue ;; esac
	number=$((number + 1))
	why=$(reason "$name")
	beside=$(results runc 2> /dev/null | awk -v name="$name" 'substr($0, length($1) + 2) == name { print $1 }')
	if [ "$state" = passed ]; then
		passed=$((passed + 1))
		echo "ok $number - $name (with runc: ${beside:-not run})"
		[ -z "$why" ] || echo "# $name passes: tests/interop/critest.list says \"$why\""
	elif [ -n "$why" ]; then
		echo "ok $number - $name (with runc: ${beside:-not run}) # skip $why"
	else
		missed=$((missed + 1))
		echo "not ok $number - $name (with runc: ${beside:-not run})"
		jq -r --arg name "$name" '.[].SpecReports[] | select((((.ContainerHierarchyTexts // []) + [ .LeafNodeText ])
			| join(" ")) == $name) | .Failure.Message // ""' "$out/kata.json" | head -n 20 | sed 's/^/# /'
	fi
done < <(results kata)
echo "1..$number"
echo "# $passed of $number pass, with runc $(results runc 2> /dev/null | grep -c '^passed')"
[ "$missed" -eq 0 ]
