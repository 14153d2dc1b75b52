/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A container that exists: signals, pause, update, statistics, its end. What it takes to make one
 * is in container_create.c.
 */
#include "agent/container/container.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "agent/container/attr/seccomp.h"
#include "agent/container/cgroup/cgroup.h"
#include "agent/container/hooks.h"
#include "agent/container/process.h"
#include "common/fd.h"
#include "common/log.h"
#include "common/str.h"

/**
 * container_find_process() - a process by its name
 * @c: container
 * @exec_id: name; empty or the container's id: its init
 *
 * Return: the process or NULL.
 */
struct process *container_find_process(struct container *c, const char *exec_id)
{
	if (str_empty(exec_id))
		return c->init;
	list_for_each(pos, &c->processes) {
		struct process *p = list_entry(pos, struct process, node);

		if (str_eq(p->exec_id, exec_id))
			return p;
	}
	return NULL;
}

/**
 * container_kill_all() - SIGKILL for every process of a container, also those nobody knows of
 * @c: container
 * @err: filled on failure
 *
 * Return: 0 or -errno.
 */
int container_kill_all(struct container *c, struct err *err)
{
	list_for_each(pos, &c->processes) {
		int r = process_signal(list_entry(pos, struct process, node), SIGKILL);

		if (r < 0 && r != -ESRCH)
			return err_set_errno(err, r, "kill a process of container %s", c->id);
	}
	return c->cgroup ? cgroup_kill(c->cgroup, err) : 0;
}

static int need_cgroup(const struct container *c, const char *what, struct err *err)
{
	return c->cgroup ? 0
			 : err_set(err, ENOTSUP, "cannot %s container %s: cgroups are off", what,
				   c->id);
}

/**
 * container_pause() - freeze all processes and wait until they are
 * @c: container that is not stopped
 * @deadline_ns: absolute time
 * @err: filled on failure; the container runs on then
 *
 * Return: 0 or -errno.
 */
int container_pause(struct container *c, uint64_t deadline_ns, struct err *err)
{
	int r = need_cgroup(c, "pause", err);

	if (r < 0)
		return r;
	if (c->state == CONTAINER_STATE_STOPPED)
		return err_set(err, ESRCH, "container %s is not running", c->id);
	if (c->state != CONTAINER_STATE_RUNNING)
		return err_set(err, EINVAL, "cannot pause container %s: it is not running", c->id);
	r = cgroup_freeze(c->cgroup, true, deadline_ns, err);
	if (r < 0)
		return err_wrap(err, "pause container %s", c->id);
	if (c->state == CONTAINER_STATE_RUNNING)
		c->state = CONTAINER_STATE_PAUSED;
	return 0;
}

/**
 * container_resume() - let paused processes run
 * @c: paused container
 * @deadline_ns: absolute time
 * @err: filled on failure
 *
 * Return: 0 or -errno.
 */
int container_resume(struct container *c, uint64_t deadline_ns, struct err *err)
{
	int r = need_cgroup(c, "resume", err);

	if (r < 0)
		return r;
	if (c->state != CONTAINER_STATE_PAUSED)
		return err_set(err, EINVAL, "cannot resume container %s: it is not paused", c->id);
	r = cgroup_freeze(c->cgroup, false, deadline_ns, err);
	if (r < 0)
		return err_wrap(err, "resume container %s", c->id);
	if (c->state == CONTAINER_STATE_PAUSED)
		c->state = CONTAINER_STATE_RUNNING;
	return 0;
}

/**
 * container_update() - change resource limits
 * @c: container
 * @res: what is absent stays as it is
 * @err: names the limit that could not be set
 *
 * Return: 0 or -errno.
 */
int container_update(struct container *c, const struct oci_resources *res, struct err *err)
{
	int r = need_cgroup(c, "update", err);

	return r < 0 ? r : cgroup_apply(c->cgroup, res, true, err);
}

/**
 * container_stats() - counters of all controllers
 * @c: container
 * @arena: holds the result
 * @ret: receives the counters; those of missing controllers are 0
 * @err: filled on failure
 *
 * Return: 0 or -errno.
 */
int container_stats(struct container *c, struct arena *arena, struct agent_cgroup_stats **ret,
		    struct err *err)
{
	int r = need_cgroup(c, "give statistics of", err);

	return r < 0 ? r : cgroup_stats(c->cgroup, arena, ret, err);
}

