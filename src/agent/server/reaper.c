/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reaps children nobody waits for. Those somebody waits for by pidfd are known
 * (agent/util/child.h) and left to their waiter. The kernel shows one zombie at a time, so a known
 * one may hide others: the reaper looks again when it has gone.
 */
#include "agent/server/reaper.h"

#include <signal.h>
#include <sys/wait.h>

#include "agent/util/child.h"

/* Zombies taken per wake-up. */
#define REAPER_BATCH 64

static void reap(void *arg)
{
	struct reaper *reaper = arg;

	for (int i = 0; i < REAPER_BATCH; i++) {
		siginfo_t info = { 0 };

		if (reaper->children->nr_expected ||
		    waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0 || !info.si_pid ||
		    children_know(reaper->children, info.si_pid))
			return;
		(void)waitid(P_PID, (id_t)info.si_pid, &info,
			     WEXITED | WNOHANG); /* it is a zombie: cannot fail */
	}
	loop_trigger(reaper->again);
}

static void on_known_reaped(void *arg)
{
	struct reaper *reaper = arg;

	loop_trigger(reaper->again);
}

/**
 * reaper_start() - reap from now on
 * @reaper: receives it; must stay in place until reaper_stop()
 * @loop: loop
 * @children: children to leave alone
 *
 * Return: 0 or -ENOMEM; reaper_stop() is due in both cases.
 */
int reaper_start(struct reaper *reaper, struct loop *loop, struct children *children)
{
	*reaper = (struct reaper){ .children = children };
	int r = loop_add_trigger(loop, reap, reaper, &reaper->again);

	if (r >= 0)
		r = loop_add_signal(loop, SIGCHLD, reap, reaper, &reaper->signal);
	if (r < 0)
		return r;
	children->reaped_fn = on_known_reaped;
	children->arg = reaper;
	return 0;
}

/**
 * reaper_stop() - leave orphans alone
 * @reaper: reaper, zeroed or started; may be done twice
 */
void reaper_stop(struct reaper *reaper)
{
	if (reaper->children)
		reaper->children->reaped_fn = NULL;
	reaper->signal = loop_source_free(reaper->signal);
	reaper->again = loop_source_free(reaper->again);
}
