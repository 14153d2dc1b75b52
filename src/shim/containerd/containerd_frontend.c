/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the shim does for containerd. Requests name fifos, files or loggers as streams; whatever
 * happens is told by events.
 */
#include "shim/containerd/containerd_frontend.h"

#include "common/str.h"
#include "oci/oci_spec.h"
#include "oci/validate.h"
#include "rpc/pb/task_msg.h"
#include "shim/containerd/events.h"
#include "shim/containerd/lonely.h"
#include "shim/containerd/stdio.h"
#include "shim/task/task_pids.h"

static struct containerd_shim *of(struct shim *shim)
{
	return container_of(shim, struct containerd_shim, shim);
}

static int validate(const struct oci_spec *spec, const struct oci_vm_policy *policy,
		    struct err *err)
{
	return spec->linux_ ? oci_spec_validate_vm(spec, policy, err) : 0;
}

static int open_streams(struct shim *shim, const struct stdio_request *req,
			struct shim_streams *ret, struct err *err)
{
	*ret = (struct shim_streams){ .io = SB_PROCESS_IO_NULL, .netns_fd = -1 };
	return stdio_open(shim, req, &ret->io, err);
}

static int created(struct shim *shim, const struct task_create_request *req,
		   struct sb_process *init, struct err *err)
{
	int r = lonely_check_created(of(shim), init, err);
	if (r < 0)
		return r;
	events_created(of(shim)->events, req, init->host_pid);
	return 0;
}

static void exec_added(struct shim *shim, const struct stdio_request *req, struct sb_process *exec)
{
	(void)req;
	events_exec_added(of(shim)->events, exec);
}

static void event(struct shim *shim, enum shim_event event, const char *container_id,
		  const struct sb_process *process)
{
	struct events *events = of(shim)->events;

	switch (event) {
	case SHIM_EVENT_STARTED:
		events_started(events, process);
		return;
	case SHIM_EVENT_PAUSED:
		events_paused(events, process->container);
		return;
	case SHIM_EVENT_OOM:
		events_oom(events, process->container);
		return;
	case SHIM_EVENT_DELETED:
		events_deleted(events, container_id, process);
		return;
	}
}

/* A pod outlives all its containers but the one it was made for. */
static bool exited(struct shim *shim, struct sb_process *process)
{
	const struct sb_container *ctr = process->container;

	events_process_exited(of(shim)->events, process);
	return process == ctr->init && ctr->is_first;
}

/* The guest's processes have no numbers here. See task_pids.c for what an own one is. */
static int list_pids(struct shim *shim, struct sb_container *ctr, struct rpc_request *call,
		     struct task_pids_response *resp)
{
	(void)shim;
	return task_pids_add_own(ctr, resp, call->arena);
}

/* It is ended by Shutdown or ShutdownSandbox, unless there is nobody to call them. */
static bool may_end(const struct shim *shim)
{
	return container_of(shim, const struct containerd_shim, shim)->forsaken &&
	       lonely_is_empty(shim);
}

static void finish(struct shim *shim, uint64_t deadline_ns)
{
	of(shim)->events = events_free(of(shim)->events, deadline_ns);
}

const struct shim_frontend_ops containerd_frontend_ops = {
	.validate = validate,
	.open_streams = open_streams,
	.created = created,
	.exec_added = exec_added,
	.event = event,
	.exited = exited,
	.list_pids = list_pids,
	.may_end = may_end,
	.finish = finish,
};
