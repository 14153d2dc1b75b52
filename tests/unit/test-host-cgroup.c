/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unit tests of the host's cgroup, on trees of plain files with a mountinfo that tells of them: no
 * rights needed, any version. With KATA_TEST_CGROUP2=1 also on the real version 2 tree at
 * /sys/fs/cgroup, which is for a machine made for it: a system test runs this in a VM.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/fiber.h"
#include "common/io.h"
#include "sandbox/host_cgroup.h"

#define MIB (1LL << 20)

struct world {
	struct arena *arena;
	char dir[32], mountinfo[4096];
	struct host_cgroup cg;
	struct err err;
};

static int set_up(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	if (!w || arena_new(&w->arena) < 0)
		return -1;
	(void)snprintf(w->dir, sizeof(w->dir), "/tmp/test-cgroup-XXXXXX");
	*state = w;
	return mkdtemp(w->dir) ? 0 : -1;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static int tear_down(void **state)
{
	struct world *w = *state;

	host_cgroup_close(&w->cg);
	(void)nftw(w->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	w->arena = arena_free(w->arena);
	free(w);
	return 0;
}

static const char *path_of(struct world *w, const char *path)
{
	return arena_printf(w->arena, "%s/%s", w->dir, path);
}

/* A directory below the tree with files the kernel would put there. */
static void make_group(struct world *w, const char *path, const char *const *files)
{
	char *full = arena_printf(w->arena, "%s/%s", w->dir, path);

	for (char *p = full + strlen(w->dir) + 1;; p++) {
		char c = *p;

		if (c && c != '/')
			continue;
		*p = '\0';
		assert_true(mkdir(full, 0755) == 0 || errno == EEXIST);
		for (const char *const *file = files; *file; file++) {
			int fd = open(arena_printf(w->arena, "%s/%s", full, *file),
				      O_WRONLY | O_CREAT, 0644);
			assert_true(fd >= 0);
			(void)close(fd);
		}
		if (!c)
			return;
		*p = c;
	}
}

static const char *read_file(struct world *w, const char *path)
{
	char *text = NULL;

	if (io_read_file_at(AT_FDCWD, path_of(w, path), 4096, &text) < 0)
		return "(missing)";
	const char *copy = arena_strdup(w->arena, text);
	free(text);
	return copy;
}

static void mount_line(struct world *w, unsigned device, const char *name, const char *fstype,
		       const char *super)
{
	size_t len = strlen(w->mountinfo);

	(void)snprintf(w->mountinfo + len, sizeof(w->mountinfo) - len,
		       "%u 23 0:%u / %s/%s rw,relatime shared:7 - %s none %s\n", device + 100,
		       device, w->dir, name, fstype, super);
}

static int plan(struct world *w, const char *path, bool systemd, bool systemd_runs)
{
	const struct host_cgroup_host host = { w->mountinfo, systemd_runs };

	w->err = ERR_NULL;
	return host_cgroup_plan_on(&host, path, systemd, w->arena, &w->cg, &w->err);
}

static const char *const v2_files[] = { "cgroup.procs",
					"cgroup.subtree_control",
					"memory.max",
					"memory.current",
					"cpu.max",
					"cpu.weight",
					"cpuset.cpus",
					"cpuset.mems",
					NULL };
static const char *const memory_files[] = { "cgroup.procs", "memory.limit_in_bytes",
					    "memory.usage_in_bytes", NULL };
static const char *const cpu_files[] = { "cgroup.procs", "cpu.shares", "cpu.cfs_quota_us",
					 "cpu.cfs_period_us", NULL };
static const char *const cpuset_files[] = { "cgroup.procs", "cpuset.cpus", "cpuset.mems", NULL };
static const char *const plain_files[] = { "cgroup.procs", NULL };

static int64_t limit = 256 * MIB, quota = 150000, no_quota = -1;
static uint64_t period = 50000, shares = 1024;
static struct oci_memory memory = { .limit = &limit };
static struct oci_cpu cpu = { .shares = &shares, .quota = &quota, .period = &period, .cpus = "0" };
static const struct oci_resources resources = { .memory = &memory, .cpu = &cpu };

static void version_2_has_one_tree_with_all_controllers(void **state)
{
	struct world *w = *state;
	struct oci_cpu unlimited = { .quota = &no_quota };
	const struct oci_resources lifted = { .cpu = &unlimited };

	make_group(w, "cg/outer/inner", v2_files);
	mount_line(w, 30, "cg", "cgroup2", "rw,nsdelegate");
	assert_int_equal(plan(w, "/outer/inner", false, false), 0);
	assert_int_equal(w->cg.nr, 1);
	assert_string_equal(w->cg.dirs[0], path_of(w, "cg/outer/inner"));
	assert_int_equal(host_cgroup_create(&w->cg, &w->err), 0);
	/* Every parent passes controllers on, the group itself does not. */
	assert_string_equal(read_file(w, "cg/cgroup.subtree_control"), "+hugetlb");
	assert_string_equal(read_file(w, "cg/outer/cgroup.subtree_control"), "+hugetlb");
	assert_string_equal(read_file(w, "cg/outer/inner/cgroup.subtree_control"), "");
	assert_int_equal(host_cgroup_limit(&w->cg, &resources, &w->err), 0);
	assert_string_equal(read_file(w, "cg/outer/inner/memory.max"), "268435456");
	assert_string_equal(read_file(w, "cg/outer/inner/cpu.max"), "150000 50000");
	assert_string_equal(read_file(w, "cg/outer/inner/cpu.weight"), "39");
	assert_string_equal(read_file(w, "cg/outer/inner/cpuset.cpus"), "0");
	assert_int_equal(host_cgroup_add(&w->cg, 4321), 0);
	assert_string_equal(read_file(w, "cg/outer/inner/cgroup.procs"), "4321");
	assert_int_equal(host_cgroup_limit(&w->cg, &lifted, &w->err), 0);
	assert_non_null(strstr(read_file(w, "cg/outer/inner/cpu.max"), "max 100000"));
	assert_int_equal(
		io_write_str_at(AT_FDCWD, path_of(w, "cg/outer/inner/memory.current"), "1000000\n"),
		0);
	assert_int_equal(host_cgroup_exhaust(&w->cg, &w->err), 0);
	assert_non_null(strstr(read_file(w, "cg/outer/inner/memory.max"), "17777216"));
}

static void shares_become_weights_over_their_whole_range(void **state)
{
	static const struct {
		uint64_t shares;
		const char *weight;
	} cases[] = { { 1, "1" }, { 2, "1" }, { 1024, "39" }, { 262144, "10000" } };
	struct world *w = *state;

	make_group(w, "cg/a", v2_files);
	mount_line(w, 30, "cg", "cgroup2", "rw");
	assert_int_equal(plan(w, "a", false, false), 0);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint64_t value = cases[i].shares;
		struct oci_cpu only = { .shares = &value };
		const struct oci_resources res = { .cpu = &only };

		assert_int_equal(truncate(path_of(w, "cg/a/cpu.weight"), 0), 0);
		assert_int_equal(host_cgroup_limit(&w->cg, &res, &w->err), 0);
		assert_string_equal(read_file(w, "cg/a/cpu.weight"), cases[i].weight);
	}
}

/* Version 2 is mounted as well, without controllers, and one tree twice. */
static void make_version_1(struct world *w)
{
	make_group(w, "memory/outer/inner", memory_files);
	make_group(w, "cpu,cpuacct/outer/inner", cpu_files);
	make_group(w, "cpuset/outer/inner", cpuset_files);
	make_group(w, "systemd/outer/inner", plain_files);
	mount_line(w, 30, "memory", "cgroup", "rw,memory");
	mount_line(w, 31, "cpu,cpuacct", "cgroup", "rw,cpu,cpuacct");
	mount_line(w, 35, "unified", "cgroup2", "rw");
	mount_line(w, 32, "cpuset", "cgroup", "rw,cpuset");
	mount_line(w, 33, "systemd", "cgroup", "rw,xattr,name=systemd");
	mount_line(w, 30, "elsewhere", "cgroup", "rw,memory");
	mount_line(w, 36, "proc", "proc", "rw");
}

static void version_1_has_a_tree_for_each_controller(void **state)
{
	struct world *w = *state;

	make_version_1(w);
	assert_int_equal(io_write_str_at(AT_FDCWD, path_of(w, "cpuset/cpuset.cpus"), "0-3\n"), 0);
	assert_int_equal(io_write_str_at(AT_FDCWD, path_of(w, "cpuset/cpuset.mems"), "0\n"), 0);
	assert_int_equal(plan(w, "/outer/inner", false, false), 0);
	assert_int_equal(w->cg.nr, 4);
	assert_int_equal(host_cgroup_create(&w->cg, &w->err), 0);
	/* A cpuset without CPUs would accept no process. */
	assert_string_equal(read_file(w, "cpuset/outer/cpuset.cpus"), "0-3\n");
	assert_string_equal(read_file(w, "cpuset/outer/inner/cpuset.mems"), "0\n");
	assert_int_equal(host_cgroup_limit(&w->cg, &resources, &w->err), 0);
	assert_string_equal(read_file(w, "memory/outer/inner/memory.limit_in_bytes"), "268435456");
	assert_string_equal(read_file(w, "cpu,cpuacct/outer/inner/cpu.cfs_quota_us"), "150000");
	assert_string_equal(read_file(w, "cpu,cpuacct/outer/inner/cpu.cfs_period_us"), "50000");
	assert_string_equal(read_file(w, "cpu,cpuacct/outer/inner/cpu.shares"), "1024");
	assert_int_equal(host_cgroup_add(&w->cg, 4321), 0);
	assert_string_equal(read_file(w, "memory/outer/inner/cgroup.procs"), "4321");
	assert_string_equal(read_file(w, "systemd/outer/inner/cgroup.procs"), "4321");
}

static void a_limit_the_kernel_refuses_is_named(void **state)
{
	struct world *w = *state;

	make_group(w, "cg/a", plain_files);
	mount_line(w, 30, "cg", "cgroup2", "rw");
	assert_int_equal(plan(w, "/a", false, false), 0);
	assert_int_equal(host_cgroup_limit(&w->cg, &resources, &w->err), -ENOENT);
	assert_non_null(strstr(w->err.text, "cg/a/memory.max to 268435456"));
}

static void a_host_without_cgroups_has_no_plan(void **state)
{
	struct world *w = *state;

	mount_line(w, 36, "proc", "proc", "rw");
	assert_int_equal(plan(w, "/a", false, false), 0);
	assert_int_equal(w->cg.nr, 0);
	assert_int_equal(host_cgroup_create(&w->cg, &w->err), 0);
	assert_int_equal(host_cgroup_limit(&w->cg, &resources, &w->err), 0);
	assert_int_equal(host_cgroup_exhaust(&w->cg, &w->err), -ENOENT);
}

static void systemds_form_is_where_it_puts_the_scope(void **state)
{
	static const struct {
		const char *path, *dir;
	} cases[] = {
		{ "user-1000.slice:libpod:abc", "cg/user.slice/user-1000.slice/libpod-abc.scope" },
		{ "a-b-c.slice:p:n", "cg/a.slice/a-b.slice/a-b-c.slice/p-n.scope" },
		{ ":docker:abc", "cg/system.slice/docker-abc.scope" },
	};
	struct world *w = *state;

	mount_line(w, 30, "cg", "cgroup2", "rw");
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_int_equal(plan(w, cases[i].path, true, true), 0);
		assert_string_equal(w->cg.dirs[0], path_of(w, cases[i].dir));
	}
	assert_int_equal(plan(w, "only:two", true, true), -EINVAL);
	assert_string_equal(w->err.text, "linux.cgroupsPath 'only:two' is not slice:prefix:name");
}

