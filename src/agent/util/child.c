/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The list of children somebody waits for; see child.h for how the reaper of orphans uses it. Does
 * not wait itself.
 */
#include "agent/util/child.h"

#include <stddef.h>

static struct list known = LIST_INIT(known);
static void (*reaped_fn)(void *arg);
static void *reaped_arg;

/**
 * child_add() - from now on the reaper leaves this child alone
 * @child: entry, owned by the caller until child_reaped()
 * @pid: the child; the loop must not have run since it was forked
 */
void child_add(struct child *child, pid_t pid)
{
	child->pid = pid;
	list_init(&child->node);
	list_add_tail(&known, &child->node);
}

/**
 * child_reaped() - the child's status has been taken
 * @child: entry given to child_add(); unlinked, may be called again
 */
void child_reaped(struct child *child)
{
	if (list_empty(&child->node))
		return;
	list_del(&child->node);
	if (reaped_fn)
		reaped_fn(reaped_arg);
}

/**
 * child_is_known() - whether somebody waits for a child
 * @pid: the child
 *
 * Return: true when the reaper must not take its status.
 */
bool child_is_known(pid_t pid)
{
	list_for_each(pos, &known)
		if (list_entry(pos, struct child, node)->pid == pid)
			return true;
	return false;
}

static void watch_spawned(void *arg, pid_t pid)
{
	child_add(arg, pid);
}

static void watch_reaped(void *arg)
{
	child_reaped(arg);
}

/**
 * child_watch() - for what starts and reaps a child of its own
 * @child: entry that it is to be known by; must live as long as the child may
 *
 * Return: calls child_add() and child_reaped().
 */
struct proc_watch child_watch(struct child *child)
{
	return (struct proc_watch){ watch_spawned, watch_reaped, child };
}

/**
 * child_set_reaped_fn() - who looks for orphans after a known child is gone
 * @fn: function or NULL
 * @arg: its argument
 */
void child_set_reaped_fn(void (*fn)(void *arg), void *arg)
{
	reaped_fn = fn;
	reaped_arg = arg;
}
