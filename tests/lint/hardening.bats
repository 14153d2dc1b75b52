#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What the programs are made of, read from their ELF headers, as `make lint` has just built them.

setup() {
	cd "$BATS_TEST_DIRNAME/../.." || return
	programs=${KATA_LINT_PROGRAMS:-${B:-build}/lint-gcc}
	[ -e "$programs/kata-agent" ] || skip "there are no programs in $programs"
}

# each COMMAND...: with the path of each program as its last argument.
each() {
	local program
	for program in kata-runtime containerd-shim-kata-v2 kata-proxy kata-agent; do
		"$@" "$programs/$program" || { echo "$program: $*"; return 1; }
	done
}

is_pie() {
	readelf -hW "$1" | grep -q 'Type: *DYN' && readelf -dW "$1" | grep -q 'FLAGS_1.*PIE'
}

relocates_once() {
	readelf -lW "$1" | grep -q GNU_RELRO && readelf -dW "$1" | grep -qE '\((BIND_NOW|FLAGS)\).*BIND_NOW'
}

# Nothing is writable and executable, the stack included, which needs a header to say so.
has_no_writable_code() {
	readelf -lW "$1" | grep -q 'GNU_STACK .* RW ' && ! readelf -lW "$1" | grep -qE '(LOAD|GNU_STACK) .* RWE '
}

@test "every program is a position-independent executable" {
	each is_pie
}

@test "every program is relocated at its start and read-only then" {
	each relocates_once
}

@test "no program has memory that is writable and executable, not its stack either" {
	each has_no_writable_code
}

@test "the agent needs no loader and no library" {
	[ -z "$(readelf -lW "$programs/kata-agent" | grep INTERP)" ]
	[ -z "$(readelf -dW "$programs/kata-agent" | grep NEEDED)" ]
}

@test "every program checks its stack, and the host's the sizes of what they copy" {
	local program
	for program in kata-runtime containerd-shim-kata-v2 kata-proxy; do
		readelf --dyn-syms -W "$programs/$program" | grep -q '__stack_chk_fail'
		readelf --dyn-syms -W "$programs/$program" | grep -qE '__[a-z]+_chk@'
	done
	# Its symbols are stripped; its objects say the same.
	nm "$programs/obj/src/agent/main.o" "$programs"/obj/src/agent/server/*.o | grep -q '__stack_chk_fail'
}

@test "no frame is as large as the guard of a fiber's stack" {
	local frame guard
	frame=$(sed -n 's/^HARDEN := .*-Wframe-larger-than=\([0-9]*\).*/\1/p' Makefile | head -1)
	guard=$(sed -n 's/^#define FIBER_GUARD_SIZE (\([0-9]*\)UL \* 1024)$/\1/p' src/common/fiber.c)
	[ "$frame" -gt 0 ]
	[ "$((guard * 1024))" -gt "$frame" ]
}

@test "a program of another make is told from ours" {
	echo 'int main(void) { return 0; }' > "$BATS_TEST_TMPDIR/t.c"
	gcc -no-pie -Wl,-z,norelro,-z,lazy,-z,execstack -o "$BATS_TEST_TMPDIR/t" "$BATS_TEST_TMPDIR/t.c"
	local check
	for check in is_pie relocates_once has_no_writable_code; do
		run "$check" "$BATS_TEST_TMPDIR/t"
		[ "$status" -ne 0 ]
	done
}
