/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The fork. New namespaces come from clone3(2) itself; an intermediate process is only needed where
 * something must be joined with the agent's rights before the process gets into another user
 * namespace.
 */
#include "agent/container/clone.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/container/launch.h"
#include "agent/container/namespace.h"
#include "common/fd.h"

typedef void (*launch_child_fn)(struct launch_plan *);

static uint64_t new_flags(const struct launch_plan *launch)
{
	uint64_t flags = 0;

	for (int type = 0; type < CONTAINER_NS_NR; type++) {
		/*
		 * What these two show depends on where their first process is: it unshares them
		 * itself, later (namespace_unshare_late()).
		 */
		if (type == CONTAINER_NS_CGROUP || type == CONTAINER_NS_TIME)
			continue;
		if (launch->ns[type].mode == NS_MODE_NEW)
			flags |= (uint64_t)(unsigned)namespace_clone_flag((enum container_ns)type);
	}
	return flags;
}

static bool needs_intermediate(const struct launch_plan *launch)
{
	enum ns_mode user = launch->ns[CONTAINER_NS_USER].mode;

	if (user != NS_MODE_NEW)
		return user == NS_MODE_JOIN;
	for (int type = 0; type < CONTAINER_NS_NR; type++)
		if (launch->ns[type].mode == NS_MODE_JOIN)
			return true;
	return false;
}

/* As fork(2), but with everything clone3(2) can do. Return: pid, 0 in the child, or -errno. */
static pid_t clone_call(const struct launch_plan *launch, uint64_t flags, int *ret_pidfd)
{
	struct clone_args args = {
		.flags = flags | CLONE_PIDFD,
		.pidfd = (uint64_t)(uintptr_t)ret_pidfd,
		.exit_signal = flags & CLONE_PARENT ? 0 : SIGCHLD,
	};

	if (launch->cgroup_fd >= 0) {
		args.flags |= CLONE_INTO_CGROUP;
		args.cgroup = (uint64_t)(unsigned)launch->cgroup_fd;
	}
	return neg_errno(syscall(SYS_clone3, &args, sizeof(args)));
}

/*
 * The namespace new children get into is an attribute of the parent: it is changed for the time of
 * one clone. The agent has one thread and does not wait in between.
 */
static int clone_in_pid_ns(const struct launch_plan *launch, launch_child_fn child, uint64_t flags,
			   pid_t *ret_pid, int *ret_pidfd, struct err *err)
{
	const struct ns_plan *pid_ns = &launch->ns[CONTAINER_NS_PID];
	int target = !launch->joined && pid_ns->mode == NS_MODE_JOIN ? pid_ns->fd : -1;
	cleanup_close int own = -1;

	if (target >= 0) {
		own = neg_errno(open("/proc/self/ns/pid", O_RDONLY | O_CLOEXEC));
		if (own < 0)
			return err_set_errno(err, own, "open /proc/self/ns/pid");
		if (setns(target, CLONE_NEWPID) < 0)
			return err_set_errno(err, -errno,
					     "join the pid namespace of the container");
	}
	pid_t pid = clone_call(launch, flags, ret_pidfd);
	if (pid == 0) {
		child((struct launch_plan *)(uintptr_t)launch); /* the child's own copy */
		_exit(255);
	}
	if (own >= 0 && setns(own, CLONE_NEWPID) < 0) {
		int r = -errno;
		if (pid > 0)
			(void)kill(pid, SIGKILL); /* nobody watches it: reaped as an orphan */
		return err_set_errno(err, r, "return to the pid namespace of the agent");
	}
	if (pid == -ENOMEM && target >= 0)
		return err_set(err, ESRCH, "the first process of the pid namespace has ended");
	if (pid < 0)
		return err_set_errno(err, pid, "clone the container process");
	*ret_pid = pid;
	return 0;
}

struct intermediate_reply {
	pid_t pid;
	struct err err;
};

static void intermediate_main(struct launch_plan *launch, launch_child_fn child, int sock)
{
	struct intermediate_reply reply = { .pid = 0 };
	int pidfd = -1;
	int r = namespace_join_all(launch->ns, true, &reply.err);

	launch->joined = true;
	uint64_t flags = new_flags(launch) | CLONE_PARENT;
	if (r >= 0)
		r = clone_in_pid_ns(launch, child, flags, &reply.pid, &pidfd, &reply.err);
	/* When it cannot be sent, the other side sees an early end. */
	(void)fd_send_msg(sock, &reply, sizeof(reply), &pidfd, r >= 0 ? 1 : 0);
	_exit(0);
}

static int clone_through_intermediate(struct launch_plan *launch, launch_child_fn child,
				      pid_t *ret_pid, int *ret_pidfd, struct err *err)
{
	struct intermediate_reply reply = { .pid = 0 };
	size_t nr_fds = 0;
	int pair[2], pidfd = -1;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return err_set_errno(err, -errno, "socketpair");
	pid_t pid = fork();
	if (pid == 0)
		intermediate_main(launch, child, pair[1]);
	(void)close(pair[1]);
	cleanup_close int sock = pair[0];
	if (pid < 0)
		return err_set_errno(err, -errno, "fork");
	/* These block the loop, but not for long: the process makes a few system calls and ends. */
	ssize_t n = fd_recv_msg(sock, &reply, sizeof(reply), &pidfd, 1, &nr_fds);
	(void)waitpid(pid, NULL, 0);
	if (n != sizeof(reply))
		return err_set(err, EIO, "the process that joins the namespaces ended early");
	if (nr_fds != 1) {
		reply.err.text[sizeof(reply.err.text) - 1] = '\0';
		return err_set(err, reply.err.code ? reply.err.code : EIO, "%s", reply.err.text);
	}
	*ret_pid = reply.pid;
	*ret_pidfd = pidfd;
	return 0;
}

/**
 * clone_process() - fork the process of a launch
 * @launch: what to start
 * @child: runs in the child, with all signals blocked, and must not return
 * @ret_pid: receives the pid as the agent sees it
 * @ret_pidfd: receives a pidfd, owned by the caller; the process is a child of the caller
 * @err: filled on failure
 *
 * Return: 0 or -errno.
 */
int clone_process(struct launch_plan *launch, void (*child)(struct launch_plan *), pid_t *ret_pid,
		  int *ret_pidfd, struct err *err)
{
	sigset_t all, old;
	int r;

	/*
	 * A handler of the agent that ran in the child would write into the agent's own wake-up
	 * pipe.
	 */
	(void)sigfillset(&all);
	(void)sigprocmask(SIG_SETMASK, &all, &old);
	if (needs_intermediate(launch))
		r = clone_through_intermediate(launch, child, ret_pid, ret_pidfd, err);
	else
		r = clone_in_pid_ns(launch, child, new_flags(launch), ret_pid, ret_pidfd, err);
	(void)sigprocmask(SIG_SETMASK, &old, NULL);
	return r;
}
