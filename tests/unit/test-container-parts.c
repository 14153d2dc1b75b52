/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unit tests of the small parts of the container set-up that need no container: capability names,
 * conversions of limits, seccomp profiles, paths inside a tree.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/container/attr/capability.h"
#include "agent/container/cgroup/cgroup.h"
#include "agent/util/path.h"
#include "agent/container/attr/seccomp.h"
#include "common/fd.h"
#include "common/io.h"
#include "oci/cpu.h"

static struct err err;
static char tree[] = "/tmp/kata-path-XXXXXX";
static int root = -1;

static void capability_names_are_known(void **state)
{
	(void)state;
	assert_int_equal(capability_number("CAP_CHOWN"), CAP_CHOWN);
	assert_int_equal(capability_number("cap_sys_admin"), CAP_SYS_ADMIN);
	assert_int_equal(capability_number("CHECKPOINT_RESTORE"), CAP_CHECKPOINT_RESTORE);
	assert_int_equal(capability_number("CAP_NONSENSE"), -EINVAL);
	assert_int_equal(capability_number(""), -EINVAL);
}

static void capability_sets_are_cut_to_what_can_be(void **state)
{
	char *chown[] = { (char *)"CAP_CHOWN", (char *)"CAP_WHATEVER", NULL };
	char *both[] = { (char *)"CAP_CHOWN", (char *)"CAP_KILL", NULL };
	struct oci_capabilities caps = {
		.permitted = { chown, 2 },
		.effective = { both, 2 },
		.ambient = { both, 2 },
	};
	struct capability_sets sets;

	(void)state;
	capability_parse(&caps, &sets);
	assert_int_equal(sets.permitted, 1ULL << CAP_CHOWN);
	assert_int_equal(sets.effective, 1ULL << CAP_CHOWN);
	assert_int_equal(sets.ambient, 0);
	capability_parse(NULL, &sets);
	assert_int_equal(sets.bounding, 0);
}

static void shares_become_weights(void **state)
{
	(void)state;
	assert_int_equal(oci_cpu_weight(0), 1);
	assert_int_equal(oci_cpu_weight(2), 1);
	assert_int_equal(oci_cpu_weight(1024), 39);
	assert_int_equal(oci_cpu_weight(262144), 10000);
	assert_int_equal(oci_cpu_weight(UINT64_MAX), 10000);
	assert_int_equal(cgroup_blkio_to_io_weight(10), 1);
	assert_int_equal(cgroup_blkio_to_io_weight(500), 4950);
	assert_int_equal(cgroup_blkio_to_io_weight(1000), 10000);
}

static void swap_is_counted_without_memory(void **state)
{
	int64_t swap;

	(void)state;
	assert_int_equal(cgroup_swap_limit(100, 300, &swap, &err), 0);
	assert_int_equal(swap, 200);
	assert_int_equal(cgroup_swap_limit(100, 100, &swap, &err), 0);
	assert_int_equal(swap, 0);
	assert_int_equal(cgroup_swap_limit(100, -1, &swap, &err), 0);
	assert_int_equal(swap, -1);
	assert_int_equal(cgroup_swap_limit(300, 100, &swap, &err), -EINVAL);
	assert_int_equal(cgroup_swap_limit(0, 100, &swap, &err), -EINVAL);
	assert_int_equal(cgroup_swap_limit(-1, 100, &swap, &err), -EINVAL);
}

