/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The admin service: what kata-runtime asks beyond the Task service. Guest data passes through,
 * bounded by the rpc layer.
 */
#include "shim/task/admin_service.h"

#include <errno.h>
#include <unistd.h>

#include "common/str.h"
#include "rpc/pb/admin_msg.h"
#include "sandbox/network/network.h"
#include "shim/core/event_ring.h"
#include "shim/core/shim.h"
#include "shim/task/task_pids.h"
#include "shim/task/task_service.h"

/* As much of the guest console as one answer carries. */
#define ADMIN_CONSOLE_MAX (64U * 1024)

static int handle_ping(void *ctx, struct rpc_request *call, const void *request, void *response,
		       struct err *err)
{
	struct admin_ping_response *resp = response;
	struct shim *shim = ctx;

	(void)call;
	(void)request;
	(void)err;
	resp->sandbox_id = shim->id;
	resp->version = KATA_VERSION;
	resp->shim_pid = (uint32_t)getpid();
	resp->vmm_pid = (uint32_t)shim->sandbox->vmm_pid;
	return 0;
}

static int handle_console(void *ctx, struct rpc_request *call, const void *request, void *response,
			  struct err *err)
{
	const struct admin_console_request *req = request;
	struct admin_console_response *resp = response;
	struct shim *shim = ctx;
	size_t max = req->tail ? MIN(req->tail, ADMIN_CONSOLE_MAX) : ADMIN_CONSOLE_MAX;

	if (!shim->sandbox->hv)
		return err_set(err, ENOENT, "sandbox %s has no VM", shim->id);
	uint8_t *data = arena_alloc(call->arena, max);
	if (!data)
		return -ENOMEM;
	resp->data_len = hypervisor_console(shim->sandbox->hv, (char *)data, max);
	resp->data = data;
	return 0;
}

static int handle_timeline(void *ctx, struct rpc_request *call, const void *request, void *response,
			   struct err *err)
{
	struct admin_timeline_response *resp = response;
	cleanup_strbuf struct strbuf text = STRBUF_NULL;
	int r = timeline_to_json(&((struct shim *)ctx)->sandbox->start.timeline, &text);

	(void)request;
	if (r < 0)
		return err_set_errno(err, r, "timeline");
	resp->timeline = arena_strdup(call->arena, text.data);
	return resp->timeline ? 0 : -ENOMEM;
}

static int call_agent(struct shim *shim, const struct rpc_method *method, struct rpc_request *call,
		      const void *req, void *resp, struct err *err)
{
	struct sandbox *sb = shim->sandbox;

	if (!sb->agent)
		return err_set(err, ENOENT, "sandbox %s does not run", shim->id);
	return rpc_call(sb->agent, method, req, resp, call->arena, sandbox_request_deadline(sb),
			err);
}

static int handle_stats(void *ctx, struct rpc_request *call, const void *request, void *response,
			struct err *err)
{
	const struct admin_stats_request *req = request;
	struct agent_stats_container_request agent_req = { .container_id = req->id };

	if (!sb_container_find(((struct shim *)ctx)->sandbox, req->id))
		return err_set(err, ENOENT, "container %s does not exist", req->id);
	return call_agent(ctx, &agent_stats_container, call, &agent_req, response, err);
}

static int handle_container_info(void *ctx, struct rpc_request *call, const void *request,
				 void *response, struct err *err)
{
	const struct admin_container_info_request *req = request;
	struct admin_container_info_response *resp = response;
	struct shim *shim = ctx;
	struct sb_container *ctr = sb_container_find(shim->sandbox, req->id);
	struct sb_process *process = ctr ? sb_container_find_process(ctr, req->exec_id) : NULL;

	if (!process)
		return err_set(err, ENOENT, "container %s%s%s does not exist", req->id,
			       str_empty(req->exec_id) ? "" : ", exec ", req->exec_id);
	*resp = (struct admin_container_info_response){
		.id = req->id,
		.exec_id = req->exec_id,
		.sandbox_id = shim->id,
		.bundle = ctr->bundle,
		.status = task_service_status(process),
		.pid = process->host_pid,
		.exit_status = (uint32_t)process->exit_status,
		.terminal = process->io.terminal,
		.oom_killed = ctr->oom_killed,
		.exit_reason = shim->sandbox->end.exit_reason,
		.created_at = { ctr->created_at.tv_sec, (int32_t)ctr->created_at.tv_nsec },
		.started_at = { process->started_at.tv_sec, (int32_t)process->started_at.tv_nsec },
		.exited_at = { process->exited_at.tv_sec, (int32_t)process->exited_at.tv_nsec },
	};
	list_for_each(node, &ctr->execs)
		if (arena_strv_add(call->arena, &resp->exec_ids,
				   list_entry(node, struct sb_process, node)->exec_id) < 0)
			return err_set(err, ENOMEM, "out of memory");
	return 0;
}

