#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# kata-runtime run and exec: what the container prints, how it ends, what goes through its pipes.

load helpers

@test "run shows the guest's kernel, not the host's" {
	make_bundle uname -r
	new_id
	run kata run --bundle "$BUNDLE" "$ID"
	echo "$output"
	[ "$status" -eq 0 ]
	[[ "$output" == *kata* || "$output" != "$(uname -r)" ]]
}

@test "stdout and stderr arrive apart" {
	make_bundle sh -c 'echo out; echo err >&2'
	new_id
	kata run --bundle "$BUNDLE" "$ID" > "$BATS_TEST_TMPDIR/out" 2> "$BATS_TEST_TMPDIR/err"
	[ "$(cat "$BATS_TEST_TMPDIR/out")" = out ]
	[ "$(cat "$BATS_TEST_TMPDIR/err")" = err ]
}

@test "the exit status is the container's" {
	make_bundle sh -c 'exit 7'
	new_id
	run kata run --bundle "$BUNDLE" "$ID"
	[ "$status" -eq 7 ]
}

@test "a container killed by a signal ends with 128 + signal" {
	make_bundle sh -c 'kill -9 $$; sleep 5'
	edit_config '.process.args = ["sh", "-c", "sh -c \"kill -9 \\$\\$\"; exit $?"]'
	new_id
	run kata run --bundle "$BUNDLE" "$ID"
	echo "$output"
	[ "$status" -eq 137 ]
}

@test "a program that does not exist gives runc's words and leaves nothing" {
	make_bundle /no/such/program
	new_id
	run kata run --bundle "$BUNDLE" "$ID"
	echo "$output"
	[ "$status" -ne 0 ]
	[[ "$output" == *"no such file or directory"* || "$output" == *"executable file not found"* ]]
}

@test "stdin, one mebibyte there and back" {
	make_bundle cat
	new_id
	head -c 1048576 /dev/urandom > "$BATS_TEST_TMPDIR/in"
	kata run --bundle "$BUNDLE" "$ID" < "$BATS_TEST_TMPDIR/in" > "$BATS_TEST_TMPDIR/out"
	cmp "$BATS_TEST_TMPDIR/in" "$BATS_TEST_TMPDIR/out"
}

# bats test_tags=many
@test "stdin, one gibibyte there and back with the same checksum" {
	make_bundle cat
	new_id
	head -c 1073741824 /dev/zero | openssl enc -aes-128-ctr -nosalt -pass pass:kata -pbkdf2 2>/dev/null |
		tee >(sha256sum > "$BATS_TEST_TMPDIR/in.sum") | kata run --bundle "$BUNDLE" "$ID" |
		sha256sum > "$BATS_TEST_TMPDIR/out.sum"
	wait_for 5 test -s "$BATS_TEST_TMPDIR/in.sum"
	diff "$BATS_TEST_TMPDIR/in.sum" "$BATS_TEST_TMPDIR/out.sum"
}

@test "a life cycle: created, running, stopped, deleted" {
	make_bundle sleep 1000
	new_id
	kata create --bundle "$BUNDLE" --pid-file "$BATS_TEST_TMPDIR/pid" "$ID" < /dev/null > /dev/null 2>&1
	[ "$(kata state "$ID" | jq -r .status)" = created ]
	[ "$(kata state "$ID" | jq -r .pid)" = "$(cat "$BATS_TEST_TMPDIR/pid")" ]
	[ -d "/proc/$(cat "$BATS_TEST_TMPDIR/pid")" ]
	kata start "$ID"
	[ "$(kata state "$ID" | jq -r .status)" = running ]
	kata kill "$ID" KILL
	wait_for 10 sh -c "[ \"\$('${KATA[0]}' --root '$ROOT' state '$ID' | jq -r .status)\" = stopped ]"
	kata delete "$ID"
	run kata state "$ID"
	[ "$status" -ne 0 ]
	[[ "$output" == *"does not exist"* ]]
}

