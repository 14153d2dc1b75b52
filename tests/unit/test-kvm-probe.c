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

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/kvm_verdict.h"

static const struct kvm_probe usable = { .result = KVM_PROBE_OK, .detail = "fine" };

static void auto_takes_kvm_only_after_a_pass(void **state)
{
	struct err err = ERR_NULL;

	(void)state;
	assert_int_equal(kvm_probe_choose("auto", true, &usable, &err), 1);
	assert_int_equal(kvm_probe_choose(NULL, true, &usable, &err), 1);
	for (int result = KVM_PROBE_OK + 1; result < KVM_PROBE_COUNT_; result++) {
		struct kvm_probe probe = { .result = (enum kvm_probe_result)result };

		/* A busy host says nothing about its KVM. */
		int use = result == KVM_PROBE_SLOW;

		assert_int_equal(kvm_probe_choose("auto", true, &probe, &err), use);
		assert_int_equal(kvm_probe_choose(NULL, true, &probe, &err), use);
	}
	assert_int_equal(kvm_probe_choose("auto", true, NULL, &err), 0);
	assert_int_equal(err.code, 0);
}

static void tcg_needs_no_probe(void **state)
{
	struct err err = ERR_NULL;

	(void)state;
	assert_int_equal(kvm_probe_choose("tcg", true, NULL, &err), 0);
	assert_int_equal(kvm_probe_choose("tcg", true, &usable, &err), 0);
}

static void demanded_kvm_fails_with_the_reason(void **state)
{
	struct kvm_probe hang = { .result = KVM_PROBE_HANG, .detail = "the guest slept" };
	struct err err = ERR_NULL;

	(void)state;
	assert_int_equal(kvm_probe_choose("kvm", true, &usable, &err), 1);
	assert_int_equal(kvm_probe_choose("kvm", true, &hang, &err), -ENODEV);
	assert_string_equal(err.text, "accel is \"kvm\" but KVM is not usable: the guest slept");
	struct kvm_probe slow = { .result = KVM_PROBE_SLOW, .detail = "the host was busy" };
	assert_int_equal(kvm_probe_choose("kvm", true, &slow, &err), 1);
	assert_int_equal(kvm_probe_choose("kvm", true, NULL, &err), -ENODEV);
}

static void emulation_can_be_forbidden(void **state)
{
	struct kvm_probe hang = { .result = KVM_PROBE_HANG, .detail = "the guest slept" };
	struct err err = ERR_NULL;

	(void)state;
	assert_int_equal(kvm_probe_choose("auto", false, &usable, &err), 1);
	assert_int_equal(kvm_probe_choose("kvm", false, &usable, &err), 1);
	assert_int_equal(kvm_probe_choose("auto", false, &hang, &err), -ENODEV);
	assert_string_equal(err.text, "allow_tcg is false and KVM is not usable: the guest slept");
	assert_int_equal(kvm_probe_choose(NULL, false, NULL, &err), -ENODEV);
	assert_int_equal(kvm_probe_choose("tcg", false, &usable, &err), -EINVAL);
}

static void unknown_setting_is_refused(void **state)
{
	struct err err = ERR_NULL;

	(void)state;
	assert_int_equal(kvm_probe_choose("xen", true, &usable, &err), -EINVAL);
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
	assert_true(probe.took_us < 1000U * (KVM_PROBE_WALL_MS + 1000));
	assert_string_not_equal(kvm_probe_result_name(probe.result), "unknown");
}

static void every_result_has_a_name(void **state)
{
	(void)state;
	for (int result = 0; result < KVM_PROBE_COUNT_; result++)
		assert_non_null(kvm_probe_result_name((enum kvm_probe_result)result));
	assert_string_equal(kvm_probe_result_name(KVM_PROBE_COUNT_), "unknown");
}

/* The verdict's file in a directory of the test's own. */
struct verdict {
	char dir[64], path[96];
	struct kvm_probe first;
};

static int set_up_verdict(void **state)
{
	struct verdict *v = calloc(1, sizeof(*v));

	strcpy(v->dir, "/tmp/kvm-verdict-XXXXXX");
	if (!mkdtemp(v->dir))
		return -1;
	(void)snprintf(v->path, sizeof(v->path), "%s/.kvm", v->dir);
	*state = v;
	return 0;
}

static int tear_down_verdict(void **state)
{
	struct verdict *v = *state;

	(void)unlink(v->path);
	int r = rmdir(v->dir); /* fails when anything else was left there */
	free(v);
	return r;
}

