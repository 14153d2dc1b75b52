/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unit tests of the KVM probe: the decision with injected findings, and real runs against devices
 * that are not KVM and against whatever /dev/kvm this host has.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "host/kvm_probe.h"

static const struct kvm_probe usable = { .result = KVM_PROBE_OK, .detail = "fine" };

static void auto_takes_kvm_only_after_a_pass(void **state)
{
	struct err err = ERR_NULL;

	(void)state;
	assert_int_equal(kvm_probe_choose("auto", &usable, &err), 1);
	assert_int_equal(kvm_probe_choose(NULL, &usable, &err), 1);
	for (int result = KVM_PROBE_OK + 1; result < KVM_PROBE_COUNT_; result++) {
		struct kvm_probe probe = { .result = (enum kvm_probe_result)result };

		assert_int_equal(kvm_probe_choose("auto", &probe, &err), 0);
		assert_int_equal(kvm_probe_choose(NULL, &probe, &err), 0);
	}
	assert_int_equal(kvm_probe_choose("auto", NULL, &err), 0);
	assert_int_equal(err.code, 0);
}

static void tcg_needs_no_probe(void **state)
{
	struct err err = ERR_NULL;

	(void)state;
	assert_int_equal(kvm_probe_choose("tcg", NULL, &err), 0);
	assert_int_equal(kvm_probe_choose("tcg", &usable, &err), 0);
}

static void demanded_kvm_fails_with_the_reason(void **state)
{
	struct kvm_probe hang = { .result = KVM_PROBE_HANG, .detail = "the guest slept" };
	struct err err = ERR_NULL;

	(void)state;
	assert_int_equal(kvm_probe_choose("kvm", &usable, &err), 1);
	assert_int_equal(kvm_probe_choose("kvm", &hang, &err), -ENODEV);
	assert_string_equal(err.text, "accel is \"kvm\" but KVM is not usable: the guest slept");
	assert_int_equal(kvm_probe_choose("kvm", NULL, &err), -ENODEV);
}

static void unknown_setting_is_refused(void **state)
{
	struct err err = ERR_NULL;

	(void)state;
	assert_int_equal(kvm_probe_choose("xen", &usable, &err), -EINVAL);
	assert_non_null(strstr(err.text, "\"xen\""));
}

static void absent_device_is_told_from_a_wrong_one(void **state)
{
	struct kvm_probe probe;

	(void)state;
	kvm_probe_run("/dev/there-is-no-such-device", &probe);
	assert_int_equal(probe.result, KVM_PROBE_NO_DEVICE);
	kvm_probe_run("/dev/null", &probe);
	assert_int_equal(probe.result, KVM_PROBE_BAD_API);
	kvm_probe_run("/", &probe);
	assert_int_equal(probe.result, KVM_PROBE_NO_ACCESS);
}

static void probe_of_this_host_ends_in_time_with_words(void **state)
{
	struct kvm_probe probe;

	(void)state;
	kvm_probe_run(NULL, &probe);
	print_message("# %s: %s (%u us)\n", kvm_probe_result_name(probe.result), probe.detail,
		      probe.took_us);
	assert_true(probe.detail[0] != '\0');
	assert_true(probe.took_us < 1000U * (KVM_PROBE_DEADLINE_MS + 100));
	assert_string_not_equal(kvm_probe_result_name(probe.result), "unknown");
}

static void every_result_has_a_name(void **state)
{
	(void)state;
	for (int result = 0; result < KVM_PROBE_COUNT_; result++)
		assert_non_null(kvm_probe_result_name((enum kvm_probe_result)result));
	assert_string_equal(kvm_probe_result_name(KVM_PROBE_COUNT_), "unknown");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(auto_takes_kvm_only_after_a_pass),
		cmocka_unit_test(tcg_needs_no_probe),
		cmocka_unit_test(demanded_kvm_fails_with_the_reason),
		cmocka_unit_test(unknown_setting_is_refused),
		cmocka_unit_test(absent_device_is_told_from_a_wrong_one),
		cmocka_unit_test(probe_of_this_host_ends_in_time_with_words),
		cmocka_unit_test(every_result_has_a_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
