/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Properties of one process that its cgroup does not hold: resource limits, OOM score, scheduler,
 * I/O priority, CPU affinity, personality. Those the agent sets from outside work for user
 * namespaces too, whose root may not raise them itself.
 */
#include "agent/container/attr/limits.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/ioprio.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/io.h"
#include "common/str.h"

#define RLIMITS_MAX 64

/*
 * Kernel ABI: struct sched_attr of sched_setattr(2); its header cannot be included beside libc's
 * <sched.h>.
 */
struct sched_attributes {
	uint32_t size, sched_policy;
	uint64_t sched_flags;
	int32_t sched_nice;
	uint32_t sched_priority;
	uint64_t sched_runtime, sched_deadline, sched_period;
};

struct word {
	const char *word;
	uint64_t value;
};

static const struct word rlimit_words[] = {
	{ "RLIMIT_AS", RLIMIT_AS },
	{ "RLIMIT_CORE", RLIMIT_CORE },
	{ "RLIMIT_CPU", RLIMIT_CPU },
	{ "RLIMIT_DATA", RLIMIT_DATA },
	{ "RLIMIT_FSIZE", RLIMIT_FSIZE },
	{ "RLIMIT_LOCKS", RLIMIT_LOCKS },
	{ "RLIMIT_MEMLOCK", RLIMIT_MEMLOCK },
	{ "RLIMIT_MSGQUEUE", RLIMIT_MSGQUEUE },
	{ "RLIMIT_NICE", RLIMIT_NICE },
	{ "RLIMIT_NOFILE", RLIMIT_NOFILE },
	{ "RLIMIT_NPROC", RLIMIT_NPROC },
	{ "RLIMIT_RSS", RLIMIT_RSS },
	{ "RLIMIT_RTPRIO", RLIMIT_RTPRIO },
	{ "RLIMIT_RTTIME", RLIMIT_RTTIME },
	{ "RLIMIT_SIGPENDING", RLIMIT_SIGPENDING },
	{ "RLIMIT_STACK", RLIMIT_STACK },
};

static const struct word policy_words[] = {
	{ "SCHED_OTHER", SCHED_OTHER }, { "SCHED_FIFO", SCHED_FIFO },
	{ "SCHED_RR", SCHED_RR },	{ "SCHED_BATCH", SCHED_BATCH },
	{ "SCHED_IDLE", SCHED_IDLE },	{ "SCHED_DEADLINE", 6 /* not in libc */ },
};

static const struct word scheduler_flags[] = {
	{ "SCHED_FLAG_RESET_ON_FORK", 0x01 },  { "SCHED_FLAG_RECLAIM", 0x02 },
	{ "SCHED_FLAG_DL_OVERRUN", 0x04 },     { "SCHED_FLAG_KEEP_POLICY", 0x08 },
	{ "SCHED_FLAG_KEEP_PARAMS", 0x10 },    { "SCHED_FLAG_UTIL_CLAMP_MIN", 0x20 },
	{ "SCHED_FLAG_UTIL_CLAMP_MAX", 0x40 },
};

static const struct word ioprio_classes[] = {
	{ "IOPRIO_CLASS_RT", IOPRIO_CLASS_RT },
	{ "IOPRIO_CLASS_BE", IOPRIO_CLASS_BE },
	{ "IOPRIO_CLASS_IDLE", IOPRIO_CLASS_IDLE },
};

#define find_word(table, name) find_in((table), ARRAY_SIZE(table), (name))

static const struct word *find_in(const struct word *table, size_t nr, const char *name)
{
	for (size_t i = 0; i < nr; i++)
		if (str_eq(table[i].word, name))
			return &table[i];
	return NULL;
}

/**
 * limits_plan_init() - check what the process wants before anything is forked
 * @plan: receives it
 * @process: the process, borrowed for as long as the plan
 * @arena: holds the plan's list
 * @err: names what is wrong
 *
 * Return: 0 or -errno.
 */
