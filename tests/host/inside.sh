#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# inside.sh WORK: in an emulated host, installs the project as a user has it and runs the suites of WORK/list. Their TAP
# goes to WORK/results/tap, 0 to WORK/results/status when none failed. See run.sh.
set -uo pipefail
work=$1
repo=$(cd "$(dirname "$0")/../.." && pwd)
export KATA_BUILD=/srv/build XDG_CACHE_HOME=$work/cache
# Everything takes longer here: CPUs that are emulated run VMs.
export KATA_TEST_SLOW=6 BATS_TMPDIR=/var/tmp TMPDIR=/var/tmp
export HOME=/root LC_ALL=C.UTF-8
[ ! -d "$work/upgrade" ] || export KATA_TEST_UPGRADE=$work/upgrade

# As a user has it: from packages, or from what `make install` installed.
install_product() {
	if [ -d "$work/packages" ]; then
		DEBIAN_FRONTEND=noninteractive dpkg -i "$work"/packages/*.deb
	else
		cp -a --no-preserve=ownership "$work/product/." /
	fi
}

# asset KEY: a path in the configuration that is in force.
asset() {
	sed -n "s/^$1 = \"\(.*\)\"/\1/p" "$configuration"
}

# Deadlines are for hosts on which a VM starts in a second. Templates are made beside what is tested.
raise_deadlines() {
	cat > "$1" <<-TOML
	[agent.kata]
	dial_timeout = 240
	request_timeout = 240
	create_container_timeout = 240
	[runtime]
	start_timeout = 300
	[factory]
	enable_template = ${KATA_TEMPLATES:-false}
	TOML
}

# timeout(1) for those who mean a fast host.
slow_timeout() {
	cat > /usr/local/bin/timeout <<-'TIMEOUT'
	#!/bin/bash
	# timeout [SECONDS] COMMAND ...: as timeout(1), for $KATA_TEST_SLOW times as long.
	[[ "$1" =~ ^[0-9]+$ ]] && set -- "$(($1 * ${KATA_TEST_SLOW:-1}))" "${@:2}"
	exec /usr/bin/timeout "$@"
	TIMEOUT
	chmod +x /usr/local/bin/timeout
}

# A folder that looks like the build's, for the suites: what is installed, with the deadlines raised.
make_build() {
	local runtime proxy configuration
	runtime=$(command -v kata-runtime) && proxy=$(kata-runtime env --json | jq -r .Proxy.Path) &&
		configuration=$(kata-runtime env --json | jq -r '.Runtime.Config.Paths[0]') || return
	mkdir -p "$KATA_BUILD/guest" "${configuration%/*}/config.d"
	ln -s "$runtime" "${runtime%/*}/containerd-shim-kata-v2" "$proxy" "$KATA_BUILD/"
	ln -s "$(asset kernel)" "$KATA_BUILD/guest/vmlinux"
	ln -s "$(asset initrd)" "$KATA_BUILD/guest/initrd.img"
	raise_deadlines "${configuration%/*}/config.d/50-test-host.toml"
	sed "s|^kernel = .*|kernel = \"$KATA_BUILD/guest/vmlinux\"|; s|^initrd = .*|initrd = \"$KATA_BUILD/guest/initrd.img\"|
		s/^\(dial_timeout\|request_timeout\|create_container_timeout\) = .*/\1 = 240/
		s/^start_timeout = .*/start_timeout = 300/
		s/^enable_template = .*/enable_template = ${KATA_TEMPLATES:-false}/" "$configuration" > "$KATA_BUILD/configuration.toml"
}

# run_suite SUITE FILTER
run_suite() {
	local -a options=(--tap --timing)
	local out=$work/results/out.$1 status
	[ -z "$2" ] || options+=(--filter "$2")
	[ -z "${KATA_HOST_TAGS:-}" ] || options+=(--filter-tags "$KATA_HOST_TAGS")
	/usr/bin/timeout 7000 bats "${options[@]}" "$repo/tests/system/$1" 2>&1 |
		tee "$out" | sed -u "s/^\(ok\|not ok\) \([0-9]*\) /\1 \2 ${1%.bats}: /" >> "$work/results/tap"
	status=${PIPESTATUS[0]}
	# A suite that crashed says nothing of its own.
	if [ "$status" -ne 0 ] && ! grep -q '^not ok' "$out"; then
		echo "not ok - $1: exit status $status" >> "$work/results/tap"
	fi
	[ "$status" -eq 0 ] || failed=1
}

# Says what VMs do while a test does not get on: there is no looking at it later.
watch_progress() {
	local lines=0 now since=$SECONDS
	while sleep 5; do
		now=$(cat "$work/results/"out.* 2> /dev/null | wc -l)
		if [ "$now" -ne "$lines" ]; then
			lines=$now since=$SECONDS
		elif [ $((SECONDS - since)) -ge "$KATA_HOST_STUCK" ]; then
			since=$SECONDS
			"$repo/tests/host/stuck.sh" > "$work/results/stuck.$SECONDS" 2>&1
		fi
	done
}

# "program<TAB>version" of what a host's users know it by.
versions() {
	local version='s/[^0-9]*\([0-9][0-9.]*[0-9]\).*/\1/p' program
	printf 'Linux\t%s\n' "$(uname -r)"
	printf 'QEMU\t%s\n' "$(qemu-system-x86_64 --version | sed -n "1$version")"
	printf 'systemd\t%s\n' "$(systemctl --version | sed -n "1$version")"
	for program in docker podman containerd runc crun; do
		printf '%s\t%s\n' "$program" "$("$program" --version 2> /dev/null | sed -n "1$version")"
	done
	printf 'virtiofsd\t%s\n' "$(kata-runtime env --json | jq -r '.Virtiofsd.Version // empty' | sed -n "1$version")"
}

export KATA_TEST_RETRIED=$work/results/retried
failed=0
install_product || exit
make_build || exit
versions > "$work/results/versions"
slow_timeout
if [ -x "$work/script" ]; then
	cd "$repo" && "$work/script"
	failed=$?
else
	watch_progress < /dev/null > /dev/null 2>&1 &
	watcher=$!
	while IFS=$'\t' read -r suite filter <&3; do
		run_suite "$suite" "$filter"
	done 3< "$work/list"
	kill "$watcher"
fi
journalctl -b --no-pager -o short-monotonic > "$work/results/journal" 2>&1
echo "$failed" > "$work/results/status"
