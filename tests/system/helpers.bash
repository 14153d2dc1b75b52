# SPDX-License-Identifier: Apache-2.0
# Shared by the system tests: paths, bundles, the leak check after every test.

REPO=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
BUILD=${KATA_BUILD:-$REPO/build}
ROOT=${KATA_ROOT:-/run/kata}
KATA=("$BUILD/kata-runtime" --config "$BUILD/configuration.toml" --root "$ROOT")

load ../lib/retry

# What leaks.sh compares with; this file is read once for every test.
if [ -n "${BATS_TEST_TMPDIR:-}" ]; then
	export KATA_TEST_CGROUPS=$BATS_TEST_TMPDIR/cgroups.before KATA_TEST_IDS=$BATS_TEST_TMPDIR/ids
	[ -e "$KATA_TEST_CGROUPS" ] || "$REPO/tests/lib/leaks.sh" --cgroups > "$KATA_TEST_CGROUPS"
fi

kata() {
	"${KATA[@]}" "$@"
}

# make_bundle COMMAND [ARG ...]: a fresh bundle in $BUNDLE.
make_bundle() {
	BUNDLE=$(mktemp -d "$BATS_TEST_TMPDIR/bundle.XXXXXX")
	"$REPO/tests/lib/make-bundle.sh" "$BUNDLE" "$@"
}

# edit_config JQ_FILTER [JQ_OPTIONS ...]
edit_config() {
	local filter=$1
	shift
	jq "$@" "$filter" "$BUNDLE/config.json" > "$BUNDLE/config.json.new"
	mv "$BUNDLE/config.json.new" "$BUNDLE/config.json"
}

# is_restored ID: whether the container's VM was started from a template.
is_restored() {
	kata timeline "$1" | jq -e 'any(.[]; .name == "waking the guest") and
		all(.[]; .name != "starting without the template")' > /dev/null
}

no_leaks() {
	"$REPO/tests/lib/leaks.sh" "$ROOT"
}

# wait_for SECONDS COMMAND [ARG ...]; KATA_TEST_SLOW times as long on a slow host.
wait_for() {
	local end=$((SECONDS + $1 * ${KATA_TEST_SLOW:-1}))
	shift
	until "$@"; do
		[ "$SECONDS" -lt "$end" ] || return 1
		sleep 0.05
	done
}

new_id() {
	ID="t-$BATS_TEST_NUMBER-$RANDOM"
	echo "$ID" >> "$KATA_TEST_IDS"
}

# skip_file REASON: skips all tests of a file, from its setup_file, where bats 1.8 takes a skip for a failure.
skip_file() {
	export SKIP_FILE=$1
}

# host_has WHAT: whether this host has kvm, vsock, vhost-net, cgroup2, systemd or apparmor; a command; or is disposable,
# which the emulated hosts of tests/host are, and their names.
host_has() {
	case "$1" in
	kvm) [ -w /dev/kvm ] ;;
	vsock) [ -w /dev/vhost-vsock ] ;;
	vhost-net) [ -w /dev/vhost-net ] ;;
	cgroup2) [ "$(stat -f -c %T /sys/fs/cgroup)" = cgroup2fs ] ;;
	systemd) [ -d /run/systemd/system ] ;;
	apparmor) [ "$(cat /sys/module/apparmor/parameters/enabled 2>/dev/null)" = Y ] ;;
	disposable) [ -n "${KATA_HOST:-}" ] ;;
	debian1[23]) [ "${KATA_HOST:-}" = "$1" ] ;;
	*) command -v "$1" > /dev/null ;;
	esac
}

# needs_host WHAT ...: skips a test where the host lacks something, from setup or the test itself. In an emulated host,
# which is made to have all but the other's name, what is not there is a failure.
needs_host() {
	local what
	for what in "$@"; do
		host_has "$what" && continue
		if [ -n "${KATA_HOST:-}" ] && [[ "$what" != debian* ]]; then
			echo "$KATA_HOST has no $what"
			return 1
		fi
		skip "needs a host with $what: make check-host"
	done
}

setup() {
	[ -z "${SKIP_FILE:-}" ] || skip "$SKIP_FILE"
}

# A test that failed half-way must not spoil the next one.
clean_up() {
	local id
	for id in $(kata list -q 2>/dev/null); do
		kata delete --force "$id" || true
	done
	no_leaks
}

teardown() {
	clean_up
}
