/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the shim does when something happens in its sandbox, and when it ends.
 */
#include "shim/core/shim.h"

#include <fcntl.h>
#include <stdlib.h>

#include "common/fd.h"
#include "common/io.h"
#include "common/log.h"
#include "common/str.h"
#include "oci/grouping.h"
#include "sandbox/core/container.h"
#include "sandbox/lifecycle/container_exec.h"
#include "sandbox/lifecycle/sandbox_stop.h"
#include "shim/containerd/events.h"
#include "shim/core/event_ring.h"
#include "shim/standalone/standin.h"

/* How long a shim that is done stays for requests that are not answered yet. */
#define SHIM_LINGER_MS 5000

static bool has_containers(const struct shim *shim)
{
	return !list_empty(&shim->sandbox->containers);
}

static void stop_main(void *arg)
{
	struct shim *shim = arg;
	struct err err = ERR_NULL;

	if (sandbox_stop(shim->sandbox, &err) < 0)
		log_warn("stop sandbox: %s", err.text);
	shim_maybe_end(shim);
}

/**
 * shim_stop_sandbox() - end the VM, in a fiber of its own
 * @shim: shim
 */
void shim_stop_sandbox(struct shim *shim)
{
	int r = fiber_spawn(shim->loop, "stop", stop_main, shim, NULL);

	if (r < 0)
		log_error_errno(r, "stop sandbox");
}

static void end_main(void *arg)
{
	struct shim *shim = arg;

	/*
	 * The request that this end follows; what it was answered stays in the socket for its peer
	 * to read.
	 */
	if (rpc_server_wait_idle(shim->task_server, loop_deadline_ms(SHIM_LINGER_MS)) < 0)
		log_warn("the shim ends with requests under way");
	loop_exit(shim->loop, 0);
}

/**
 * shim_end_soon() - end the process once the answers that are under way have left
 * @shim: shim
 */
void shim_end_soon(struct shim *shim)
{
	if (shim->ending)
		return;
	shim->ending = true;
	if (fiber_spawn(shim->loop, "end", end_main, shim, NULL) < 0)
		loop_exit(shim->loop, 0);
}

/**
 * shim_maybe_end() - end a standalone shim that has nothing left to do
 * @shim: shim
 *
 * containerd ends its shims by Shutdown.
 */
void shim_maybe_end(struct shim *shim)
{
	enum sandbox_state state = shim->sandbox->state;

	if (!shim->standalone || shim->creating || has_containers(shim))
		return;
	if (state == SANDBOX_STATE_STOPPED || state == SANDBOX_STATE_NEW)
		shim_end_soon(shim);
	else if (!shim->shutting_down) {
		shim->shutting_down = true;
		shim_stop_sandbox(shim);
	}
}

static void on_process_started(void *arg, struct sb_process *process)
{
	struct shim *shim = arg;

	events_started(shim->events, process);
}

struct oom_exit {
	struct shim *shim;
	struct sb_process *process;
};

/* The order matters: the VM's memory must be gone before the host's cgroup can be made small. */
static void oom_exit_main(void *arg)
{
	struct oom_exit *oom = arg;
	struct sandbox *sb = oom->shim->sandbox;
	struct err err = ERR_NULL;

	if (sandbox_stop(sb, &err) < 0)
		log_warn("stop sandbox: %s", err.text);
	if (host_cgroup_exhaust(&sb->cgroup.now, &err) < 0)
		log_warn("out of memory, unseen by the host: %s", err.text);
	else
		standin_report_oom(oom->process->user);
	standin_report_exit(oom->process->user, oom->process->exit_status);
	(void)sb_process_unref(oom->process);
	shim_maybe_end(oom->shim);
	free(oom);
}

/* Returns false when the exit is to be told in the ordinary way. */
static bool report_oom_exit(struct shim *shim, struct sb_process *process)
{
	struct oom_exit *oom = process->user ? calloc(1, sizeof(*oom)) : NULL;

	if (!oom)
		return false;
	*oom = (struct oom_exit){ shim, sb_process_ref(process) };
	if (fiber_spawn(shim->loop, "oom exit", oom_exit_main, oom, NULL) == 0)
		return true;
	(void)sb_process_unref(process);
	free(oom);
	return false;
}

