/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What /proc says about processes.
 */
#pragma once

#include <sys/types.h>

#include "common/arena.h"
#include "rpc/pb/admin_msg.h"

/* @proc is "/proc", or a test's tree. Return: 0, -ESRCH when it has ended, or -errno. */
int processes_read(const char *proc, pid_t pid, struct arena *arena,
		   struct admin_process *ret) must_check;
