/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unit tests of the host's cgroup, on trees of plain files with a mountinfo that tells of them: no
 * rights needed, any version. With KATA_TEST_CGROUP2=1 also on the real version 2 tree at
 * /sys/fs/cgroup, and with KATA_TEST_SYSTEMD=1 with the systemd that runs this machine: both are
 * for a machine made for it; a system test runs this in VMs.
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
#include "jail/device_program.h"
#include "sandbox/cgroup/host_cgroup.h"
#include "sandbox/core/sandbox.h"
#include "sandbox/lifecycle/sandbox_record.h"
#include "sandbox/cgroup/systemd_scope.h"

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
	cleanup_mountinfo struct mountinfo mounts = MOUNTINFO_NULL;
	const struct host_cgroup_host host = { &mounts, systemd_runs };

	w->err = ERR_NULL;
	assert_int_equal(mountinfo_parse_for_test(w->mountinfo, &mounts), 0);
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
	assert_int_equal(host_cgroup_create(&w->cg, NULL, &w->err), 0);
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
	/* The period is as it was. */
	assert_non_null(strstr(read_file(w, "cg/outer/inner/cpu.max"), "max 50000"));
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
	assert_int_equal(host_cgroup_create(&w->cg, NULL, &w->err), 0);
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

static void a_quota_without_a_period_keeps_it_and_the_other_way_round(void **state)
{
	struct world *w = *state;
	int64_t first = 500000, second = 600000;
	uint64_t longer = 1000000, shorter = 900000;
	struct oci_cpu both = { .quota = &first, .period = &longer };
	struct oci_cpu only_period = { .period = &shorter }, only_quota = { .quota = &second };
	const struct oci_resources steps[] = { { .cpu = &both },
					       { .cpu = &only_period },
					       { .cpu = &only_quota } };

	make_version_1(w);
	assert_int_equal(plan(w, "/outer/inner", false, false), 0);
	assert_int_equal(host_cgroup_create(&w->cg, NULL, &w->err), 0);
	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		if (i)
			assert_int_equal(truncate(path_of(w, "cpu,cpuacct/outer/inner/"
							     "cpu.cfs_period_us"),
						  i == 1 ? 7 : 6),
					 0);
		assert_int_equal(host_cgroup_limit(&w->cg, &steps[i], &w->err), 0);
	}
	assert_string_equal(read_file(w, "cpu,cpuacct/outer/inner/cpu.cfs_quota_us"), "600000");
	assert_non_null(
		strstr(read_file(w, "cpu,cpuacct/outer/inner/cpu.cfs_period_us"), "900000"));
}

static void what_was_read_brings_the_limits_back(void **state)
{
	struct world *w = *state;
	struct host_cgroup_limits saved;
	int64_t more = 512 * MIB, quota_then = 400000;
	uint64_t shares_then = 262144;
	struct oci_memory memory_then = { .limit = &more };
	struct oci_cpu cpu_then = { .shares = &shares_then, .quota = &quota_then, .cpus = "1" };
	const struct oci_resources then = { .memory = &memory_then, .cpu = &cpu_then };

	make_group(w, "cg/a", v2_files);
	mount_line(w, 30, "cg", "cgroup2", "rw");
	assert_int_equal(plan(w, "/a", false, false), 0);
	assert_int_equal(host_cgroup_limit(&w->cg, &resources, &w->err), 0);
	host_cgroup_read(&w->cg, &saved);
	assert_int_equal(saved.memory_limit, 256 * MIB);
	assert_int_equal(saved.bandwidth.quota, 150000);
	assert_int_equal(saved.bandwidth.period, 50000);
	assert_int_equal(oci_cpu_weight(saved.shares), 39);
	assert_string_equal(saved.cpus, "0");
	assert_int_equal(host_cgroup_limit(&w->cg, &then, &w->err), 0);
	assert_string_equal(read_file(w, "cg/a/memory.max"), "536870912");
	assert_string_equal(read_file(w, "cg/a/cpu.max"), "400000 50000");
	assert_int_equal(truncate(path_of(w, "cg/a/cpu.weight"), 0), 0);
	assert_int_equal(host_cgroup_limit(&w->cg, &saved.resources, &w->err), 0);
	assert_string_equal(read_file(w, "cg/a/memory.max"), "268435456");
	assert_string_equal(read_file(w, "cg/a/cpu.max"), "150000 50000");
	assert_string_equal(read_file(w, "cg/a/cpu.weight"), "39");
	assert_string_equal(read_file(w, "cg/a/cpuset.cpus"), "0");
}

