#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Another project's shim drives our agent: upstream's messages, fields and order of calls, over kata-proxy's handshake.

load helpers

@test "a foreign shim runs a pod" {
	run timeout 300 python3 "$REPO/tests/shim/foreign.py" "$BATS_TEST_TMPDIR"
	echo "$output"
	[ "$status" -eq 0 ]
}
