/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DOC: Numbers for containers
 *
 * A manager is told a process number for each container and comes back with it:
 * /proc/<number>/ns/pid names the container whose processes another one wants to see (an ephemeral
 * container's target). So the members of a pod must not all have their VMM's number. A stand-in is
 * a process of its own; without one the number is that of a thread that does nothing: it has an
 * entry in /proc, lives in the sandbox's network namespace as the VMM does, and costs some
 * kilobytes. It runs no code of ours besides waiting for its end, so the rule that a daemon is one
 * thread holds for everything else.
 */
#include "sandbox/core/pid_thread.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

struct pid_thread {
	pthread_t thread;
	sem_t ready, end;
	int netns_fd; /* while it starts */
	pid_t pid;
	int error;
};

/* All signals are blocked, but for those glibc uses itself. */
static void wait_for(sem_t *sem)
{
	while (sem_wait(sem) < 0 && errno == EINTR)
		;
}

static void *hold(void *arg)
{
	struct pid_thread *holder = arg;

	(void)prctl(PR_SET_NAME, "container");
	/* Others of this process change their mount namespace, which a shared one forbids. */
	if (unshare(CLONE_FS) < 0 ||
	    (holder->netns_fd >= 0 && setns(holder->netns_fd, CLONE_NEWNET) < 0))
		holder->error = -errno;
	holder->pid = gettid();
	(void)sem_post(&holder->ready); /* fails for counts near INT_MAX only */
	wait_for(&holder->end);
	return NULL;
}

static int start(struct pid_thread *holder)
{
	pthread_attr_t attr;
	sigset_t all, old;
	int r = -pthread_attr_init(&attr);

	if (r < 0)
		return r;
	r = -pthread_attr_setstacksize(&attr, PTHREAD_STACK_MIN);
	if (r >= 0) {
		(void)sigfillset(&all);
		/* Signals are for the thread that has handlers for them. */
		(void)pthread_sigmask(SIG_SETMASK, &all, &old);
		r = -pthread_create(&holder->thread, &attr, hold, holder);
		(void)pthread_sigmask(SIG_SETMASK, &old, NULL);
	}
	(void)pthread_attr_destroy(&attr);
	return r;
}

/**
 * pid_thread_new() - take a number
 * @netns_fd: network namespace it lives in, borrowed; -1: this process's
 * @ret: receives it; released with pid_thread_free()
 *
 * Waits for the thread to be there, which takes microseconds.
 *
 * Return: 0 or -errno.
 */
int pid_thread_new(int netns_fd, struct pid_thread **ret)
{
	struct pid_thread *holder = calloc(1, sizeof(*holder));

	if (!holder)
		return -ENOMEM;
	holder->netns_fd = netns_fd;
	(void)sem_init(&holder->ready, 0, 0); /* fail for counts above INT_MAX only */
	(void)sem_init(&holder->end, 0, 0);
	int r = start(holder);
	if (r < 0) {
		free(holder);
		return r;
	}
	wait_for(&holder->ready);
	holder->netns_fd = -1;
	r = holder->error;
	if (r < 0) {
		(void)pid_thread_free(holder);
		return r;
	}
	*ret = holder;
	return 0;
}

/**
 * pid_thread_pid() - the number
 * @holder: holder
 *
 * Return: it.
 */
pid_t pid_thread_pid(const struct pid_thread *holder)
{
	return holder->pid;
}

/**
 * pid_thread_free() - give the number back
 * @holder: holder or NULL
 *
 * Return: NULL.
 */
struct pid_thread *pid_thread_free(struct pid_thread *holder)
{
	if (!holder)
		return NULL;
	(void)sem_post(&holder->end);
	(void)pthread_join(holder->thread, NULL); /* a thread of ours that nobody else joins */
	(void)sem_destroy(&holder->ready);
	(void)sem_destroy(&holder->end);
	free(holder);
	return NULL;
}