static uint16_t io_weight = 500;
static struct oci_throttle_device slow[] = { { 254, 0, 1048576 }, { 8, 16, 0 } };
static struct oci_weight_device heavy = { .major = 254, .weight = &io_weight };
static struct oci_block_io block_io = {
	.weight = &io_weight,
	.weight_device = &heavy,
	.nr_weight_device = 1,
	.throttle_read_bps_device = slow,
	.nr_throttle_read_bps_device = 2,
	.throttle_write_iops_device = slow,
	.nr_throttle_write_iops_device = 1,
};
static const struct oci_resources io_resources = { .block_io = &block_io };

static void limits_of_io_have_the_hosts_disks(void **state)
{
	static const char *const v1_files[] = { "cgroup.procs", "blkio.bfq.weight",
						"blkio.throttle.read_bps_device",
						"blkio.throttle.write_iops_device", NULL };
	struct world *w = *state;

	make_group(w, "blkio/a", v1_files);
	mount_line(w, 30, "blkio", "cgroup", "rw,blkio");
	assert_int_equal(plan(w, "/a", false, false), 0);
	assert_int_equal(host_cgroup_limit(&w->cg, &io_resources, &w->err), 0);
	assert_string_equal(read_file(w, "blkio/a/blkio.bfq.weight"), "500");
	assert_non_null(strstr(read_file(w, "blkio/a/blkio.throttle.read_bps_device"), "8:16 0"));
	assert_string_equal(read_file(w, "blkio/a/blkio.throttle.write_iops_device"),
			    "254:0 1048576");
}

static void limits_of_io_are_one_file_of_version_2(void **state)
{
	static const char *const files[] = { "cgroup.procs", "io.max", "io.weight", NULL };
	static const struct oci_block_io only_weight = { .weight = &io_weight };
	static const struct oci_resources weights = {
		.block_io = (struct oci_block_io *)(uintptr_t)&only_weight
	};
	struct world *w = *state;

	make_group(w, "cg/a", files);
	mount_line(w, 30, "cg", "cgroup2", "rw");
	assert_int_equal(plan(w, "/a", false, false), 0);
	assert_int_equal(host_cgroup_limit(&w->cg, &weights, &w->err), 0);
	assert_string_equal(read_file(w, "cg/a/io.weight"), "default 4950");
	assert_int_equal(host_cgroup_limit(&w->cg, &io_resources, &w->err), 0);
	assert_string_equal(read_file(w, "cg/a/io.max"), "254:0 wiops=1048576");
	assert_int_equal(unlink(path_of(w, "cg/a/io.max")), 0);
	/* A host without the controller: a warning. */
	assert_int_equal(host_cgroup_limit(&w->cg, &io_resources, &w->err), 0);
}

static void put_file(struct world *w, const char *path, const char *text)
{
	assert_int_equal(io_replace_file_at(AT_FDCWD, path_of(w, path), text, strlen(text), 0644),
			 0);
}

