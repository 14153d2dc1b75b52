/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unit tests of what CPU limits mean: periods, rounding, weights, and the ends of the ranges.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "oci/cpu.h"

static void an_absent_period_is_the_kernels(void **state)
{
	uint64_t zero = 0, said = 50000;
	struct oci_cpu cpu = { 0 };

	(void)state;
	assert_int_equal(oci_cpu_period(NULL), 100000);
	assert_int_equal(oci_cpu_period(&cpu), 100000);
	cpu.period = &zero;
	assert_int_equal(oci_cpu_period(&cpu), 100000);
	cpu.period = &said;
	assert_int_equal(oci_cpu_period(&cpu), 50000);
}

static void a_quota_is_rounded_up_to_whole_cpus(void **state)
{
	(void)state;
	assert_int_equal(oci_cpu_count(0, 100000), 0);
	assert_int_equal(oci_cpu_count(-1, 100000), 0);
	assert_int_equal(oci_cpu_count(INT64_MIN, 0), 0);
	assert_int_equal(oci_cpu_count(1, 100000), 1);
	assert_int_equal(oci_cpu_count(100000, 100000), 1);
	assert_int_equal(oci_cpu_count(100001, 100000), 2);
	assert_int_equal(oci_cpu_count(150000, 0), 2);
	assert_int_equal(oci_cpu_count(150000, 50000), 3);
	assert_int_equal(oci_cpu_count(1, UINT64_MAX), 1);
	assert_int_equal(oci_cpu_count(INT64_MAX, UINT64_MAX), 1);
	assert_int_equal(oci_cpu_count(INT64_MAX, 1), UINT32_MAX);
}

static void parts_of_a_cpu_are_added_before_they_are_rounded(void **state)
{
	uint64_t third = oci_cpu_thousandths(100000, 300000);

	(void)state;
	assert_int_equal(third, 333);
	assert_int_equal(oci_cpu_count((int64_t)(3 * third), 1000), 1);
	assert_int_equal(oci_cpu_thousandths(50000, 0), 500);
	assert_int_equal(oci_cpu_thousandths(250000, 100000), 2500);
	assert_int_equal(oci_cpu_thousandths(0, 100000), 0);
	assert_int_equal(oci_cpu_thousandths(-1, 100000), 0);
	assert_int_equal(oci_cpu_thousandths(INT64_MAX, 1000), INT64_MAX);
	assert_int_equal(oci_cpu_thousandths(INT64_MAX, 1), INT64_MAX);
}

static void weights_stay_in_their_range(void **state)
{
	(void)state;
	assert_int_equal(oci_cpu_weight(0), 1);
	assert_int_equal(oci_cpu_weight(2), 1);
	assert_int_equal(oci_cpu_weight(1024), 39);
	assert_int_equal(oci_cpu_weight(262144), 10000);
	assert_int_equal(oci_cpu_weight(UINT64_MAX), 10000);
}

static void a_weight_comes_from_the_shares_that_are_told_of_it(void **state)
{
	(void)state;
	for (uint64_t weight = 1; weight <= 10000; weight++)
		assert_int_equal(oci_cpu_weight(oci_cpu_shares(weight)), weight);
	assert_int_equal(oci_cpu_shares(0), 2);
	assert_int_equal(oci_cpu_shares(UINT64_MAX), 262144);
}

static void a_quota_and_its_period_are_one_value(void **state)
{
	struct oci_bandwidth b = OCI_BANDWIDTH_NONE;
	int64_t quota = 500000, none = -7, nothing = 0;
	uint64_t period = 1000000, shorter = 900000, zero = 0;

	(void)state;
	assert_false(oci_cpu_bandwidth(NULL, &b));
	assert_false(
		oci_cpu_bandwidth(&(struct oci_cpu){ .quota = &nothing, .period = &zero }, &b));
	assert_int_equal(b.quota, -1);
	assert_int_equal(b.period, 100000);
	assert_true(oci_cpu_bandwidth(&(struct oci_cpu){ .quota = &quota, .period = &period }, &b));
	assert_true(oci_cpu_bandwidth(&(struct oci_cpu){ .period = &shorter }, &b));
	assert_int_equal(b.quota, 500000);
	assert_int_equal(b.period, 900000);
	quota = 600000;
	assert_true(oci_cpu_bandwidth(&(struct oci_cpu){ .quota = &quota }, &b));
	assert_int_equal(b.quota, 600000);
	assert_int_equal(b.period, 900000);
	assert_true(oci_cpu_bandwidth(&(struct oci_cpu){ .quota = &none }, &b));
	assert_int_equal(b.quota, -1);
	assert_int_equal(b.period, 900000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_absent_period_is_the_kernels),
		cmocka_unit_test(a_quota_is_rounded_up_to_whole_cpus),
		cmocka_unit_test(parts_of_a_cpu_are_added_before_they_are_rounded),
		cmocka_unit_test(weights_stay_in_their_range),
		cmocka_unit_test(a_weight_comes_from_the_shares_that_are_told_of_it),
		cmocka_unit_test(a_quota_and_its_period_are_one_value),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
