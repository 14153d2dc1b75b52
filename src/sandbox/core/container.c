/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The container object, and looking things up in it. What is done with one is in lifecycle/.
 */
#include "sandbox/core/container.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>

#include "common/str.h"
#include "host/hooks.h"
#include "oci/namespaces.h"
#include "rpc/pb/agent_msg.h"
#include "sandbox/core/pid_thread.h"
#include "sandbox/core/sandbox.h"

/**
 * sb_container_find() - look a container up
 * @sb: sandbox
 * @id: id
 *
 * Return: the container or NULL.
 */
struct sb_container *sb_container_find(struct sandbox *sb, const char *id)
{
	list_for_each(node, &sb->containers) {
		struct sb_container *ctr = list_entry(node, struct sb_container, node);

		if (str_eq(ctr->id, id))
			return ctr;
	}
	return NULL;
}

/**
 * sb_container_get() - look a container up that nobody has begun to delete
 * @sb: sandbox
 * @id: id
 * @ret: receives it; valid until the caller waits for something
 * @err: filled on failure
 *
 * Return: 0 or -ENOENT.
 */
int sb_container_get(struct sandbox *sb, const char *id, struct sb_container **ret, struct err *err)
{
	struct sb_container *ctr = sb_container_find(sb, id);

	if (!ctr || ctr->deleted)
		return err_set(err, ENOENT, "container %s does not exist", id);
	*ret = ctr;
	return 0;
}

/**
 * sb_container_lock() - look a container up and be the only one who changes it
 * @sb: sandbox
 * @id: id; the caller's, not a string of the container
 * @ret: receives it, until sb_container_unlock() or its end by sb_container_delete()
 * @err: filled on failure
 *
 * Whoever holds the lock may delete the container. So it is looked up again after each wait.
 *
 * Return: 0, -ENOENT or -ECANCELED.
 */
int sb_container_lock(struct sandbox *sb, const char *id, struct sb_container **ret,
		      struct err *err)
{
	struct sb_container *ctr = NULL;
	int r = sb_container_get(sb, id, &ctr, err);

	while (r >= 0 && ctr->lock.owner) {
		r = fiber_cond_wait(&ctr->lock.cond, LOOP_FOREVER);
		if (r < 0)
			return err_set_errno(err, r, "container %s", id);
		r = sb_container_get(sb, id, &ctr, err);
	}
	if (r < 0)
		return r;
	r = fiber_lock(&ctr->lock, LOOP_FOREVER); /* it is free: this does not wait */
	*ret = ctr;
	return r;
}

/**
 * sb_container_unlock() - let others change a container
 * @ctr: container whose lock the caller holds
 */
void sb_container_unlock(struct sb_container *ctr)
{
	fiber_unlock(&ctr->lock);
}

/**
 * sb_container_is_pause() - is it what holds a pod together, and runs nothing of its user's?
 * @ctr: container
 *
 * Return: true if so; not for a sandbox's only container, nor for others that joined that one.
 */
bool sb_container_is_pause(const struct sb_container *ctr)
{
	return ctr->type == OCI_CONTAINER_SANDBOX;
}

/**
 * sb_container_add_storage() - note what the agent is to mount for a container
 * @ctr: container that is being made
 * @storage: copied; its strings must live as long as the container
 *
 * Return: 0 or -ENOMEM.
 */
int sb_container_add_storage(struct sb_container *ctr, const struct agent_storage *storage)
{
	int r = arena_grow(ctr->arena, &ctr->storages, &ctr->nr_storages, sizeof(*ctr->storages));

	if (r >= 0)
		ctr->storages[ctr->nr_storages - 1] = *storage;
	return r;
}

/**
 * sb_container_pid_is_pinned() - is the PID namespace it asks for a file outside of /proc?
 * @ctr: container with its spec
 *
 * Return: true if so.
 */
bool sb_container_pid_is_pinned(const struct sb_container *ctr)
{
	const struct oci_namespace *ns = oci_namespace_find(ctr->spec, "pid");

	return ns && !str_empty(ns->path) && !str_skip_prefix(ns->path, "/proc/");
}

/* NULL when there are several. */
static const struct sb_container *only_other_member(const struct sb_container *ctr)
{
	const struct sb_container *found = NULL;

	list_for_each(node, &ctr->sandbox->containers) {
		const struct sb_container *other = list_entry(node, struct sb_container, node);

		if (other == ctr || sb_container_is_pause(other) ||
		    other->init->state != SB_PROCESS_STATE_RUNNING)
			continue;
		if (found)
			return NULL;
		found = other;
	}
	return found;
}