@test "exec: output, status, user, directory, environment" {
	make_bundle sleep 1000
	new_id
	kata create --bundle "$BUNDLE" "$ID" < /dev/null > /dev/null 2>&1
	kata start "$ID"
	[ "$(kata exec "$ID" echo hello)" = hello ]
	run kata exec "$ID" sh -c 'exit 9'
	[ "$status" -eq 9 ]
	[ "$(kata exec --user 65534:65534 --cwd /tmp --env A=b "$ID" sh -c 'id -u; pwd; echo $A')" = "65534
/tmp
b" ]
	run kata exec "$ID" /no/such/program
	[ "$status" -ne 0 ]
	[ "$(echo ping | kata exec "$ID" cat)" = ping ]
	kata delete --force "$ID"
}

@test "a hundred quick execs in one container" {
	make_bundle sleep 1000
	new_id
	kata create --bundle "$BUNDLE" "$ID" < /dev/null > /dev/null 2>&1
	kata start "$ID"
	for i in $(seq 100); do
		kata exec "$ID" true
	done
	kata delete --force "$ID"
}

@test "pause stops the container, resume lets it go on" {
	make_bundle sh -c 'while :; do date +%s%N > /tmp/now; done'
	new_id
	kata create --bundle "$BUNDLE" "$ID" < /dev/null > /dev/null 2>&1
	kata start "$ID"
	sleep 1
	kata pause "$ID"
	[ "$(kata state "$ID" | jq -r .status)" = paused ]
	before=$(cat "$BUNDLE/rootfs/tmp/now" 2>/dev/null || true)
	sleep 0.5
	[ "$(cat "$BUNDLE/rootfs/tmp/now" 2>/dev/null || true)" = "$before" ]
	kata resume "$ID"
	[ "$(kata state "$ID" | jq -r .status)" = running ]
	kata delete --force "$ID"
}

# bats test_tags=many
@test "containers in a row, and five at once" {
	make_bundle sh -c 'exit 3'
	for i in $(seq "${KATA_STRESS:-5}"); do
		run kata run --bundle "$BUNDLE" "row-$i"
		[ "$status" -eq 3 ]
	done
	for i in $(seq 5); do
		(kata run --bundle "$BUNDLE" "par-$i" || echo $? > "$BATS_TEST_TMPDIR/par-$i") &
	done
	wait
	for i in $(seq 5); do
		[ "$(cat "$BATS_TEST_TMPDIR/par-$i")" = 3 ]
	done
}

@test "9p shares the files where virtio-fs is not wanted" {
	# QEMU is the one who writes, and needs the rights for what belongs to others.
	make_bundle sh -c 'mount | head -1; echo written > /f; echo more > /theirs/f && chown 4321:8765 /theirs/f'
	mkdir -m 700 "$BUNDLE/rootfs/theirs"
	chown 1234:1234 "$BUNDLE/rootfs/theirs"
	new_id
	sed 's/^#* *shared_fs = .*/shared_fs = "virtio-9p"/' "$BUILD/configuration.toml" > "$BATS_TEST_TMPDIR/c.toml"
	run "$BUILD/kata-runtime" --config "$BATS_TEST_TMPDIR/c.toml" --root "$ROOT" run --bundle "$BUNDLE" "$ID"
	echo "$output"
	[ "$status" -eq 0 ]
	[[ "$output" == *"type 9p"* ]]
	[ "$(cat "$BUNDLE/rootfs/f")" = written ]
	[ "$(stat -c %u:%g "$BUNDLE/rootfs/theirs/f")" = 4321:8765 ]
}

@test "help VERB says what VERB --help says" {
	[ "$(kata help)" = "$(kata --help)" ]
	[ "$(kata help run)" = "$(kata run --help)" ]
	[[ "$(kata help exec)" = *--preserve-fds* ]]
	run kata help nonsense
	[ "$status" -eq 1 ]
	[[ "$output" = *'unknown verb \"nonsense\"'* ]]
}
