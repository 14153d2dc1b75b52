/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The end of a sandbox on request, in the reverse order of its start.
 */
#include "sandbox/lifecycle/sandbox_stop.h"

#include <signal.h>
#include <stdio.h>

#include "common/fd.h"
#include "common/log.h"
#include "common/str.h"
#include "oci/namespaces.h"
#include "rpc/ttrpc/rpc.h"
#include "sandbox/cgroup/host_cgroup.h"
#include "sandbox/core/container.h"
#include "sandbox/core/sandbox.h"
#include "sandbox/lifecycle/agent_client.h"
#include "sandbox/lifecycle/clock_sync.h"
#include "sandbox/network/dns.h"
#include "sandbox/network/loopback.h"
#include "sandbox/network/network.h"
#include "sandbox/storage/host_socket.h"

#define SANDBOX_STOP_MS 3000

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
 * Would no data be lost if the VM were killed now? So it is when no process can run in the guest any
 * more (each container's PID namespace ended with its first process; the kernel wrote what they had
 * mapped back to the shared files when they closed them) and none of its file systems is on a disk.
 * With guest hooks the answer is no, since they have yet to run.
 */
static bool guest_is_done(const struct sandbox *sb)
{
	if (sb->storage.nr_disks || !str_empty(sb->config->hypervisor.guest_hook_path))
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

static void kill_exports(struct sandbox *sb)
{
	for (size_t i = 0; i < SANDBOX_EXPORTS; i++)
		kill_child(&sb->helpers.exports[i].virtiofsd.proc, &sb->helpers.exports[i].watch);
}

static void reap_exports(struct sandbox *sb)
{
	for (size_t i = 0; i < SANDBOX_EXPORTS; i++) {
		struct virtiofsd *vfsd = &sb->helpers.exports[i].virtiofsd;

		(void)virtiofsd_stop(vfsd, loop_deadline_ms(SANDBOX_STOP_MS)); /* was killed */
		virtiofsd_deinit(vfsd);
	}
}

static void reap_child(struct proc *proc)
{
	if (proc->pidfd >= 0 && proc_wait_fiber(proc, loop_deadline_ms(SANDBOX_STOP_MS), NULL) < 0)
		proc_deinit(proc);
}

/**
 * sandbox_end_helpers() - end the programs beside the VMM
 * @sb: sandbox whose VMM has ended, or ends
 *
 * In a fiber when any was started.
 */
void sandbox_end_helpers(struct sandbox *sb)
{
	kill_child(&sb->helpers.proxy, &sb->helpers.proxy_watch);
	kill_exports(sb);
	reap_child(&sb->helpers.proxy);
	reap_exports(sb);
}

/*
 * Return: false when somebody stays inside of the gate, in a hook of the bundle say. Then what he
 * may still use is left where it is, dead, until the process ends.
 */
static bool empty_gate(struct sandbox *sb)
{
	rpc_client_close(sb->agent);
	int r = sb->gate.nr_inside ? sandbox_wait_left(sb, loop_deadline_ms(SANDBOX_STOP_MS)) : 0;

	if (r < 0)
		log_warn_errno(r, "%u operations outlive their VM", sb->gate.nr_inside);
	return r >= 0;
}

static void release_guest(struct sandbox *sb)
{
	sb->net.dns = dns_relay_free(sb->net.dns);
	sb->net.loopback = loopback_free(sb->net.loopback);
	host_socket_stop(sb);
	sb->net.network = network_free(sb->net.network);
	sb->agent = rpc_client_free(sb->agent);
	sb->hv = hypervisor_destroy(sb->hv);
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

	sb->gate.closed = true;
	host_cgroup_thaw(&sb->cgroup.now);
	host_cgroup_thaw(&sb->cgroup.former);
	sb->end.pending_reason_timer = loop_source_free(sb->end.pending_reason_timer);
	sb->clock = clock_sync_free(sb->clock);
	politely = politely && !*sb->end.exit_reason && !guest_is_done(sb);
	if (politely)
		agent_client_destroy_sandbox(sb, loop_deadline_ms(SANDBOX_STOP_MS));
	else {
		/*
		 * All map the guest's memory: together they are gone sooner than one after the
		 * other.
		 */
		kill_child(&sb->helpers.proxy, &sb->helpers.proxy_watch);
		kill_exports(sb);
	}
	if (sb->hv &&
	    hypervisor_stop(sb->hv, politely ? loop_deadline_ms(SANDBOX_STOP_MS) : 0, &err) < 0)
		log_debug("stop VM: %s", err.text);
	end_processes(sb);
	bool empty = empty_gate(sb);
	if (empty)
		release_guest(sb);
	sandbox_end_helpers(sb);
	sb->helpers.user_fd = fd_close(sb->helpers.user_fd);
	if (empty) {
		share_deinit(&sb->storage.share);
		sb->vsock.dir_fd = fd_close(sb->vsock.dir_fd);
	}
	host_cgroup_close(&sb->cgroup.now);
	host_cgroup_close(&sb->cgroup.former);
	if (fiber_self())
		(void)fiber_mask_cancel(mask);
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
		if (sb->start.fiber) {
			if (!*sb->end.exit_reason)
				(void)snprintf(sb->end.exit_reason, sizeof(sb->end.exit_reason),
					       "it was stopped");
			fiber_cancel(TAKE_PTR(sb->start.fiber));
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