static void systemds_driver_needs_systemd(void **state)
{
	struct world *w = *state;

	mount_line(w, 30, "cg", "cgroup2", "rw");
	assert_int_equal(plan(w, "system.slice:docker:abc", true, false), -EOPNOTSUPP);
	assert_string_equal(w->err.text, "systemd does not run on this host, so its cgroup driver "
					 "cannot be used for 'system.slice:docker:abc'");
	assert_int_equal(w->cg.nr, 0);
}

static void paths_that_leave_the_tree_are_refused(void **state)
{
	static const char *const bad[] = { "/", "/../a", "a/../../b" };
	struct world *w = *state;

	mount_line(w, 30, "cg", "cgroup2", "rw");
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(plan(w, bad[i], false, false), -EINVAL);
}

static int remove_in_fiber(void *arg)
{
	struct host_cgroup *cg = arg;

	return host_cgroup_remove_dirs(cg->dirs, cg->nr);
}

/* Joins, and takes more than it may have. */
static pid_t start_hog(struct host_cgroup *cg)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	if (host_cgroup_add(cg, getpid()) < 0)
		_exit(90);
	char *p = mmap(NULL, 128 * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		_exit(91);
	for (size_t i = 0; i < 128 * MIB; i += 4096)
		((volatile char *)p)[i] = 1;
	_exit(0);
}