/* Return: errno of a call under the profile, 0 when it works, -1 when the process was killed. */
static int call_under_profile(const struct oci_seccomp *profile, long nr)
{
	struct seccomp_prog *prog;
	int wstatus;

	assert_int_equal(seccomp_prog_new(profile, &prog, &err), 0);
	pid_t pid = fork();
	if (pid == 0) {
		(void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
		if (seccomp_prog_load(prog) < 0)
			_exit(250);
		/* Not by _exit(): where next to nothing is allowed, the sanitizer's would fail. */
		(void)syscall(SYS_exit_group, syscall(nr) < 0 ? errno : 0);
	}
	(void)seccomp_prog_free(prog);
	assert_int_equal(waitpid(pid, &wstatus, 0), pid);
	return WIFEXITED(wstatus) ? WEXITSTATUS(wstatus) : -1;
}

static int under_profile(const struct oci_seccomp *profile)
{
	return call_under_profile(profile, SYS_getppid);
}

static void profiles_do_what_they_say(void **state)
{
	char *names[] = { (char *)"getppid", (char *)"no_such_call", NULL };
	char *x86[] = { (char *)"SCMP_ARCH_X86_64", (char *)"SCMP_ARCH_X86", NULL };
	struct oci_seccomp_syscall rule = { .names = { names, 2 },
					    .action = (char *)"SCMP_ACT_ERRNO" };
	struct oci_seccomp profile = {
		.default_action = (char *)"SCMP_ACT_ALLOW",
		.architectures = { x86, 2 },
		.syscalls = &rule,
		.nr_syscalls = 1,
	};
	uint32_t errnum = 95;

	(void)state;
	assert_int_equal(under_profile(&profile), EPERM);
	rule.errno_ret = &errnum;
	assert_int_equal(under_profile(&profile), 95);
	rule.action = (char *)"SCMP_ACT_ALLOW";
	assert_int_equal(under_profile(&profile), 0);
	rule.action = (char *)"SCMP_ACT_KILL_PROCESS";
	assert_int_equal(under_profile(&profile), -1);
	rule.action = (char *)"SCMP_ACT_LOG";
	assert_int_equal(under_profile(&profile), 0);
	/* two conditions on one argument are alternatives */
	struct oci_seccomp_arg args[] = {
		{ .index = 0, .op = (char *)"SCMP_CMP_EQ", .value = 12345 },
		{ .index = 0, .op = (char *)"SCMP_CMP_GE", .value = 0 },
	};
	rule.action = (char *)"SCMP_ACT_ERRNO";
	rule.args = args;
	rule.nr_args = 2;
	assert_int_equal(under_profile(&profile), 95);
}

/* runc's rule: above the largest number that the profile names, where the default forbids. */
static void calls_newer_than_the_profile_are_not_implemented(void **state)
{
	char *names[] = { (char *)"exit_group", (char *)"exit", (char *)"faccessat2", NULL };
	char *named[] = { (char *)"futex_waitv", NULL };
	uint32_t errnum = 95, enosys = ENOSYS;
	struct oci_seccomp_arg arg = { .index = 0, .op = (char *)"SCMP_CMP_EQ", .value = 1 };
	struct oci_seccomp_syscall rules[] = {
		{ .names = { names, 3 }, .action = (char *)"SCMP_ACT_ALLOW" },
		{ .names = { named, 1 },
		  .action = (char *)"SCMP_ACT_ERRNO",
		  .args = &arg,
		  .nr_args = 1 },
	};
	struct oci_seccomp profile = {
		.default_action = (char *)"SCMP_ACT_ERRNO",
		.syscalls = rules,
		.nr_syscalls = 1,
	};

	(void)state;
	assert_int_equal(call_under_profile(&profile, SYS_faccessat2 + 1), ENOSYS);
	assert_int_equal(call_under_profile(&profile, 100000), ENOSYS);
	assert_int_equal(call_under_profile(&profile, SYS_faccessat2 - 1), EPERM);
	assert_int_equal(under_profile(&profile), EPERM);
	profile.default_errno_ret = &errnum;
	assert_int_equal(call_under_profile(&profile, SYS_faccessat2 + 1), ENOSYS);
	assert_int_equal(under_profile(&profile), 95);
	profile.default_errno_ret = &enosys;
	assert_int_equal(under_profile(&profile), ENOSYS);
	profile.default_errno_ret = NULL;
	/* A rule makes its calls known, whatever it says of them. */
	profile.nr_syscalls = 2;
	assert_int_equal(call_under_profile(&profile, SYS_faccessat2 + 1), EPERM);
	profile.nr_syscalls = 1;
	profile.default_action = (char *)"SCMP_ACT_KILL_PROCESS";
	assert_int_equal(call_under_profile(&profile, SYS_faccessat2 + 1), ENOSYS);
	assert_int_equal(under_profile(&profile), -1);
	profile.default_action = (char *)"SCMP_ACT_ALLOW";
	rules[0].action = (char *)"SCMP_ACT_ERRNO";
	rules[0].names = (struct strv){ names + 2, 1 };
	assert_int_equal(call_under_profile(&profile, SYS_getppid), 0);
	assert_int_equal(call_under_profile(&profile, 100000), ENOSYS); /* the kernel's own */
}

#ifdef __x86_64__
/* The 32-bit way in, from a 64-bit program. */
static long syscall_i386(long nr)
{
	long r;

	__asm__ volatile("int $0x80" : "=a"(r) : "a"(nr) : "memory", "r8", "r9", "r10", "r11");
	return r;
}

/* Return: what getppid() of both other ways in gave, -1 when the process was killed. */
static int through_other_arches(const struct oci_seccomp *profile, bool x32)
{
	struct seccomp_prog *prog;
	int wstatus;

	assert_int_equal(seccomp_prog_new(profile, &prog, &err), 0);
	pid_t pid = fork();
	if (pid == 0) {
		(void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
		if (seccomp_prog_load(prog) < 0)
			_exit(250);
		if (x32)
			_exit(syscall(SYS_getppid | 0x40000000) < 0 ? errno : 0);
		long r = syscall_i386(64 /* getppid */);
		_exit(r < 0 ? (int)-r : 0);
	}
	(void)seccomp_prog_free(prog);
	assert_int_equal(waitpid(pid, &wstatus, 0), pid);
	return WIFEXITED(wstatus) ? WEXITSTATUS(wstatus) : -1;
}

static void other_architectures_have_their_own_rules(void **state)
{
	char *names[] = { (char *)"getppid", NULL };
	char *all[] = { (char *)"SCMP_ARCH_X86_64", (char *)"SCMP_ARCH_X86",
			(char *)"SCMP_ARCH_X32",    (char *)"SCMP_ARCH_X86",
			(char *)"SCMP_ARCH_S390X",  NULL };
	uint32_t errnum = 95;
	struct oci_seccomp_syscall rule = {
		.names = { names, 1 },
		.action = (char *)"SCMP_ACT_ERRNO",
		.errno_ret = &errnum,
	};
	struct oci_seccomp profile = {
		.default_action = (char *)"SCMP_ACT_ALLOW",
		.architectures = { all, 5 },
		.syscalls = &rule,
		.nr_syscalls = 1,
	};

	(void)state;
	assert_int_equal(under_profile(&profile), 95);
	assert_int_equal(through_other_arches(&profile, false), 95);
	assert_int_equal(through_other_arches(&profile, true), 95);
	/* what is not listed is not allowed, whatever the default is */
	profile.architectures.nr = 1;
	assert_int_equal(through_other_arches(&profile, false), -1);
	assert_int_equal(through_other_arches(&profile, true), -1);
	assert_int_equal(under_profile(&profile), 95);
}
#endif

static void wrong_profiles_are_refused(void **state)
{
	char *bad[] = { (char *)"bad", NULL };
	struct oci_seccomp_arg arg = { .index = 6, .op = (char *)"SCMP_CMP_EQ" };
	struct oci_seccomp_syscall rule = {
		.names = { bad, 1 },
		.action = (char *)"SCMP_ACT_ERRNO",
		.args = &arg,
		.nr_args = 1,
	};
	struct seccomp_prog *prog;
	struct oci_seccomp profile = { .default_action = (char *)"SCMP_ACT_WHATEVER" };

	(void)state;
	assert_int_equal(seccomp_prog_new(&profile, &prog, &err), -EINVAL);
	assert_string_equal(err.text, "unknown seccomp action SCMP_ACT_WHATEVER");
	profile.default_action = NULL;
	assert_int_equal(seccomp_prog_new(&profile, &prog, &err), -EINVAL);
	profile.default_action = (char *)"SCMP_ACT_NOTIFY";
	assert_int_equal(seccomp_prog_new(&profile, &prog, &err), -ENOTSUP);
	profile.default_action = (char *)"SCMP_ACT_ALLOW";
	profile.listener_path = (char *)"/run/x";
	assert_int_equal(seccomp_prog_new(&profile, &prog, &err), -ENOTSUP);
	profile.listener_path = NULL;
	profile.architectures = (struct strv){ bad, 1 };
	assert_int_equal(seccomp_prog_new(&profile, &prog, &err), -EINVAL);
	profile.architectures.nr = 0;
	profile.flags = (struct strv){ bad, 1 };
	assert_int_equal(seccomp_prog_new(&profile, &prog, &err), -EINVAL);
	profile.flags.nr = 0;
	profile.syscalls = &rule;
	profile.nr_syscalls = 1;
	assert_int_equal(seccomp_prog_new(&profile, &prog, &err), -EINVAL);
}

/* Where a descriptor is, below the tree. */
static const char *place(int fd)
{
	static char path[4096];
	char link[64];

	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	ssize_t n = readlink(link, path, sizeof(path) - 1);
	(void)fd_close(fd);
	path[n > 0 ? n : 0] = '\0';
	return strncmp(path, tree, strlen(tree)) == 0 ? path + strlen(tree) : path;
}

static void missing_parts_are_made(void **state)
{
	(void)state;
	assert_string_equal(place(path_make_in(root, "/a/b//c/", PATH_DIR, 0755)), "/a/b/c");
	assert_string_equal(place(path_make_in(root, "a/./b/f", PATH_FILE, 0644)), "/a/b/f");
	assert_int_equal(path_make_in(root, "/a/b/f/g", PATH_DIR, 0755), -ENOTDIR);
	assert_string_equal(place(path_make_in(root, "/", PATH_DIR, 0755)), "");
	assert_string_equal(place(path_make_in(root, "../../x", PATH_DIR, 0755)), "/x");
}

static void links_stay_inside(void **state)
{
	char name[256];

	(void)state;
	assert_int_equal(symlinkat("/etc", root, "abs"), 0);
	assert_int_equal(symlinkat("../../../../../../tmp/kata-out", root, "up"), 0);
	assert_int_equal(symlinkat("loop", root, "loop"), 0);
	assert_int_equal(symlinkat("/deep/er", root, "chain"), 0);
	assert_int_equal(symlinkat("chain/x", root, "chain2"), 0);
	assert_int_equal(path_open_in(root, "abs/passwd", O_PATH), -ENOENT);
	assert_string_equal(place(path_make_in(root, "abs/mine", PATH_FILE, 0644)), "/etc/mine");
	assert_string_equal(place(path_make_in(root, "up/d", PATH_DIR, 0755)), "/tmp/kata-out/d");
	assert_int_not_equal(access("/tmp/kata-out", F_OK), 0);
	assert_int_equal(path_make_in(root, "loop/x", PATH_DIR, 0755), -ELOOP);
	assert_string_equal(place(path_make_in(root, "chain2/y", PATH_DIR, 0755)), "/deep/er/x/y");
	assert_int_equal(path_open_plain_in(root, "abs", O_PATH), -ELOOP);
	assert_string_equal(
		place(path_make_parent_in(root, "/abs/sub/leaf/", 0755, name, sizeof(name))),
		"/etc/sub");
	assert_string_equal(name, "leaf");
	assert_int_equal(path_make_parent_in(root, "/a/..", 0755, name, sizeof(name)), -EINVAL);
	assert_int_equal(path_make_parent_in(root, "/", 0755, name, sizeof(name)), -EINVAL);
}

static void long_names_are_refused(void **state)
{
	char path[6000];

	(void)state;
	memset(path, 'x', sizeof(path));
	path[300] = '\0';
	assert_int_equal(path_make_in(root, path, PATH_DIR, 0755), -ENAMETOOLONG);
	memset(path, '/', 300);
	path[300] = 'x';
	path[sizeof(path) - 1] = '\0';
	assert_int_equal(path_make_in(root, path, PATH_DIR, 0755), -ENAMETOOLONG);
}

static int setup(void **state)
{
	(void)state;
	if (!mkdtemp(tree))
		return -1;
	root = open(tree, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return root < 0 ? -1 : 0;
}

static int teardown(void **state)
{
	(void)state;
	(void)fd_close(root);
	return io_rm_tree_at(AT_FDCWD, tree) < 0 ? -1 : 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(capability_names_are_known),
		cmocka_unit_test(capability_sets_are_cut_to_what_can_be),
		cmocka_unit_test(shares_become_weights),
		cmocka_unit_test(swap_is_counted_without_memory),
		cmocka_unit_test(profiles_do_what_they_say),
		cmocka_unit_test(calls_newer_than_the_profile_are_not_implemented),
#ifdef __x86_64__
		cmocka_unit_test(other_architectures_have_their_own_rules),
#endif
		cmocka_unit_test(wrong_profiles_are_refused),
		cmocka_unit_test(missing_parts_are_made),
		cmocka_unit_test(links_stay_inside),
		cmocka_unit_test(long_names_are_refused),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
