/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kata-runtime security: what is read of a process, and what is judged too much.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "common/arena.h"
#include "common/str.h"
#include "runtime/cmd/admin/security_process.h"

static const struct security_policy jailed = {
	.jail = true,
	.uid_base = 5000,
	.uid_count = 10,
	.qemu_filter = true,
};
static char verdict[512];

static struct security_process good_qemu(void)
{
	return (struct security_process){
		.role = SECURITY_ROLE_QEMU,
		.uid = 5009,
		.own_ns = { true, true, true, true, true },
		.own_root = true,
		.seccomp = 2,
		.no_new_privs = true,
		.devices = SECURITY_DEVICES_LISTED,
	};
}

static void refuses(const struct security_process *p, const char *why)
{
	assert_false(security_judge(p, &jailed, verdict, sizeof(verdict)));
	if (!strstr(verdict, why))
		fail_msg("\"%s\" does not say \"%s\"", verdict, why);
}

static void a_jailed_qemu_is_ok(void **state)
{
	struct security_process p = good_qemu();

	(void)state;
	assert_true(security_judge(&p, &jailed, verdict, sizeof(verdict)));
	assert_string_equal(verdict, "ok");
	p.own_ns[SECURITY_NS_NET] = false; /* a container on a network that was joined */
	assert_true(security_judge(&p, &jailed, verdict, sizeof(verdict)));
}

static void each_right_too_many_is_named(void **state)
{
	struct security_process p;

	(void)state;
	p = good_qemu();
	p.uid = 0;
	refuses(&p, "weaker: user 0");
	p.uid = 5010;
	refuses(&p, "user 5010");
	p = good_qemu();
	p.caps = 1ULL << CAP_DAC_READ_SEARCH | 1ULL << CAP_SYS_ADMIN;
	refuses(&p, "2 capabilities too many");
	p = good_qemu();
	p.own_ns[SECURITY_NS_MOUNT] = p.own_ns[SECURITY_NS_PID] = false;
	refuses(&p, "the host's mnt namespace, the host's pid namespace");
	p = good_qemu();
	p.own_root = false;
	refuses(&p, "the host's root");
	p = good_qemu();
	p.seccomp = 0;
	refuses(&p, "no system call filter");
	p = good_qemu();
	p.no_new_privs = false;
	refuses(&p, "may gain privileges");
	p = good_qemu();
	p.devices = SECURITY_DEVICES_ALL;
	refuses(&p, "any device");
	p = (struct security_process){ .role = SECURITY_ROLE_PROXY, .uid = 0 };
	refuses(&p, "user 0, the host's mnt namespace");
	p = (struct security_process){ .role = SECURITY_ROLE_STANDIN,
				       .caps = 1ULL << CAP_KILL | 1ULL << CAP_SYS_ADMIN };
	refuses(&p, "1 capabilities too many, the host's mnt namespace, the host's pid namespace, "
		    "the host's root, may gain privileges");
	p = (struct security_process){ .role = SECURITY_ROLE_SHIM };
	refuses(&p, "the host's mnt namespace");
}

static void capabilities_of_9p_are_for_9p_only(void **state)
{
	struct security_policy with_9p = jailed;
	struct security_process p = good_qemu();

	(void)state;
	p.caps = 1ULL << CAP_CHOWN | 1ULL << CAP_MKNOD;
	refuses(&p, "2 capabilities too many");
	with_9p.shared_by_9p = true;
	assert_true(security_judge(&p, &with_9p, verdict, sizeof(verdict)));
}

static void without_a_jail_qemu_is_as_configured_and_it_is_said_loudly(void **state)
{
	static const struct security_policy none = { .qemu_filter = true };
	struct security_process p = {
		.role = SECURITY_ROLE_QEMU,
		.caps = 1ULL << CAP_DAC_READ_SEARCH,
		.seccomp = 2,
		.no_new_privs = true,
	};

	(void)state;
	assert_true(security_judge(&p, &none, verdict, sizeof(verdict)));
	assert_string_equal(verdict, "ROOT OF THE HOST: jail = false");
	p.seccomp = 0;
	assert_false(security_judge(&p, &none, verdict, sizeof(verdict)));
}

static void status_is_read_as_the_kernel_writes_it(void **state)
{
	static const char text[] = "Name:\tqemu\nPPid:\t7\nUid:\t1\t2\t3\t4\n"
				   "CapInh:\t0000000000000001\nCapEff:\t000001fffeffffff\n"
				   "CapBnd:\t0000000000000004\nNoNewPrivs:\t1\nSeccomp:\t2\n";
	struct security_process p = { 0 };

	(void)state;
	assert_int_equal(security_parse_status(text, &p), 0);
	assert_int_equal(p.parent, 7);
	assert_int_equal(p.uid, 2);
	assert_true(p.caps == 0x1fffeffffffULL);
	assert_int_equal(p.bounding, 4);
	assert_int_equal(p.seccomp, 2);
	assert_true(p.no_new_privs);
	assert_int_equal(security_parse_status("Name:\tx\n", &p), -EBADMSG);
	assert_int_equal(security_parse_status("", &p), -EBADMSG);
}

static void capabilities_have_names(void **state)
{
	cleanup_arena struct arena *arena = NULL;
	const char *text;

	(void)state;
	assert_int_equal(arena_new(&arena), 0);
	assert_int_equal(security_caps_name(0, arena, &text), 0);
	assert_string_equal(text, "none");
	assert_int_equal(
		security_caps_name(1 | 1ULL << CAP_CHECKPOINT_RESTORE | 1ULL << 63, arena, &text),
		0);
	assert_string_equal(text, "CHOWN,CHECKPOINT_RESTORE,63");
	assert_int_equal(security_caps_name(0x1ff, arena, &text), 0);
	assert_string_equal(text, "9 of them");
}

static void this_process_has_what_the_kernel_says(void **state)
{
	struct err err = ERR_NULL;
	struct security_process p;

	(void)state;
	assert_int_equal(security_read(getpid(), &p, &err), 0);
	assert_int_equal(p.uid, geteuid());
	assert_int_equal(p.parent, getppid());
	for (int i = 0; i < SECURITY_NS_COUNT_; i++)
		assert_false(p.own_ns[i]);
	assert_false(p.own_root);
	assert_int_equal(p.no_new_privs, prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_jailed_qemu_is_ok),
		cmocka_unit_test(each_right_too_many_is_named),
		cmocka_unit_test(capabilities_of_9p_are_for_9p_only),
		cmocka_unit_test(without_a_jail_qemu_is_as_configured_and_it_is_said_loudly),
		cmocka_unit_test(status_is_read_as_the_kernel_writes_it),
		cmocka_unit_test(capabilities_have_names),
		cmocka_unit_test(this_process_has_what_the_kernel_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
