/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Children of this process whose exit status somebody waits for by pidfd. The reaper of orphans
 * (PID 1) must leave them alone:
 *
 *	on SIGCHLD, and whenever the function given to child_set_reaped_fn() is called:
 *		while (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid &&
 *		       !child_is_known(info.si_pid))
 *			waitid(P_PID, info.si_pid, &info, WEXITED | WNOHANG);
 *
 * A known zombie may hide orphans behind it, hence the second occasion: it is reaped by its own
 * watcher soon.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "common/list.h"
#include "common/proc.h"

struct child {
	struct list node;
	pid_t pid;
};

void child_add(struct child *child, pid_t pid);
void child_reaped(struct child *child);
bool child_is_known(pid_t pid);
struct proc_watch child_watch(struct child *child);
void child_set_reaped_fn(void (*fn)(void *arg), void *arg);