static void a_real_version_2_tree_counts_and_limits(void **state)
{
	struct world *w = *state;
	int64_t little = 48 * MIB;
	struct oci_memory small = { .limit = &little };
	const struct oci_resources res = { .memory = &small, .cpu = &cpu };
	char *text = NULL;
	int status;

	if (!getenv("KATA_TEST_CGROUP2"))
		skip();
	assert_int_equal(host_cgroup_plan("/outer/inner", false, w->arena, &w->cg, &w->err), 0);
	assert_int_equal(w->cg.nr, 1);
	assert_string_equal(w->cg.dirs[0], "/sys/fs/cgroup/outer/inner");
	if (host_cgroup_create(&w->cg, &w->err) < 0 || host_cgroup_limit(&w->cg, &res, &w->err) < 0)
		fail_msg("%s", w->err.text);
	assert_true(io_read_file_at(AT_FDCWD, "/sys/fs/cgroup/outer/inner/cpu.max", 64, &text) > 0);
	assert_string_equal(text, "150000 50000\n");
	free(text);
	assert_true(io_read_file_at(AT_FDCWD, "/sys/fs/cgroup/outer/inner/memory.max", 64, &text) >
		    0);
	assert_string_equal(text, "50331648\n");
	free(text);
	pid_t pid = start_hog(&w->cg);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	assert_int_equal(host_cgroup_exhaust(&w->cg, &w->err), 0);
	host_cgroup_close(&w->cg);
	assert_int_equal(fiber_run_main(remove_in_fiber, &w->cg), 0);
	assert_int_equal(access("/sys/fs/cgroup/outer/inner", F_OK), -1);
	/* Gone already is as good. */
	assert_int_equal(fiber_run_main(remove_in_fiber, &w->cg), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
		T(version_2_has_one_tree_with_all_controllers),
		T(shares_become_weights_over_their_whole_range),
		T(version_1_has_a_tree_for_each_controller),
		T(a_limit_the_kernel_refuses_is_named),
		T(a_host_without_cgroups_has_no_plan),
		T(systemds_form_is_where_it_puts_the_scope),
		T(systemds_driver_needs_systemd),
		T(paths_that_leave_the_tree_are_refused),
		T(a_real_version_2_tree_counts_and_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
