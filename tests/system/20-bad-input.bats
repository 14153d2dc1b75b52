#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Bad input: one clear line, the right status, nothing left.

load helpers

one_line() {
	[ "$(printf '%s\n' "$output" | grep -vc '^time=.*level=warning')" -eq 1 ]
}

@test "a bundle that does not exist" {
	run kata run --bundle /no/such/bundle x
	[ "$status" -eq 1 ]
	[[ "$output" == */no/such/bundle* ]]
	one_line
}

@test "broken JSON" {
	make_bundle true
	echo '{ "ociVersion": "1.0.2", ' > "$BUNDLE/config.json"
	run kata run --bundle "$BUNDLE" x
	[ "$status" -eq 1 ]
	[[ "$output" == *config.json* ]]
	one_line
}

@test "a wrong type names its place" {
	make_bundle true
	edit_config '.process.args = "true"'
	run kata run --bundle "$BUNDLE" x
	[ "$status" -eq 1 ]
	[[ "$output" == *process.args* ]]
	one_line
}

@test "a rootfs that is a file" {
	make_bundle true
	rm -rf "$BUNDLE/rootfs"
	touch "$BUNDLE/rootfs"
	run kata run --bundle "$BUNDLE" x
	echo "$output"
	[ "$status" -eq 1 ]
	[[ "$output" == *rootfs* ]]
}

@test "an id that does not exist" {
	for verb in start state kill pause resume delete; do
		run kata "$verb" nobody
		[ "$status" -eq 1 ]
		[[ "$output" == *"does not exist"* ]]
	done
	run kata delete --force nobody
	[ "$status" -eq 0 ]
}

@test "an id that would leave its directory" {
	make_bundle true
	run kata run --bundle "$BUNDLE" ../evil
	[ "$status" -eq 1 ]
	[[ "$output" == *"../evil"* ]]
}

@test "a second container with the same id" {
	make_bundle sleep 1000
	new_id
	kata create --bundle "$BUNDLE" "$ID" < /dev/null > /dev/null 2>&1
	run kata create --bundle "$BUNDLE" "$ID"
	[ "$status" -eq 1 ]
	[[ "$output" == *"already exists"* ]]
	[ "$(kata state "$ID" | jq -r .status)" = created ]
	kata delete --force "$ID"
}

@test "a kernel that does not boot ends at its deadline with the step's name" {
	make_bundle true
	mkdir -p "$BATS_TEST_TMPDIR/conf"
	sed -e "s|^kernel = .*|kernel = \"$BATS_TEST_TMPDIR/vmlinux\"|" \
		"$BUILD/configuration.toml" > "$BATS_TEST_TMPDIR/conf/configuration.toml"
	sed -i 's|^\[runtime\]|[runtime]\nstart_timeout = 5|' "$BATS_TEST_TMPDIR/conf/configuration.toml"
	head -c 1000000 /dev/zero > "$BATS_TEST_TMPDIR/vmlinux"
	run "$BUILD/kata-runtime" --config "$BATS_TEST_TMPDIR/conf/configuration.toml" run --bundle "$BUNDLE" x
	echo "$output"
	[ "$status" -eq 1 ]
	[[ "$output" == *"sandbox x"* ]]
}

@test "a QEMU that dies at start says why" {
	make_bundle true
	mkdir -p "$BATS_TEST_TMPDIR/conf"
	sed -e 's|^machine_type = .*|machine_type = "nosuchmachine"|; s|^# *machine_type = .*|machine_type = "nosuchmachine"|' \
		"$BUILD/configuration.toml" > "$BATS_TEST_TMPDIR/conf/configuration.toml"
	run "$BUILD/kata-runtime" --config "$BATS_TEST_TMPDIR/conf/configuration.toml" run --bundle "$BUNDLE" x
	echo "$output"
	[ "$status" -eq 1 ]
	[[ "$output" == *"unsupported machine type"* ]]
}

# kata_log FORMAT VERB ...: with the messages in $BATS_TEST_TMPDIR/log.
kata_log() {
	local format=$1
	shift
	"${KATA[@]}" --log "$BATS_TEST_TMPDIR/log" --log-format "$format" "$@"
}

@test "errors are in the log and, in plain words, on stderr" {
	make_bundle true
	edit_config '.process.args = []'
	run kata_log json run --bundle "$BUNDLE" x
	echo "$output"
	[ "$status" -eq 1 ]
	[ "$(grep -c . <<< "$output")" -eq 1 ]
	[ "$(tail -n 1 "$BATS_TEST_TMPDIR/log" | jq -r 'select(.level == "error") | .msg')" = "$output" ]
}

@test "a shim that cannot begin says why in the log and on stderr" {
	make_bundle true
	printf '#!/bin/sh\nexec setpriv --bounding-set=-sys_admin "%s" "$@"\n' "$BUILD/containerd-shim-kata-v2" \
		> "$BATS_TEST_TMPDIR/shim"
	chmod +x "$BATS_TEST_TMPDIR/shim"
	KATA_SHIM="$BATS_TEST_TMPDIR/shim" run kata_log json run --bundle "$BUNDLE" x
	echo "$output"
	cat "$BATS_TEST_TMPDIR/log"
	[ "$status" -eq 1 ]
	[[ "$output" == "the shim ended: "*"mount namespace: Operation not permitted" ]]
	[ "$(grep -c . <<< "$output")" -eq 1 ]
	[ "$(jq -r 'select(.level == "error") | .msg' "$BATS_TEST_TMPDIR/log" | tail -n 1)" = "$output" ]
	[[ "$output" == *"$(jq -r 'select(.level == "error") | .msg' "$BATS_TEST_TMPDIR/log" | head -n 1)" ]]
}

@test "what ends a container in the foreground is told in the log and on stderr" {
	make_bundle sleep 1000
	new_id
	kata_log text run --bundle "$BUNDLE" "$ID" < /dev/null > /dev/null 2> "$BATS_TEST_TMPDIR/stderr" &
	local run=$! code=0
	wait_for 60 sh -c "[ \"\$('${KATA[0]}' --root '$ROOT' state '$ID' 2>/dev/null | jq -r .status)\" = running ]"
	kill -9 "$(pgrep -P "$(cut -d ' ' -f 1 "$ROOT/$ID/shim.pid")" qemu)"
	wait "$run" || code=$?
	cat "$BATS_TEST_TMPDIR/stderr" "$BATS_TEST_TMPDIR/log"
	[ "$code" -eq 137 ]
	grep -q "^the VM ended: QEMU was killed by signal 9" "$BATS_TEST_TMPDIR/stderr"
	grep -q 'level=error msg="the VM ended: QEMU was killed by signal 9' "$BATS_TEST_TMPDIR/log"
}
