/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Private to src/agent/container. Processes as containers own them; what others may use is in
 * container.h.
 */
#pragma once

#include <sys/types.h>

#include "common/err.h"

struct container;
struct launch;
struct process;

int process_new(struct container *c, const char *exec_id, pid_t pid, int pidfd_consume,
		struct process **ret) must_check;
void process_free(struct process *p);
int process_open_stdio(struct process *p, struct launch *launch, struct err *err) must_check;
