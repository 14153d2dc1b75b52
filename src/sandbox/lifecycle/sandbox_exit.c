/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A sandbox that ends by itself: its VM or one of its helpers did, and the reason is told.
 */
#include "sandbox/lifecycle/sandbox_exit.h"

#include <signal.h>
#include <stdio.h>

#include "common/log.h"
#include "sandbox/core/sandbox.h"
#include "sandbox/lifecycle/clock_sync.h"

#define SANDBOX_EXIT_MS 1000
#define SANDBOX_PENDING_REASON_MS 200

static void note_exit_reason(struct sandbox *sb, const char *what, const char *reason)
{
	if (!*sb->end.exit_reason)
		(void)snprintf(sb->end.exit_reason, sizeof(sb->end.exit_reason), "%s%s%s", what,
			       *reason ? ": " : "", reason);
}

/* The VM is of no use any more: make every call that waits for the guest fail now. */
static void announce_exit(struct sandbox *sb)
{
	bool surprise = sb->state == SANDBOX_STATE_RUNNING && !sb->end.gone;

	sb->end.gone = true;
	(void)proc_signal(
		&sb->helpers.proxy,
		SIGKILL); /* its end closes all streams and the agent's connection; it may have ended */
	fiber_cond_broadcast(&sb->changed);
	if (surprise)
		sb->events->gone(sb->events_arg, sb->end.exit_reason);
}

static bool is_up(const struct sandbox *sb)
{
	return sb->state == SANDBOX_STATE_STARTING || sb->state == SANDBOX_STATE_RUNNING;
}

/* A start that can go on without what ended. Return: whether it is one. */
static bool is_told_to_restore(struct sandbox *sb)
{
	if (!sb->start.restoring)
		return false;
	sb->start.restore_failed = true;
	fiber_cond_broadcast(&sb->start.agent_changed);
	return true;
}

static void on_pending_reason(void *arg)
{
	struct sandbox *sb = arg;

	sb->end.pending_reason_timer = loop_source_free(sb->end.pending_reason_timer);
	note_exit_reason(sb, sb->end.pending_reason, "");
	announce_exit(sb);
}

/*
 * A helper ends with its VM, and its end may be seen before the VM's, which is the better reason: it
 * is waited for.
 */
static void helper_ended(struct sandbox *sb, const char *name, const char *reason)
{
	if (sb->state == SANDBOX_STATE_STOPPING || sb->end.pending_reason_timer ||
	    is_told_to_restore(sb))
		return;
	(void)snprintf(sb->end.pending_reason, sizeof(sb->end.pending_reason), "%s ended%s%s", name,
		       *reason ? ": " : "", reason);
	if (!sb->vmm_pid ||
	    loop_add_timer(sb->loop, loop_deadline_ms(SANDBOX_PENDING_REASON_MS), on_pending_reason,
			   sb, &sb->end.pending_reason_timer) < 0)
		on_pending_reason(sb);
}

/**
 * sandbox_await_exit() - the connection to the agent broke: find out why
 * @sb: sandbox
 *
 * The agent never ends while its VM lives, so the VM or a helper has ended. The kernel closes the
 * descriptors of a process a moment before it reports its end, which is the better reason: this
 * waits for it.
 */
void sandbox_await_exit(struct sandbox *sb)
{
	uint64_t deadline_ns = loop_deadline_ms(SANDBOX_EXIT_MS);
	int r = 0;

	while (is_up(sb) && !sb->end.gone && r >= 0)
		r = fiber_cond_wait(&sb->changed, deadline_ns);
	if (!is_up(sb) || sb->end.gone)
		return;
	note_exit_reason(sb, "the connection to the guest's agent broke", "");
	announce_exit(sb);
}

/**
 * sandbox_on_vm_event() - what the hypervisor's driver tells
 * @arg: sandbox
 * @type: event
 * @reason: in words, or ""
 */
void sandbox_on_vm_event(void *arg, enum vm_event_type type, const char *reason)
{
	struct sandbox *sb = arg;

	if (type == VM_EVENT_ASLEEP) /* a container writes to the console */
		return;
	if (type == VM_EVENT_RESUMED) {
		clock_sync_now(sb->clock);
		return;
	}
	if (type != VM_EVENT_READY && is_told_to_restore(sb))
		return;
	if (type == VM_EVENT_PANICKED)
		note_exit_reason(sb, "the guest kernel panicked", reason);
	if (type == VM_EVENT_SHUTDOWN && sb->state != SANDBOX_STATE_STOPPING)
		note_exit_reason(sb, "the guest powered off", reason);
	if (type == VM_EVENT_EXITED)
		note_exit_reason(sb, "the VM ended", reason);
	if (type == VM_EVENT_READY)
		sb->start.agent_listens = true;
	else if (type != VM_EVENT_SHUTDOWN)
		announce_exit(sb);
	fiber_cond_broadcast(&sb->start.agent_changed);
}

static void on_proxy_exit(void *arg, unsigned events)
{
	struct sandbox *sb = arg;

	(void)events;
	sb->helpers.proxy_watch = loop_source_free(sb->helpers.proxy_watch);
	helper_ended(sb, "kata-proxy", "");
}

/**
 * sandbox_watch_proxy() - end the sandbox with its proxy
 * @sb: sandbox whose proxy runs
 *
 * Return: 0 or -errno.
 */
int sandbox_watch_proxy(struct sandbox *sb)
{
	return loop_add_io(sb->loop, sb->helpers.proxy.pidfd, LOOP_READ, on_proxy_exit, sb,
			   &sb->helpers.proxy_watch);
}

static void on_virtiofsd_exit(void *arg, unsigned events)
{
	struct sandbox_export *export = arg;
	char line[200];

	(void)events;
	export->watch = loop_source_free(export->watch);
	virtiofsd_last_line(&export->virtiofsd, line, sizeof(line));
	helper_ended(export->sandbox, "virtiofsd", line);
}

/**
 * sandbox_watch_virtiofsd() - end the sandbox with one of its virtiofsds
 * @export: whose virtiofsd runs
 *
 * Return: 0 or -errno.
 */
int sandbox_watch_virtiofsd(struct sandbox_export *export)
{
	return loop_add_io(export->sandbox->loop, export->virtiofsd.proc.pidfd, LOOP_READ,
			   on_virtiofsd_exit, export, &export->watch);
}