static int handle_wait_event(void *ctx, struct rpc_request *call, const void *request,
			     void *response, struct err *err)
{
	const struct admin_wait_event_request *req = request;
	struct shim *shim = ctx;
	int r = event_ring_wait(shim->event_ring, req->since, req->id, call->deadline_ns,
				call->arena, response);

	return r < 0 ? err_set_errno(err, r, "wait for an event") : 0;
}

static int handle_processes(void *ctx, struct rpc_request *call, const void *request,
			    void *response, struct err *err)
{
	const struct admin_processes_request *req = request;
	struct admin_processes_response *resp = response;
	struct sb_container *ctr = sb_container_find(((struct shim *)ctx)->sandbox, req->id);

	if (!ctr)
		return err_set(err, ENOENT, "container %s does not exist", req->id);
	int r = call_agent(ctx, &extra_list_processes, call, req, resp, err);
	if (r < 0)
		return r;
	/* The guest knows its own numbers only; the container may have gone while it was asked. */
	ctr = sb_container_find(((struct shim *)ctx)->sandbox, req->id);
	for (size_t i = 0; ctr && i < resp->nr_processes; i++) {
		const struct sb_process *process = task_pids_find(ctr, resp->processes[i].exec_id);

		resp->processes[i].host_pid = process ? process->host_pid : 0;
	}
	return 0;
}

static int handle_metrics(void *ctx, struct rpc_request *call, const void *request, void *response,
			  struct err *err)
{
	struct admin_metrics_response *resp = response;
	struct agent_metrics guest = { 0 };
	int r = call_agent(ctx, &agent_get_metrics, call, NULL, &guest, err);

	(void)request;
	resp->metrics = guest.metrics;
	return r;
}

/* Requests whose messages are the agent's own. */
#define PASS_THROUGH(name, agent_method)                                                   \
	static int handle_##name(void *ctx, struct rpc_request *call, const void *request, \
				 void *response, struct err *err)                          \
	{                                                                                  \
		return call_agent(ctx, &(agent_method), call, request, response, err);     \
	}
PASS_THROUGH(list_interfaces, agent_list_interfaces)
PASS_THROUGH(list_routes, agent_list_routes)
PASS_THROUGH(update_routes, agent_update_routes)
PASS_THROUGH(get_iptables, agent_get_iptables)
PASS_THROUGH(set_iptables, agent_set_iptables)

static int exclude(struct shim *shim, const char *name, bool out, struct err *err)
{
	struct sandbox *sb = shim->sandbox;

	if (!sb)
		return network_exclude(NULL, name, out, err);
	int r = sandbox_enter(sb, err);
	if (r < 0)
		return r;
	r = network_exclude(sb->net.network, name, out, err);
	sandbox_leave(sb);
	return r;
}

/*
 * An interface that RemoveInterface took out is followed again. Any other one is the agent's to
 * find or to refuse.
 */
static int handle_update_interface(void *ctx, struct rpc_request *call, const void *request,
				   void *response, struct err *err)
{
	const struct agent_update_interface_request *req = request;
	struct shim *shim = ctx;
	struct err unknown = ERR_NULL;
	int r = req->interface && shim->sandbox
			? exclude(shim, req->interface->name, false, &unknown)
			: 0;

	if (r < 0 && r != -ENODEV)
		return err_set(err, -r, "%s", unknown.text);
	return call_agent(ctx, &agent_update_interface, call, request, response, err);
}

static int handle_remove_interface(void *ctx, struct rpc_request *call, const void *request,
				   void *response, struct err *err)
{
	const struct admin_remove_interface_request *req = request;
	struct shim *shim = ctx;

	(void)call;
	(void)response;
	return exclude(shim, req->name, true, err);
}

const struct rpc_handler admin_handlers[] = {
	{ &admin_ping, handle_ping, 0 },
	{ &admin_console, handle_console, 0 },
	{ &admin_timeline, handle_timeline, 0 },
	{ &admin_stats, handle_stats, 0 },
	{ &admin_container_info, handle_container_info, 0 },
	{ &admin_wait_event, handle_wait_event, RPC_HANDLER_CANCELABLE },
	{ &admin_metrics, handle_metrics, 0 },
	{ &admin_processes, handle_processes, 0 },
	{ &admin_list_interfaces, handle_list_interfaces, 0 },
	{ &admin_list_routes, handle_list_routes, 0 },
	{ &admin_update_interface, handle_update_interface, 0 },
	{ &admin_remove_interface, handle_remove_interface, 0 },
	{ &admin_update_routes, handle_update_routes, 0 },
	{ &admin_get_iptables, handle_get_iptables, 0 },
	{ &admin_set_iptables, handle_set_iptables, 0 },
};
const size_t nr_admin_handlers = ARRAY_SIZE(admin_handlers);