int limits_plan_init(struct limits_plan *plan, const struct oci_process *process,
		     struct arena *arena, struct err *err)
{
	*plan = (struct limits_plan){ .process = process };
	if (process->nr_rlimits > RLIMITS_MAX)
		return err_set(err, E2BIG, "more than %d rlimits", RLIMITS_MAX);
	plan->rlimits = arena_calloc(arena, process->nr_rlimits, sizeof(*plan->rlimits));
	if (!plan->rlimits)
		return err_set_errno(err, -ENOMEM, "rlimits");
	for (size_t i = 0; i < process->nr_rlimits; i++) {
		const struct oci_rlimit *oci = &process->rlimits[i];
		const struct word *word = find_word(rlimit_words, oci->type);

		if (!word)
			return err_set(err, EINVAL, "unknown rlimit \"%.32s\"",
				       oci->type ? oci->type : "");
		for (size_t k = 0; k < i; k++)
			if (plan->rlimits[k].resource == (int)word->value)
				return err_set(err, EINVAL, "rlimit %s is given twice", oci->type);
		plan->rlimits[i] = (struct rlimit_plan){
			.resource = (int)word->value,
			.soft = oci->soft,
			.hard = oci->hard,
		};
	}
	plan->nr_rlimits = process->nr_rlimits;
	if (process->scheduler && !find_word(policy_words, process->scheduler->policy))
		return err_set(err, EINVAL, "unknown scheduler policy \"%.32s\"",
			       process->scheduler->policy ? process->scheduler->policy : "");
	if (process->io_priority && !find_word(ioprio_classes, process->io_priority->class))
		return err_set(err, EINVAL, "unknown I/O priority class \"%.32s\"",
			       process->io_priority->class ? process->io_priority->class : "");
	return 0;
}

static int set_scheduler(const struct oci_scheduler *scheduler, pid_t pid, struct err *err)
{
	struct sched_attributes attr = {
		.size = sizeof(attr),
		.sched_policy = (uint32_t)find_word(policy_words, scheduler->policy)->value,
		.sched_nice = scheduler->nice,
		.sched_priority = (uint32_t)scheduler->priority,
		.sched_runtime = scheduler->runtime,
		.sched_deadline = scheduler->deadline,
		.sched_period = scheduler->period,
	};

	for (size_t i = 0; i < scheduler->flags.nr; i++) {
		const struct word *word = find_word(scheduler_flags, scheduler->flags.v[i]);

		if (!word)
			return err_set(err, EINVAL, "unknown scheduler flag \"%.40s\"",
				       scheduler->flags.v[i]);
		attr.sched_flags |= word->value;
	}
	if (syscall(SYS_sched_setattr, pid, &attr, 0) < 0)
		return err_set_errno(err, -errno, "set scheduler %s", scheduler->policy);
	return 0;
}

static int set_io_priority(const struct oci_io_priority *io, pid_t pid, struct err *err)
{
	int class = (int)find_word(ioprio_classes, io->class)->value;

	if (io->priority < 0 || io->priority >= IOPRIO_NR_LEVELS)
		return err_set(err, EINVAL, "I/O priority %d is not between 0 and 7", io->priority);
	if (syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, pid,
		    IOPRIO_PRIO_VALUE(class, io->priority)) < 0)
		return err_set_errno(err, -errno, "set I/O priority %s %d", io->class,
				     io->priority);
	return 0;
}

/**
 * limits_find() - what is planned for a resource
 * @plan: plan
 * @resource: RLIMIT_*
 *
 * Return: its limit, or NULL.
 */
const struct rlimit_plan *limits_find(const struct limits_plan *plan, int resource)
{
	for (size_t i = 0; i < plan->nr_rlimits; i++)
		if (plan->rlimits[i].resource == resource)
			return &plan->rlimits[i];
	return NULL;
}

/* What forks must not be kept from it by the limit of its child, but may be the last to raise it. */
static void leave_room(struct rlimit *limit)
{
	struct rlimit now = { 0 };

	(void)getrlimit(RLIMIT_NPROC, &now);
	limit->rlim_cur = limit->rlim_max = MAX(limit->rlim_max, now.rlim_max);
}

/**
 * limits_apply() - set resource limits and I/O priority
 * @plan: plan
 * @pid: the process, 0 for the caller
 * @err: names what could not be set
 *
 * Return: 0 or -errno.
 */
