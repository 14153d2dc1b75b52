/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Private to src/agent/container. Properties of one process that its cgroup does not hold. A pid of
 * 0 is the caller.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/arena.h"
#include "common/err.h"
#include "oci/oci_spec.h"

struct rlimit_plan {
	int resource;
	uint64_t soft, hard;
};

struct limits_plan {
	const struct oci_process *process;
	struct rlimit_plan *rlimits; /* as many as @process has */
	size_t nr_rlimits;
	bool forks; /* once more before the program: the number of processes is left to its child */
};

int limits_plan_init(struct limits_plan *plan, const struct oci_process *process,
		     struct arena *arena, struct err *err) must_check;
int limits_apply(const struct limits_plan *plan, pid_t pid, struct err *err) must_check;
const struct rlimit_plan *limits_find(const struct limits_plan *plan, int resource) must_check;
int limits_set_scheduler(const struct limits_plan *plan, pid_t pid, struct err *err) must_check;
int limits_set_oom_score(const struct oci_process *process, pid_t pid, struct err *err) must_check;
int limits_set_affinity(const struct oci_process *process, struct err *err) must_check;
int limits_set_personality(const struct oci_personality *personality, struct err *err) must_check;
