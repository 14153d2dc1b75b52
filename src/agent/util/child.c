/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The list of children somebody waits for; see child.h for how the reaper of orphans uses it. Does
 * not wait itself.
 */
#include "agent/util/child.h"

/**
 * children_init() - an empty list
 * @children: receives it; must stay in place
 */
void children_init(struct children *children)
{
	*children = (struct children){ .reaped_fn = NULL };
	list_init(&children->known);
}

/**
 * children_know() - whether somebody waits for a child
 * @children: list
 * @pid: the child
 *
 * Return: true when the reaper must not take its status.
 */
bool children_know(const struct children *children, pid_t pid)
{
	list_for_each(pos, &children->known)
		if (list_entry(pos, struct child, node)->pid == pid)
			return true;
	return false;
}

/**
 * child_add() - from now on the reaper leaves this child alone
 * @children: list, NULL where nobody reaps orphans
 * @child: entry, owned by the caller until child_reaped()
 * @pid: the child; the loop must not have run since it was forked
 */
void child_add(struct children *children, struct child *child, pid_t pid)
{
	child->children = children;
	child->pid = pid;
	child->expected = false;
	list_init(&child->node);
	if (children)
		list_add_tail(&children->known, &child->node);
}

/**
 * child_expect() - this child will leave a child of its own to us
 * @child: entry; until child_reaped() no orphan is reaped
 */
void child_expect(struct child *child)
{
	if (!child->children || child->expected)
		return;
	child->expected = true;
	child->children->nr_expected++;
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
	if (child->expected)
		child->children->nr_expected--;
	child->expected = false;
	if (child->children->reaped_fn)
		child->children->reaped_fn(child->children->arg);
}

static void watch_spawned(void *arg, pid_t pid)
{
	struct child *child = arg;

	child_add(child->children, child, pid);
}

static void watch_reaped(void *arg)
{
	child_reaped(arg);
}

/**
 * child_watch() - for what starts and reaps a child of its own
 * @children: list, NULL where nobody reaps orphans
 * @child: entry that it is to be known by; must live as long as the child may
 *
 * Return: calls child_add() and child_reaped().
 */
struct proc_watch child_watch(struct children *children, struct child *child)
{
	child->children = children;
	list_init(&child->node);
	return (struct proc_watch){ watch_spawned, watch_reaped, child };
}
