/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Processes of containers as the agent sees them: watched by pidfd, signalled by pidfd, their
 * stdio.
 */
#include "agent/container/process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/container/attr/user.h"
#include "agent/container/birth.h"
#include "agent/container/launch.h"
#include "agent/util/child.h"
#include "common/fd.h"
#include "common/loop.h"
#include "common/proc.h"
#include "common/str.h"

/* Shown when the status was taken by somebody else, which child.h rules out. */
#define EXIT_CODE_UNKNOWN 255

static void on_exit_ready(void *arg, unsigned events);

/*
 * A child that the first process of a launch has left to us: it is the process from here on. The
 * number comes from the kernel, but a page that others had mapped is not believed.
 */
static int take_child(struct process *p, pid_t pid)
{
	cleanup_close int pidfd = neg_errno(syscall(SYS_pidfd_open, pid, 0));
	siginfo_t info;

	if (pidfd < 0)
		return pidfd;
	if (waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED | WNOHANG | WNOWAIT) < 0)
		return -errno;
	struct loop_source *watcher;
	int r = loop_add_io(p->container->loop, pidfd, LOOP_READ, on_exit_ready, p, &watcher);
	if (r < 0) {
		(void)kill(pid, SIGKILL); /* ours and not reaped yet */
		return r;
	}
	(void)loop_source_free(p->watcher);
	p->watcher = watcher;
	(void)fd_close(p->pidfd);
	p->pidfd = TAKE_FD(pidfd);
	p->pid = p->pid_seen = pid;
	return 0;
}

/* The first process of a launch has been reaped. Return: true when another goes on for it. */
static bool goes_on(struct process *p)
{
	pid_t pid = p->birth ? birth_pid(p->birth) : 0;

	if (!p->birth)
		return false;
	p->birth = birth_free(p->birth);
	int r = pid > 0 ? take_child(p, pid) : -ESRCH;
	child_reaped(&p->child);
	if (r < 0)
		return false;
	child_add(p->container->children, &p->child, pid);
	if (p->signo)
		(void)process_signal(p, p->signo);
	fiber_cond_broadcast(&p->exit_cond);
	return true;
}

static void on_exit_ready(void *arg, unsigned events)
{
	struct process *p = arg;
	siginfo_t info = { 0 };

	(void)events;
	if (waitid(P_PIDFD, (id_t)p->pidfd, &info, WEXITED | WNOHANG) >= 0) {
		if (!info.si_pid || goes_on(p))
			return;
		p->wstatus = info.si_code == CLD_EXITED ? W_EXITCODE(info.si_status, 0)
							: W_EXITCODE(0, info.si_status);
		p->exit_code = proc_exit_code(p->wstatus);
	} else {
		p->wstatus = W_EXITCODE(EXIT_CODE_UNKNOWN, 0);
		p->exit_code = EXIT_CODE_UNKNOWN;
	}
	p->watcher = loop_source_free(p->watcher);
	p->pid = 0;
	p->exited = true;
	if (p == p->container->init)
		p->container->state = CONTAINER_STATE_STOPPED;
	fiber_cond_broadcast(&p->exit_cond);
	fiber_cond_broadcast(&p->container->idle_cond);
	child_reaped(&p->child);
}

/**
 * process_new() - begin to watch a child
 * @c: its container, which owns it from here on
 * @exec_id: its name there
 * @pid: the child; the loop must not have run since it was forked
 * @pidfd_consume: taken, also on failure
 * @ret: receives the process
 *
 * Return: 0 or -errno.
 */
int process_new(struct container *c, const char *exec_id, pid_t pid, int pidfd_consume,
		struct process **ret)
{
	cleanup_close int pidfd = pidfd_consume;
	struct process *p = calloc(1, sizeof(*p));
	char *id = strdup(exec_id);

	if (!p || !id) {
		free(p);
		free(id);
		return -ENOMEM;
	}
	p->container = c;
	p->exec_id = id;
	p->stdin_fd = p->stdout_fd = p->stderr_fd = p->tty_fd = -1;
	p->pid = p->pid_seen = pid;
	p->pidfd = pidfd;
	fiber_cond_init(&p->exit_cond);
	int r = loop_add_io(c->loop, p->pidfd, LOOP_READ, on_exit_ready, p, &p->watcher);
	if (r < 0) {
		free(id);
		free(p);
		return r;
	}
	(void)TAKE_FD(pidfd);
	child_add(c->children, &p->child, pid);
	list_add_tail(&c->processes, &p->node);
	*ret = p;
	return 0;
}

/**
 * process_free() - forget a process
 * @p: process that has exited and that nobody waits for, or NULL
 */
void process_free(struct process *p)
{
	if (!p)
		return;
	list_del(&p->node);
	p->watcher = loop_source_free(p->watcher);
	child_reaped(&p->child);
	p->birth = birth_free(p->birth);
	(void)fd_close(p->stdin_fd);
	(void)fd_close(p->stdout_fd);
	(void)fd_close(p->stderr_fd);
	(void)fd_close(p->tty_fd);
	(void)fd_close(p->pidfd);
	free(p->exec_id);
	free(p);
}

