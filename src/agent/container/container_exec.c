/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One more process in a running container: one fork into its cgroup, one setns(2), the same last
 * steps as an init, and the birth of the program's own process (birth.c).
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/container/attr/label.h"
#include "agent/container/attr/limits.h"
#include "agent/container/attr/user.h"
#include "agent/container/birth.h"
#include "agent/container/cgroup/cgroup.h"
#include "agent/container/clone.h"
#include "agent/container/init.h"
#include "agent/container/launch.h"
#include "agent/container/namespace.h"
#include "agent/container/process.h"
#include "agent/container/program.h"
#include "agent/container/sync.h"
#include "agent/container/terminal.h"
#include "common/fd.h"
#include "common/str.h"

/* The attributes that need the agent's rights come before the namespaces take them away. */
static int exec_enter(struct launch_plan *launch, struct err *err)
{
	int r = limits_set_oom_score(launch->process, 0, err);

	if (r >= 0)
		r = limits_set_affinity(launch->process, err);
	if (r >= 0)
		r = label_open(&launch->label, err);
	if (r >= 0)
		r = limits_apply(&launch->limits, 0, err);
	if (r < 0)
		return r;
	if (launch->container->time_ns_fd >= 0 && setns(launch->container->time_ns_fd, 0) < 0)
		return err_set_errno(err, -errno, "join the time namespace of the container");
	/* Of the PID namespace it is only children that get into it. */
	if (launch->join_flags && setns(launch->init_pidfd, launch->join_flags) < 0)
		return errno == ESRCH
			       ? err_set(err, ESRCH, "container %s has ended",
					 launch->container->id)
			       : err_set_errno(err, -errno, "join the namespaces of the container");
	return launch->userns ? user_become_ns_root(err) : 0;
}

static int exec_terminal(const struct launch_plan *launch, struct err *err)
{
	cleanup_close int root = neg_errno(open("/", O_PATH | O_DIRECTORY | O_CLOEXEC)),
			  master = -1;

	if (root < 0)
		return err_set_errno(err, root, "open / of the container");
	int r = terminal_open(launch, root, &master, err);
	if (r < 0)
		return r;
	r = sync_send(launch->sync_fd, SYNC_READY, master);
	return r < 0 ? err_set_errno(err, r, "tell the agent") : 0;
}

static int exec_run(struct launch_plan *launch, struct err *err)
{
	char *path = NULL, **env = NULL;
	int r = init_begin(launch, err);

	if (r >= 0)
		r = birth_note_memory(launch, err);
	if (r >= 0)
		r = exec_enter(launch, err);
	if (r >= 0 && launch->process->terminal)
		r = exec_terminal(launch, err);
	if (r >= 0)
		r = program_prepare(launch, &path, &env, err);
	return r < 0 ? r : birth_run(launch, path, env, err);
}

static void exec_main(struct launch_plan *launch)
{
	struct err err = ERR_NULL;

	(void)exec_run(launch, &err); /* it failed, or we would be another program */
	(void)err_wrap(&err, "unable to start container process");
	sync_send_error(launch->sync_fd, &err);
	_exit(1);
}

static int exec_plan(struct launch_plan *launch, struct err *err)
{
	struct container *c = launch->container;
	const struct oci_process *process = launch->process;

	for (int type = 0; type < CONTAINER_NS_NR; type++) {
		launch->ns[type] = (struct ns_plan){ .mode = NS_MODE_OWN, .fd = -1 };
		if (type != CONTAINER_NS_TIME && (c->own_ns & (1U << type)))
			launch->join_flags |= namespace_clone_flag((enum container_ns)type);
	}
	launch->userns = c->own_ns & (1U << CONTAINER_NS_USER);
	launch->init_pidfd = c->init->pidfd;
	launch->seccomp = c->seccomp;
	launch->cgroup_fd = c->cgroup ? cgroup_fd(c->cgroup) : -1;
	launch->label.apparmor_profile = str_empty(process->apparmor_profile)
						 ? c->apparmor_profile
						 : process->apparmor_profile;
	launch->label.selinux_label = str_empty(process->selinux_label) ? c->selinux_label
									: process->selinux_label;
	capability_parse(process->capabilities ? process->capabilities : c->capabilities,
			 &launch->caps);
	int r = limits_plan_init(&launch->limits, launch->process, launch->arena, err);
	launch->limits.forks = true;
	return r < 0 ? r : label_plan_check(&launch->label, err);
}

/* Waits for the execve. The terminal comes first, when there is one. */
static int wait_execve(int sync_fd, struct process *p, uint64_t deadline_ns, struct err *err)
{
	for (;;) {
		enum sync_type type = SYNC_ERROR;
		int fd = -1, r = sync_recv_fiber(sync_fd, &type, &fd, deadline_ns, err);

		if (r <= 0)
			return r;
		if (type != SYNC_READY || fd < 0 || p->tty_fd >= 0) {
			(void)fd_close(fd);
			return err_set(err, EPROTO, "wrong message from the container process");
		}
		p->tty_fd = fd;
		r = fd_set_nonblock(fd, true);
		if (r < 0)
			return err_set_errno(err, r, "terminal");
	}
}

