/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Children of this process whose exit status somebody waits for by pidfd. The reaper of orphans
 * (PID 1) must leave them alone:
 *
 *	on SIGCHLD, and whenever children->reaped_fn is called:
 *		while (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid &&
 *		       !children_know(children, info.si_pid))
 *			waitid(P_PID, info.si_pid, &info, WEXITED | WNOHANG);
 *
 * waitid() shows one zombie at a time, so a known one may hide orphans until whoever waits for it
 * has reaped it; hence the second occasion.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "common/list.h"
#include "common/proc.h"

struct children {
	struct list known;	      /* struct child.node */
	void (*reaped_fn)(void *arg); /* the reaper's: a known child is gone; may be NULL */
	void *arg;
};

struct child {
	struct list node;
	struct children *children;
	pid_t pid;
};

void children_init(struct children *children);
bool children_know(const struct children *children, pid_t pid);
void child_add(struct children *children, struct child *child, pid_t pid);
void child_reaped(struct child *child);
struct proc_watch child_watch(struct children *children, struct child *child);
