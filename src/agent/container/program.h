/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Private to src/agent/container. The last steps of every process, in the child.
 */
#pragma once

#include "common/err.h"

struct launch_plan;
struct seccomp_key;

int program_prepare(struct launch_plan *launch, char **ret_path, char ***ret_env,
		    struct err *err) must_check;
int program_confine(const struct launch_plan *launch, struct seccomp_key *ret_key,
		    struct err *err) must_check;
int program_run(const char *path, char *const *args, char *const *env, struct err *err) must_check;
void program_reset_signals(void);
