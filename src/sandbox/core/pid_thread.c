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
	struct pid_thread *thread = arg;

	(void)prctl(PR_SET_NAME, "container");
	/* Other threads of this process change their mount namespace: that needs an fs of their own. */
	if (unshare(CLONE_FS) < 0 ||
	    (thread->netns_fd >= 0 && setns(thread->netns_fd, CLONE_NEWNET) < 0))
		thread->error = -errno;
	thread->pid = gettid();
	(void)sem_post(&thread->ready); /* fails for counts near INT_MAX only */
	wait_for(&thread->end);
	return NULL;
}

static int start(struct pid_thread *thread)
{
	pthread_attr_t attr;
	sigset_t all, old;
	int r = -pthread_attr_init(&attr);

	if (r < 0)
		return r;
	r = -pthread_attr_setstacksize(&attr, PTHREAD_STACK_MIN);
	if (r >= 0) {
		(void)sigfillset(&all);
		/* Signals go to the main thread, which handles them. */
		(void)pthread_sigmask(SIG_SETMASK, &all, &old);
		r = -pthread_create(&thread->thread, &attr, hold, thread);
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
	struct pid_thread *thread = calloc(1, sizeof(*thread));

	if (!thread)
		return -ENOMEM;
	thread->netns_fd = netns_fd;
	(void)sem_init(&thread->ready, 0, 0); /* fail for counts above INT_MAX only */
	(void)sem_init(&thread->end, 0, 0);
	int r = start(thread);
	if (r < 0) {
		free(thread);
		return r;
	}
	wait_for(&thread->ready);
	thread->netns_fd = -1;
	r = thread->error;
	if (r < 0) {
		(void)pid_thread_free(thread);
		return r;
	}
	*ret = thread;
	return 0;
}

/**
 * pid_thread_pid() - the number
 * @thread: thread
 *
 * Return: it.
 */
pid_t pid_thread_pid(const struct pid_thread *thread)
{
	return thread->pid;
}

/**
 * pid_thread_free() - give the number back
 * @thread: thread or NULL
 *
 * Return: NULL.
 */
struct pid_thread *pid_thread_free(struct pid_thread *thread)
{
	if (!thread)
		return NULL;
	(void)sem_post(&thread->end);
	(void)pthread_join(thread->thread, NULL); /* a thread of ours that nobody else joins */
	(void)sem_destroy(&thread->ready);
	(void)sem_destroy(&thread->end);
	free(thread);
	return NULL;
}