/**
 * sb_container_pid_target() - whose processes a container asks to see
 * @ctr: container with its spec
 *
 * The path of the PID namespace has the number of that container. CRI-O names a file of its own
 * upon which it has mounted the namespace, which is the host's for each number: that says only that
 * it is one of the others.
 *
 * Return: the member of the pod that is meant; NULL when its own namespace or the pod's is meant, or
 * when the path does not tell whose (sb_container_pid_is_pinned()).
 */
const struct sb_container *sb_container_pid_target(const struct sb_container *ctr)
{
	const struct oci_namespace *ns = oci_namespace_find(ctr->spec, "pid");
	const struct sandbox *sb = ctr->sandbox;
	unsigned pid;
	int len = 0;

	if (sb_container_pid_is_pinned(ctr))
		return only_other_member(ctr);
	if (!ns || str_empty(ns->path) ||
	    sscanf(ns->path, "/proc/%10u/ns/pid%n", &pid, &len) != 1 || !len || ns->path[len])
		return NULL;
	list_for_each(node, &sb->containers) {
		const struct sb_container *other = list_entry(node, struct sb_container, node);

		if (other != ctr && other->init->host_pid == pid && (pid_t)pid != sb->vmm_pid &&
		    !sb_container_is_pause(other))
			return other;
	}
	return NULL;
}

/**
 * sb_container_find_process() - look a process up
 * @ctr: container
 * @exec_id: "" or NULL for the first process
 *
 * Return: the process (no reference is taken) or NULL.
 */
struct sb_process *sb_container_find_process(struct sb_container *ctr, const char *exec_id)
{
	if (str_empty(exec_id))
		return ctr->init;
	list_for_each(node, &ctr->execs) {
		struct sb_process *exec = list_entry(node, struct sb_process, node);

		if (str_eq(exec->exec_id, exec_id))
			return exec;
	}
	return NULL;
}

/**
 * sb_container_forget_process() - let go of a process
 * @process: process of a container, or NULL
 *
 * Whoever waits for one that has never run is told now; one that runs is followed to its end.
 */
void sb_container_forget_process(struct sb_process *process)
{
	if (!process)
		return;
	list_del(&process->node);
	process->container = NULL;
	if (process->state == SB_PROCESS_STATE_CREATED)
		sb_process_exited(process, 128 + SIGKILL);
	(void)sb_process_unref(process);
}

/**
 * sb_container_free() - release a container
 * @ctr: container, with its lock held or not
 */
void sb_container_free(struct sb_container *ctr)
{
	list_del(&ctr->node);
	list_for_each_safe(node, next, &ctr->execs)
		sb_container_forget_process(list_entry(node, struct sb_process, node));
	sb_container_forget_process(ctr->init);
	ctr->pid_thread = pid_thread_free(ctr->pid_thread);
	fiber_cond_broadcast(&ctr->lock.cond); /* see sb_container_lock() */
	(void)arena_free(ctr->arena);
}

/**
 * sb_container_new() - make a container object, not yet among the sandbox's, with its lock held
 * @sb: sandbox it belongs to
 * @arena: becomes the container's; taken over, also on failure. NULL: a new one
 * @id: copied
 * @bundle: copied
 * @ret: receives it, with its first process
 *
 * Return: 0 or -ENOMEM.
 */
int sb_container_new(struct sandbox *sb, struct arena *arena, const char *id, const char *bundle,
		     struct sb_container **ret)
{
	if (!arena && arena_new(&arena) < 0)
		return -ENOMEM;
	struct sb_container *ctr = arena_alloc(arena, sizeof(*ctr));
	if (!ctr) {
		(void)arena_free(arena);
		return -ENOMEM;
	}
	ctr->arena = arena;
	ctr->sandbox = sb;
	ctr->limits.bandwidth = OCI_BANDWIDTH_NONE;
	list_init(&ctr->node);
	list_init(&ctr->execs);
	fiber_mutex_init(&ctr->lock);
	(void)clock_gettime(CLOCK_REALTIME, &ctr->created_at); /* cannot fail for this clock */
	ctr->id = arena_strdup(arena, id);
	ctr->bundle = arena_strdup(arena, bundle);
	/* Nobody has seen it yet: this does not wait. */
	if (!ctr->id || !ctr->bundle || sb_process_new(ctr, "", &ctr->init) < 0 ||
	    fiber_lock(&ctr->lock, LOOP_FOREVER) < 0) {
		sb_container_free(ctr);
		return -ENOMEM;
	}
	*ret = ctr;
	return 0;
}

/**
 * sb_container_hook_owner() - whose hooks run, for host/hooks.h
 * @ctr: container with its spec
 *
 * Return: what the hooks are told; its strings are the container's.
 */
struct hook_owner sb_container_hook_owner(const struct sb_container *ctr)
{
	return (struct hook_owner){ ctr->spec, ctr->id, ctr->bundle, ctr->init->host_pid,
				    ctr->sandbox->dir.fd };
}
