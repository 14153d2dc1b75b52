# SPDX-License-Identifier: Apache-2.0
# Loaded by every suite. A failed test gets another try when the caller wants that, and is listed in a file then.

# shellcheck disable=SC2034 # read by bats, which forgets what it inherits
BATS_TEST_RETRIES=${KATA_TEST_RETRIES:-0}
if [ "${BATS_TEST_TRY_NUMBER:-1}" -gt 1 ] && [ -n "${KATA_TEST_RETRIED:-}" ]; then
	echo "${BATS_TEST_FILENAME##*/}: $BATS_TEST_NAME" >> "$KATA_TEST_RETRIED"
fi