/* As a kernel would have it: what was written is a line of the file. */
static void what_was_read_brings_limits_of_io_back(void **state)
{
	struct world *w = *state;
	cleanup_arena struct arena *arena = NULL;
	struct host_cgroup_io saved;

	assert_int_equal(arena_new(&arena), 0);
	make_group(w, "blkio/a",
		   (const char *const[]){ "cgroup.procs", "blkio.throttle.read_bps_device",
					  "blkio.throttle.write_iops_device", NULL });
	mount_line(w, 30, "blkio", "cgroup", "rw,blkio");
	assert_int_equal(plan(w, "/a", false, false), 0);
	put_file(w, "blkio/a/blkio.throttle.read_bps_device", "8:0 4096\n");
	assert_int_equal(host_cgroup_save_io(&w->cg, arena, &saved), 0);
	assert_int_equal(saved.nr, 2);
	put_file(w, "blkio/a/blkio.throttle.read_bps_device", "8:0 1234\n");
	put_file(w, "blkio/a/blkio.throttle.write_iops_device", "254:0 77\n");
	assert_int_equal(host_cgroup_restore_io(&w->cg, &saved, &w->err), 0);
	assert_string_equal(read_file(w, "blkio/a/blkio.throttle.read_bps_device"), "8:0 4096\n");
	/* There was none: it is lifted. */
	assert_non_null(
		strstr(read_file(w, "blkio/a/blkio.throttle.write_iops_device"), "254:0 0"));
}

static void what_was_read_brings_limits_of_version_2_back(void **state)
{
	struct world *w = *state;
	cleanup_arena struct arena *arena = NULL;
	struct host_cgroup_io saved;

	assert_int_equal(arena_new(&arena), 0);
	make_group(w, "cg/a", (const char *const[]){ "cgroup.procs", "io.max", "io.weight", NULL });
	mount_line(w, 30, "cg", "cgroup2", "rw");
	assert_int_equal(plan(w, "/a", false, false), 0);
	put_file(w, "cg/a/io.weight", "default 300\n");
	assert_int_equal(host_cgroup_save_io(&w->cg, arena, &saved), 0);
	put_file(w, "cg/a/io.weight", "default 100\n");
	put_file(w, "cg/a/io.max", "254:0 rbps=1 wbps=max riops=max wiops=max\n");
	assert_int_equal(host_cgroup_restore_io(&w->cg, &saved, &w->err), 0);
	assert_string_equal(read_file(w, "cg/a/io.weight"), "default 300\n");
	assert_non_null(
		strstr(read_file(w, "cg/a/io.max"), "254:0 rbps=max wbps=max riops=max wiops=max"));
}

static void a_frozen_cgroup_and_one_below_a_frozen_one_are_refused(void **state)
{
	static const char *const freezer_files[] = { "cgroup.procs", NULL };
	static const struct {
		const char *outer, *inner;
		int r;
	} cases[] = { { "THAWED\n", "THAWED\n", 0 },
		      { "FROZEN\n", "FROZEN\n", -EBUSY },
		      { "THAWED\n", "FREEZING\n", -EBUSY },
		      { "FROZEN\n", NULL, -EBUSY } };
	struct world *w = *state;

	make_group(w, "memory/outer/inner", memory_files);
	make_group(w, "freezer/outer/inner", freezer_files);
	mount_line(w, 30, "memory", "cgroup", "rw,memory");
	mount_line(w, 31, "freezer", "cgroup", "rw,freezer");
	assert_int_equal(plan(w, "/outer/inner", false, false), 0);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		put_file(w, "freezer/outer/freezer.state", cases[i].outer);
		if (cases[i].inner)
			put_file(w, "freezer/outer/inner/freezer.state", cases[i].inner);
		else /* not made yet */
			assert_int_equal(unlink(path_of(w, "freezer/outer/inner/freezer.state")),
					 0);
		w->err = ERR_NULL;
		assert_int_equal(host_cgroup_check_thawed(&w->cg, &w->err), cases[i].r);
		assert_true(!cases[i].r || strstr(w->err.text, "is frozen"));
	}
	put_file(w, "freezer/outer/inner/freezer.state", "FROZEN\n");
	host_cgroup_thaw(&w->cg);
	assert_non_null(strstr(read_file(w, "freezer/outer/inner/freezer.state"), "THAWED"));
	assert_string_equal(read_file(w, "freezer/outer/freezer.state"), "FROZEN\n");
}

