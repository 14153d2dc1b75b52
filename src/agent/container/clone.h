/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Private to src/agent/container. The fork of a process of a container.
 */
#pragma once

#include <sys/types.h>

#include "common/err.h"

struct launch_plan;

int clone_process(struct launch_plan *launch, void (*child)(struct launch_plan *), pid_t *ret_pid,
		  int *ret_pidfd, struct err *err) must_check;
