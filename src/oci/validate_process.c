/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What must hold of a process, the container's first or one added by exec. Whether the program, the
 * user or the label exists is known in the guest only.
 */
#include "oci/validate.h"

#include <errno.h>
#include <string.h>

#include "common/str.h"
#include "oci/names.h"

static int check_command(struct oci_check *check, const struct oci_process *process)
{
	if (!process->args.nr)
		return err_set(check->err, EINVAL, "process.args must not be empty");
	if (!*process->args.v[0])
		return err_set(check->err, EINVAL,
			       "process.args[0]: the program's name must not be empty");
	if (str_empty(process->cwd))
		return err_set(check->err, EINVAL, "process.cwd must not be empty");
	if (process->cwd[0] != '/')
		return err_set(check->err, EINVAL, "process.cwd: \"%s\" is not an absolute path",
			       process->cwd);
	for (size_t i = 0; i < process->env.nr; i++) {
		const char *eq = strchr(process->env.v[i], '=');
		int r = 0;

		if (!eq || eq == process->env.v[i])
			r = oci_check_warn(check, "process.env[%zu]: \"%s\" is not NAME=value", i,
					   process->env.v[i]);
		if (r < 0)
			return r;
	}
	return 0;
}

static int check_capability_set(struct oci_check *check, const char *set, const struct strv *names)
{
	for (size_t i = 0; i < names->nr; i++) {
		int r = 0;

		if (!oci_names_have(oci_names_capabilities, names->v[i]))
			r = oci_check_warn(check,
					   "process.capabilities.%s: \"%s\" is unknown and ignored",
					   set, names->v[i]);
		if (r < 0)
			return r;
	}
	return 0;
}

static int check_capabilities(struct oci_check *check, const struct oci_capabilities *caps)
{
	int r;

	if (!caps)
		return 0;
	r = check_capability_set(check, "bounding", &caps->bounding);
	if (r == 0)
		r = check_capability_set(check, "effective", &caps->effective);
	if (r == 0)
		r = check_capability_set(check, "inheritable", &caps->inheritable);
	if (r == 0)
		r = check_capability_set(check, "permitted", &caps->permitted);
	if (r == 0)
		r = check_capability_set(check, "ambient", &caps->ambient);
	return r;
}

static int check_rlimits(struct oci_check *check, const struct oci_process *process)
{
	for (size_t i = 0; i < process->nr_rlimits; i++) {
		const struct oci_rlimit *limit = &process->rlimits[i];

		if (!oci_names_have(oci_names_rlimits, limit->type))
			return err_set(check->err, EINVAL,
				       "process.rlimits[%zu]: unknown type \"%s\"", i,
				       limit->type ? limit->type : "");
		if (limit->soft > limit->hard)
			return err_set(
				check->err, EINVAL,
				"process.rlimits[%zu]: soft limit %ju of %s is above the hard limit %ju",
				i, (uintmax_t)limit->soft, limit->type, (uintmax_t)limit->hard);
		for (size_t k = 0; k < i; k++) /* few: each type may stand here once */
			if (str_eq(process->rlimits[k].type, limit->type))
				return err_set(check->err, EINVAL,
					       "process.rlimits[%zu]: %s is given twice", i,
					       limit->type);
	}
	return 0;
}

