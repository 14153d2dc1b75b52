/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The scope of a sandbox: its name, its properties, and the child processes that ask systemd. See
 * systemd.scope(5), systemd.resource-control(5) and systemd's "Control Group APIs and Delegation".
 */
#include "sandbox/cgroup/systemd_scope.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/fiber.h"
#include "common/io.h"
#include "common/str.h"
#include "oci/cpu.h"
#include "sandbox/cgroup/host_cgroup.h"

#define SCOPE_ANSWER_MS 30000
#define SCOPE_REPORT_FD 3
#define SCOPE_DEFAULT_SLICE "system.slice"
#define SCOPE_ROOT_SLICE "-.slice"

/* systemd keeps whole percents of a CPU: this much of a second. */
#define SCOPE_QUOTA_STEP_US 10000ULL

/* a-b-c.slice is a.slice/a-b.slice/a-b-c.slice; see systemd.slice(5). */
static int put_slice(struct strbuf *path, const char *slice)
{
	int r = 0;

	if (str_eq(slice, SCOPE_ROOT_SLICE))
		return 0;
	for (size_t i = 1; slice[i] && r >= 0; i++)
		if (slice[i] == '-')
			r = strbuf_printf(path, "/%.*s.slice", (int)i, slice);
	return r < 0 ? r : strbuf_printf(path, "/%s", slice);
}

static bool is_slice(const char *name)
{
	size_t len = strlen(name), suffix = strlen(".slice");

	return len > suffix && str_eq(name + len - suffix, ".slice") && !strchr(name, '/') &&
	       (*name != '-' || str_eq(name, SCOPE_ROOT_SLICE));
}

/**
 * systemd_scope_parse() - read linux.cgroupsPath in systemd's form
 * @cgroups_path: "slice:prefix:name"; an empty slice is system.slice, an empty prefix none
 * @arena: holds the scope
 * @ret: receives the scope; nothing is made
 * @err: filled on failure
 *
 * Return: 0 or -errno.
 */
int systemd_scope_parse(const char *cgroups_path, struct arena *arena, struct systemd_scope **ret,
			struct err *err)
{
	const char *prefix = strchr(cgroups_path, ':'),
		   *name = prefix ? strchr(prefix + 1, ':') : NULL;
	struct systemd_scope *scope = arena_alloc(arena, sizeof(*scope));
	cleanup_strbuf struct strbuf path = STRBUF_NULL;

	if (!scope)
		return err_set(err, ENOMEM, "out of memory");
	if (!name || !name[1] || strchr(name, '/'))
		return err_set(err, EINVAL, "linux.cgroupsPath '%s' is not slice:prefix:name",
			       cgroups_path);
	int slice_len = (int)(prefix - cgroups_path), prefix_len = (int)(name - prefix - 1);
	*scope = (struct systemd_scope){
		.name = arena_printf(arena, "%.*s%s%s.scope", prefix_len, prefix + 1,
				     prefix_len ? "-" : "", name + 1),
		.slice = slice_len ? arena_printf(arena, "%.*s", slice_len, cgroups_path)
				   : SCOPE_DEFAULT_SLICE,
		.holder = PROC_NULL,
	};
	if (scope->slice && !is_slice(scope->slice))
		return err_set(err, EINVAL, "linux.cgroupsPath '%s': \"%s\" is not a slice",
			       cgroups_path, scope->slice);
	int r = scope->slice && scope->name ? put_slice(&path, scope->slice) : -ENOMEM;
	if (r >= 0)
		r = strbuf_printf(&path, "/%s", scope->name);
	scope->path = r < 0 ? NULL : arena_strdup(arena, path.data);
	if (!scope->path)
		return err_set(err, ENOMEM, "out of memory");
	*ret = scope;
	return 0;
}

static void put_number(struct systemd_scope_limits *limits, const char *name, uint64_t value)
{
	limits->properties[limits->nr++] =
		(struct systemd_property){ .name = name, .type = "t", .number = value };
}