static void a_frozen_cgroup_of_version_2_is_refused_too(void **state)
{
	struct world *w = *state;

	make_group(w, "cg/outer/inner", v2_files);
	mount_line(w, 30, "cg", "cgroup2", "rw");
	put_file(w, "cg/outer/cgroup.freeze", "0\n");
	put_file(w, "cg/outer/inner/cgroup.freeze", "0\n");
	assert_int_equal(plan(w, "/outer/inner", false, false), 0);
	assert_int_equal(host_cgroup_check_thawed(&w->cg, &w->err), 0);
	put_file(w, "cg/outer/cgroup.freeze", "1\n");
	assert_int_equal(host_cgroup_check_thawed(&w->cg, &w->err), -EBUSY);
	assert_non_null(strstr(w->err.text, path_of(w, "cg/outer is frozen")));
	put_file(w, "cg/outer/inner/cgroup.freeze", "1\n");
	host_cgroup_thaw(&w->cg);
	assert_string_equal(read_file(w, "cg/outer/inner/cgroup.freeze"), "0\n");
	assert_string_equal(read_file(w, "cg/outer/cgroup.freeze"), "1\n");
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
	assert_int_equal(host_cgroup_create(&w->cg, &resources, &w->err), 0);
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
		{ "-.slice:p:n", "cg/p-n.scope" },
		{ "machine.slice::n", "cg/machine.slice/n.scope" },
	};
	static const char *const bad[] = { "only:two", "a.slice:p:", "a.slice:p:n/m",
					   "/a.slice:p:n", "" };
	struct world *w = *state;

	mount_line(w, 30, "cg", "cgroup2", "rw");
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_int_equal(plan(w, cases[i].path, true, true), 0);
		assert_string_equal(w->cg.dirs[0], path_of(w, cases[i].dir));
	}
	for (const char *const *path = bad; **path; path++)
		assert_int_equal(plan(w, *path, true, true), -EINVAL);
	assert_int_equal(plan(w, "only:two", true, true), -EINVAL);
	assert_string_equal(w->err.text, "linux.cgroupsPath 'only:two' is not slice:prefix:name");
	assert_int_equal(plan(w, "a:p:n", true, true), -EINVAL);
	assert_string_equal(w->err.text, "linux.cgroupsPath 'a:p:n': \"a\" is not a slice");
}

/* containerd's Task API does not tell the driver. */
static void systemds_form_alone_asks_systemd_where_it_runs(void **state)
{
	struct world *w = *state;

	mount_line(w, 30, "cg", "cgroup2", "rw");
	assert_int_equal(plan(w, "a.slice:p:n", false, false), 0);
	assert_null(w->cg.scope);
	assert_int_equal(plan(w, "a.slice:p:n", false, true), 0);
	assert_non_null(w->cg.scope);
	assert_true(w->cg.scope->v2);
	assert_string_equal(w->cg.scope->name, "p-n.scope");
	assert_string_equal(w->cg.scope->slice, "a.slice");
	assert_int_equal(plan(w, "/a.slice/p:n:m", false, true), 0);
	assert_null(w->cg.scope);
}

/* Where both are mounted, it is there that systemd sees the last process go. */
static void systemds_scope_has_a_place_in_each_tree(void **state)
{
	struct world *w = *state;

	make_version_1(w);
	assert_int_equal(plan(w, "a.slice:p:n", true, true), 0);
	assert_false(w->cg.scope->v2);
	assert_int_equal(w->cg.nr, 5);
	assert_string_equal(w->cg.dirs[4], path_of(w, "unified/a.slice/p-n.scope"));
}