static int check_scheduler(struct oci_check *check, const struct oci_scheduler *sched)
{
	bool deadline;

	if (!sched)
		return 0;
	if (!oci_names_have(oci_names_sched_policies, sched->policy))
		return err_set(check->err, EINVAL,
			       "process.scheduler.policy: unknown policy \"%s\"",
			       sched->policy ? sched->policy : "");
	for (size_t i = 0; i < sched->flags.nr; i++)
		if (!oci_names_have(oci_names_sched_flags, sched->flags.v[i]))
			return err_set(check->err, EINVAL,
				       "process.scheduler.flags[%zu]: unknown flag \"%s\"", i,
				       sched->flags.v[i]);
	if (sched->nice < -20 || sched->nice > 19)
		return err_set(check->err, EINVAL,
			       "process.scheduler.nice: %d is not between -20 and 19", sched->nice);
	if (sched->priority && !str_eq(sched->policy, "SCHED_FIFO") &&
	    !str_eq(sched->policy, "SCHED_RR"))
		return err_set(
			check->err, EINVAL,
			"process.scheduler.priority can only be set with SCHED_FIFO and SCHED_RR");
	deadline = str_eq(sched->policy, "SCHED_DEADLINE");
	if (!deadline && (sched->runtime || sched->deadline || sched->period))
		return err_set(
			check->err, EINVAL,
			"process.scheduler: runtime, deadline and period can only be set with SCHED_DEADLINE");
	return 0;
}

static int check_io_priority(struct oci_check *check, const struct oci_io_priority *io)
{
	if (!io)
		return 0;
	if (!oci_names_have(oci_names_ioprio_classes, io->class))
		return err_set(check->err, EINVAL, "process.ioPriority.class: unknown class \"%s\"",
			       io->class ? io->class : "");
	if (io->priority < 0 || io->priority > 7)
		return err_set(check->err, EINVAL,
			       "process.ioPriority.priority: %d is not between 0 and 7",
			       io->priority);
	return 0;
}

static int check_affinity(struct oci_check *check, const struct oci_exec_cpu_affinity *affinity)
{
	if (!affinity)
		return 0;
	if (!str_empty(affinity->initial) && !oci_is_cpu_list(affinity->initial))
		return err_set(check->err, EINVAL,
			       "process.execCPUAffinity.initial: \"%s\" is not a list of CPUs",
			       affinity->initial);
	if (!str_empty(affinity->final) && !oci_is_cpu_list(affinity->final))
		return err_set(check->err, EINVAL,
			       "process.execCPUAffinity.final: \"%s\" is not a list of CPUs",
			       affinity->final);
	return 0;
}

static int check_numbers(struct oci_check *check, const struct oci_process *process)
{
	const struct oci_box *size = process->console_size;

	if (process->oom_score_adj &&
	    (*process->oom_score_adj < -1000 || *process->oom_score_adj > 1000))
		return err_set(check->err, EINVAL,
			       "process.oomScoreAdj: %d is not between -1000 and 1000",
			       *process->oom_score_adj);
	if (process->user.umask && *process->user.umask > 07777)
		return err_set(check->err, EINVAL, "process.user.umask: %#o is not a mode",
			       *process->user.umask);
	if (size && (size->height > UINT16_MAX || size->width > UINT16_MAX))
		return err_set(check->err, EINVAL,
			       "process.consoleSize: no terminal has %ju lines of %ju characters",
			       (uintmax_t)size->height, (uintmax_t)size->width);
	return 0;
}

/**
 * oci_process_validate() - can this process be run?
 * @process: the process
 * @arena: warnings are allocated here; may be NULL when @warnings is
 * @warnings: list that receives what is odd but harmless; may be NULL
 * @err: receives the reason of a refusal, with the path of the member
 *
 * Return: 0, -EINVAL or -ENOMEM.
 */
int oci_process_validate(const struct oci_process *process, struct arena *arena,
			 struct strv *warnings, struct err *err)
{
	struct oci_check check = { .arena = arena, .warnings = warnings, .err = err };
	int r = check_command(&check, process);

	if (r == 0)
		r = check_capabilities(&check, process->capabilities);
	if (r == 0)
		r = check_rlimits(&check, process);
	if (r == 0)
		r = check_scheduler(&check, process->scheduler);
	if (r == 0)
		r = check_io_priority(&check, process->io_priority);
	if (r == 0)
		r = check_affinity(&check, process->exec_cpu_affinity);
	if (r == 0)
		r = check_numbers(&check, process);
	return r;
}