/* "0-3,7" becomes a bit for each. */
static int put_set(struct systemd_scope_limits *limits, const char *name, uint8_t *set,
		   const char *list, struct err *err)
{
	size_t size = 0;

	for (const char *p = list; *p;) {
		char *end;
		unsigned long first = strtoul(p, &end, 10), last = first;

		if (*end == '-')
			last = strtoul(end + 1, &end, 10);
		if (end == p || last < first || last >= SYSTEMD_SCOPE_SET_BYTES * 8UL ||
		    (*end && *end != ','))
			return err_set(err, EINVAL, "%s: '%s' is not a list of CPUs or nodes", name,
				       list);
		for (unsigned long i = first; i <= last; i++)
			set[i / 8] |= (uint8_t)(1U << (i % 8));
		size = MAX(size, last / 8 + 1);
		p = *end ? end + 1 : end;
	}
	limits->properties[limits->nr++] =
		(struct systemd_property){ .name = name, .type = "ay", .array = { set, size } };
	return 0;
}

static void put_quota(struct systemd_scope_limits *limits, int64_t quota, uint64_t period)
{
	uint64_t per_second = UINT64_MAX, step = SCOPE_QUOTA_STEP_US;

	if (quota > 0) {
		per_second = (uint64_t)((unsigned __int128)quota * 1000000 / period);
		per_second = (per_second + step - 1) / step * step;
	}
	put_number(limits, "CPUQuotaPerSecUSec", per_second);
	put_number(limits, "CPUQuotaPeriodUSec", period);
}

/**
 * systemd_scope_limits() - a container's limits as properties of a unit
 * @resources: limits, or NULL
 * @v2: the host's controllers are of version 2
 * @ret: receives the properties, which point into it
 * @err: filled on failure
 *
 * Version 1's cpuset is none of systemd's. Process counts are the guest's business.
 *
 * Return: 0 or -errno.
 */
int systemd_scope_limits(const struct oci_resources *resources, bool v2,
			 struct systemd_scope_limits *ret, struct err *err)
{
	const struct oci_memory *memory = resources ? resources->memory : NULL;
	const struct oci_cpu *cpu = resources ? resources->cpu : NULL;
	int r = 0;

	*ret = (struct systemd_scope_limits){ .nr = 0 };
	/* -1 is infinity for both. */
	if (memory && memory->limit && *memory->limit)
		put_number(ret, v2 ? "MemoryMax" : "MemoryLimit",
			   *memory->limit < 0 ? UINT64_MAX : (uint64_t)*memory->limit);
	if (cpu && cpu->shares && *cpu->shares)
		put_number(ret, v2 ? "CPUWeight" : "CPUShares",
			   v2 ? oci_cpu_weight(*cpu->shares) : *cpu->shares);
	if (cpu && cpu->quota && *cpu->quota)
		put_quota(ret, *cpu->quota, oci_cpu_period(cpu));
	if (cpu && v2 && !str_empty(cpu->cpus))
		r = put_set(ret, "AllowedCPUs", ret->cpus, cpu->cpus, err);
	if (r >= 0 && cpu && v2 && !str_empty(cpu->mems))
		r = put_set(ret, "AllowedMemoryNodes", ret->mems, cpu->mems, err);
	return r;
}

/* What the child does. */
struct scope_call {
	int (*call)(struct systemd_bus *bus, const struct scope_call *call, struct err *err);
	const char *name;
	const struct systemd_scope *scope;
	const struct systemd_scope_limits *limits;
	bool hold; /* stay afterwards */
};

static int call_start(struct systemd_bus *bus, const struct scope_call *call, struct err *err)
{
	uint32_t pid = (uint32_t)getpid();
	struct systemd_property all[8 + SYSTEMD_SCOPE_LIMITS_MAX] = {
		{ .name = "Description", .type = "s", .string = "Kata Containers sandbox" },
		{ .name = "Slice", .type = "s", .string = call->scope->slice },
		{ .name = "PIDs", .type = "au", .array = { &pid, sizeof(pid) } },
		{ .name = "Delegate", .type = "b", .boolean = true },
		{ .name = "DefaultDependencies", .type = "b", .boolean = false },
		/* Not the host's default, which counts the threads of QEMU. */
		{ .name = "TasksMax", .type = "t", .number = UINT64_MAX },
		{ .name = "MemoryAccounting", .type = "b", .boolean = true },
		{ .name = "CPUAccounting", .type = "b", .boolean = true },
	};

	memcpy(all + 8, call->limits->properties, sizeof(call->limits->properties));
	return systemd_bus_start(bus, call->name, all, 8 + call->limits->nr, err);
}

static int call_set(struct systemd_bus *bus, const struct scope_call *call, struct err *err)
{
	return systemd_bus_set(bus, call->name, call->limits->properties, call->limits->nr, err);
}

