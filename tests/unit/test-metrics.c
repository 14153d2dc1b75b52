/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unit tests of src/shim/metrics: both of containerd's messages of the same counters.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "arena-fixture.h"
#include "common/str.h"
#include "rpc/pb/agent_msg.h"
#include "rpc/pb/metrics_msg.h"
#include "rpc/pb/pb_bridge.h"
#include "shim/task/metrics.h"
#include "shim/task/task_stats.h"

static struct agent_blkio_stats_entry bytes[] = {
	{ .major = 254, .minor = 0, .op = "Read", .value = 4096 },
	{ .major = 254, .minor = 0, .op = "Write", .value = 512 },
	{ .major = 254, .minor = 0, .op = "Discard", .value = 7 },
	{ .major = 254, .minor = 16, .op = "Read", .value = 1024 },
};
static struct agent_blkio_stats_entry operations[] = {
	{ .major = 254, .minor = 16, .op = "Write", .value = 3 },
	{ .major = 254, .minor = 0, .op = "Read", .value = 2 },
};
static struct agent_blkio_stats io = {
	.io_service_bytes_recursive = bytes,
	.nr_io_service_bytes_recursive = ARRAY_SIZE(bytes),
	.io_serviced_recursive = operations,
	.nr_io_serviced_recursive = ARRAY_SIZE(operations),
};
static struct agent_hugetlb_stats huge = {
	.usage = 2 << 20,
	.failcnt = 5,
	.limit = 4 << 20,
};
static struct agent_hugetlb_stats_entry pages[] = { { "2MB", &huge }, { "1GB", NULL } };
static struct agent_cgroup_stats counters = {
	.blkio_stats = &io,
	.hugetlb_stats = pages,
	.nr_hugetlb_stats = ARRAY_SIZE(pages),
};

/* The message of @version, as a client decodes it. */
static void unpack(struct agent_cgroup_stats *from, int version, const struct pb_type *type,
		   void *ret)
{
	const struct agent_stats_container_response stats = { .cgroup_stats = from };
	struct pb_any any;

	assert_int_equal(metrics_pack(&stats, version, arena, &any, &err), 0);
	assert_true(pb_any_is(&any, type));
	assert_int_equal(pb_decode(type, any.value, any.value_len, arena, ret, &err), 0);
}

static void version_1_has_disks_and_huge_pages(void **state)
{
	struct cgroup1_metrics m = { 0 };

	(void)state;
	unpack(&counters, 1, &cgroup1_metrics_type, &m);
	assert_int_equal(m.blkio->nr_io_service_bytes_recursive, ARRAY_SIZE(bytes));
	assert_string_equal(m.blkio->io_service_bytes_recursive[1].op, "Write");
	assert_int_equal(m.blkio->io_service_bytes_recursive[1].major, 254);
	assert_int_equal(m.blkio->io_service_bytes_recursive[1].value, 512);
	assert_int_equal(m.blkio->io_service_bytes_recursive[3].minor, 16);
	assert_int_equal(m.blkio->nr_io_serviced_recursive, ARRAY_SIZE(operations));
	assert_int_equal(m.blkio->io_serviced_recursive[0].value, 3);
	assert_int_equal(m.nr_hugetlb, 2);
	assert_string_equal(m.hugetlb[0].pagesize, "2MB");
	assert_int_equal(m.hugetlb[0].usage, 2 << 20);
	assert_int_equal(m.hugetlb[0].failcnt, 5);
	assert_string_equal(m.hugetlb[1].pagesize, "1GB");
	assert_int_equal(m.hugetlb[1].usage, 0);
}

static void version_2_has_one_entry_for_a_disk(void **state)
{
	struct cgroup2_metrics m = { 0 };

	(void)state;
	unpack(&counters, 2, &cgroup2_metrics_type, &m);
	assert_int_equal(m.io->nr_usage, 2);
	assert_int_equal(m.io->usage[0].minor, 0);
	assert_int_equal(m.io->usage[0].rbytes, 4096);
	assert_int_equal(m.io->usage[0].wbytes, 512);
	assert_int_equal(m.io->usage[0].rios, 2);
	assert_int_equal(m.io->usage[0].wios, 0);
	assert_int_equal(m.io->usage[1].minor, 16);
	assert_int_equal(m.io->usage[1].rbytes, 1024);
	assert_int_equal(m.io->usage[1].wios, 3);
	assert_int_equal(m.nr_hugetlb, 2);
	assert_string_equal(m.hugetlb[0].pagesize, "2MB");
	assert_int_equal(m.hugetlb[0].current, 2 << 20);
	assert_int_equal(m.hugetlb[0].max, 4 << 20);
	assert_int_equal(m.hugetlb[0].failcnt, 5);
}

/* CRI-O falls over a message that is not there. */
static void what_the_guest_leaves_out_is_zero(void **state)
{
	struct agent_cgroup_stats nothing = { 0 };
	struct cgroup1_metrics v1 = { 0 };
	struct cgroup2_metrics v2 = { 0 };

	(void)state;
	unpack(&nothing, 1, &cgroup1_metrics_type, &v1);
	assert_true(v1.pids && v1.cpu && v1.cpu->usage && v1.cpu->throttling && v1.memory);
	assert_true(v1.memory->usage && v1.memory->swap && v1.memory->kernel &&
		    v1.memory->kernel_tcp);
	unpack(&nothing, 2, &cgroup2_metrics_type, &v2);
	assert_true(v2.pids && v2.cpu && v2.memory);
}

/* A list of 130,000 disks, which fits into one message, cost the shim 39 seconds. */
static void lists_that_no_guest_has_are_refused(void **state)
{
	enum { MANY = 130000 };
	struct agent_blkio_stats_entry *many = arena_calloc(arena, MANY, sizeof(*many));
	struct agent_blkio_stats disks = { .io_serviced_recursive = many,
					   .nr_io_serviced_recursive = 512 };
	struct agent_memory_stats memory = { 0 };
	struct agent_cgroup_stats cg = { .blkio_stats = &disks, .memory_stats = &memory };

	(void)state;
	assert_int_equal(task_stats_check(&counters, &err), 0);
	assert_int_equal(task_stats_check(&cg, &err), 0);
	disks.nr_io_serviced_recursive = MANY;
	assert_int_equal(task_stats_check(&cg, &err), -EMSGSIZE);
	assert_string_equal(err.text,
			    "the guest sent 130000 counters of operations of disks, more than 512");
	disks.nr_io_serviced_recursive = 0;
	disks.nr_io_service_bytes_recursive = MANY;
	assert_int_equal(task_stats_check(&cg, &err), -EMSGSIZE);
	cg.blkio_stats = NULL;
	memory.nr_stats = MANY;
	assert_int_equal(task_stats_check(&cg, &err), -EMSGSIZE);
	cg.memory_stats = NULL;
	cg.nr_hugetlb_stats = MANY;
	assert_int_equal(task_stats_check(&cg, &err), -EMSGSIZE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ARENA_TEST(version_1_has_disks_and_huge_pages),
		ARENA_TEST(version_2_has_one_entry_for_a_disk),
		ARENA_TEST(what_the_guest_leaves_out_is_zero),
		ARENA_TEST(lists_that_no_guest_has_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
