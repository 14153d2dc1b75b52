/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The containers of the sandbox: finding, pinning, locking and taking them away. Each has a lock of
 * its own; nothing here stops one container's calls for another's.
 */
#include "agent/sandbox/agent_container.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "agent/container/container.h"
#include "agent/core/agent.h"
#include "agent/sandbox/agent_process.h"
#include "agent/sandbox/late_devices.h"
#include "agent/sandbox/oom.h"
#include "agent/storage/storage.h"
#include "agent/util/mounts.h"
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
		struct agent_container *ctr = list_entry(node, struct agent_container, node);

		if (str_eq(ctr->id, id))
			return ctr;
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
	struct agent_container *ctr = agent_container_find(agent, id);

	if (!ctr || !ctr->c || ctr->removing)
		return err_set(err, code, "no such container: %.128s", id);
	*ret = agent_container_ref(ctr);
	return 0;
}

/**
 * agent_container_ref() - pin a container
 * @ctr: container
 *
 * Return: @ctr.
 */
struct agent_container *agent_container_ref(struct agent_container *ctr)
{
	ctr->refs++;
	return ctr;
}

/**
 * agent_container_unref() - give a reference back
 * @ctr: container or NULL; released with the last one
 *
 * Return: NULL.
 */
struct agent_container *agent_container_unref(struct agent_container *ctr)
{
	if (ctr && !--ctr->refs)
		(void)arena_free(ctr->arena);
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
	struct agent_container *ctr = arena_alloc(arena, sizeof(*ctr));
	char *copy = arena_strdup(arena, id);
	if (!ctr || !copy) {
		(void)arena_free(arena);
		return err_set(err, ENOMEM, "out of memory");
	}
	*ctr = (struct agent_container){
		.refs = 2, .agent = agent, .arena = arena, .id = copy, .oom_fd = -1
	};
	fiber_mutex_init(&ctr->lock);
	fiber_cond_init(&ctr->no_waiters);
	list_init(&ctr->processes);
	list_add_tail(&agent->containers, &ctr->node);
	agent->nr_containers++;
	*ret = ctr;
	return 0;
}

/**
 * agent_container_lock() - take a container's lock for a request
 * @ctr: container, pinned
 * @deadline_ns: absolute time
 * @err: filled on failure
 *
 * Return: 0, or -ENOENT when it has gone meanwhile, -ETIMEDOUT, -ECANCELED.
 */
int agent_container_lock(struct agent_container *ctr, uint64_t deadline_ns, struct err *err)
{
	int r = fiber_lock(&ctr->lock, deadline_ns);

	if (r < 0)
		return err_set_errno(err, r, "container %s is busy", ctr->id);
	if (ctr->c)
		return 0;
	fiber_unlock(&ctr->lock);
	return err_set(err, ENOENT, "no such container: %s", ctr->id);
}

static void forget(struct agent_container *ctr)
{
	struct err err = ERR_NULL;
	char dir[sizeof(KATA_GUEST_BASE) + CONTAINER_ID_MAX + 2];

	for (size_t i = ctr->storages.nr; i > 0; i--)
		storage_release(ctr->agent, ctr->storages.v[i - 1]);
	ctr->storages.nr = 0;
	(void)snprintf(dir, sizeof(dir), KATA_GUEST_BASE "/%s", ctr->id);
	if (mounts_remove_tree(dir, &err) < 0)
		log_warn("container %s: %s", ctr->id, err.text);
	if (!list_empty(&ctr->node)) {
		list_del(&ctr->node);
		ctr->agent->nr_containers--;
		(void)agent_container_unref(ctr);
	}
}

static int wait_for_waiters(struct agent_container *ctr, uint64_t deadline_ns)
{
	while (ctr->nr_waiters) {
		int r = fiber_cond_wait(&ctr->no_waiters, deadline_ns);

		if (r < 0)
			return r;
	}
	return 0;
}

/**
 * agent_container_destroy() - kill a container and forget all about it
 * @ctr: container, pinned and locked by the caller; may be half made
 * @deadline_ns: absolute time
 * @err: filled on failure
 *
 * Return: 0, or -errno (-ETIMEDOUT), and then it is still there.
 */
int agent_container_destroy(struct agent_container *ctr, uint64_t deadline_ns, struct err *err)
{
	struct err kill_err = ERR_NULL;
	int r = 0;

	ctr->removing = true;
	oom_unwatch(ctr);
	late_devices_unwatch(ctr);
	if (ctr->c && container_kill_all(ctr->c, &kill_err) < 0)
		log_debug("container %s: %s", ctr->id, kill_err.text);
	if (ctr->c)
		r = wait_for_waiters(ctr, deadline_ns);
	if (r >= 0 && ctr->c) {
		agent_process_drop_all(ctr);
		r = container_destroy(ctr->c, deadline_ns, err);
	} else if (r < 0) {
		(void)err_set_errno(err, r, "container %s: its processes do not end", ctr->id);
	}
	if (r < 0) {
		ctr->removing = false;
		return r;
	}
	ctr->c = NULL;
	forget(ctr);
	return 0;
}
