#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Runs the tests: `tests/run.sh [unit|system|host]`, all of these without an argument; `tests/run.sh whole-host [HOST]`
# runs all system tests in an emulated host, of which `host` is a part; `tests/run.sh many` those tagged so, with numbers;
# `tests/run.sh start` runs the quick system tests with templates off;
# `tests/run.sh faults` kills and stops what a pod consists of; `tests/run.sh security` lets a guest lie;
# `tests/run.sh soak`, `clock` and `asan` are long ones; `tests/run.sh runtime-tools` and `critest` run programs that
# others wrote.
# Ends with "N flaky", of those that passed at their second try only, which it names, and "N passed, N failed".
set -uo pipefail
cd "$(dirname "$0")/.." || exit
# shellcheck source=tests/lib/flaky.sh
source tests/lib/flaky.sh
what=${1:-all}
jobs=$(nproc)
passed=0
failed=0
skipped=0

finish() {
	KATA_TEMPLATES=1 switch_templates # as they were built
	echo "$skipped skipped"
	flaky_print
	echo "$passed passed, $failed failed"
	[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
	exit
}
broken() {
	echo "not ok: $*"
	failed=$((failed + 1))
	finish
}

# Counts TAP lines ("ok 1 - name", "not ok 2 - name", "ok 3 - name # SKIP why"); shows all but the passed ones.
count_tap() {
	local file=$1 status=$2 ok not_ok
	ok=$(grep '^ok ' "$file" | grep -icv '# skip')
	# cmocka says "not ok" of a skipped test, bats writes "# skip".
	not_ok=$(grep '^not ok ' "$file" | grep -icv '# skip')
	skipped=$((skipped + $(grep -icE '^(not )?ok .*# skip' "$file")))
	passed=$((passed + ok))
	failed=$((failed + not_ok))
	# A test that crashed says nothing of its own.
	if [ "$status" -ne 0 ] && [ "$not_ok" -eq 0 ]; then
		failed=$((failed + 1))
		echo "not ok: exit status $status"
	fi
	if [ "$status" -ne 0 ] || [ "$not_ok" -gt 0 ]; then
		cat "$file"
	fi
}

run_unit_test() {
	CMOCKA_MESSAGE_OUTPUT=TAP ASAN_OPTIONS=detect_stack_use_after_return=0:detect_leaks=0 \
		timeout 300 "$1" > "$2" 2>&1
}

run_unit() {
	echo "== unit and golden tests (ASan, UBSan)"
	make -s -j"$jobs" B=build/san SAN=address,undefined unit-tests || broken "the unit tests do not build"
	local test out first status
	out=$(mktemp)
	first=$(mktemp)
	for test in build/san/tests/test-*; do
		[[ "$test" = *.d ]] && continue
		run_unit_test "$test" "$out"
		status=$?
		if [ "$status" -ne 0 ] && [ "$status" -ne 77 ]; then
			cat "$out"
			echo "tried twice: $test"
			cp "$out" "$first"
			run_unit_test "$test" "$out"
			status=$?
			flaky_unit "${test##*/}" "$first" "$status"
		fi
		[ "$status" -eq 77 ] && { echo "skipped: $test"; skipped=$((skipped + 1)); continue; }
		printf '%-50s %s passed\n' "$(basename "$test")" "$(grep -c '^ok ' "$out")"
		count_tap "$out" "$status"
	done
	bats --tap tests/lint > "$out" 2>&1
	count_tap "$out" $?
	rm -f "$out" "$first"
}

# VMs start from templates, as is the product's default; KATA_TEMPLATES=0 lets each boot.
switch_templates() {
	local on=true file
	[ "${KATA_TEMPLATES:-1}" = 1 ] || on=false
	for file in build/configuration.toml build/configuration-distro.toml; do
		[ ! -e "$file" ] || sed -i "s/^enable_template = .*/enable_template = $on/" "$file"
	done
}

# run_system [BATS_OPTION ...]
run_system() {
	echo "== system tests"
	make -s -j"$jobs" all guest || broken "the programs or the guest do not build"
	switch_templates
	local suite out status
	out=$(mktemp)
	# One more try for a test that fails: real daemons on a shared machine, seldom but now and then.
	KATA_TEST_RETRIED=$(mktemp)
	export KATA_TEST_RETRIES=1 KATA_TEST_RETRIED
	for suite in tests/system/*.bats; do
		# These run in the emulated hosts only.
		[[ "$suite" != */8?-host-* ]] || continue
		echo "$(date +%T) $suite"
		: > "$KATA_TEST_RETRIED"
		timeout "${KATA_SUITE_SECONDS:-1500}" bats --tap "$@" "$suite" > "$out" 2>&1
		status=$?
		count_tap "$out" "$status"
		flaky_said "$KATA_TEST_RETRIED"
		flaky_bats "$KATA_TEST_RETRIED" "$out"
	done
	rm -f "$out" "$KATA_TEST_RETRIED"
}

# run_rounds PROGRAM ROUNDS SEED: one that says "seed ..." as each of its rounds begins, and ends with the first that fails.
run_rounds() {
	local dir status root=$PWD
	dir=$(mktemp -d)
	(cd "$dir" && KATA_BUILD=$root/build exec unshare --mount python3 -B "$root/tests/$1" "$2" "$3") 2>&1 | tee "$dir.log"
	status=${PIPESTATUS[0]}
	# The last one that began is the one that failed.
	passed=$((passed + $(grep -c '^seed ' "$dir.log") - (status != 0)))
	failed=$((failed + (status != 0)))
	rm -rf "$dir" "$dir.log"
}