/**
 * container_pids() - the processes of a container as the agent numbers them
 * @c: container
 * @arena: holds the result
 * @ret: receives the pids
 * @ret_nr: number of them
 * @err: filled on failure
 *
 * Without a cgroup only those are known that were started by the agent.
 *
 * Return: 0 or -errno.
 */
int container_pids(struct container *c, struct arena *arena, pid_t **ret, size_t *ret_nr,
		   struct err *err)
{
	pid_t *pids = NULL;
	size_t nr = 0;

	if (c->cgroup)
		return cgroup_pids(c->cgroup, arena, ret, ret_nr, err);
	list_for_each(pos, &c->processes) {
		const struct process *p = list_entry(pos, struct process, node);

		if (p->exited)
			continue;
		if (arena_grow(arena, &pids, &nr, sizeof(*pids)) < 0)
			return err_set_errno(err, -ENOMEM, "processes of container %s", c->id);
		pids[nr - 1] = p->pid;
	}
	*ret = pids;
	*ret_nr = nr;
	return 0;
}

/**
 * container_oom_watch() - see container.h
 * @c: container
 * @err: filled on failure
 *
 * Return: descriptor owned by the caller, or -errno.
 */
int container_oom_watch(struct container *c, struct err *err)
{
	int r = need_cgroup(c, "watch", err);

	if (r < 0)
		return r;
	r = cgroup_watch(c->cgroup, "memory.events");
	return r < 0 ? err_set_errno(err, r, "watch memory.events of container %s", c->id) : r;
}

/**
 * container_oom_kills() - see container.h
 * @c: container
 * @watch_fd: descriptor of container_oom_watch(), or -1
 * @ret: receives how many of its processes the kernel has killed for want of memory
 * @err: filled on failure
 *
 * Return: 0 or -errno.
 */
int container_oom_kills(struct container *c, int watch_fd, uint64_t *ret, struct err *err)
{
	char drain[4096];
	int r = need_cgroup(c, "watch", err);

	if (r < 0)
		return r;
	while (watch_fd >= 0 && read(watch_fd, drain, sizeof(drain)) > 0)
		;
	r = cgroup_read_key(cgroup_fd(c->cgroup), "memory.events", "oom_kill", ret);
	return r < 0 ? err_set_errno(err, r, "read memory.events of container %s", c->id) : 0;
}

static bool is_busy(const struct container *c)
{
	list_for_each(pos, &c->processes) {
		const struct process *p = list_entry(pos, struct process, node);

		/* Waiters may be awake already but have not run yet. */
		if (!p->exited || p->nr_waiters)
			return true;
	}
	return false;
}

static int wait_processes(struct container *c, uint64_t deadline_ns, struct err *err)
{
	while (is_busy(c)) {
		int r = fiber_cond_wait(&c->idle_cond, deadline_ns);

		if (r < 0)
			return err_set_errno(err, r, "wait for the processes of container %s",
					     c->id);
	}
	return 0;
}

static void run_poststop(const struct container *c)
{
	if (c->hooks)
		hooks_run_late(c, "poststop", c->hooks->poststop, c->hooks->nr_poststop, "stopped");
}

/**
 * container_destroy() - see container.h
 * @c: container in any state
 * @deadline_ns: absolute time
 * @err: filled on failure
 *
 * Return: 0 and @c is gone, or -errno and it is still there, to be tried again.
 */
int container_destroy(struct container *c, uint64_t deadline_ns, struct err *err)
{
	bool was_created = c->init != NULL;
	int r;

	c->sync_fd = fd_close(c->sync_fd); /* an init that waits for its start ends by itself */
	r = container_kill_all(c, err);
	if (r >= 0)
		r = wait_processes(c, deadline_ns, err);
	if (r >= 0 && c->cgroup)
		r = cgroup_remove(c->cgroup, deadline_ns, err);
	if (r < 0)
		return r;
	if (was_created)
		run_poststop(c);
	while (!list_empty(&c->processes))
		process_free(list_entry(c->processes.next, struct process, node));
	c->cgroup = cgroup_free(c->cgroup);
	c->seccomp = seccomp_prog_free(c->seccomp);
	c->time_ns_fd = fd_close(c->time_ns_fd);
	(void)arena_free(c->arena); /* @c itself is in it */
	return 0;
}
