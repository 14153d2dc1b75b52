/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The end of a sandbox: by itself, with a reason that is told, or on request, in the reverse order
 * of its start.
 */
#include <signal.h>
#include <stdio.h>

#include "common/fd.h"
#include "common/log.h"
#include "common/str.h"
#include "oci/validate.h"
#include "rpc/ttrpc/rpc.h"
#include "sandbox/lifecycle/agent_client.h"
#include "sandbox/core/container.h"
#include "sandbox/storage/host_socket.h"
#include "sandbox/network/dns.h"
#include "sandbox/network/loopback.h"
#include "sandbox/network/network.h"
#include "sandbox/core/sandbox.h"

#define SANDBOX_STOP_MS 3000
#define SANDBOX_DEATH_MS 1000
#define SANDBOX_BLAME_MS 200

static void note_exit_reason(struct sandbox *sb, const char *what, const char *reason)
{
	if (!*sb->exit_reason)
		(void)snprintf(sb->exit_reason, sizeof(sb->exit_reason), "%s%s%s", what,
			       *reason ? ": " : "", reason);
}

/* The VM is of no use any more: make every call that waits for the guest fail now. */
static void sandbox_died(struct sandbox *sb)
{
	bool surprise = sb->state == SANDBOX_STATE_RUNNING && !sb->gone;

	sb->gone = true;
	(void)proc_signal(&sb->proxy,
			  SIGKILL); /* closes all streams and the agent's connection; may be gone */
	fiber_cond_broadcast(&sb->changed);
	if (surprise)
		sb->events->gone(sb->events_arg, sb->exit_reason);
}

static bool is_up(const struct sandbox *sb)
{
	return sb->state == SANDBOX_STATE_STARTING || sb->state == SANDBOX_STATE_RUNNING;
}

static void on_blame(void *arg)
{
	struct sandbox *sb = arg;

	sb->pending_reason_timer = loop_source_free(sb->pending_reason_timer);
	note_exit_reason(sb, sb->pending_reason, "");
	sandbox_died(sb);
}

/*
 * A helper ends with its VM, and may be the first of the two to be seen. The VM's end is the better
 * reason then: it gets the time to be told.
 */
static void helper_ended(struct sandbox *sb, const char *name, const char *reason)
{
	if (sb->state == SANDBOX_STATE_STOPPING || sb->pending_reason_timer)
		return;
	(void)snprintf(sb->pending_reason, sizeof(sb->pending_reason), "%s ended%s%s", name,
		       *reason ? ": " : "", reason);
	if (!sb->vmm_pid || loop_add_timer(sb->loop, loop_deadline_ms(SANDBOX_BLAME_MS), on_blame,
					   sb, &sb->pending_reason_timer) < 0)
		on_blame(sb);
}

/**
 * sandbox_await_death() - the connection to the agent broke: find out why
 * @sb: sandbox
 *
 * The agent never ends while its VM lives, so something has died. Its descriptors close a moment
 * before the kernel tells of its end, and that is the better reason.
 */
void sandbox_await_death(struct sandbox *sb)
{
	uint64_t deadline_ns = loop_deadline_ms(SANDBOX_DEATH_MS);
	int r = 0;

	while (is_up(sb) && !sb->gone && r >= 0)
		r = fiber_cond_wait(&sb->changed, deadline_ns);
	if (!is_up(sb) || sb->gone)
		return;
	note_exit_reason(sb, "the connection to the guest's agent broke", "");
	sandbox_died(sb);
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

	if (type == VM_EVENT_PANICKED)
		note_exit_reason(sb, "the guest kernel panicked", reason);
	if (type == VM_EVENT_SHUTDOWN && sb->state != SANDBOX_STATE_STOPPING)
		note_exit_reason(sb, "the guest powered off", reason);
	if (type == VM_EVENT_EXITED)
		note_exit_reason(sb, "the VM ended", reason);
	if (type != VM_EVENT_SHUTDOWN)
		sandbox_died(sb);
}

static void on_proxy_exit(void *arg, unsigned events)
{
	struct sandbox *sb = arg;

	(void)events;
	sb->proxy_watch = loop_source_free(sb->proxy_watch);
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
	return loop_add_io(sb->loop, sb->proxy.pidfd, LOOP_READ, on_proxy_exit, sb,
			   &sb->proxy_watch);
}

static void on_virtiofsd_exit(void *arg, unsigned events)
{
	struct sandbox *sb = arg;
	char line[200];

	(void)events;
	sb->virtiofsd_watch = loop_source_free(sb->virtiofsd_watch);
	virtiofsd_last_line(&sb->virtiofsd, line, sizeof(line));
	helper_ended(sb, "virtiofsd", line);
}

