/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sandbox object: its states, its start and its end. What a start does step by step is in
 * sandbox_boot.c, and an end in sandbox_end.c.
 */
#include "sandbox/core/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/fd.h"
#include "common/log.h"
#include "oci/grouping.h"
#include "rpc/ttrpc/rpc.h"
#include "sandbox/core/container.h"
#include "host/hooks.h"
#include "sandbox/core/process.h"

/* How much of the guest console an error quotes. */
#define SANDBOX_CONSOLE_QUOTE 300

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
 * @ret: receives it; released with sandbox_free()
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
	sb->netns_fd = -1;
	sb->state_fd = -1;
	sb->share = SHARE_NULL;
	sb->virtiofsd = VIRTIOFSD_NULL;
	sb->proxy = PROC_NULL;
	sb->vsock_dir_fd = -1;
	fiber_cond_init(&sb->changed);
	fiber_mutex_init(&sb->resizing);
	fiber_mutex_init(&sb->opening_sockets);
	list_init(&sb->containers);
	*ret = sb;
	return 0;
}

/**
 * sandbox_free() - release a sandbox
 * @sb: sandbox without containers, NEW or STOPPED; or NULL
 *
 * Return: NULL.
 */
struct sandbox *sandbox_free(struct sandbox *sb)
{
	if (!sb)
		return NULL;
	sandbox_shut_down(sb, false);
	(void)fd_close(sb->netns_fd);
	(void)fd_close(sb->state_fd);
	(void)arena_free(sb->arena);
	free(sb);
	return NULL;
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

static bool is_pod(const struct sandbox *sb)
{
	struct oci_grouping grouping;
	struct err ignored =
		ERR_NULL; /* annotations that make no sense were refused by who read the spec */

	return oci_grouping_find(sb->id, sb->spec, &grouping, &ignored) >= 0 &&
	       grouping.type != OCI_CONTAINER_SINGLE;
}

static int take_params(struct sandbox *sb, const struct sandbox_params *params, struct err *err)
{
	sb->id = arena_strdup(sb->arena, params->id);
	sb->first_id = arena_strdup(sb->arena, params->first_id);
	sb->state_dir = arena_strdup(sb->arena, params->state_dir);
	sb->bundle = arena_strdup(sb->arena, params->bundle);
	sb->spec = params->spec;
	sb->host_pid = params->host_pid;
	sb->systemd_cgroup = params->systemd_cgroup;
	if (!sb->id || !sb->first_id || !sb->state_dir || !sb->bundle)
		return err_set(err, ENOMEM, "out of memory");
	sb->state_fd = neg_errno(open(sb->state_dir, O_PATH | O_DIRECTORY | O_CLOEXEC));
	if (sb->state_fd < 0)
		return err_set_errno(err, sb->state_fd, "open %s", sb->state_dir);
	sb->pod = is_pod(sb);
	int r = config_load(params->config_path, sb->arena, &sb->config, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < sb->config->warnings.nr; i++)
		log_warn("%s", sb->config->warnings.v[i]);
	return config_apply_annotations(sb->config, params->spec->annotations,
					params->spec->nr_annotations, sb->arena, err);
}

/* The last lines of the guest's console on one line, for an error. */
static void quote_console(struct sandbox *sb, char *out, size_t size)
{
	char text[SANDBOX_CONSOLE_QUOTE];
	size_t len = sb->hv ? hypervisor_console(sb->hv, text, sizeof(text) - 1) : 0, n = 0;

	for (size_t i = 0; i < len && n + 4 < size; i++) {
		bool newline = text[i] == '\n' || text[i] == '\r';

		if (newline && n >= 3 && !strncmp(out + n - 3, " | ", 3))
			continue;
		if (newline)
			n += (size_t)snprintf(out + n, size - n, " | ");
		else if ((unsigned char)text[i] >= ' ')
			out[n++] = text[i];
	}
	out[n] = '\0';
}

static int explain_failure(struct sandbox *sb, int r, struct err *err)
{
	char console[SANDBOX_CONSOLE_QUOTE + 80];

	if (*sb->exit_reason)
		err_set(err, -r, "%s (while %s)", sb->exit_reason, sb->step);
	else if (r == -ETIMEDOUT)
		err_set(err, -r, "timed out while %s", sb->step);
	else
		(void)err_wrap(err, "%s", sb->step);
	quote_console(sb, console, sizeof(console));
	if (*console && (*sb->exit_reason || r == -ETIMEDOUT))
		err_set(err, -r, "%s; last words of the guest: %s", err->text, console);
	return err_wrap(err, "start sandbox %s", sb->id);
}

static int wait_started(struct sandbox *sb, struct err *err)
{
	while (sb->state == SANDBOX_STATE_STARTING) {
		int r = fiber_cond_wait(&sb->changed, LOOP_FOREVER);

		if (r < 0)
			return err_set_errno(err, r, "wait for the sandbox");
	}
	if (sb->state != SANDBOX_STATE_RUNNING)
		return err_set(err, ESHUTDOWN, "sandbox %s is %s%s%s", sb->id ? sb->id : "",
			       state_names[sb->state], *sb->exit_reason ? ": " : "",
			       sb->exit_reason);
	return 0;
}

/**
 * sandbox_start() - bring the VM up and make the sandbox in it
 * @sb: sandbox
 * @params: how; used by the first call only, params->netns_fd is taken over by every call
 * @err: names the step that failed
 *
 * Return: 0 or -errno; after a failure nothing runs any more and the sandbox is STOPPED.
 */
int sandbox_start(struct sandbox *sb, const struct sandbox_params *params, struct err *err)
{
	if (sb->state != SANDBOX_STATE_NEW) {
		(void)fd_close(params->netns_fd);
		return wait_started(sb, err);
	}
	sandbox_set_state(sb, SANDBOX_STATE_STARTING);
	sandbox_step(sb, "reading the configuration");
	sb->netns_fd = params->netns_fd;
	sb->netns_joined = params->netns_joined;
	sb->starter = fiber_self();
	int r = take_params(sb, params, err);
	if (r >= 0)
		r = sandbox_boot(sb, loop_deadline_ms(sb->config->start_timeout_ms), err);
	sb->starter = NULL;
	if (r < 0) {
		/* The clean-up may wait although the start was given up. */
		bool masked = fiber_mask_cancel(true);

		if (sb->agent && (r == -ECONNRESET || r == -EPIPE))
			sandbox_await_death(sb);
		r = explain_failure(sb, r, err);
		sandbox_shut_down(sb, false);
		if (sb->hooks_begun) {
			const struct hook_owner owner = { sb->spec, sb->first_id, sb->bundle,
							  sb->host_pid, sb->state_fd };

			hooks_run_poststop(&owner);
		}
		sandbox_set_state(sb, SANDBOX_STATE_STOPPED);
		(void)fiber_mask_cancel(masked);
		return r;
	}
	sandbox_set_state(sb, SANDBOX_STATE_RUNNING);
	return 0;
}

/**
 * sandbox_stop() - end the VM and everything around it
 * @sb: sandbox in any state; a start that is under way fails with -ECANCELED
 * @err: filled when the wait was cancelled
 *
 * Processes that still ran end with SIGKILL's status. Container objects stay, for their exit
 * statuses.
 *
 * Return: 0 or -errno.
 */
int sandbox_stop(struct sandbox *sb, struct err *err)
{
	while (sb->state == SANDBOX_STATE_STOPPING || sb->state == SANDBOX_STATE_STARTING) {
		if (sb->starter) {
			if (!*sb->exit_reason)
				(void)snprintf(sb->exit_reason, sizeof(sb->exit_reason),
					       "it was stopped");
			fiber_cancel(TAKE_PTR(sb->starter));
		}
		int r = fiber_cond_wait(&sb->changed, LOOP_FOREVER);

		if (r < 0)
			return err_set_errno(err, r, "wait for the sandbox");
	}
	if (sb->state != SANDBOX_STATE_RUNNING) {
		if (sb->state == SANDBOX_STATE_NEW)
			sandbox_set_state(sb, SANDBOX_STATE_STOPPED);
		return 0;
	}
	sandbox_set_state(sb, SANDBOX_STATE_STOPPING);
	sandbox_shut_down(sb, true);
	sandbox_set_state(sb, SANDBOX_STATE_STOPPED);
	return 0;
}
