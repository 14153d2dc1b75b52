/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Private to src/agent/container. The fork of a process of a container.
 */
#pragma once

#include <sys/types.h>

#include "common/err.h"

struct launch;

int clone_process(struct launch *launch, void (*child)(struct launch *), pid_t *ret_pid,
		  int *ret_pidfd, struct err *err) must_check;
