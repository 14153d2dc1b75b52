/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Limits of real cgroups: what is in the files afterwards and what the kernel does about it. Needs
 * root and a cgroup v2 hierarchy with the usual controllers, as every guest has and few build
 * machines; skipped otherwise.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/io.h"
#include "common/str.h"
#include "container-fixture.h"
#include "oci/spec.h"
#include "rpc/pb/agent_msg.h"

static struct fixture_result res;
static char snapshot[4096];

#define RUN(...) fixture_run(&(struct fixture_run){ __VA_ARGS__ }, &res)

static void assert_has(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("\"%s\" is not in \"%s\"", part, text);
}

/* Appends "file=contents;" of the test's cgroup to the snapshot. */
static void take(const char *file)
{
	char path[256], *text = NULL;

	(void)snprintf(path, sizeof(path), "%s/kata/test/%s", fixture_cgroup_root(), file);
	if (io_read_file_at(-1, path, 4096, &text) < 0)
		return;
	text[strcspn(text, "\n")] = '\0';
	(void)snprintf(snapshot + strlen(snapshot), sizeof(snapshot) - strlen(snapshot), "%s=%s;",
		       file, text);
	free(text);
}

static void take_all(struct container *c, struct fixture_run *run)
{
	static const char *const files[] = {
		"cpu.weight", "cpu.max",	 "cpu.max.burst",   "cpu.idle", "cpuset.cpus",
		"memory.max", "memory.low",	 "memory.swap.max", "pids.max", "io.weight",
		"io.max",     "hugetlb.2MB.max", "memory.high",
	};

	(void)c;
	(void)run;
	snapshot[0] = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(files); i++)
		take(files[i]);
}

static void limits_are_in_the_files(void **state)
{
	(void)state;
	RUN(.shell = "true", .cgroup = true, .running = take_all,
	    .linux_ = ", \"resources\": {\"cpu\": {\"shares\": 1024, \"quota\": 50000, \"period\": "
		      "100000, "
		      "\"burst\": 20000, \"cpus\": \"0\"}, \"memory\": {\"limit\": 67108864, "
		      "\"reservation\": 33554432, "
		      "\"swap\": 134217728, \"swappiness\": 10, \"disableOOMKiller\": false}, "
		      "\"pids\": {\"limit\": 77}, "
		      "\"unified\": {\"memory.high\": \"60000000\"}}");
	assert_int_equal(res.r, 0);
	assert_has(snapshot, "cpu.weight=39;");
	assert_has(snapshot, "cpu.max=50000 100000;");
	assert_has(snapshot, "cpu.max.burst=20000;");
	assert_has(snapshot, "cpuset.cpus=0;");
	assert_has(snapshot, "memory.max=67108864;");
	assert_has(snapshot, "memory.low=33554432;");
	assert_has(snapshot, "pids.max=77;");
	assert_has(snapshot, "memory.high=59998208;");
}

static void what_says_nothing_changes_nothing(void **state)
{
	(void)state;
	RUN(.shell = "true", .cgroup = true, .running = take_all,
	    .linux_ = ", \"resources\": {\"cpu\": {\"shares\": 0, \"quota\": 0, \"period\": 0}, "
		      "\"memory\": "
		      "{\"limit\": 0, \"swap\": 0, \"kernelTCP\": 0}, \"pids\": {\"limit\": 0}, "
		      "\"blockIO\": "
		      "{\"weight\": 0, \"leafWeight\": 0}}");
	assert_int_equal(res.r, 0);
	assert_has(snapshot, "cpu.weight=100;");
	assert_has(snapshot, "cpu.max=max 100000;");
	assert_has(snapshot, "memory.max=max;");
	assert_has(snapshot, "pids.max=max;");
}

static void update(struct container *c, struct fixture_run *run)
{
	struct oci_resources *resources;
	struct arena *arena;
	struct err err;

	assert_int_equal(arena_new(&arena), 0);
	assert_int_equal(oci_resources_parse(run->arg, strlen(run->arg), "resources", arena,
					     &resources, &err),
			 0);
	res.r = container_update(c, resources, &err);
	res.err = err;
	(void)arena_free(arena);
	take_all(c, run);
}

