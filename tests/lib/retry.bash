# SPDX-License-Identifier: Apache-2.0
# Loaded by every suite. A failed test gets another try when the caller wants that, and is listed in a file then; what
# its first try said is kept beside that file, since bats forgets it.

# shellcheck disable=SC2034 # read by bats, which forgets what it inherits
BATS_TEST_RETRIES=${KATA_TEST_RETRIES:-0}
if [ "${BATS_TEST_TRY_NUMBER:-1}" -gt 1 ] && [ -n "${KATA_TEST_RETRIED:-}" ]; then
	echo "${BATS_TEST_FILENAME##*/}: $BATS_TEST_NAME" >> "$KATA_TEST_RETRIED"
fi

# bats asks this once a test has failed, before it throws its output away.
if [ -n "${KATA_TEST_RETRIED:-}" ] && declare -F bats_should_retry_test > /dev/null; then
	eval "retry_asked_$(declare -f bats_should_retry_test)"
	bats_should_retry_test() {
		retry_asked_bats_should_retry_test || return
		{
			echo "first try: ${BATS_TEST_FILENAME##*/}: $BATS_TEST_DESCRIPTION"
			local frames
			bats_get_failure_stack_trace frames
			bats_print_stack_trace "${frames[@]}"
			bats_print_failed_command "${frames[@]}"
			sed 's/^/# /' "$BATS_OUT"
		} >> "$KATA_TEST_RETRIED.said" 2>&1 || true
	}
fi
