/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unit tests of what a restored guest is told, and of hexadecimal digits.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "common/guest_wake.h"
#include "common/hex.h"

static struct guest_wake sample(bool has_secret)
{
	struct guest_wake wake = { .realtime_ns = 0x0123456789abcdefU, .has_secret = has_secret };

	for (size_t i = 0; i < sizeof(wake.entropy); i++)
		wake.entropy[i] = (uint8_t)(i * 7);
	if (has_secret)
		memset(&wake.secret, 0x5a, sizeof(wake.secret));
	return wake;
}

static void bytes_are_written_and_read_as_digits(void **state)
{
	const uint8_t bytes[] = { 0x00, 0x9f, 0xff };
	uint8_t back[3];
	char text[7];

	(void)state;
	hex_write(bytes, sizeof(bytes), text);
	assert_string_equal(text, "009fff");
	assert_int_equal(hex_read(text, sizeof(back), back), 0);
	assert_memory_equal(back, bytes, sizeof(bytes));
	assert_int_equal(hex_read("00", 0, back), 0);
	assert_int_equal(hex_read("0F", 1, back), -EBADMSG);
	assert_int_equal(hex_read("0", 1, back), -EBADMSG);
	assert_int_equal(hex_read("g0", 1, back), -EBADMSG);
}

static void what_is_written_is_read(void **state)
{
	(void)state;
	for (int secret = 0; secret < 2; secret++) {
		const struct guest_wake wake = sample(secret);
		char line[GUEST_WAKE_LINE_MAX + 1];
		struct guest_wake back;
		size_t len = guest_wake_format(&wake, line);

		assert_int_equal(len, strlen(line));
		assert_true(len <= GUEST_WAKE_LINE_MAX);
		assert_int_equal(guest_wake_parse(line, len, &back), 0);
		assert_memory_equal(&back, &wake, sizeof(wake));
	}
}

static void every_change_of_its_form_is_refused(void **state)
{
	const struct guest_wake wake = sample(true), bare = sample(false);
	char line[GUEST_WAKE_LINE_MAX + 2];
	struct guest_wake back;
	size_t len = guest_wake_format(&wake, line);

	(void)state;
	for (size_t i = 0; i < len; i++) {
		char was = line[i];

		line[i] = 'X';
		assert_true(guest_wake_parse(line, len, &back) < 0);
		line[i] = was;
	}
	for (size_t i = 0; i < len; i++)
		assert_true(guest_wake_parse(line, i, &back) < 0);
	line[len] = '\n';
	assert_int_equal(guest_wake_parse(line, len + 1, &back), -EBADMSG);
	len = guest_wake_format(&bare, line);
	line[len - 2] = '0';
	assert_int_equal(guest_wake_parse(line, len, &back), -EBADMSG);
}

static void another_version_is_told_from_nonsense(void **state)
{
	const struct guest_wake wake = sample(false);
	char line[GUEST_WAKE_LINE_MAX + 1];
	struct guest_wake back;
	size_t len = guest_wake_format(&wake, line);

	(void)state;
	line[strlen("kata-wake ")] = '2';
	assert_int_equal(guest_wake_parse(line, len, &back), -EPROTONOSUPPORT);
	assert_int_equal(guest_wake_parse("hello\n", 6, &back), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_are_written_and_read_as_digits),
		cmocka_unit_test(what_is_written_is_read),
		cmocka_unit_test(every_change_of_its_form_is_refused),
		cmocka_unit_test(another_version_is_told_from_nonsense),
	};

	return cmocka_run_group_tests_name("wake", tests, NULL, NULL);
}