static void an_update_changes_only_what_it_names(void **state)
{
	(void)state;
	RUN(.shell = "read x", .input = "\n", .cgroup = true, .running = update,
	    .arg = (char *)"{\"cpu\": {\"quota\": 70000}, \"pids\": {\"limit\": -1}, \"memory\": "
			   "{\"limit\": 83886080}}",
	    .linux_ = ", \"resources\": {\"cpu\": {\"shares\": 2, \"quota\": 50000, \"period\": "
		      "50000}, \"memory\": "
		      "{\"limit\": 67108864}, \"pids\": {\"limit\": 77}}");
	assert_int_equal(res.r, 0);
	assert_has(snapshot, "cpu.weight=1;");
	assert_has(snapshot, "cpu.max=70000 50000;");
	assert_has(snapshot, "memory.max=83886080;");
	assert_has(snapshot, "pids.max=max;");
}

static void an_update_that_fails_changes_nothing(void **state)
{
	(void)state;
	RUN(.shell = "read x", .input = "\n", .cgroup = true, .running = update,
	    .arg = (char *)"{\"cpu\": {\"shares\": 2, \"quota\": 70000}, \"memory\": {\"limit\": "
			   "83886080, \"reservation\": 1048576}, \"pids\": {\"limit\": 5}, "
			   "\"unified\": {\"memory.high\": \"70000000\", \"pids.max\": \"none\"}}",
	    .linux_ = ", \"resources\": {\"cpu\": {\"shares\": 1024, \"quota\": 50000, "
		      "\"period\": 50000}, \"memory\": {\"limit\": 67108864}, \"pids\": "
		      "{\"limit\": 77}}");
	assert_true(res.r < 0);
	assert_has(res.err.text, "pids.max");
	assert_has(snapshot, "cpu.weight=39;");
	assert_has(snapshot, "cpu.max=50000 50000;");
	assert_has(snapshot, "memory.max=67108864;");
	assert_has(snapshot, "memory.low=0;");
	assert_has(snapshot, "memory.high=max;");
	assert_has(snapshot, "pids.max=77;");
}

static void update_when_filled(struct container *c, struct fixture_run *run)
{
	char path[256];
	unsigned long long usage = 0;

	(void)snprintf(path, sizeof(path), "%s/kata/test/memory.current", fixture_cgroup_root());
	for (unsigned i = 0; i < 1000 && usage < 8388608; i++) {
		char *text = NULL;

		if (io_read_file_at(-1, path, 64, &text) > 0)
			usage = strtoull(text, NULL, 10);
		free(text);
		(void)usleep(10000);
	}
	update(c, run);
}

static void memory_in_use_is_not_taken(void **state)
{
	(void)state;
	/* The shell holds 8 MiB of a string. */
	RUN(.shell = "x=$(head -c 8388608 /dev/zero | tr '\\0' x); read y", .input = "\n",
	    .cgroup = true, .running = update_when_filled,
	    .arg = (char *)"{\"cpu\": {\"shares\": 2}, \"memory\": {\"limit\": 65536}}",
	    .linux_ = ", \"resources\": {\"memory\": {\"limit\": 67108864}}");
	assert_int_equal(res.r, -EBUSY);
	assert_has(res.err.text, "cannot give back");
	assert_has(snapshot, "memory.max=67108864;");
	assert_has(snapshot, "cpu.weight=100;");
}

static void wrong_limits_are_named(void **state)
{
	(void)state;
	RUN(.cgroup = true, .linux_ = ", \"resources\": {\"cpu\": {\"cpus\": \"900-901\"}}");
	assert_true(res.r < 0);
	assert_has(res.err.text, "write \"900-901\" to cgroup file cpuset.cpus");
	RUN(.cgroup = true,
	    .linux_ = ", \"resources\": {\"memory\": {\"limit\": 1000000, \"swap\": 1000}}");
	assert_int_equal(res.r, -EINVAL);
	assert_has(res.err.text, "memory.swap");
	RUN(.cgroup = true, .linux_ = ", \"resources\": {\"cpu\": {\"realtimeRuntime\": 1000}}");
	assert_int_equal(res.r, -ENOTSUP);
}

static void pids_are_limited(void **state)
{
	(void)state;
	RUN(.shell = "for i in 1 2 3 4 5 6; do sleep 20 & done 2>&1; kill $(jobs -p); exit 0",
	    .cgroup = true, .linux_ = ", \"resources\": {\"pids\": {\"limit\": 4}}");
	assert_int_equal(res.r, 0);
	assert_has(res.out, "fork");
}

