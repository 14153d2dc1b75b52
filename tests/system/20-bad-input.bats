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
