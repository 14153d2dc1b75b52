/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of finding the project's programs: host/program.c. The directory of the test holds none.
 */
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/io.h"
#include "common/macros.h"
#include "host/program.h"

static char dir[64];

static void make(const char *name, mode_t mode)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	assert_int_equal(io_replace_file_at(AT_FDCWD, path, "", 0, mode), 0);
}

static int set_up(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/kata-test-XXXXXX");
	assert_non_null(mkdtemp(dir));
	unsetenv("KATA_SHIM");
	return setenv("PATH", "/nowhere", 1);
}

static int tear_down(void **state)
{
	(void)state;
	return io_rm_tree_at(AT_FDCWD, dir);
}

static void assert_shim(const char *name)
{
	char path[PATH_MAX], expected[PATH_MAX];
	struct err err = ERR_NULL;

	snprintf(expected, sizeof(expected), "%s/%s", dir, name);
	assert_int_equal(program_find_shim(path, sizeof(path), &err), 0);
	assert_string_equal(path, expected);
}

static void the_shim_is_found_in_path(void **state)
{
	char path[PATH_MAX], dirs[256];
	struct err err = ERR_NULL;

	(void)state;
	snprintf(dirs, sizeof(dirs), "relative:/nowhere::%s/a:%s", dir, dir);
	setenv("PATH", dirs, 1);
	assert_int_equal(program_find_shim(path, sizeof(path), &err), -ENOENT);
	assert_string_equal(err.text, "containerd-shim-kata-v2 is neither beside kata-runtime nor "
				      "in $PATH");
	make("containerd-shim-kata-v2", 0755);
	snprintf(path, sizeof(path), "%s/a/containerd-shim-kata-v2", dir);
	assert_int_equal(io_mkdir_p(path, 0755), 0); /* a directory is no program */
	assert_shim("containerd-shim-kata-v2");
}

static void a_shim_that_is_named_wins_or_fails(void **state)
{
	char path[PATH_MAX];
	struct err err = ERR_NULL;

	(void)state;
	setenv("PATH", dir, 1);
	make("containerd-shim-kata-v2", 0755);
	make("other", 0755);
	snprintf(path, sizeof(path), "%s/other", dir);
	setenv("KATA_SHIM", path, 1);
	assert_shim("other");
	assert_int_equal(chmod(path, 0757), 0);
	assert_int_equal(program_find_shim(path, sizeof(path), &err), -EPERM);
	assert_non_null(strstr(err.text, "/other, which somebody else may change"));
	make("other", 0644);
	assert_int_equal(program_find_shim(path, sizeof(path), &err), -ENOENT);
	assert_non_null(strstr(err.text, "/other, which is not a program"));
}

/* Root's $PATH may lead to a place where others write. */
static void what_others_may_change_is_not_run(void **state)
{
	static const struct {
		mode_t mode;
		uid_t uid;
		gid_t gid;
	} bad[] = { { 0757, 0, 0 }, { 0775, 0, 12345 }, { 0755, 12345, 0 } };
	char path[PATH_MAX], name[PATH_MAX];
	struct err err = ERR_NULL;

	(void)state;
	if (geteuid() != 0)
		skip();
	setenv("PATH", dir, 1);
	snprintf(name, sizeof(name), "%s/containerd-shim-kata-v2", dir);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		make("containerd-shim-kata-v2", 0755);
		assert_int_equal(chown(name, bad[i].uid, bad[i].gid), 0);
		assert_int_equal(chmod(name, bad[i].mode), 0);
		assert_int_equal(program_find_shim(path, sizeof(path), &err), -ENOENT);
	}
	assert_int_equal(chown(name, 0, 0), 0);
	assert_int_equal(chmod(name, 0775), 0);
	assert_shim("containerd-shim-kata-v2");
}

static void the_proxy_is_found_beside_who_starts_it(void **state)
{
	char path[PATH_MAX], beside[PATH_MAX], expected[PATH_MAX];
	struct err err = ERR_NULL;

	(void)state;
	snprintf(beside, sizeof(beside), "%s/shim", dir);
	make("kata-proxy", 0755);
	snprintf(expected, sizeof(expected), "%s/kata-proxy", dir);
	assert_int_equal(program_find_proxy(beside, path, sizeof(path), &err), 0);
	assert_string_equal(path, expected);
	/* Not every file of that name is one; elsewhere there is at most the installed one. */
	make("kata-proxy", 0644);
	(void)!program_find_proxy(beside, path, sizeof(path), &err);
	assert_string_not_equal(path, expected);
	assert_non_null(strstr(path, "/kata-proxy"));
	char small[8];
	(void)!program_find_proxy(beside, small, sizeof(small), &err);
	assert_int_equal(strlen(small), sizeof(small) - 1);
}

static void a_program_finds_itself(void **state)
{
	char path[PATH_MAX];

	(void)state;
	assert_int_equal(program_find_self(path, sizeof(path)), 0);
	assert_non_null(strstr(path, "/test-program"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_shim_is_found_in_path, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_shim_that_is_named_wins_or_fails, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(what_others_may_change_is_not_run, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(the_proxy_is_found_beside_who_starts_it, set_up,
						tear_down),
		cmocka_unit_test(a_program_finds_itself),
	};

	return cmocka_run_group_tests_name("program", tests, NULL, NULL);
}