static const struct systemd_property *find_property(const struct systemd_scope_limits *limits,
						    const char *name)
{
	for (size_t i = 0; i < limits->nr; i++)
		if (!strcmp(limits->properties[i].name, name))
			return &limits->properties[i];
	fail_msg("no property %s", name);
	return NULL;
}

static void limits_become_properties(void **state)
{
	struct world *w = *state;
	struct systemd_scope_limits v1, v2;
	char cpus[] = "0-3,17", bad[] = "3-1";
	int64_t odd = 12345;
	struct oci_cpu some = { .quota = &odd, .cpus = cpus }, wrong = { .cpus = bad };
	const struct oci_resources parts = { .cpu = &some }, refused = { .cpu = &wrong };

	assert_int_equal(systemd_scope_limits(&resources, true, &v2, &w->err), 0);
	assert_int_equal(v2.nr, 5);
	assert_int_equal(find_property(&v2, "MemoryMax")->number, 256 * MIB);
	assert_int_equal(find_property(&v2, "CPUWeight")->number, 39);
	assert_int_equal(find_property(&v2, "CPUQuotaPerSecUSec")->number, 3000000);
	assert_int_equal(find_property(&v2, "CPUQuotaPeriodUSec")->number, 50000);
	assert_int_equal(find_property(&v2, "AllowedCPUs")->array.size, 1);
	assert_int_equal(systemd_scope_limits(&resources, false, &v1, &w->err), 0);
	assert_int_equal(v1.nr, 4);
	assert_int_equal(find_property(&v1, "MemoryLimit")->number, 256 * MIB);
	assert_int_equal(find_property(&v1, "CPUShares")->number, 1024);
	/* systemd counts in hundredths of a CPU. */
	assert_int_equal(systemd_scope_limits(&parts, true, &v2, &w->err), 0);
	assert_int_equal(find_property(&v2, "CPUQuotaPerSecUSec")->number, 130000);
	assert_int_equal(find_property(&v2, "AllowedCPUs")->array.size, 3);
	assert_memory_equal(find_property(&v2, "AllowedCPUs")->array.data, "\x0f\0\x02", 3);
	assert_int_equal(systemd_scope_limits(NULL, true, &v2, &w->err), 0);
	assert_int_equal(v2.nr, 0);
	assert_int_equal(systemd_scope_limits(&refused, true, &v2, &w->err), -EINVAL);
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
	if (host_cgroup_create(&w->cg, &res, &w->err) < 0)
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

/* The first line of a command's output. */
static const char *ask(struct world *w, const char *command)
{
	char line[256] = "";
	FILE *f = popen(command, "r");

	assert_non_null(f);
	if (!fgets(line, sizeof(line), f))
		*line = '\0';
	(void)pclose(f); /* its words tell */
	line[strcspn(line, "\n")] = '\0';
	return arena_strdup(w->arena, line);
}

static const char *property(struct world *w, const char *unit, const char *name)
{
	return ask(w, arena_printf(w->arena, "systemctl show --value -p %s %s", name, unit));
}

/* A file of the scope's cgroup, in the tree of a controller. */
static const char *scope_file(struct world *w, const char *controller, const char *file)
{
	char *text = NULL;

	for (size_t i = 0; i < w->cg.nr; i++) {
		if (*w->cg.controllers[i] && !strstr(w->cg.controllers[i], controller))
			continue;
		const char *path = arena_printf(w->arena, "%s/%s", w->cg.dirs[i], file);
		if (io_read_file_at(AT_FDCWD, path, 4096, &text) < 0)
			fail_msg("cannot read %s", path);
		const char *copy = arena_strdup(w->arena, text);
		free(text);
		return copy;
	}
	fail_msg("no tree has %s", controller);
	return NULL;
}

static pid_t start_member(struct world *w)
{
	pid_t pid = fork();

	if (pid == 0) {
		(void)execlp("sleep", "sleep", "1000", NULL);
		_exit(127);
	}
	assert_int_equal(host_cgroup_add(&w->cg, pid), 0);
	return pid;
}

static void end_member(pid_t pid)
{
	(void)kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void record_and_create(struct world *w, struct sandbox *sb, const char *path,
			      const struct oci_resources *limits)
{
	static const struct oci_spec spec = { 0 };

	assert_int_equal(host_cgroup_plan(path, true, w->arena, &w->cg, &w->err), 0);
	*sb = (struct sandbox){ .id = "s", .dir.path = w->dir, .spec = &spec, .cgroup.now = w->cg };
	sb->dir.fd = open(w->dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int r = sandbox_record_write(sb, &w->err);
	(void)close(sb->dir.fd);
	if (r < 0 || host_cgroup_create(&w->cg, limits, &w->err) < 0)
		fail_msg("%s", w->err.text);
}

static void undo(struct world *w)
{
	int dir = open(w->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	host_cgroup_close(&w->cg);
	if (sandbox_record_undo(dir, &w->err) < 0)
		fail_msg("%s", w->err.text);
	(void)close(dir);
	for (size_t i = 0; i < w->cg.nr; i++)
		assert_int_equal(access(w->cg.dirs[i], F_OK), -1);
}

static void check_limits(struct world *w, const char *unit, bool v2)
{
	assert_string_equal(property(w, unit, "CPUQuotaPerSecUSec"), "3s");
	if (!v2) {
		assert_string_equal(property(w, unit, "CPUShares"), "1024");
		assert_string_equal(property(w, unit, "MemoryLimit"), "268435456");
		assert_string_equal(scope_file(w, "cpu", "cpu.shares"), "1024\n");
		assert_string_equal(scope_file(w, "cpu", "cpu.cfs_quota_us"), "150000\n");
		return;
	}
	assert_string_equal(property(w, unit, "MemoryMax"), "268435456");
	assert_string_equal(property(w, unit, "CPUWeight"), "39");
	assert_string_equal(property(w, unit, "AllowedCPUs"), "0");
	assert_string_equal(scope_file(w, "memory", "memory.max"), "268435456\n");
	assert_string_equal(scope_file(w, "cpu", "cpu.max"), "150000 50000\n");
	assert_string_equal(scope_file(w, "cpuset", "cpuset.cpus"), "0\n");
}

static int live_in_a_scope(void *arg)
{
	static const char unit[] = "kata-one.scope";
	struct world *w = arg;
	int64_t half_cpu = 50000;
	uint64_t usual = 100000;
	struct oci_cpu less = { .quota = &half_cpu, .period = &usual };
	const struct oci_resources update = { .cpu = &less };
	struct sandbox sb;
	int status;

	record_and_create(w, &sb, "katatest-a.slice:kata:one", &resources);
	bool v2 = w->cg.scope->v2;
	assert_string_equal(property(w, unit, "ActiveState"), "active");
	assert_string_equal(property(w, unit, "Slice"), "katatest-a.slice");
	assert_string_equal(property(w, unit, "ControlGroup"),
			    "/katatest.slice/katatest-a.slice/kata-one.scope");
	assert_string_equal(property(w, unit, "Delegate"), "yes");
	assert_string_equal(property(w, unit, "DefaultDependencies"), "no");
	assert_string_equal(property(w, unit, "TasksMax"), "infinity");
	check_limits(w, unit, v2);
	/* The process that made it goes when another has come, and systemd sees that one. */
	const char *holder = arena_printf(w->arena, "%d\n", (int)w->cg.scope->holder.pid);
	assert_string_equal(scope_file(w, "cpu", "cgroup.procs"), holder);
	pid_t pid = start_member(w);
	host_cgroup_settle(&w->cg);
	assert_string_equal(scope_file(w, "cpu", "cgroup.procs"),
			    arena_printf(w->arena, "%d\n", (int)pid));
	assert_string_equal(property(w, unit, "ActiveState"), "active");
	/* What changes is systemd's to keep: it writes its own values again when it likes. */
	if (host_cgroup_limit(&w->cg, &update, &w->err) < 0)
		fail_msg("%s", w->err.text);
	assert_string_equal(property(w, unit, "CPUQuotaPerSecUSec"), "500ms");
	(void)ask(w, "systemctl daemon-reload");
	assert_string_equal(property(w, unit, "CPUQuotaPerSecUSec"), "500ms");
	assert_string_equal(scope_file(w, "cpu", v2 ? "cpu.max" : "cpu.cfs_quota_us"),
			    v2 ? "50000 100000\n" : "50000\n");
	/* Its last process ends, and so does it. */
	end_member(pid);
	undo(w);
	assert_string_equal(property(w, unit, "LoadState"), "not-found");
	/* What is still in it is ended with it. */
	record_and_create(w, &sb, "katatest-a.slice:kata:one", NULL);
	pid = start_member(w);
	undo(w);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	assert_string_equal(property(w, unit, "LoadState"), "not-found");
	return 0;
}

static int meet_a_failed_scope(void *arg)
{
	static const char unit[] = "kata-two.scope";
	struct world *w = arg;
	struct sandbox sb;

	/* One that somebody else made, and that is stopped since it lives too long. */
	(void)ask(w, "systemd-run --scope --unit kata-two -p RuntimeMaxSec=1 sleep 1000 2>&1");
	while (strcmp(property(w, unit, "ActiveState"), "failed"))
		(void)fiber_sleep_until(loop_deadline_ms(100));
	/* It is kept for somebody to look at, and in nobody's way. */
	record_and_create(w, &sb, ":kata:two", NULL);
	assert_string_equal(property(w, unit, "ActiveState"), "active");
	/* A living one is. */
	assert_int_equal(host_cgroup_create(&w->cg, NULL, &w->err), -EEXIST);
	assert_non_null(strstr(w->err.text, "kata-two.scope"));
	undo(w);
	undo(w); /* as a delete that is repeated */
	return 0;
}

static void a_real_systemd_makes_keeps_and_removes_a_scope(void **state)
{
	if (!getenv("KATA_TEST_SYSTEMD"))
		skip();
	assert_int_equal(fiber_run_main(live_in_a_scope, *state), 0);
}

static void a_real_systemd_forgets_a_scope_that_failed(void **state)
{
	if (!getenv("KATA_TEST_SYSTEMD"))
		skip();
	assert_int_equal(fiber_run_main(meet_a_failed_scope, *state), 0);
}

static const struct device_rules null_only = {
	.rules = &(struct device_rule){ true, BPF_DEVCG_DEV_CHAR, DEVICE_ACCESS_ALL, 1, 3 },
	.nr = 1,
};

static void devices_of_version_1_are_denied_but_for_a_list(void **state)
{
	struct world *w = *state;
	static const char *const devices[] = { "cgroup.procs", "devices.deny", "devices.allow",
					       NULL };

	make_group(w, "devices/kata/c1", devices);
	mount_line(w, 30, "devices", "cgroup", "rw,devices");
	assert_int_equal(plan(w, "/kata/c1", false, false), 0);
	assert_int_equal(host_cgroup_create(&w->cg, NULL, &w->err), 0);
	assert_int_equal(host_cgroup_set_devices(&w->cg, &null_only, &w->err), 0);
	assert_string_equal(read_file(w, "devices/kata/c1/devices.deny"), "a");
	assert_string_equal(read_file(w, "devices/kata/c1/devices.allow"), "c 1:3 rwm");
}

static void a_host_that_knows_no_devices_is_an_error(void **state)
{
	struct world *w = *state;
	static const char *const files[] = { "cgroup.procs", NULL };

	make_group(w, "pids/kata/c1", files);
	mount_line(w, 30, "pids", "cgroup", "rw,pids");
	assert_int_equal(plan(w, "/kata/c1", false, false), 0);
	assert_int_equal(host_cgroup_create(&w->cg, NULL, &w->err), 0);
	assert_int_equal(host_cgroup_set_devices(&w->cg, &null_only, &w->err), -ENOENT);
}

/* Where this machine has version 2 mounted, with other controllers or none; NULL: nowhere. */
static const char *find_version_2(struct world *w)
{
	cleanup_mountinfo struct mountinfo mounts = MOUNTINFO_NULL;

	if (mountinfo_read(&mounts) < 0)
		return NULL;
	for (size_t i = 0; i < mounts.nr; i++)
		if (strcmp(mounts.entries[i].fstype, "cgroup2") == 0)
			return arena_strdup(w->arena, mounts.entries[i].mount_point);
	return NULL;
}

/* Return: whether a process of the cgroup can open the device. */
static bool opens(const char *dir, const char *device)
{
	char path[600];
	int status;
	pid_t pid = fork();

	(void)snprintf(path, sizeof(path), "%s/cgroup.procs", dir);
	if (pid == 0) {
		if (io_write_str_at(AT_FDCWD, path, "0") < 0)
			_exit(2);
		_exit(open(device, O_RDONLY) >= 0 ? 0 : errno == EPERM ? 1 : 3);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) <= 1);
	return WEXITSTATUS(status) == 0;
}

static void devices_of_a_real_version_2_are_denied_but_for_a_list(void **state)
{
	struct world *w = *state;
	const char *root = geteuid() == 0 ? find_version_2(w) : NULL;

	if (!root)
		skip();
	char *dir = arena_printf(w->arena, "%s/test-devices-%d", root, (int)getpid());
	if (mkdir(dir, 0755) < 0)
		skip();
	w->cg = (struct host_cgroup){ .nr = 1 };
	w->cg.dirs[0] = dir;
	w->cg.controllers[0] = (char *)"";
	w->cg.procs_fds[0] = -1;
	assert_true(opens(dir, "/dev/null") && opens(dir, "/dev/zero"));
	int r = host_cgroup_set_devices(&w->cg, &null_only, &w->err);
	bool null = opens(dir, "/dev/null"), zero = opens(dir, "/dev/zero");
	(void)rmdir(dir);
	if (r == -EPERM || r == -EINVAL) /* a kernel without such programs */
		skip();
	assert_int_equal(r, 0);
	assert_true(null);
	assert_false(zero);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
		T(version_2_has_one_tree_with_all_controllers),
		T(shares_become_weights_over_their_whole_range),
		T(version_1_has_a_tree_for_each_controller),
		T(a_quota_without_a_period_keeps_it_and_the_other_way_round),
		T(what_was_read_brings_the_limits_back),
		T(limits_of_io_have_the_hosts_disks),
		T(limits_of_io_are_one_file_of_version_2),
		T(what_was_read_brings_limits_of_io_back),
		T(what_was_read_brings_limits_of_version_2_back),
		T(a_frozen_cgroup_and_one_below_a_frozen_one_are_refused),
		T(a_frozen_cgroup_of_version_2_is_refused_too),
		T(a_limit_the_kernel_refuses_is_named),
		T(a_host_without_cgroups_has_no_plan),
		T(systemds_form_is_where_it_puts_the_scope),
		T(systemds_driver_needs_systemd),
		T(systemds_form_alone_asks_systemd_where_it_runs),
		T(systemds_scope_has_a_place_in_each_tree),
		T(limits_become_properties),
		T(paths_that_leave_the_tree_are_refused),
		T(devices_of_version_1_are_denied_but_for_a_list),
		T(a_host_that_knows_no_devices_is_an_error),
		T(devices_of_a_real_version_2_are_denied_but_for_a_list),
		T(a_real_version_2_tree_counts_and_limits),
		T(a_real_systemd_makes_keeps_and_removes_a_scope),
		T(a_real_systemd_forgets_a_scope_that_failed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