static void watch_oom(struct container *c, struct fixture_run *run)
{
	struct agent_cgroup_stats *stats = NULL;
	uint64_t kills = 0;
	struct arena *arena;
	struct err err;

	(void)run;
	int fd = container_oom_watch(c, &err);
	assert_true(fd >= 0);
	assert_int_equal(container_oom_kills(c, fd, &kills, &err), 0);
	assert_int_equal(fiber_write_full(c->init->stdin_fd, "\n", 1, loop_deadline_ms(1000)), 0);
	for (int i = 0; i < 50 && !kills; i++) {
		assert_true(fiber_wait_fd(fd, LOOP_READ, loop_deadline_ms(30000)) > 0);
		assert_int_equal(container_oom_kills(c, fd, &kills, &err), 0);
	}
	assert_true(kills > 0);
	assert_int_equal(arena_new(&arena), 0);
	assert_int_equal(container_stats(c, arena, &stats, &err), 0);
	assert_int_equal(stats->memory_stats->usage->limit, 16 << 20);
	assert_true(stats->memory_stats->usage->max_usage > 1 << 20);
	assert_true(stats->memory_stats->nr_stats > 20);
	(void)arena_free(arena);
	(void)fd_close(fd);
}

static void running_out_of_memory_is_noticed(void **state)
{
	(void)state;
	RUN(.shell = "read x; head -c 64m /dev/zero > /dev/shm/f; echo $?", .cgroup = true,
	    .running = watch_oom,
	    .mounts = ", {\"destination\": \"/dev/shm\", \"type\": \"tmpfs\", \"source\": \"shm\", "
		      "\"options\": [\"size=128m\"]}",
	    .linux_ = ", \"resources\": {\"memory\": {\"limit\": 16777216, \"swap\": 16777216}}");
	assert_int_equal(res.r, 0);
}

static void a_nested_cgroup_goes_with_its_container(void **state)
{
	char path[256];

	(void)state;
	RUN(.shell = "mkdir -p /sys/fs/cgroup/a/b && echo $$ > /sys/fs/cgroup/a/b/cgroup.procs; "
		     "cat /proc/self/cgroup; "
		     "sleep 1000 & exit 0",
	    .cgroup = true,
	    .namespaces = "[{\"type\": \"pid\"}, {\"type\": \"mount\"}, {\"type\": \"cgroup\"}]",
	    .mounts = ", {\"destination\": \"/sys/fs/cgroup\", \"type\": \"cgroup\", \"source\": "
		      "\"cgroup\", "
		      "\"options\": [\"rw\"]}");
	assert_int_equal(res.r, 0);
	assert_has(res.out, "0::/a/b");
	(void)snprintf(path, sizeof(path), "%s/kata/test", fixture_cgroup_root());
	assert_int_not_equal(access(path, F_OK), 0);
}

static void processes_without_a_pid_namespace_are_killed_too(void **state)
{
	(void)state;
	RUN(.shell = "sleep 1000 & sleep 1000 </dev/null >/dev/null 2>&1 & kill -9 %1; exit 0",
	    .cgroup = true, .namespaces = "[{\"type\": \"mount\"}]");
	assert_int_equal(res.r, 0);
}

static bool has_controllers(void)
{
	char *text = NULL;
	char path[256];

	if (!fixture_can_run() || !fixture_cgroup_root())
		return false;
	(void)snprintf(path, sizeof(path), "%s/cgroup.controllers", fixture_cgroup_root());
	bool has = io_read_file_at(-1, path, 4096, &text) > 0 && strstr(text, "memory") &&
		   strstr(text, "pids") && strstr(text, "cpuset");
	free(text);
	return has;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(limits_are_in_the_files),
		cmocka_unit_test(what_says_nothing_changes_nothing),
		cmocka_unit_test(an_update_changes_only_what_it_names),
		cmocka_unit_test(an_update_that_fails_changes_nothing),
		cmocka_unit_test(memory_in_use_is_not_taken),
		cmocka_unit_test(wrong_limits_are_named),
		cmocka_unit_test(pids_are_limited),
		cmocka_unit_test(running_out_of_memory_is_noticed),
		cmocka_unit_test(a_nested_cgroup_goes_with_its_container),
		cmocka_unit_test(processes_without_a_pid_namespace_are_killed_too),
	};

	if (!has_controllers()) {
		(void)fprintf(
			stderr,
			"skipped: needs root, /bin/busybox and cgroup v2 with its controllers\n");
		return 77;
	}
	return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
