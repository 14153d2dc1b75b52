/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unit tests of the table of mount options.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>
#include <sys/mount.h>

#include "agent/container/rootfs/mount_options.h"

static struct arena *arena;
static struct mount_options parsed;
static struct err err;

static int parse(const char *const *words, size_t nr)
{
	struct strv options = { 0 };

	for (size_t i = 0; i < nr; i++)
		assert_int_equal(arena_strv_add(arena, &options, words[i]), 0);
	return mount_options_parse(arena, &options, &parsed, &err);
}

#define PARSE(...)                                  \
	parse((const char *const[]){ __VA_ARGS__ }, \
	      sizeof((const char *const[]){ __VA_ARGS__ }) / sizeof(char *))

static void flags_of_the_mount_and_of_its_tree_are_apart(void **state)
{
	(void)state;
	assert_int_equal(PARSE("ro", "nosuid", "rnoexec", "rnodev"), 0);
	assert_int_equal(parsed.self.set, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID);
	assert_int_equal(parsed.tree.set, MOUNT_ATTR_NOEXEC | MOUNT_ATTR_NODEV);
	assert_int_equal(parsed.self.clear, 0);
}

static void a_later_option_overrides_an_earlier_one(void **state)
{
	(void)state;
	assert_int_equal(PARSE("ro", "rw"), 0);
	assert_int_equal(parsed.self.set, 0);
	assert_int_equal(parsed.self.clear, MOUNT_ATTR_RDONLY);
	assert_int_equal(PARSE("exec", "noexec"), 0);
	assert_int_equal(parsed.self.set, MOUNT_ATTR_NOEXEC);
	assert_int_equal(parsed.self.clear, 0);
}

static void access_times_exclude_each_other(void **state)
{
	(void)state;
	assert_int_equal(PARSE("noatime", "strictatime"), 0);
	assert_int_equal(parsed.self.set, MOUNT_ATTR_STRICTATIME);
	assert_int_equal(parsed.self.clear, MOUNT_ATTR__ATIME);
	assert_int_equal(PARSE("rrelatime"), 0);
	assert_int_equal(parsed.tree.set, 0);
	assert_int_equal(parsed.tree.clear, MOUNT_ATTR__ATIME);
}

static void propagation_keeps_its_order(void **state)
{
	struct mount_propagation one;

	(void)state;
	assert_int_equal(PARSE("rbind", "rslave", "shared"), 0);
	assert_true(parsed.bind && parsed.recursive);
	assert_int_equal(parsed.nr_propagation, 2);
	assert_int_equal(parsed.propagation[0].flag, MS_SLAVE);
	assert_true(parsed.propagation[0].recursive);
	assert_int_equal(parsed.propagation[1].flag, MS_SHARED);
	assert_false(parsed.propagation[1].recursive);
	assert_int_equal(PARSE("private", "private", "private", "private", "private"), -EINVAL);
	assert_int_equal(mount_propagation_parse("runbindable", &one), 0);
	assert_int_equal(one.flag, MS_UNBINDABLE);
	assert_int_equal(mount_propagation_parse("ro", &one), -EINVAL);
}

static void the_rest_goes_to_the_file_system(void **state)
{
	(void)state;
	assert_int_equal(PARSE("mode=755,size=65536k", "lowerdir=/a\\,b:/c", "sync", "defaults",
			       "hidepid=2", ",,"),
			 0);
	assert_int_equal(parsed.data.nr, 4);
	assert_string_equal(parsed.data.v[0], "mode=755");
	assert_string_equal(parsed.data.v[1], "size=65536k");
	assert_string_equal(parsed.data.v[2], "lowerdir=/a\\,b:/c");
	assert_string_equal(parsed.data.v[3], "hidepid=2");
	assert_int_equal(parsed.super.nr, 1);
}

static void special_words_are_known(void **state)
{
	(void)state;
	assert_int_equal(PARSE("tmpcopyup", "ridmap", "remount", "bind"), 0);
	assert_true(parsed.tmpcopyup && parsed.idmap && parsed.recursive_idmap && parsed.remount &&
		    parsed.bind);
	assert_false(parsed.recursive);
	assert_int_equal(parsed.data.nr, 0);
}

static int setup(void **state)
{
	(void)state;
	return arena_new(&arena);
}

static int teardown(void **state)
{
	(void)state;
	arena = arena_free(arena);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(flags_of_the_mount_and_of_its_tree_are_apart),
		cmocka_unit_test(a_later_option_overrides_an_earlier_one),
		cmocka_unit_test(access_times_exclude_each_other),
		cmocka_unit_test(propagation_keeps_its_order),
		cmocka_unit_test(the_rest_goes_to_the_file_system),
		cmocka_unit_test(special_words_are_known),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