/**
 * sandbox_watch_virtiofsd() - end the sandbox with its virtiofsd
 * @sb: sandbox whose virtiofsd runs
 *
 * Return: 0 or -errno.
 */
int sandbox_watch_virtiofsd(struct sandbox *sb)
{
	return loop_add_io(sb->loop, sb->virtiofsd.proc.pidfd, LOOP_READ, on_virtiofsd_exit, sb,
			   &sb->virtiofsd_watch);
}

static void end_processes(struct sandbox *sb)
{
	list_for_each(node, &sb->containers) {
		struct sb_container *ctr = list_entry(node, struct sb_container, node);

		list_for_each(exec, &ctr->execs)
			sb_process_exited(list_entry(exec, struct sb_process, node), 128 + SIGKILL);
		sb_process_exited(ctr->init, 128 + SIGKILL);
	}
}

/*
 * Nothing in the guest would lose data if the VM ended this moment: no process can run there any
 * more (each container's PID namespace ended with its first process), the kernel wrote what they
 * had mapped back to the shared files when they closed them, and no file system of the guest's own
 * is on a disk. The guest's hooks want to run.
 */
static bool guest_is_done(const struct sandbox *sb)
{
	if (sb->nr_disks || !str_empty(sb->config->hypervisor.guest_hook_path))
		return false;
	list_for_each(node, &sb->containers) {
		const struct sb_container *ctr = list_entry(node, struct sb_container, node);
		const struct oci_namespace *ns = ctr->spec ? oci_namespace_find(ctr->spec, "pid")
							   : NULL;

		if (ctr->init->state != SB_PROCESS_STATE_STOPPED || !ns || !str_empty(ns->path))
			return false;
	}
	return true;
}

static void kill_child(struct proc *proc, struct loop_source **watch)
{
	*watch = loop_source_free(*watch);
	if (proc->pidfd >= 0)
		(void)proc_signal(proc, SIGKILL); /* may have ended already */
}

static void reap_child(struct proc *proc)
{
	if (proc->pidfd >= 0 && proc_wait_fiber(proc, loop_deadline_ms(SANDBOX_STOP_MS), NULL) < 0)
		proc_deinit(proc);
}

/**
 * sandbox_shut_down() - end whatever runs; idempotent
 * @sb: sandbox
 * @politely: give the guest the chance to end by itself, so that its file systems are clean
 *
 * In a fiber when anything was started. A guest without anything to lose is not asked: that would
 * only take time, which whoever waits for `run` or `delete` would spend.
 */
void sandbox_shut_down(struct sandbox *sb, bool politely)
{
	bool mask = fiber_self() ? fiber_mask_cancel(true) : false;
	struct err err = ERR_NULL;

	sb->pending_reason_timer = loop_source_free(sb->pending_reason_timer);
	politely = politely && !*sb->exit_reason && !guest_is_done(sb);
	if (politely)
		agent_client_destroy_sandbox(sb, loop_deadline_ms(SANDBOX_STOP_MS));
	else {
		/*
		 * All map the guest's memory: together they are gone sooner than one after the
		 * other.
		 */
		kill_child(&sb->proxy, &sb->proxy_watch);
		kill_child(&sb->virtiofsd.proc, &sb->virtiofsd_watch);
	}
	if (sb->hv &&
	    hypervisor_stop(sb->hv, politely ? loop_deadline_ms(SANDBOX_STOP_MS) : 0, &err) < 0)
		log_debug("stop VM: %s", err.text);
	end_processes(sb);
	sb->dns = dns_relay_free(sb->dns);
	sb->loopback = loopback_free(sb->loopback);
	host_socket_stop(sb);
	sb->network = network_free(sb->network);
	sb->agent = rpc_client_free(sb->agent);
	sb->hv = hypervisor_destroy(sb->hv);
	kill_child(&sb->proxy, &sb->proxy_watch);
	kill_child(&sb->virtiofsd.proc, &sb->virtiofsd_watch);
	reap_child(&sb->proxy);
	reap_child(&sb->virtiofsd.proc);
	virtiofsd_deinit(&sb->virtiofsd);
	share_deinit(&sb->share);
	host_cgroup_close(&sb->cgroup);
	host_cgroup_close(&sb->former_cgroup);
	sb->vsock_dir_fd = fd_close(sb->vsock_dir_fd);
	if (fiber_self())
		(void)fiber_mask_cancel(mask);
}
