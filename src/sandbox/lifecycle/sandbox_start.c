/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The start of a sandbox as its front doors see it: it happens once, and a failure is explained and
 * leaves nothing. What a start does step by step is in sandbox_boot.c.
 */
#include "sandbox/lifecycle/sandbox_start.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "common/fd.h"
#include "common/log.h"
#include "host/hooks.h"
#include "sandbox/core/sandbox.h"
#include "sandbox/lifecycle/sandbox_boot.h"
#include "sandbox/lifecycle/sandbox_exit.h"
#include "sandbox/lifecycle/sandbox_stop.h"

/* How much of the guest console an error quotes. */
#define SANDBOX_CONSOLE_QUOTE 300

static int take_params(struct sandbox *sb, const struct sandbox_params *params, struct err *err)
{
	sb->id = arena_strdup(sb->arena, params->id);
	sb->first.id = arena_strdup(sb->arena, params->first_id);
	sb->dir.path = arena_strdup(sb->arena, params->state_dir);
	sb->first.bundle = arena_strdup(sb->arena, params->bundle);
	sb->spec = params->spec;
	sb->first.host_pid = params->host_pid;
	sb->cgroup.by_systemd = params->systemd_cgroup;
	if (!sb->id || !sb->first.id || !sb->dir.path || !sb->first.bundle)
		return err_set(err, ENOMEM, "out of memory");
	sb->dir.fd = neg_errno(open(sb->dir.path, O_PATH | O_DIRECTORY | O_CLOEXEC));
	if (sb->dir.fd < 0)
		return err_set_errno(err, sb->dir.fd, "open %s", sb->dir.path);
	sb->kind = params->first_type == OCI_CONTAINER_SINGLE ? SANDBOX_KIND_SINGLE
							      : SANDBOX_KIND_POD;
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

	if (*sb->end.exit_reason)
		err_set(err, -r, "%s (while %s)", sb->end.exit_reason, sb->start.step);
	else if (r == -ETIMEDOUT)
		err_set(err, -r, "timed out while %s", sb->start.step);
	else
		(void)err_wrap(err, "%s", sb->start.step);
	quote_console(sb, console, sizeof(console));
	if (*console && (*sb->end.exit_reason || r == -ETIMEDOUT))
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
			       sandbox_state_name(sb->state), *sb->end.exit_reason ? ": " : "",
			       sb->end.exit_reason);
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
	sb->net.netns_fd = params->netns_fd;
	sb->net.netns_joined = params->netns_joined;
	sb->start.fiber = fiber_self();
	int r = take_params(sb, params, err);
	if (r >= 0)
		r = sandbox_boot(sb, loop_deadline_ms(sb->config->start_timeout_ms), err);
	sb->start.fiber = NULL;
	if (r < 0) {
		/* The start may have been cancelled; its clean-up must be able to wait all the same. */
		bool masked = fiber_mask_cancel(true);

		if (sb->agent && (r == -ECONNRESET || r == -EPIPE))
			sandbox_await_exit(sb);
		r = explain_failure(sb, r, err);
		sandbox_shut_down(sb, false);
		if (sb->first.hooks_begun) {
			const struct hook_owner owner = sandbox_hook_owner(sb);

			hooks_run_poststop(&owner);
		}
		sandbox_set_state(sb, SANDBOX_STATE_STOPPED);
		(void)fiber_mask_cancel(masked);
		return r;
	}
	sandbox_set_state(sb, SANDBOX_STATE_RUNNING);
	return 0;
}