int limits_apply(const struct limits_plan *plan, pid_t pid, struct err *err)
{
	const struct oci_process *process = plan->process;

	for (size_t i = 0; i < plan->nr_rlimits; i++) {
		const struct rlimit_plan *rlimit = &plan->rlimits[i];
		struct rlimit limit = { .rlim_cur = rlimit->soft, .rlim_max = rlimit->hard };

		if (plan->forks && rlimit->resource == RLIMIT_NPROC)
			leave_room(&limit);
		if (prlimit(pid, (enum __rlimit_resource)rlimit->resource, &limit, NULL) < 0)
			return err_set_errno(
				err, -errno, "set %s to %llu, %llu", process->rlimits[i].type,
				(unsigned long long)rlimit->soft, (unsigned long long)rlimit->hard);
	}
	return process->io_priority ? set_io_priority(process->io_priority, pid, err) : 0;
}

/**
 * limits_set_scheduler() - set the scheduler
 * @plan: plan
 * @pid: the process that runs the program; it may not be inherited
 * @err: filled on failure
 *
 * Return: 0 or -errno.
 */
int limits_set_scheduler(const struct limits_plan *plan, pid_t pid, struct err *err)
{
	const struct oci_scheduler *scheduler = plan->process->scheduler;

	return scheduler ? set_scheduler(scheduler, pid, err) : 0;
}

/**
 * limits_set_oom_score() - set oom_score_adj
 * @process: process of the spec
 * @pid: the process, 0 for the caller
 * @err: filled on failure
 *
 * Return: 0 or -errno.
 */
int limits_set_oom_score(const struct oci_process *process, pid_t pid, struct err *err)
{
	char path[64] = "/proc/self/oom_score_adj", value[16];

	if (!process->oom_score_adj)
		return 0;
	if (pid)
		(void)snprintf(path, sizeof(path), "/proc/%d/oom_score_adj", (int)pid);
	(void)snprintf(value, sizeof(value), "%d", *process->oom_score_adj);
	int r = io_write_str_at(AT_FDCWD, path, value);
	return r < 0 ? err_set_errno(err, r, "set oom_score_adj to %s", value) : 0;
}

/* "0-3,7" */
static int parse_cpu_list(const char *list, cpu_set_t *ret)
{
	CPU_ZERO(ret);
	while (*list) {
		char *end;
		unsigned long first = strtoul(list, &end, 10), last = first;

		if (end == list)
			return -EINVAL;
		if (*end == '-') {
			list = end + 1;
			last = strtoul(list, &end, 10);
			if (end == list)
				return -EINVAL;
		}
		if (first > last || last >= CPU_SETSIZE || (*end && *end != ','))
			return -EINVAL;
		for (; first <= last; first++)
			CPU_SET(first, ret);
		list = end + (*end == ',');
	}
	return 0;
}

/**
 * limits_set_affinity() - set the CPUs of this process
 * @process: its exec_cpu_affinity is read
 * @err: filled on failure
 *
 * The process is born in its cgroup, so there is no time for the initial set but when no final one
 * is given.
 *
 * Return: 0 or -errno.
 */
int limits_set_affinity(const struct oci_process *process, struct err *err)
{
	const struct oci_exec_cpu_affinity *affinity = process->exec_cpu_affinity;
	cpu_set_t set;

	if (!affinity)
		return 0;
	const char *list = !str_empty(affinity->final) ? affinity->final : affinity->initial;
	if (str_empty(list))
		return 0;
	if (parse_cpu_list(list, &set) < 0)
		return err_set(err, EINVAL, "wrong CPU list \"%.64s\"", list);
	if (sched_setaffinity(0, sizeof(set), &set) < 0)
		return err_set_errno(err, -errno, "set CPU affinity to %.64s", list);
	return 0;
}

/**
 * limits_set_personality() - set the execution domain of this process
 * @personality: NULL: leave it
 * @err: filled on failure
 *
 * Return: 0 or -errno.
 */
int limits_set_personality(const struct oci_personality *personality, struct err *err)
{
	if (!personality)
		return 0;
	unsigned long domain = str_eq(personality->domain, "LINUX32") ? PER_LINUX32 : PER_LINUX;
	if (domain == PER_LINUX && !str_eq(personality->domain, "LINUX"))
		return err_set(err, EINVAL, "unknown personality \"%.32s\"",
			       personality->domain ? personality->domain : "");
	if (personality->flags.nr)
		return err_set(err, ENOTSUP, "not supported: personality flags");
	if (syscall(SYS_personality, domain) < 0)
		return err_set_errno(err, -errno, "set personality %s", personality->domain);
	return 0;
}
