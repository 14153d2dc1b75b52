/* SPDX-License-Identifier: Apache-2.0 */
/*
 * OOM events: every container's memory.events is watched from its start, also a single container's,
 * and GetOOMEvent hands them on one by one.
 */
#include "agent/sandbox/oom.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/container/container.h"
#include "agent/core/agent.h"
#include "agent/sandbox/agent_container.h"
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
	/* Perhaps nobody asks for events: the oldest one is dropped when there are too many. */
	if (agent->oom.nr >= AGENT_OOM_EVENTS_MAX)
		drop_first(&agent->oom);
	memcpy(event->id, id, MIN(strlen(id), sizeof(event->id) - 1));
	list_add_tail(&agent->oom.events, &event->node);
	agent->oom.nr++;
	fiber_cond_broadcast(&agent->oom.cond);
}

static void on_memory_event(void *arg, unsigned events)
{
	struct agent_container *ctr = arg;
	struct err err = ERR_NULL;
	uint64_t kills = ctr->oom_kills;

	(void)events;
	if (!ctr->c || container_oom_kills(ctr->c, ctr->oom_fd, &kills, &err) < 0) {
		oom_unwatch(ctr); /* its cgroup has gone */
		return;
	}
	if (kills > ctr->oom_kills) {
		log_info("container %s: out of memory", ctr->id);
		push(ctr->agent, ctr->id);
	}
	ctr->oom_kills = kills;
}

/**
 * oom_check() - tell at once what the kernel has counted
 * @ctr: container
 *
 * To be called before an exit is told: who hears of the exit must have heard of its cause.
 */
void oom_check(struct agent_container *ctr)
{
	if (ctr->oom_fd >= 0)
		on_memory_event(ctr, 0);
}

/**
 * oom_watch() - watch a container from now on
 * @ctr: container with its kernel part made
 * @err: filled on failure
 *
 * Return: 0 or -errno.
 */
int oom_watch(struct agent_container *ctr, struct err *err)
{
	if (ctr->oom_fd >= 0 || !ctr->c->cgroup)
		return 0;
	cleanup_close int fd = container_oom_watch(ctr->c, err);
	if (fd == -ENOENT) {
		log_debug("container %s: no memory controller, no OOM events", ctr->id);
		return 0;
	}
	if (fd < 0)
		return fd;
	int r = container_oom_kills(ctr->c, fd, &ctr->oom_kills, err);
	if (r < 0)
		return r;
	r = loop_add_io(ctr->agent->loop, fd, LOOP_READ, on_memory_event, ctr, &ctr->oom_source);
	if (r < 0)
		return err_set_errno(err, r, "watch the memory of %s", ctr->id);
	ctr->oom_fd = TAKE_FD(fd);
	return 0;
}

/**
 * oom_unwatch() - stop watching
 * @ctr: container; may be done twice
 */
void oom_unwatch(struct agent_container *ctr)
{
	ctr->oom_source = loop_source_free(ctr->oom_source);
	ctr->oom_fd = fd_close(ctr->oom_fd);
}

/**
 * oom_take() - the next container that ran out of memory, in a fiber
 * @agent: agent
 * @deadline_ns: absolute time until which to wait for one
 * @arena: holds the result
 * @ret_id: receives the container's id
 * @err: filled on failure
 *
 * Return: 0 or -errno; -ESHUTDOWN when the sandbox ends.
 */
int oom_take(struct agent *agent, uint64_t deadline_ns, struct arena *arena, const char **ret_id,
	     struct err *err)
{
	while (!agent->oom.nr) {
		if (agent->ending)
			return err_set(err, ESHUTDOWN, "the sandbox ends");
		int r = fiber_cond_wait(&agent->oom.cond, deadline_ns);
		if (r < 0)
			return err_set_errno(err, r, "wait for an OOM event");
	}
	char *id =
		arena_strdup(arena, list_entry(agent->oom.events.next, struct oom_event, node)->id);
	if (!id)
		return err_set(err, ENOMEM, "out of memory");
	drop_first(&agent->oom);
	*ret_id = id;
	return 0;
}
