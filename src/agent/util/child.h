/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Children of this process whose exit status somebody waits for by pidfd. The reaper of orphans
 * (PID 1) must leave them alone:
 *
 *	on SIGCHLD, and whenever children->reaped_fn is called:
 *		while (!children->nr_expected &&
 *		       waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid &&
 *		       !children_know(children, info.si_pid))
 *			waitid(P_PID, info.si_pid, &info, WEXITED | WNOHANG);
 *
 * waitid() shows one zombie at a time, so a known one may hide orphans until whoever waits for it
 * has reaped it; hence the second occasion. A known child may be about to leave one of its own to
 * us, whose number is not known yet: until then no orphan is reaped.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "common/list.h"
#include "common/proc.h"

struct children {
	struct list known;	      /* struct child.node */
	size_t nr_expected;	      /* of them, that will leave a child to us */
	void (*reaped_fn)(void *arg); /* the reaper's: a known child is gone; may be NULL */
	void *arg;
};

struct child {
	struct list node;
	struct children *children;
	pid_t pid;
	bool expected; /* counted in children.nr_expected */
};

void children_init(struct children *children);
bool children_know(const struct children *children, pid_t pid);
void child_add(struct children *children, struct child *child, pid_t pid);
void child_expect(struct child *child);
void child_reaped(struct child *child);
struct proc_watch child_watch(struct children *children, struct child *child);
