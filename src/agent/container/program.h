/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Private to src/agent/container. The last steps of every process, in the child.
 */
#pragma once

#include "common/err.h"

struct launch_plan;

int program_prepare(struct launch_plan *launch, char **ret_path, char ***ret_env,
		    struct err *err) must_check;
int program_confine(const struct launch_plan *launch, struct err *err) must_check;
int program_run(const struct launch_plan *launch, const char *path, char **env,
		struct err *err) must_check;
void program_reset_signals(void);
