# SPDX-License-Identifier: Apache-2.0
# For the tests that drive docker: a daemon per file, and the leak check after each test.
#
# A test that shows how a flag or verb of docker behaves says so for docs/parity-docker.md:
#	# parity: FLAG | as runc
#	# parity: FLAG | differs: WHY
#	# parity: FLAG | refused: WHY

# One file at a time: a second daemon would fight for the bridge.
docker_setup_file() {
	DDIR=$(mktemp -d /tmp/kata-docker.XXXXXX)
	DSTART=$(date +%s)
	export DDIR DSTART KATA_BUILD=$BUILD
	"$REPO/tests/lib/dockerd.sh" start "$DDIR"
}

docker_teardown_file() {
	local mount
	"$REPO/tests/lib/dockerd.sh" stop "$DDIR"
	for mount in $(awk -v dir="$DDIR/" 'index($5, dir) == 1 { print $5 }' /proc/self/mountinfo); do
		umount "$mount"
	done
	rm -rf "$DDIR"
}

d() {
	timeout "${D_TIMEOUT:-60}" /usr/bin/docker -H "unix://$DDIR/docker.sock" "$@"
}

# krun [OPTION ...] IMAGE COMMAND: a container of ours in the foreground that removes itself.
krun() {
	d run --rm --runtime kata "$@"
}

# kbg NAME [OPTION ...] IMAGE COMMAND: one in the background.
kbg() {
	local name=$1
	shift
	d run -d --runtime kata --name "$name" "$@" > /dev/null
}

state_of() {
	d inspect -f '{{.State.Status}}' "$1" 2> /dev/null
}

is_state() {
	[ "$(state_of "$1")" = "$2" ]
}

# cgroup_of NAME CONTROLLER: the container's directory, version 1 or 2.
cgroup_of() {
	local id
	id=$(d inspect -f '{{.Id}}' "$1")
	if [ -d "/sys/fs/cgroup/$2/docker" ]; then
		echo "/sys/fs/cgroup/$2/docker/$id"
	else
		echo "/sys/fs/cgroup/docker/$id"
	fi
}

# past_events FILTER FORMAT: since the file began. The end is a second in the future: times are whole seconds.
past_events() {
	d events --since "$DSTART" --until "$(($(date +%s) + 1))" --filter "$1" --format "$2"
}

docker_no_leaks() {
	local id left
	"$REPO/tests/lib/leaks.sh" "$ROOT" "$DDIR/exec/runtime-runc/moby" || return 1
	for id in $(past_events event=create '{{.ID}}'); do
		left=$(find /sys/fs/cgroup -type d -name "$id" 2> /dev/null | head -3)
		[ -z "$left" ] || {
			echo "leak: cgroups: $left"
			return 1
		}
	done
}

# A test that failed half-way must not spoil the next one.
docker_teardown() {
	d ps -aq | xargs -r timeout 60 /usr/bin/docker -H "unix://$DDIR/docker.sock" rm -f > /dev/null || true
	docker_no_leaks
}