/* An exec is locked only by life-cycle calls of its container, which may have to end first. */
static void forget_main(void *arg)
{
	struct sb_process *exec = arg;
	struct err err = ERR_NULL;
	int r = 0;

	while (exec->container && exec->container->lock.owner && r >= 0)
		r = fiber_cond_wait(&exec->container->lock.cond, LOOP_FOREVER);
	if (exec->container && r >= 0)
		r = sb_container_delete_exec(exec->container, exec, &err);
	if (r < 0)
		log_debug("forget exec %s: %s", exec->exec_id, err.text);
	(void)sb_process_unref(exec);
}

/*
 * The command line's execs are for their stand-ins only: once these have the status, nobody asks
 * again.
 */
static void forget_exec(struct shim *shim, struct sb_process *exec)
{
	if (fiber_spawn(shim->loop, "forget", forget_main, sb_process_ref(exec), NULL) < 0)
		(void)sb_process_unref(exec);
}

static bool has_living(const struct shim *shim)
{
	list_for_each(node, &shim->sandbox->containers)
		if (list_entry(node, struct sb_container, node)->init->state !=
		    SB_PROCESS_STATE_STOPPED)
			return true;
	return shim->creating;
}

/*
 * Containers that joined the VM by its network namespace live on when the one it was made for ends,
 * as they would on a host. Pods that have annotations outlive all their containers.
 */
static bool is_end_of_vm(const struct shim *shim, const struct sb_process *process)
{
	if (process != process->container->init)
		return false;
	return shim->standalone ? shim->single && !has_living(shim)
				: str_eq(process->container->id, shim->id);
}

static void on_process_exited(void *arg, struct sb_process *process)
{
	struct shim *shim = arg;
	bool is_end = is_end_of_vm(shim, process);
	bool is_own = str_eq(process->container->id, shim->id);

	events_process_exited(shim->events, process);
	event_ring_add(shim->event_ring, ADMIN_EVENT_EXIT, process->container->id, process->exec_id,
		       (uint32_t)process->exit_status, shim->sandbox->end.exit_reason);
	if (is_end && is_own && shim->single && process->container->oom_killed &&
	    shim->sandbox->state == SANDBOX_STATE_RUNNING && report_oom_exit(shim, process))
		return;
	standin_report_exit(process->user, process->exit_status);
	if (*process->exec_id && shim->standalone)
		forget_exec(shim, process);
	/* Exit statuses stay with us. */
	if (is_end && shim->sandbox->state == SANDBOX_STATE_RUNNING)
		shim_stop_sandbox(shim);
}

/* CRI-O takes no events; it looks for this file beside config.json when the container has ended. */
static void leave_oom_file(const struct sb_container *ctr)
{
	cleanup_close int dir = neg_errno(open(ctr->bundle, O_PATH | O_DIRECTORY | O_CLOEXEC));
	struct oci_grouping grouping;
	struct err ignored = ERR_NULL; /* the container was created with these annotations */

	if (oci_grouping_find(ctr->id, ctr->spec, &grouping, &ignored) < 0 ||
	    !str_eq(grouping.manager, "cri-o"))
		return;
	int r = dir < 0 ? dir : io_replace_file_at(dir, "oom", "", 0, 0644);
	if (r < 0)
		log_warn_errno(r, "tell CRI-O that container %s ran out of memory", ctr->id);
}

static void on_oom(void *arg, struct sb_container *ctr)
{
	struct shim *shim = arg;

	log_info("container %s ran out of memory", ctr->id);
	events_oom(shim->events, ctr);
	leave_oom_file(ctr);
	event_ring_add(shim->event_ring, ADMIN_EVENT_OOM, ctr->id, "", 0, "");
}

static void on_gone(void *arg, const char *reason)
{
	struct shim *shim = arg;

	log_error("%s", reason);
	event_ring_add(shim->event_ring, ADMIN_EVENT_SANDBOX_GONE, shim->id, "", 0, reason);
	shim_stop_sandbox(shim);
}

const struct sandbox_events shim_sandbox_events = {
	.process_started = on_process_started,
	.process_exited = on_process_exited,
	.oom = on_oom,
	.gone = on_gone,
};
