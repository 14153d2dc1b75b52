/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The verb's end of a stand-in: fork it, tell it what to be, let it go or take it back.
 */
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/fiber.h"
#include "common/io.h"
#include "common/proc.h"
#include "runtime/standin/standin_child.h"

#define STANDIN_KILLED_MS 500

#define ROOTLESS                                                                           \
	"rootless use is not supported: a container's namespaces, mounts and tap devices " \
	"need root"

/*
 * What rootless managers make looks like root and has all capabilities, over nothing of the host's.
 */
static bool in_user_namespace(void)
{
	cleanup_free char *map = NULL;
	unsigned long inside, outside, len;

	return io_read_file_at(AT_FDCWD, "/proc/self/uid_map", 4096, &map) > 0 &&
	       (sscanf(map, "%lu %lu %lu", &inside, &outside, &len) != 3 || outside ||
		len != UINT32_MAX);
}

/**
 * standin_fork() - fork a stand-in that waits to be set up
 * @isolated: give it namespaces of its own, so that who enters the container's on the host changes
 *	nothing of the host: no name, no queues
 * @ret: receives it
 * @err: filled on failure
 *
 * To be called before there is a loop, and before much memory is used.
 *
 * Return: 0 or -errno.
 */
int standin_fork(bool isolated, struct standin_proc *ret, struct err *err)
{
	int pair[2];

	if (isolated && in_user_namespace())
		return err_set(err, EPERM, ROOTLESS " of the host, not that of a user namespace");
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return err_set_errno(err, -errno, "socketpair");
	/* As fork(2); glibc has no call of its own that also makes namespaces. */
	const unsigned long own = CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS |
				  CLONE_NEWCGROUP;
	pid_t pid = (pid_t)syscall(SYS_clone, (isolated ? own : 0) | SIGCHLD, NULL, NULL, NULL, 0);
	if (pid == 0)
		standin_child(pair[1]);
	(void)close(pair[1]);
	cleanup_close int control = pair[0];
	if (pid < 0 && errno == EPERM)
		return err_set(err, EPERM, ROOTLESS);
	if (pid < 0)
		return err_set_errno(err, -errno, "fork");
	struct standin_proc standin = { .pid = pid,
					.pidfd = proc_open_pidfd(pid),
					.control = TAKE_FD(control) };
	int r = standin.pidfd < 0 ? standin.pidfd : fd_set_nonblock(standin.control, true);
	if (r < 0) {
		standin_deinit(&standin);
		return err_set_errno(err, r, "cannot watch the stand-in");
	}
	*ret = standin;
	return 0;
}

static void fill_title(struct standin_setup *setup, char *const *args)
{
	for (; args && *args; args++) {
		size_t len = strlen(*args) + 1;

		if (setup->title_len + len > sizeof(setup->title))
			return;
		memcpy(setup->title + setup->title_len, *args, len);
		setup->title_len += len;
	}
}

/* The stand-in is now the process it has forked into another PID namespace, as a child of ours. */
static int adopt(struct standin_proc *standin, pid_t pid, struct err *err)
{
	(void)waitpid(standin->pid, NULL, 0); /* it is about to end */
	standin->pid = pid;
	(void)fd_close(standin->pidfd);
	standin->pidfd = proc_open_pidfd(pid);
	return standin->pidfd < 0 ? err_set_errno(err, standin->pidfd, "cannot watch the stand-in")
				  : 0;
}

static int read_reply(struct standin_proc *standin, uint64_t deadline_ns, struct err *err)
{
	struct standin_reply reply;
	size_t nr_fds;
	int r = fiber_wait_fd(standin->control, LOOP_READ, deadline_ns);

	if (r < 0)
		return err_set_errno(err, r, "waiting for the stand-in");
	ssize_t n = fd_recv_msg(standin->control, &reply, sizeof(reply), NULL, 0, &nr_fds);
	if (n != (ssize_t)sizeof(reply))
		return err_set(err, ECONNRESET, "the stand-in ended unexpectedly");
	reply.step[sizeof(reply.step) - 1] = '\0';
	if (reply.r < 0)
		return err_set_errno(err, reply.r, "the stand-in cannot %s", reply.step);
	return reply.pid > 0 ? adopt(standin, reply.pid, err) : 0;
}

