/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Private to src/agent/container. Properties of one process that its cgroup does not hold. A pid of
 * 0 is the caller.
 */
#pragma once

#include <sys/types.h>

#include "agent/container/launch.h"

int limits_plan(struct launch *launch, struct err *err) must_check;
int limits_apply(const struct launch *launch, pid_t pid, struct err *err) must_check;
int limits_set_oom_score(const struct oci_process *process, pid_t pid, struct err *err) must_check;
int limits_set_affinity(const struct oci_process *process, struct err *err) must_check;
int limits_set_personality(const struct oci_personality *personality, struct err *err) must_check;