/* Lets the host be judged once, then puts words into the file that no probe says. */
static void make_verdict(struct verdict *v)
{
	char text[4096];

	kvm_verdict_get(v->dir, &v->first);
	if (!kvm_probe_is_certain(&v->first) || access(v->path, F_OK) < 0)
		skip(); /* no KVM device here */
	int fd = open(v->path, O_RDONLY);
	ssize_t len = read(fd, text, sizeof(text) - 64);
	assert_true(len > 0);
	(void)close(fd);
	text[len] = '\0';
	char *last = strrchr(text, '\n');
	*last = '\0';
	last = strrchr(text, '\n') + 1;
	strcpy(last, "0 77 as the file has it\n");
	fd = open(v->path, O_WRONLY | O_TRUNC);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	(void)close(fd);
}

static void edit_verdict(const struct verdict *v, const char *sed)
{
	char command[256];

	(void)snprintf(command, sizeof(command), "sed -i '%s' %s", sed, v->path);
	assert_int_equal(system(command), 0);
}

static void verdict_is_kept_and_believed(void **state)
{
	struct verdict *v = *state;
	struct kvm_probe probe;
	struct stat st;

	make_verdict(v);
	kvm_verdict_get(v->dir, &probe);
	assert_string_equal(probe.detail, "as the file has it");
	assert_int_equal(probe.result, KVM_PROBE_OK);
	assert_int_equal(probe.took_us, 77);
	assert_int_equal(stat(v->path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	kvm_verdict_renew(v->dir, &probe);
	assert_string_equal(probe.detail, v->first.detail);
}

static void verdict_of_another_boot_or_kvm_is_not_believed(void **state)
{
	/* The boot's id, the kernel, the device, a module. */
	static const char *const edits[] = { "2s/./g/", "3s/^/x/", "4s/^/9/", "5s/$/0/" };
	struct verdict *v = *state;
	struct kvm_probe probe;

	for (size_t i = 0; i < sizeof(edits) / sizeof(edits[0]); i++) {
		make_verdict(v);
		edit_verdict(v, edits[i]);
		kvm_verdict_get(v->dir, &probe);
		assert_string_equal(probe.detail, v->first.detail);
	}
}

static void verdict_that_is_damaged_or_somebody_elses_is_not_believed(void **state)
{
	struct verdict *v = *state;
	struct kvm_probe probe;

	make_verdict(v);
	edit_verdict(v, "$s/^0 77/999 77/");
	kvm_verdict_get(v->dir, &probe);
	assert_string_equal(probe.detail, v->first.detail);
	make_verdict(v);
	assert_int_equal(truncate(v->path, 20), 0);
	kvm_verdict_get(v->dir, &probe);
	assert_string_equal(probe.detail, v->first.detail);
	make_verdict(v);
	assert_int_equal(chmod(v->path, 0666), 0);
	kvm_verdict_get(v->dir, &probe);
	assert_string_equal(probe.detail, v->first.detail);
	(void)unlink(v->path);
	assert_int_equal(mkfifo(v->path, 0600), 0);
	kvm_verdict_get(v->dir, &probe); /* and does not wait for a writer */
	assert_string_equal(probe.detail, v->first.detail);
}

static void what_depends_on_the_moment_is_not_certain(void **state)
{
	(void)state;
	for (int result = 0; result < KVM_PROBE_COUNT_; result++) {
		const struct kvm_probe probe = { .result = (enum kvm_probe_result)result };

		assert_int_equal(kvm_probe_is_certain(&probe),
				 result != KVM_PROBE_SLOW && result != KVM_PROBE_NO_VM);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(auto_takes_kvm_only_after_a_pass),
		cmocka_unit_test(tcg_needs_no_probe),
		cmocka_unit_test(demanded_kvm_fails_with_the_reason),
		cmocka_unit_test(emulation_can_be_forbidden),
		cmocka_unit_test(unknown_setting_is_refused),
		cmocka_unit_test(absent_device_is_told_from_a_wrong_one),
		cmocka_unit_test(probe_of_this_host_ends_in_time_with_words),
		cmocka_unit_test(every_result_has_a_name),
		cmocka_unit_test(what_depends_on_the_moment_is_not_certain),
		cmocka_unit_test_setup_teardown(verdict_is_kept_and_believed, set_up_verdict,
						tear_down_verdict),
		cmocka_unit_test_setup_teardown(verdict_of_another_boot_or_kvm_is_not_believed,
						set_up_verdict, tear_down_verdict),
		cmocka_unit_test_setup_teardown(
			verdict_that_is_damaged_or_somebody_elses_is_not_believed, set_up_verdict,
			tear_down_verdict),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