static int call_stop(struct systemd_bus *bus, const struct scope_call *call, struct err *err)
{
	return systemd_bus_stop(bus, call->name, err);
}

static int child_run(void *arg)
{
	const struct scope_call *call = arg;
	struct systemd_bus bus = SYSTEMD_BUS_NULL;
	struct err err = ERR_NULL;
	int r = systemd_bus_open(&bus, &err);

	if (r >= 0)
		r = call->call(&bus, call, &err);
	systemd_bus_close(&bus);
	if (io_write_full(SCOPE_REPORT_FD, &err, sizeof(err)) < 0 || r < 0)
		return EXIT_FAILURE;
	while (call->hold)
		(void)pause();
	return EXIT_SUCCESS;
}

static int ask(const struct scope_call *call, int report, struct err *err)
{
	struct err answer;
	int r = fiber_read_full(report, &answer, sizeof(answer), loop_deadline_ms(SCOPE_ANSWER_MS));

	if (r == -ETIMEDOUT)
		return err_set(err, ETIMEDOUT, "systemd does not answer for %s", call->name);
	if (r < 0)
		return err_set_errno(err, r, "ask systemd for %s", call->name);
	return answer.code ? err_set(err, answer.code, "%.*s", ERR_TEXT_MAX - 1, answer.text) : 0;
}

/* Runs the call in a child process, which stays in @ret_holder if the call says so. */
static int run(struct scope_call *call, struct proc *ret_holder, struct err *err)
{
	struct proc proc = PROC_NULL;
	int fds[2];
	int r = neg_errno(pipe2(fds, O_CLOEXEC));

	if (r < 0)
		return err_set_errno(err, r, "pipe");
	cleanup_close int report = fds[0];
	cleanup_close int theirs = fds[1];
	struct proc_fd proc_fd = { theirs, SCOPE_REPORT_FD };
	const struct proc_spec spec = {
		.path = "ask systemd",
		.run = child_run,
		.run_arg = call,
		.fds = &proc_fd,
		.nr_fds = 1,
		.netns_fd = -1,
		.die_with_parent = true,
	};
	r = fd_set_nonblock(report, true);
	if (r < 0)
		return err_set_errno(err, r, "pipe");
	r = proc_spawn(&spec, &proc, err);
	theirs = fd_close(theirs);
	if (r >= 0)
		r = ask(call, report, err);
	if (r >= 0 && call->hold)
		*ret_holder = proc;
	else
		proc_end_fiber(&proc);
	return r;
}

/**
 * systemd_scope_start() - make the scope, with a process that holds it
 * @scope: scope
 * @resources: its limits, or NULL
 * @err: filled on failure
 *
 * Return: 0 or -errno; released with systemd_scope_release() either way.
 */
int systemd_scope_start(struct systemd_scope *scope, const struct oci_resources *resources,
			struct err *err)
{
	struct systemd_scope_limits limits;
	struct scope_call call = {
		.call = call_start,
		.name = scope->name,
		.scope = scope,
		.limits = &limits,
		.hold = true,
	};
	int r = systemd_scope_limits(resources, scope->v2, &limits, err);

	return r < 0 ? r : run(&call, &scope->holder, err);
}

/**
 * systemd_scope_limit() - change limits
 * @scope: scope that has been started
 * @resources: new limits; what is absent stays
 * @err: filled on failure
 *
 * Return: 0 or -errno.
 */
int systemd_scope_limit(const struct systemd_scope *scope, const struct oci_resources *resources,
			struct err *err)
{
	struct systemd_scope_limits limits;
	struct scope_call call = { .call = call_set, .name = scope->name, .limits = &limits };
	int r = systemd_scope_limits(resources, scope->v2, &limits, err);

	return r < 0 || !limits.nr ? r : run(&call, NULL, err);
}

/**
 * systemd_scope_release() - end the process that holds the scope
 * @scope: scope; it ends now if nobody else is in it
 */
void systemd_scope_release(struct systemd_scope *scope)
{
	proc_end_fiber(&scope->holder);
}

/**
 * systemd_scope_stop() - end a scope, whoever has made it, with all that is in it
 * @name: its unit
 * @err: filled on failure
 *
 * Return: 0 also when it has ended, or -errno.
 */
int systemd_scope_stop(const char *name, struct err *err)
{
	struct scope_call call = { .call = call_stop, .name = name };

	return run(&call, NULL, err);
}
