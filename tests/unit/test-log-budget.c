/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unit tests of the bucket of log lines.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/log_budget.h"

#define SECOND 1000000000ULL

static unsigned take_all(struct log_budget *budget, uint64_t now_ns, unsigned tries)
{
	unsigned taken = 0, left_out;

	for (unsigned i = 0; i < tries; i++)
		taken += log_budget_take(budget, now_ns, &left_out);
	return taken;
}

static void a_boot_is_written_as_a_whole(void **state)
{
	struct log_budget budget = { 0 };

	(void)state;
	assert_int_equal(take_all(&budget, 1000 * SECOND, 1500), 1500);
}

static void a_flood_is_cut_and_what_was_left_out_is_counted(void **state)
{
	struct log_budget budget = { 0 };
	uint64_t now_ns = 1000 * SECOND;
	unsigned left_out = 0;

	(void)state;
	assert_int_equal(take_all(&budget, now_ns, 100000), 2000);
	assert_true(log_budget_take(&budget, now_ns + SECOND, &left_out));
	assert_int_equal(left_out, 98000);
	assert_true(log_budget_take(&budget, now_ns + SECOND, &left_out));
	assert_int_equal(left_out, 0);
}

static void a_flood_that_goes_on_gets_some_lines_each_second(void **state)
{
	struct log_budget budget = { 0 };
	unsigned taken = take_all(&budget, 1000 * SECOND, 100000);

	(void)state;
	for (uint64_t s = 1; s <= 100; s++)
		taken += take_all(&budget, (1000 + s) * SECOND, 1000);
	assert_int_equal(taken, 2000 + 100 * 20);
}

static void silence_fills_the_bucket_and_no_more(void **state)
{
	struct log_budget budget = { 0 };

	(void)state;
	(void)take_all(&budget, 1000 * SECOND, 100000);
	assert_int_equal(take_all(&budget, 100000 * SECOND, 100000), 2000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_boot_is_written_as_a_whole),
		cmocka_unit_test(a_flood_is_cut_and_what_was_left_out_is_counted),
		cmocka_unit_test(a_flood_that_goes_on_gets_some_lines_each_second),
		cmocka_unit_test(silence_fills_the_bucket_and_no_more),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
