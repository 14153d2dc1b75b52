#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# runtime-tools.sh OUT: the validation programs of the Go module github.com/opencontainers/runtime-tools, each with this
# runtime and with runc beside it; TAP on stdout, what the programs said below OUT.
#
# runtime-tools.list says of each program "pass", or why it cannot pass. One that passed and does not any more fails;
# one that cannot pass is shown as skipped, and told when it passes after all.
set -uo pipefail
repo=$(cd "$(dirname "$0")/../.." && pwd)
out=$(mkdir -p "$1" && cd "$1" && pwd)
build=${KATA_BUILD:-$repo/build}
list=$repo/tests/interop/runtime-tools.list
module=github.com/opencontainers/runtime-tools
only=${KATA_ONLY:-.}

# In namespaces of their own: the programs look at processes and make cgroups, and leave bundles when they fail.
if [ -z "${KATA_INTEROP_INSIDE:-}" ]; then
	mkdir -p "$out/tmp"
	KATA_INTEROP_INSIDE=1 unshare --pid --fork --kill-child --mount --mount-proc bash -c '
		mount -t tmpfs tmpfs /run && mkdir -p /run/lock /run/netns && "$@"; exit $?' bash "$0" "$out"
	status=$?
	rm -rf "$out/tmp"
	exit "$status"
fi

# overlay GO DIR: what go build takes for -overlay: programs of Go raise their limit of open files when they begin, since
# 1.19, and one of these looks at the limit that it was given.
overlay() {
	local file
	file=$("$1" env GOROOT)/src/syscall/rlimit.go
	sed '/^func init() {/,/^}/d' "$file" > "$2/rlimit.go"
	jq -n --arg file "$file" --arg by "$2/rlimit.go" '{ Replace: { ($file): $by } }' > "$2/overlay.json"
	echo "$2/overlay.json"
}

build_programs() {
	local hash bin go
	hash=$(cat "$0" "$repo"/tests/interop/runtime-tools/go.* | sha256sum | cut -c1-16)
	bin=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/kata-tests/runtime-tools-$hash
	if [ ! -d "$bin" ]; then
		go=$(command -v /usr/local/go/bin/go || command -v go) || { echo "there is no Go"; return 1; }
		mkdir -p "$bin.$$/programs"
		(cd "$repo/tests/interop/runtime-tools" && export GOFLAGS=-mod=readonly GOTOOLCHAIN=local CGO_ENABLED=0 &&
			"$go" build -overlay "$(overlay "$go" "$bin.$$")" -trimpath -ldflags '-s -w' -o "$bin.$$/programs/" "$module/validation/..." "$module/cmd/runtimetest" &&
			cp "$("$go" list -m -f '{{.Dir}}' "$module")"/rootfs-*.tar.gz "$bin.$$/") >&2 || return
		mv "$bin.$$/programs/runtimetest" "$bin.$$/"
		mv "$bin.$$" "$bin"
	fi
	echo "$bin"
}

# runs RUNTIME PROGRAM: whether it passes: it ends well, with a plan, nothing that is not ok, and no word of an error.
# Where a container has to be refused (NAME_fail) its end is all that it has to say.
runs() {
	local said=$out/$1/$2
	RUNTIME=$out/bin/$1 TMPDIR=$out/tmp timeout $((400 * ${KATA_TEST_SLOW:-1})) "$bin/programs/$2" \
		> "$said.out" 2> "$said.err" < /dev/null || return 1
	grep -q '^1\.\.' "$said.out" || { [[ "$2" = *_fail ]] && [ ! -s "$said.out" ]; } || return 1
	! grep -q '^not ok' "$said.out" || return 1
	grep -q '^ok' "$said.out" || ! grep -q '^ *"error"' "$said.out"
}

bin=$(build_programs) || { echo "Bail out! the programs do not build"; exit 1; }
mkdir -p "$out"/{bin,kata,runc}
printf '#!/bin/sh\nexec "%s/kata-runtime" --config "%s/configuration.toml" --root /run/kata "$@"\n' "$build" "$build" > "$out/bin/kata"
printf '#!/bin/sh\nexec runc --root /run/runc "$@"\n' > "$out/bin/runc"
chmod +x "$out"/bin/*
cd "$bin" || exit
number=0 passed=0 with_runc=0 missed=0
for program in $(cd programs && printf '%s\n' * | grep -E "$only"); do
	number=$((number + 1))
	why=$(sed -n "s/^$program //p" "$list")
	beside="fails with runc"
	if command -v runc > /dev/null && runs runc "$program"; then
		beside="passes with runc"
		with_runc=$((with_runc + 1))
	fi
	# The programs wait for ten seconds, which a busy machine may need.
	if runs kata "$program" || { [ "$why" = pass ] && echo "# $program is tried again" && runs kata "$program"; }; then
		passed=$((passed + 1))
		echo "ok $number - $program ($beside)"
		[ "$why" = pass ] || echo "# $program passes: tests/interop/runtime-tools.list says \"${why:-nothing}\""
	elif [ "$why" = pass ]; then
		missed=$((missed + 1))
		echo "not ok $number - $program ($beside)"
		sed 's/^/# /' "$out/kata/$program".{out,err} | tail -n 20
	else
		echo "ok $number - $program ($beside) # skip ${why:-not in the list}"
	fi
done
echo "1..$number"
echo "# $passed of $number pass, with runc $with_runc"
[ "$missed" -eq 0 ]