/**
 * standin_set_up() - make a forked stand-in what it is to be
 * @standin: forked stand-in
 * @params: what
 * @deadline_ns: when to stop waiting for the shim to greet it
 * @err: filled on failure
 *
 * Return: 0 when the shim knows it, or -errno.
 */
int standin_set_up(struct standin_proc *standin, const struct standin_params *params,
		   uint64_t deadline_ns, struct err *err)
{
	struct standin_setup setup = {
		.netns = params->netns,
		.has_tty = params->tty_fd >= 0,
		.has_root = params->root_fd >= 0,
		.has_pidns = params->pidns_fd >= 0,
		.terminal = params->terminal,
		.rows = params->rows,
		.columns = params->columns,
	};
	int fds[STANDIN_SETUP_FDS];
	size_t nr_fds = 0;

	if (strlen(params->key) >= sizeof(setup.key))
		return err_set(err, ENAMETOOLONG, "the id \"%s\" is too long", params->key);
	strcpy(setup.key, params->key);
	fill_title(&setup, params->args);
	fds[nr_fds++] = params->sandbox_fd;
	if (params->netns == STANDIN_NETNS_JOIN)
		fds[nr_fds++] = params->netns_fd;
	if (params->tty_fd >= 0)
		fds[nr_fds++] = params->tty_fd;
	if (params->root_fd >= 0)
		fds[nr_fds++] = params->root_fd;
	if (params->pidns_fd >= 0)
		fds[nr_fds++] = params->pidns_fd;
	ssize_t n = fd_send_msg(standin->control, &setup, sizeof(setup), fds, nr_fds);
	if (n < 0)
		return err_set_errno(err, (int)n, "cannot speak to the stand-in");
	/* To join a PID namespace it forks: both processes then send a reply, in any order. */
	int r = read_reply(standin, deadline_ns, err);
	if (r == 0 && params->pidns_fd >= 0)
		r = read_reply(standin, deadline_ns, err);
	return r;
}

/**
 * standin_commit() - let a stand-in outlive this process
 * @standin: stand-in that was set up
 * @err: filled on failure
 *
 * Return: 0, -EPIPE when it has ended already, or -errno.
 */
int standin_commit(struct standin_proc *standin, struct err *err)
{
	ssize_t n = neg_errno_sz(send(standin->control, "", 1, MSG_NOSIGNAL));

	if (n == -EPIPE || n == -ECONNRESET)
		return err_set(err, EPIPE, "the stand-in has ended");
	if (n < 0)
		return err_set_errno(err, (int)n, "cannot release the stand-in");
	standin->committed = true;
	return 0;
}

/**
 * standin_wait() - wait for its end
 * @standin: stand-in; reaped afterwards
 * @deadline_ns: when to stop waiting
 *
 * Return: its exit code (0-255, 128 + signal), or -errno.
 */
int standin_wait(struct standin_proc *standin, uint64_t deadline_ns)
{
	int status = 0;
	int r = fiber_wait_pidfd(standin->pidfd, deadline_ns, &status);

	if (r < 0)
		return r;
	standin->pid = 0;
	return proc_exit_code(status);
}

/**
 * standin_deinit() - forget a stand-in; one that was not committed is killed
 * @standin: stand-in or STANDIN_PROC_NULL
 */
void standin_deinit(struct standin_proc *standin)
{
	(void)fd_close(standin->control);
	if (standin->pid > 0 && !standin->committed) {
		(void)kill(standin->pid, SIGKILL); /* our unreaped child: the pid is its own */
		/* In a frozen cgroup of version 1 it ends only later. */
		if (fd_poll_until(standin->pidfd, POLLIN, loop_deadline_ms(STANDIN_KILLED_MS)) == 0)
			(void)waitpid(standin->pid, NULL, 0);
	}
	(void)fd_close(standin->pidfd);
	*standin = STANDIN_PROC_NULL;
}
