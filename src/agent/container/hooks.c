/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hooks of the guest, run by what src/oci does for all hooks.
 */
#include "agent/container/hooks.h"

#include <signal.h>
#include <unistd.h>

#include "agent/container/process.h"
#include "agent/util/child.h"
#include "common/log.h"
#include "common/str.h"
#include "oci/hooks.h"

static struct oci_state state_of(const struct container *c, const char *status, pid_t pid)
{
	return (struct oci_state){
		.oci_version = c->oci_version,
		.id = c->id,
		.status = (char *)(uintptr_t)status,
		.pid = pid,
		.bundle = c->bundle,
		.annotations = c->annotations,
		.nr_annotations = c->nr_annotations,
	};
}

/**
 * hooks_run_fiber() - run hooks one after the other in the agent's namespaces
 * @c: container
 * @kind: what errors call them
 * @hooks: hooks
 * @nr: number of them
 * @status: of the container, as the hooks are told
 * @err: names the hook that failed; the rest is not run then
 *
 * Return: 0 or -errno.
 */
int hooks_run_fiber(const struct container *c, const char *kind, const struct oci_hook *hooks,
		    size_t nr, const char *status, struct err *err)
{
	bool stopped = str_eq(status, "stopped");
	const struct oci_state state = state_of(c, status, stopped ? 0 : c->init->pid_seen);
	struct child child;
	const struct proc_watch watch = child_watch(c->children, &child);
	const struct hooks_place place = { .netns_fd = -1, .watch = &watch };

	return hooks_run(kind, hooks, nr, &state, &place, err);
}

/**
 * hooks_run_late() - run the hooks whose failure changes nothing: poststart, poststop
 * @c: container
 * @kind: what errors call them
 * @hooks: hooks
 * @nr: number of them
 * @status: of the container, as the hooks are told
 *
 * A failure is logged, and the next one runs.
 */
void hooks_run_late(const struct container *c, const char *kind, const struct oci_hook *hooks,
		    size_t nr, const char *status)
{
	for (size_t i = 0; i < nr; i++) {
		struct err err = ERR_NULL;

		if (hooks_run_fiber(c, kind, &hooks[i], 1, status, &err) < 0)
			log_warn("container %s: %s", c->id, err.text);
	}
}

/**
 * hooks_run_child() - run hooks from a process that has no loop and may block
 * @c: container that the process becomes
 * @kind: what errors call them
 * @hooks: hooks
 * @nr: number of them
 * @status: of the container, as the hooks are told
 * @env: of hooks that name none
 * @err: names the hook that failed; the rest is not run then
 *
 * They inherit the namespaces, root and rights of the caller.
 *
 * Return: 0 or -errno.
 */
int hooks_run_child(const struct container *c, const char *kind, const struct oci_hook *hooks,
		    size_t nr, const char *status, char *const *env, struct err *err)
{
	const struct oci_state state = state_of(c, status, getpid());
	const struct hooks_place place = { .netns_fd = -1, .env = env, .blocking = true };

	if (!nr)
		return 0;
	(void)signal(SIGPIPE, SIG_IGN);
	int r = hooks_run(kind, hooks, nr, &state, &place, err);
	(void)signal(SIGPIPE, SIG_DFL);
	return r;
}