/* Waits until the program's own process is the one that we know. */
static int exec_wait(const struct launch_plan *launch, int sync_fd, struct process *p,
		     uint64_t deadline_ns, struct err *err)
{
	int r = wait_execve(sync_fd, p, deadline_ns, err);

	if (r < 0)
		return r;
	r = process_wait_born(p, deadline_ns);
	if (r < 0)
		return err_set_errno(err, r, "wait for the container process");
	r = p->exited ? 0 : limits_set_scheduler(&launch->limits, p->pid, err);
	return r == -ESRCH ? 0 : r; /* it was short */
}

static int exec_start(struct launch_plan *launch, const char *exec_id, struct process *stdio,
		      int sync_fd, uint64_t deadline_ns, struct process **ret, struct err *err)
{
	struct container *c = launch->container;
	struct process *p;
	int pidfd = -1;
	pid_t pid;

	int r = birth_new(&launch->birth);
	if (r < 0)
		return err_set_errno(err, r, "exec");
	r = clone_process(launch, exec_main, &pid, &pidfd, err);
	if (r < 0)
		return r;
	r = process_new(c, exec_id, pid, pidfd, &p);
	if (r < 0) {
		(void)kill(pid, SIGKILL); /* not reaped yet, so the number is still its own */
		return err_set_errno(err, r, "watch the container process");
	}
	process_expect(p, TAKE_PTR(launch->birth));
	p->terminal = launch->process->terminal;
	p->stdin_fd = TAKE_FD(stdio->stdin_fd);
	p->stdout_fd = TAKE_FD(stdio->stdout_fd);
	p->stderr_fd = TAKE_FD(stdio->stderr_fd);
	launch->sync_fd = fd_close(launch->sync_fd);
	r = exec_wait(launch, sync_fd, p, deadline_ns, err);
	if (r < 0) {
		bool mask = fiber_mask_cancel(true);

		(void)process_signal(p, SIGKILL); /* only after a timeout it has not ended yet */
		(void)process_wait(p, loop_deadline_ms(10000), NULL);
		(void)fiber_mask_cancel(mask);
		if (p->exited)
			process_free(p);
		return r;
	}
	*ret = p;
	return 0;
}

static int exec_check(struct container *c, const char *exec_id, struct err *err)
{
	if (c->state == CONTAINER_STATE_STOPPED || !c->init)
		return err_set(err, ESRCH, "container %s is not running", c->id);
	if (c->state == CONTAINER_STATE_PAUSED)
		return err_set(err, EBUSY, "container %s is paused", c->id);
	if (container_find_process(c, exec_id))
		return err_set(err, EEXIST, "process %s exists already in container %s", exec_id,
			       c->id);
	return 0;
}

/**
 * container_exec() - see container.h
 * @c: running container
 * @exec_id: name of the process, not in use in this container
 * @oci: what to run, borrowed
 * @deadline_ns: absolute time for the execve to happen
 * @no_input: its stdin is /dev/null, unless it has a terminal
 * @ret: receives the process, owned by the container
 * @err: filled on failure; nothing is left of the process then
 *
 * Return: 0, -ENOENT or -EACCES with runc's words when the program cannot be executed, or -errno.
 */
int container_exec(struct container *c, const char *exec_id, const struct oci_process *oci,
		   uint64_t deadline_ns, bool no_input, struct process **ret, struct err *err)
{
	struct process stdio = { .stdin_fd = -1, .stdout_fd = -1, .stderr_fd = -1, .tty_fd = -1 };
	struct launch_plan launch = LAUNCH_PLAN_NULL;
	cleanup_arena struct arena *arena = NULL;
	int pair[2] = { -1, -1 };
	int r = exec_check(c, exec_id, err);

	if (r < 0)
		return r;
	if (arena_new(&arena) < 0)
		return err_set_errno(err, -ENOMEM, "exec");
	launch.container = c;
	launch.process = oci;
	launch.no_input = no_input;
	launch.arena = arena;
	r = exec_plan(&launch, err);
	if (r < 0)
		return r;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return err_set_errno(err, -errno, "socketpair");
	launch.sync_fd = pair[1];
	r = process_open_stdio(&stdio, &launch, err);
	if (r >= 0 && (r = fd_set_nonblock(pair[0], true)) < 0)
		(void)err_set_errno(err, r, "socketpair");
	if (r >= 0)
		r = exec_start(&launch, exec_id, &stdio, pair[0], deadline_ns, ret, err);
	launch.birth = birth_free(launch.birth);
	(void)fd_close(pair[0]);
	(void)fd_close(launch.sync_fd);
	for (int i = 0; i < 3; i++)
		(void)fd_close(launch.stdio[i]);
	(void)fd_close(stdio.stdin_fd);
	(void)fd_close(stdio.stdout_fd);
	(void)fd_close(stdio.stderr_fd);
	return r;
}
