/* SPDX-License-Identifier: Apache-2.0 */
/*
 * OOM events: every container's memory.events is watched from its start, also a single container's,
 * and GetOOMEvent hands the events out one by one.
 */
#include "agent/sandbox/oom.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/container/container.h"
#include "common/fd.h"
#include "common/log.h"

struct oom_event {
	struct list node;
	char id[CONTAINER_ID_MAX + 1];
};

static void drop_first(struct oom_queue *queue)
{
	struct oom_event *event = list_entry(queue->events.next, struct oom_event, node);

	list_del(&event->node);
	queue->nr--;
	free(event);
}

/**
 * oom_end() - drop the events and wake who waits for one
 * @agent: agent whose sandbox is no more
 */
void oom_end(struct agent *agent)
{
	while (agent->oom.nr)
		drop_first(&agent->oom);
	fiber_cond_broadcast(&agent->oom.cond);
}

static void push(struct agent *agent, const char *id)
{
	struct oom_event *event = calloc(1, sizeof(*event));

	if (!event)
		return;
	/* Nobody may be asking; the newest events are the ones that matter. */
	if (agent->oom.nr >= AGENT_OOM_EVENTS_MAX)
		drop_first(&agent->oom);
	memcpy(event->id, id, MIN(strlen(id), sizeof(event->id) - 1));
	list_add_tail(&agent->oom.events, &event->node);
	agent->oom.nr++;
	fiber_cond_broadcast(&agent->oom.cond);
}

static void on_memory_event(void *arg, unsigned events)
{
	struct agent_container *gc = arg;
	struct err err = ERR_NULL;
	uint64_t kills = gc->oom_kills;

	(void)events;
	if (!gc->c || container_oom_kills(gc->c, gc->oom_fd, &kills, &err) < 0) {
		oom_unwatch(gc); /* its cgroup has gone */
		return;
	}
	if (kills > gc->oom_kills) {
		log_info("container %s: out of memory", gc->id);
		push(gc->agent, gc->id);
	}
	gc->oom_kills = kills;
}

/**
 * oom_check() - tell at once what the kernel has counted
 * @gc: container
 *
 * To be called before an exit is told: who hears of the exit must have heard of its cause.
 */
void oom_check(struct agent_container *gc)
{
	if (gc->oom_fd >= 0)
		on_memory_event(gc, 0);
}

/**
 * oom_watch() - watch a container from now on
 * @gc: container with its kernel part made
 * @err: filled on failure
 *
 * Return: 0 or -errno.
 */
int oom_watch(struct agent_container *gc, struct err *err)
{
	if (gc->oom_fd >= 0 || !gc->c->cgroup)
		return 0;
	cleanup_close int fd = container_oom_watch(gc->c, err);
	if (fd == -ENOENT) {
		log_debug("container %s: no memory controller, no OOM events", gc->id);
		return 0;
	}
	if (fd < 0)
		return fd;
	int r = container_oom_kills(gc->c, fd, &gc->oom_kills, err);
	if (r < 0)
		return r;
	r = loop_add_io(gc->agent->loop, fd, LOOP_READ, on_memory_event, gc, &gc->oom_source);
	if (r < 0)
		return err_set_errno(err, r, "watch the memory of %s", gc->id);
	gc->oom_fd = TAKE_FD(fd);
	return 0;
}

/**
 * oom_unwatch() - stop watching
 * @gc: container; may be done twice
 */
void oom_unwatch(struct agent_container *gc)
{
	gc->oom_source = loop_source_free(gc->oom_source);
	gc->oom_fd = fd_close(gc->oom_fd);
}

/**
 * oom_rpc_get_event() - GetOOMEvent: the next container that ran out of memory
 * @ctx: agent
 * @call: request
 * @req: NULL
 * @resp: struct agent_oom_event
 * @err: filled on failure
 *
 * Return: 0 or -errno; -ESHUTDOWN when the sandbox ends.
 */
int oom_rpc_get_event(void *ctx, struct rpc_request *call, const void *req, void *resp,
		      struct err *err)
{
	struct agent *agent = ctx;
	struct agent_oom_event *event = resp;

	(void)req;
	while (!agent->oom.nr) {
		if (agent->ending)
			return err_set(err, ESHUTDOWN, "the sandbox ends");
		int r = fiber_cond_wait(&agent->oom.cond, call->deadline_ns);
		if (r < 0)
			return err_set_errno(err, r, "wait for an OOM event");
	}
	event->container_id = arena_strdup(
		call->arena, list_entry(agent->oom.events.next, struct oom_event, node)->id);
	if (!event->container_id)
		return err_set(err, ENOMEM, "out of memory");
	drop_first(&agent->oom);
	return 0;
}