# run_faults ROUNDS SEED: something of a pod is killed or stopped, each time at another moment; then each part at a verb of
# the command line; then a system call of the shim's fails; the same ones for a seed.
run_faults() {
	echo "== $1 faults of each kind, seed $2"
	make -s -j"$jobs" all guest || broken "the programs or the guest do not build"
	switch_templates
	run_rounds shim/killer.py "$1" "$2"
	run_rounds shim/verbs.py "$1" "$2"
	run_rounds security/inject.py "$1" "$2"
}

# run_security SECONDS [CASE ...]: a guest that is played lies to the shim and floods it, each flood for so long.
run_security() {
	echo "== a hostile guest"
	make -s -j"$jobs" all || broken "the programs do not build"
	local dir status seconds=$1 root=$PWD
	shift
	dir=$(mktemp -d)
	(cd "$dir" && KATA_SECURITY=$seconds KATA_BUILD=${KATA_BUILD:-$root/build} exec python3 -B "$root/tests/security/hostile.py" "$@") \
		> "$dir.log" 2>&1
	status=$?
	grep -E '^(not )?ok |^# {3}' "$dir.log"
	count_tap "$dir.log" "$status"
	rm -rf "$dir" "$dir.log"
}

# run_tap TITLE COMMAND...: one whose TAP is shown and counted.
run_tap() {
	echo "== $1"
	shift
	make -s -j"$jobs" all guest || broken "the programs or the guest do not build"
	local out status
	out=$(mktemp)
	"$@" | tee "$out"
	status=${PIPESTATUS[0]}
	count_tap "$out" "$status" > /dev/null
	rm -f "$out"
}

# run_soak SECONDS: mixed verbs by three managers at once.
run_soak() {
	KATA_SOAK_SECONDS=$1 run_tap "mixed verbs for $1 seconds" timeout $(($1 * 2 + 900)) bats --tap tests/soak
}

# run_clock SECONDS: the offset of a guest's clock while its QEMU is stopped and goes on.
run_clock() {
	KATA_CLOCK_SECONDS=$1 run_tap "the clock of a guest, for $1 s" \
		bats --tap --filter-tags endurance tests/system/28-clock.bats
}

# run_interop NAME: others' programs, tests/interop/NAME.sh; what they said is in build/interop/NAME.
run_interop() {
	run_tap "$1" "tests/interop/$1.sh" "build/interop/$1"
}

# run_asan: system tests with the command line, the shim and the proxy under ASan and UBSan. What these
# say is in files; each is a failure. They are slow: containers get three times as long.
run_asan() {
	echo "== system tests under ASan and UBSan"
	make -s -j"$jobs" all guest || broken "the programs or the guest do not build"
	make -s -j"$jobs" B=build/san SAN=address,undefined all || broken "the programs do not build with sanitizers"
	local reports report
	reports=$(mktemp -d)
	chmod 1777 "$reports"
	ln -sfn ../guest build/san/guest
	export KATA_BUILD=$PWD/build/san KATA_TEST_SLOW=3
	export ASAN_OPTIONS=detect_leaks=0:detect_stack_use_after_return=0:log_path=$reports/a
	export UBSAN_OPTIONS=print_stacktrace=1:log_path=$reports/u
	run_system
	while read -r report; do
		failed=$((failed + 1))
		echo "not ok: a sanitizer found"
		head -40 "$report"
	done < <(grep -lrE 'ERROR: AddressSanitizer|runtime error:' "$reports")
	rm -rf "$reports"
}

# host_suites TAGS: those for an emulated host. What has a host in itself, wants to build, or asks for more programs does
# not run in one.
host_suites() {
	local suite
	for suite in tests/system/*.bats; do
		case "$suite" in
		*/11-debian.bats | */26-host-cgroup.bats | */55-crio.bats | */6?-*.bats | */7?-*.bats) ;;
		*) [[ "$1" = !* ]] || grep -q "^# bats test_tags=$1\$" "$suite" || continue; basename "$suite" ;;
		esac
	done
}

# run_host HOST TAGS SECONDS: the tests with these tags, in an emulated host, in that time.
run_host() {
	echo "== system tests in an emulated host: $1"
	local out status suites
	out=$(mktemp)
	mapfile -t suites < <(host_suites "$2")
	KATA_HOST_SECONDS=${KATA_HOST_SECONDS:-$3} KATA_TEST_RETRIES=1 tests/host/run.sh --tags "$2" "$1" "${suites[@]}" > "$out"
	status=$?
	count_tap "$out" "$status"
	flaky_bats "build/host/$1/retried" "$out"
	rm -f "$out"
}

tests/deps.sh check || broken "packages cannot be installed"
case "$what" in
unit) run_unit ;;
system) run_system ;;
host) run_host debian12 quick 1500 ;;
start) KATA_TEMPLATES=0 run_system --filter-tags quick ;;
many) KATA_STRESS=${KATA_STRESS:-200} KATA_SUITE_SECONDS=6000 run_system --filter-tags many ;;
faults) run_faults "${KATA_FAULTS:-300}" "${KATA_SEED:-1}" ;;
security) run_security "${KATA_SECURITY:-10}" ;;
soak) run_soak "${KATA_SOAK_SECONDS:-600}" ;;
asan) KATA_SUITE_SECONDS=6000 run_asan ;;
clock) run_clock "${KATA_CLOCK_SECONDS:-600}" ;;
runtime-tools | critest) run_interop "$what" ;;
whole-host) run_host "${2:-debian12}" '!many' 36000 ;;
all)
	run_unit
	run_security 1 fields_of_replies codes_and_words clocks largest_messages answer_flood tree
	run_system
	run_faults 5 "${KATA_SEED:-1}"
	run_host debian12 quick 1500
	;;
*) echo "usage: $0 [unit|system|host|start|many|faults|security|soak|asan|clock|runtime-tools|critest|whole-host [HOST]]" >&2; exit 2 ;;
esac
finish
