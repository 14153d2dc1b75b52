/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The containers of the sandbox: finding, pinning, locking and taking them away. Each has a lock of
 * its own; nothing here stops one container's calls for another's.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "agent/core/agent.h"
#include "agent/container/container.h"
#include "agent/sandbox/agent_process.h"
#include "agent/util/mounts.h"
#include "agent/sandbox/oom.h"
#include "agent/storage/storage.h"
#include "common/fd.h"
#include "common/log.h"
#include "common/str.h"
#include "kata/guest.h"

/* Names below KATA_GUEST_BASE that are no containers' directories. */
static const char *const reserved_ids[] = { "shared", "sandbox", "image", "virtual-volumes" };

/**
 * agent_container_find() - look a container up
 * @agent: agent
 * @id: its id
 *
 * Return: the container, not pinned, or NULL.
 */
struct agent_container *agent_container_find(struct agent *agent, const char *id)
{
	list_for_each(node, &agent->containers) {
		struct agent_container *gc = list_entry(node, struct agent_container, node);

		if (str_eq(gc->id, id))
			return gc;
	}
	return NULL;
}

/**
 * agent_container_get() - look a container up for a request
 * @agent: agent
 * @id: what the peer sent
 * @code: errno for an unknown id
 * @ret: receives the container, pinned
 * @err: filled on failure
 *
 * Return: 0 or -@code; a container that is being made or removed is unknown, too.
 */
int agent_container_get(struct agent *agent, const char *id, int code, struct agent_container **ret,
			struct err *err)
{
	struct agent_container *gc = agent_container_find(agent, id);

	if (!gc || !gc->c || gc->removing)
		return err_set(err, code, "no such container: %.128s", id);
	*ret = agent_container_ref(gc);
	return 0;
}

/**
 * agent_container_ref() - pin a container
 * @gc: container
 *
 * Return: @gc.
 */
struct agent_container *agent_container_ref(struct agent_container *gc)
{
	gc->refs++;
	return gc;
}

/**
 * agent_container_unref() - give a reference back
 * @gc: container or NULL; released with the last one
 *
 * Return: NULL.
 */
struct agent_container *agent_container_unref(struct agent_container *gc)
{
	if (gc && !--gc->refs)
		(void)arena_free(gc->arena);
	return NULL;
}

static int check_id(struct agent *agent, const char *id, struct err *err)
{
	if (!str_is_valid_id(id))
		return err_set(err, EINVAL, "invalid container id: %.128s", id);
	for (size_t i = 0; i < ARRAY_SIZE(reserved_ids); i++)
		if (str_eq(id, reserved_ids[i]))
			return err_set(err, EINVAL,
				       "invalid container id: %s is a name of the agent's own", id);
	if (agent_container_find(agent, id))
		return err_set(err, EEXIST, "container %s already exists", id);
	if (agent->ending)
		return err_set(err, ESHUTDOWN, "the sandbox ends");
	if (agent->nr_containers >= AGENT_CONTAINERS_MAX)
		return err_set(err, ENOSPC, "too many containers");
	return 0;
}

/**
 * agent_container_new() - reserve an id
 * @agent: agent
 * @id: what the peer sent
 * @ret: receives the container, listed and pinned for the caller
 * @err: filled on failure
 *
 * Return: 0 or -errno (-EEXIST).
 */
int agent_container_new(struct agent *agent, const char *id, struct agent_container **ret,
			struct err *err)
{
	struct arena *arena;
	int r = check_id(agent, id, err);

	if (r < 0)
		return r;
	if (arena_new(&arena) < 0)
		return err_set(err, ENOMEM, "out of memory");
	struct agent_container *gc = arena_alloc(arena, sizeof(*gc));
	char *copy = arena_strdup(arena, id);
	if (!gc || !copy) {
		(void)arena_free(arena);
		return err_set(err, ENOMEM, "out of memory");
	}
	*gc = (struct agent_container){
		.refs = 2, .agent = agent, .arena = arena, .id = copy, .oom_fd = -1
	};
	fiber_mutex_init(&gc->lock);
	fiber_cond_init(&gc->no_waiters);
	list_init(&gc->processes);
	list_add_tail(&agent->containers, &gc->node);
	agent->nr_containers++;
	*ret = gc;
	return 0;
}

/**
 * agent_container_lock() - take a container's lock for a request
 * @gc: container, pinned
 * @call: request whose deadline counts
 * @err: filled on failure
 *
 * Return: 0, or -ENOENT when it has gone meanwhile, -ETIMEDOUT, -ECANCELED.
 */
int agent_container_lock(struct agent_container *gc, struct rpc_request *call, struct err *err)
{
	int r = fiber_lock(&gc->lock, call->deadline_ns);

	if (r < 0)
		return err_set_errno(err, r, "container %s is busy", gc->id);
	if (gc->c)
		return 0;
	fiber_unlock(&gc->lock);
	return err_set(err, ENOENT, "no such container: %s", gc->id);
}

static void forget(struct agent_container *gc)
{
	struct err err = ERR_NULL;
	char dir[sizeof(KATA_GUEST_BASE) + CONTAINER_ID_MAX + 2];

	for (size_t i = gc->storages.nr; i > 0; i--)
		storage_release(gc->agent, gc->storages.v[i - 1]);
	gc->storages.nr = 0;
	(void)snprintf(dir, sizeof(dir), KATA_GUEST_BASE "/%s", gc->id);
	if (mounts_remove_tree(dir, &err) < 0)
		log_warn("container %s: %s", gc->id, err.text);
	if (!list_empty(&gc->node)) {
		list_del(&gc->node);
		gc->agent->nr_containers--;
		(void)agent_container_unref(gc);
	}
}

static int wait_for_waiters(struct agent_container *gc, uint64_t deadline_ns)
{
	while (gc->nr_waiters) {
		int r = fiber_cond_wait(&gc->no_waiters, deadline_ns);

		if (r < 0)
			return r;
	}
	return 0;
}

/**
 * agent_container_destroy() - kill a container and forget all about it
 * @gc: container, pinned and locked by the caller; may be half made
 * @deadline_ns: absolute time
 * @err: filled on failure
 *
 * Return: 0, or -errno (-ETIMEDOUT), and then it is still there.
 */
int agent_container_destroy(struct agent_container *gc, uint64_t deadline_ns, struct err *err)
{
	struct err kill_err = ERR_NULL;
	int r = 0;

	gc->removing = true;
	oom_unwatch(gc);
	if (gc->c && container_kill_all(gc->c, &kill_err) < 0)
		log_debug("container %s: %s", gc->id, kill_err.text);
	if (gc->c)
		r = wait_for_waiters(gc, deadline_ns);
	if (r >= 0 && gc->c) {
		agent_process_drop_all(gc);
		r = container_destroy(gc->c, deadline_ns, err);
	} else if (r < 0) {
		(void)err_set_errno(err, r, "container %s: its processes do not end", gc->id);
	}
	if (r < 0) {
		gc->removing = false;
		return r;
	}
	gc->c = NULL;
	forget(gc);
	return 0;
}
