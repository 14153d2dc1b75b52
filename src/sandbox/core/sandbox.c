/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sandbox object and its states. What is done with it is in lifecycle/.
 */
#include "sandbox/core/sandbox.h"

#include <errno.h>
#include <stdlib.h>

#include "common/fd.h"
#include "common/log.h"
#include "host/hooks.h"

static const char *const state_names[] = { "new", "starting", "running", "stopping", "stopped" };
_Static_assert(ARRAY_SIZE(state_names) == SANDBOX_STATE_COUNT_, "one name per state");

/**
 * sandbox_state_name() - a state as a word
 * @state: state
 *
 * Return: static string.
 */
const char *sandbox_state_name(enum sandbox_state state)
{
	return state_names[state];
}

/**
 * sandbox_set_state() - the one setter
 * @sb: sandbox
 * @state: new state
 */
void sandbox_set_state(struct sandbox *sb, enum sandbox_state state)
{
	log_debug("sandbox: %s -> %s", state_names[sb->state], state_names[state]);
	sb->state = state;
	fiber_cond_broadcast(&sb->changed);
}

/**
 * sandbox_new() - make an empty sandbox
 * @loop: loop of the process
 * @events: table of callbacks, must stay valid
 * @events_arg: their argument
 * @ret: receives it; released with sandbox_free_for_test()
 *
 * Return: 0 or -ENOMEM.
 */
int sandbox_new(struct loop *loop, const struct sandbox_events *events, void *events_arg,
		struct sandbox **ret)
{
	struct sandbox *sb = calloc(1, sizeof(*sb));

	if (!sb || arena_new(&sb->arena) < 0) {
		free(sb);
		return -ENOMEM;
	}
	sb->loop = loop;
	sb->events = events;
	sb->events_arg = events_arg;
	sb->driver = "qemu";
	sb->net.netns_fd = -1;
	sb->dir.fd = -1;
	sb->storage.share = SHARE_NULL;
	for (size_t i = 0; i < SANDBOX_EXPORTS; i++)
		sb->helpers.exports[i] =
			(struct sandbox_export){ .sandbox = sb, .virtiofsd = VIRTIOFSD_NULL };
	sb->helpers.proxy = PROC_NULL;
	sb->helpers.user_fd = -1;
	sb->vsock.dir_fd = -1;
	fiber_cond_init(&sb->changed);
	fiber_cond_init(&sb->start.agent_changed);
	fiber_cond_init(&sb->gate.left);
	fiber_mutex_init(&sb->size.changing);
	fiber_mutex_init(&sb->storage.opening_sockets);
	list_init(&sb->containers);
	*ret = sb;
	return 0;
}

/**
 * sandbox_free_for_test() - release a sandbox
 * @sb: sandbox without containers, NEW or STOPPED; or NULL
 *
 * Return: NULL.
 */
struct sandbox *sandbox_free_for_test(struct sandbox *sb)
{
	if (!sb)
		return NULL;
	share_deinit(&sb->storage.share);
	for (size_t i = 0; i < SANDBOX_EXPORTS; i++)
		virtiofsd_deinit(&sb->helpers.exports[i].virtiofsd);
	proc_deinit(&sb->helpers.proxy);
	(void)fd_close(sb->helpers.user_fd);
	(void)fd_close(sb->net.netns_fd);
	(void)fd_close(sb->dir.fd);
	(void)arena_free(sb->arena);
	free(sb);
	return NULL;
}

/**
 * sandbox_exporter() - who has a copy of the shared tree's mounts
 * @sb: sandbox whose VM runs
 * @use: for what it exports the tree
 * @ret: receives it
 *
 * Return: @ret, or NULL when nobody has: QEMU without a jail exports by 9p from the shim's own.
 */
const struct share_exporter *sandbox_exporter(const struct sandbox *sb, enum sandbox_export_use use,
					      struct share_exporter *ret)
{
	pid_t daemon = sb->helpers.exports[use].virtiofsd.proc.pid;

	if (sb->storage.shared_by_9p)
		*ret = (struct share_exporter){
			.pid = sb->helpers.user_fd < 0 ? 0 : sb->vmm_pid,
			.path = sb->storage.share.path,
		};
	else
		*ret = (struct share_exporter){ .pid = daemon, .path = "" };
	return ret->pid > 0 ? ret : NULL;
}

/**
 * sandbox_request_deadline() - by when an ordinary request to the agent must be answered
 * @sb: sandbox that has been started
 *
 * Return: absolute time.
 */
uint64_t sandbox_request_deadline(const struct sandbox *sb)
{
	return loop_deadline_ms(sb->config->agent.request_timeout_ms);
}

/**
 * sandbox_enter() - begin to use the VM, its agent or its network
 * @sb: sandbox
 * @err: says that, and why, the VM has gone
 *
 * Until sandbox_leave() what @sb points to stays where it is, although it may not work any more. May
 * be nested.
 *
 * Return: 0 or -ESHUTDOWN.
 */
int sandbox_enter(struct sandbox *sb, struct err *err)
{
	if (sb->gate.closed)
		return err_set(err, ESHUTDOWN, "sandbox %s is %s%s%s", sb->id ? sb->id : "",
			       sandbox_state_name(sb->state), *sb->end.exit_reason ? ": " : "",
			       sb->end.exit_reason);
	sb->gate.nr_inside++;
	return 0;
}

/**
 * sandbox_leave() - end what sandbox_enter() began
 * @sb: sandbox
 */
void sandbox_leave(struct sandbox *sb)
{
	sb->gate.nr_inside--;
	fiber_cond_broadcast(&sb->gate.left);
}

/**
 * sandbox_wait_left() - wait until nobody is inside of the gate, which has been closed
 * @sb: sandbox
 * @deadline_ns: absolute time
 *
 * Return: 0, -ETIMEDOUT or -ECANCELED.
 */
int sandbox_wait_left(struct sandbox *sb, uint64_t deadline_ns)
{
	int r = 0;

	while (sb->gate.nr_inside && r >= 0)
		r = fiber_cond_wait(&sb->gate.left, deadline_ns);
	return r;
}

/**
 * sandbox_step() - note what a start is doing now
 * @sb: sandbox
 * @step: static string that completes "while ..."
 */
void sandbox_step(struct sandbox *sb, const char *step)
{
	sb->start.step = step;
	timeline_mark(&sb->start.timeline, step);
}

/**
 * sandbox_hook_owner() - whose hooks run at its start, for host/hooks.h
 * @sb: sandbox with its parameters
 *
 * Return: what the hooks of its first container are told; its strings are the sandbox's.
 */
struct hook_owner sandbox_hook_owner(const struct sandbox *sb)
{
	return (struct hook_owner){ sb->spec, sb->first.id, sb->first.bundle, sb->first.host_pid,
				    sb->dir.fd };
}
