#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# An upgrade while containers run: those of the version before are the new one's to look after. From packages, which
# run.sh of the emulated hosts makes, or takes from a release (KATA_HOST_BEFORE).

load helpers
bats_require_minimum_version 1.5.0

setup_file() {
	[ -n "${KATA_HOST:-}" ] || { skip_file "needs a host that is disposable: make check-host"; return; }
	[ -n "${KATA_TEST_UPGRADE:-}" ] || { echo "there are no packages to go from and to"; return 1; }
	# The deadlines of a slow host go with the configuration, of which the packages bring another one.
	local slow configuration
	slow=$("$BUILD/kata-runtime" env --json | jq -r '.Runtime.Config.Paths[0]')
	cp "${slow%/*}/config.d/50-test-host.toml" "$BATS_FILE_TMPDIR/slow.toml"
	install_version before
	configuration=$(/usr/bin/kata-runtime env --json | jq -r '.Runtime.Config.Paths[0]')
	mkdir -p "${configuration%/*}/config.d"
	cp "$BATS_FILE_TMPDIR/slow.toml" "${configuration%/*}/config.d/50-test-host.toml"
	mkdir -p /etc/docker "$BATS_FILE_TMPDIR/image"
	echo '{ "runtimes": { "kata": { "path": "/usr/bin/kata-runtime" } } }' > /etc/docker/daemon.json
	systemctl restart docker
	"$REPO/tests/lib/make-bundle.sh" "$BATS_FILE_TMPDIR/image" true
	tar -C "$BATS_FILE_TMPDIR/image/rootfs" -c . > "$BATS_FILE_TMPDIR/image.tar"
	docker import --change 'CMD ["sh"]' - busybox < "$BATS_FILE_TMPDIR/image.tar"
}

teardown_file() {
	[ -z "${SKIP_FILE:-}" ] || return 0
	systemctl stop docker.service docker.socket
	DEBIAN_FRONTEND=noninteractive dpkg --purge kata-runtime containerd-shim-kata-v2 kata-containers-guest
}

setup() {
	[ -z "${SKIP_FILE:-}" ] || skip "$SKIP_FILE"
	KATA=(/usr/bin/kata-runtime --root "$ROOT")
}

teardown() {
	[ -z "${SKIP_FILE:-}" ] || return 0
	docker ps -aq | xargs -r docker rm -f > /dev/null
	clean_up
}

install_version() {
	DEBIAN_FRONTEND=noninteractive dpkg -i "$KATA_TEST_UPGRADE/$1"/*.deb
}

version() {
	dpkg-query -W -f '${Version}\n' kata-runtime containerd-shim-kata-v2 kata-containers-guest | sort -u
}

# shim_of ID: the program that the shim of a container runs, by its pid file.
shim_of() {
	readlink "/proc/$(cut -d ' ' -f 1 "$ROOT/$1/shim.pid")/exe"
}

@test "containers of the version before are exec'd into, joined, stopped and deleted by the new one" {
	# host: command line | exec, kill and delete after an upgrade
	# host: docker | exec, a container that joins, stop and rm after an upgrade
	local before id
	before=$(version)
	make_bundle sh -c 'trap "exit 5" TERM; while :; do sleep 1; done'
	new_id
	kata run --detach --bundle "$BUNDLE" "$ID" < /dev/null > /dev/null
	id=$(docker run -d --runtime kata busybox sh -c 'trap "exit 0" TERM; echo begins; while :; do sleep 1; done')
	install_version next
	[ "$(version)" != "$before" ]
	[[ "$(kata --version)" == *"$(sed -n 's/^VERSION := //p' "$REPO/Makefile")"* ]]
	# They are run by a program that is not there any more.
	[ "$(shim_of "$ID")" = "/usr/bin/containerd-shim-kata-v2 (deleted)" ]
	[ "$(kata state "$ID" | jq -r .status)" = running ]
	[ "$(echo word | kata exec "$ID" cat)" = word ]
	[ "$(docker exec "$id" echo hello)" = hello ]
	[ "$(docker logs "$id")" = begins ]
	[ "$(docker run --rm --runtime kata --network "container:$id" busybox cat /proc/sys/kernel/random/boot_id)" \
		= "$(docker exec "$id" cat /proc/sys/kernel/random/boot_id)" ]
	docker stop "$id"
	[ "$(docker inspect -f '{{.State.ExitCode}}' "$id")" = 0 ]
	docker rm "$id"
	kata kill "$ID" TERM
	wait_for 20 sh -c "/usr/bin/kata-runtime --root '$ROOT' state '$ID' | grep -q stopped"
	kata delete "$ID"
	# What begins now is the new version's.
	make_bundle sleep 1000
	new_id
	kata run --detach --bundle "$BUNDLE" "$ID" < /dev/null > /dev/null
	[ "$(shim_of "$ID")" = /usr/bin/containerd-shim-kata-v2 ]
	kata delete --force "$ID"
}
