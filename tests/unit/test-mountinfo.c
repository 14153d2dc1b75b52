/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unit tests of the list of mounts, on lines of every form that proc(5) allows and on some that it
 * does not.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "common/mountinfo.h"
#include "common/str.h"

static void assert_entry(const struct mountinfo *info, size_t i, const char *device,
			 const char *mount_point, const char *fstype, const char *super_options)
{
	assert_true(i < info->nr);
	assert_string_equal(info->entries[i].device, device);
	assert_string_equal(info->entries[i].mount_point, mount_point);
	assert_string_equal(info->entries[i].fstype, fstype);
	assert_string_equal(info->entries[i].super_options, super_options);
}

static void tags_are_optional_and_many(void **state)
{
	cleanup_mountinfo struct mountinfo info = MOUNTINFO_NULL;

	(void)state;
	assert_int_equal(mountinfo_parse_for_test(
				 "22 1 0:20 / /a rw - tmpfs none rw,size=1k\n"
				 "23 1 0:21 / /b rw shared:7 - ext4 /dev/sda1 rw\n"
				 "24 1 0:22 /x /c rw shared:7 master:1 propagate_from:2 unbindable "
				 "- cgroup cgroup rw,cpu,cpuacct\n",
				 &info),
			 0);
	assert_int_equal(info.nr, 3);
	assert_entry(&info, 0, "0:20", "/a", "tmpfs", "rw,size=1k");
	assert_entry(&info, 1, "0:21", "/b", "ext4", "rw");
	assert_int_equal(info.entries[1].id, 23);
	assert_entry(&info, 2, "0:22", "/c", "cgroup", "rw,cpu,cpuacct");
}

static void escapes_become_the_bytes_they_stand_for(void **state)
{
	cleanup_mountinfo struct mountinfo info = MOUNTINFO_NULL;

	(void)state;
	/* A space, tab, line feed, backslash; then what is no escape, and one at the very end. */
	assert_int_equal(mountinfo_parse_for_test(
				 "1 1 0:1 / /a\\040b\\011c\\012d\\134e rw - tmpfs t rw\n"
				 "1 1 0:1 / /\\04\\999\\400\\x rw - tmpfs t rw\n"
				 "1 1 0:1 / /\\303\\274\\0 rw - fuse.x t rw,name=a\\040b\\04\n",
				 &info),
			 0);
	assert_int_equal(info.nr, 3);
	assert_entry(&info, 0, "0:1", "/a b\tc\nd\\e", "tmpfs", "rw");
	assert_entry(&info, 1, "0:1", "/\\04\\999\\400\\x", "tmpfs", "rw");
	assert_entry(&info, 2, "0:1", "/\xc3\xbc\\0", "fuse.x", "rw,name=a b\\04");
}

static void odd_lines_are_read_or_passed_over(void **state)
{
	cleanup_mountinfo struct mountinfo info = MOUNTINFO_NULL;

	(void)state;
	assert_int_equal(mountinfo_parse_for_test("", &info), 0);
	assert_int_equal(info.nr, 0);
	mountinfo_deinit(&info);
	assert_int_equal(
		mountinfo_parse_for_test(
			"\n\nwords\n1 1 0:1 / /no/end rw shared:1\n1 1 0:1\n"
			/* A source may be empty, and a mount point may look like the mark. */
			"1 1 0:2 / /empty rw -  tmpfs rw\n"
			"1 1 0:3 / /empty rw - tmpfs  rw\n"
			"1 1 0:4 / - rw - tmpfs - rw\n"
			"1 1 0:5 / /last rw - tmpfs t rw",
			&info),
		0);
	assert_int_equal(info.nr, 3);
	assert_entry(&info, 0, "0:3", "/empty", "tmpfs", "rw");
	assert_entry(&info, 1, "0:4", "-", "tmpfs", "rw");
	assert_entry(&info, 2, "0:5", "/last", "tmpfs", "rw");
}

static void this_process_has_a_root(void **state)
{
	cleanup_mountinfo struct mountinfo info = MOUNTINFO_NULL;
	unsigned nr_proc = 0;

	(void)state;
	assert_int_equal(mountinfo_read(&info), 0);
	for (size_t i = 0; i < info.nr; i++)
		if (str_eq(info.entries[i].mount_point, "/proc"))
			nr_proc += str_eq(info.entries[i].fstype, "proc");
	assert_true(nr_proc >= 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tags_are_optional_and_many),
		cmocka_unit_test(escapes_become_the_bytes_they_stand_for),
		cmocka_unit_test(odd_lines_are_read_or_passed_over),
		cmocka_unit_test(this_process_has_a_root),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
