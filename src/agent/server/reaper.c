/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reaps children nobody waits for. Those somebody waits for by pidfd are known
 * (agent/util/child.h) and left to their waiter; a known zombie may hide others behind it, so
 * the reaper looks again when it has gone.
 */
#include "agent/server/reaper.h"

#include <signal.h>
#include <sys/wait.h>

#include "agent/util/child.h"

/* Zombies taken per wake-up. */
#define REAPER_BATCH 64

struct reaper {
	struct loop_source *signal, *again;
};

static struct reaper reaper; /* there is one PID 1 */

static void reap(void *arg)
{
	(void)arg;
	for (int i = 0; i < REAPER_BATCH; i++) {
		siginfo_t info = { 0 };

		if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0 || !info.si_pid ||
		    child_is_known(info.si_pid))
			return;
		(void)waitid(P_PID, (id_t)info.si_pid, &info,
			     WEXITED | WNOHANG); /* it is a zombie: cannot fail */
	}
	loop_trigger(reaper.again);
}

static void on_known_reaped(void *arg)
{
	(void)arg;
	loop_trigger(reaper.again);
}

/**
 * reaper_start() - reap from now on
 * @loop: loop
 *
 * Return: 0 or -ENOMEM.
 */
int reaper_start(struct loop *loop)
{
	int r = loop_add_trigger(loop, reap, NULL, &reaper.again);

	if (r >= 0)
		r = loop_add_signal(loop, SIGCHLD, reap, NULL, &reaper.signal);
	if (r < 0)
		return r;
	child_set_reaped_fn(on_known_reaped, NULL);
	return 0;
}