/**
 * process_expect() - a child will take its place
 * @p: first process of a launch; the loop must not have run since it was forked
 * @birth_consume: where the child is noted; owned by the process from here on
 */
void process_expect(struct process *p, struct birth *birth_consume)
{
	p->birth = birth_consume;
	child_expect(&p->child);
}

/**
 * process_wait_born() - wait until the child has taken its place
 * @p: process
 * @deadline_ns: absolute time
 *
 * Return: 0, also when it has ended instead; -ETIMEDOUT or -ECANCELED.
 */
int process_wait_born(struct process *p, uint64_t deadline_ns)
{
	int r = 0;

	while (p->birth && !p->exited && r >= 0)
		r = fiber_cond_wait(&p->exit_cond, deadline_ns);
	return r;
}

/**
 * process_remove() - see container.h
 * @p: process
 */
void process_remove(struct process *p)
{
	if (p == p->container->init)
		p->container->init = NULL;
	process_free(p);
}

/* One pipe; @child_end is 0 (it reads) or 1 (it writes). */
static int open_pipe(struct launch_plan *launch, int child_end, int *ret_child, int *ret_ours,
		     struct err *err)
{
	const struct container *c = launch->container;
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_set_errno(err, -errno, "pipe");
	*ret_child = ends[child_end];
	*ret_ours = ends[!child_end];
	int r = fd_set_nonblock(*ret_ours, true);
	if (r < 0)
		return err_set_errno(err, r, "pipe");
	/* Otherwise its user cannot open /dev/stdout. */
	uid_t uid = user_map_id(c->uid_mappings, c->nr_uid_mappings, launch->process->user.uid);
	if (uid && fchown(*ret_child, uid, (gid_t)-1) < 0)
		return err_set_errno(err, -errno, "give a pipe to user %u",
				     launch->process->user.uid);
	return 0;
}

/**
 * process_open_stdio() - make the pipes of a process that has no terminal
 * @p: only its descriptors are used: it receives our ends
 * @launch: receives the child's ends
 * @err: filled on failure; what was opened belongs to both already
 *
 * Return: 0 or -errno.
 */
int process_open_stdio(struct process *p, struct launch_plan *launch, struct err *err)
{
	int r;

	if (launch->process->terminal)
		return 0;
	if (launch->no_input) {
		/* The child takes the one of its container as soon as it is there. */
		launch->stdio[0] = neg_errno(open("/dev/null", O_RDONLY | O_CLOEXEC));
		r = launch->stdio[0] < 0 ? err_set_errno(err, launch->stdio[0], "open /dev/null")
					 : 0;
	} else {
		r = open_pipe(launch, 0, &launch->stdio[0], &p->stdin_fd, err);
	}
	if (r >= 0)
		r = open_pipe(launch, 1, &launch->stdio[1], &p->stdout_fd, err);
	if (r >= 0)
		r = open_pipe(launch, 1, &launch->stdio[2], &p->stderr_fd, err);
	return r;
}

/**
 * process_signal() - send a signal to one process
 * @p: process
 * @signo: signal number; 0 only checks
 *
 * Return: 0, -ESRCH when it has ended, -EINVAL for a wrong number, or -errno.
 */
int process_signal(struct process *p, int signo)
{
	const struct proc proc = { .pid = p->pid_seen, .pidfd = p->pidfd };

	/* It may be too late for this one, and too early for the next. */
	if (p->birth && signo && p->signo != SIGKILL)
		p->signo = signo;
	return p->exited ? -ESRCH : proc_signal(&proc, signo);
}

/**
 * process_wait() - wait for the end of a process
 * @p: process; stays until this returns, and longer only if the caller sees to it
 * @deadline_ns: absolute time
 * @ret_exit_code: receives 0-255, 128 + signal; may be NULL
 *
 * Return: 0, -ETIMEDOUT or -ECANCELED.
 */
int process_wait(struct process *p, uint64_t deadline_ns, int *ret_exit_code)
{
	int r = 0;

	p->nr_waiters++;
	while (!p->exited && r >= 0)
		r = fiber_cond_wait(&p->exit_cond, deadline_ns);
	if (r >= 0 && ret_exit_code)
		*ret_exit_code = p->exit_code;
	if (--p->nr_waiters == 0)
		fiber_cond_broadcast(&p->container->idle_cond);
	return r;
}

/**
 * process_resize() - tell a terminal its size
 * @p: process
 * @rows: rows
 * @columns: columns
 *
 * Return: 0, -ENOTTY when it has no terminal or the master was taken away, or -errno.
 */
int process_resize(struct process *p, unsigned rows, unsigned columns)
{
	struct winsize ws = {
		.ws_row = (unsigned short)MIN(rows, 0xffffU),
		.ws_col = (unsigned short)MIN(columns, 0xffffU),
	};

	if (!p->terminal || p->tty_fd < 0)
		return -ENOTTY;
	return neg_errno(ioctl(p->tty_fd, TIOCSWINSZ, &ws));
}
