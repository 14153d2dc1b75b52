/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Task.Pids. Clients take the numbers for the host's and look them up in its ps(1), so the guest's
 * own numbers would show them strangers. The number of a process is its stand-in's where there is
 * one. Otherwise it is that of its container's VMM, or of a thread of the shim
 * (sandbox/core/pid_thread.c).
 */
#include "shim/task/task_pids.h"

#include <errno.h>

#include "common/str.h"
#include "rpc/pb/pb_bridge.h"
#include "rpc/pb/shim_msg.h"
#include "rpc/pb/task_msg.h"
#include "shim/core/shim.h"

/**
 * task_pids_find() - the process that the guest lists under an id
 * @ctr: container
 * @exec_id: id that the guest gave, "" for a process that nobody asked for
 *
 * Return: the process or NULL.
 */
struct sb_process *task_pids_find(struct sb_container *ctr, const char *exec_id)
{
	if (str_empty(exec_id))
		return NULL;
	return str_eq(exec_id, ctr->id) ? ctr->init : sb_container_find_process(ctr, exec_id);
}

/**
 * task_pids_add() - one more number
 * @resp: receives it
 * @arena: of the response
 * @pid: number on the host
 *
 * Return: 0 or -ENOMEM.
 */
int task_pids_add(struct task_pids_response *resp, struct arena *arena, uint32_t pid)
{
	int r = arena_grow(arena, &resp->processes, &resp->nr_processes, sizeof(*resp->processes));

	if (r >= 0)
		resp->processes[resp->nr_processes - 1] = (struct task_process_info){ .pid = pid };
	return r;
}

/* As runc's shim, it says which exec a number is: without a stand-in all have one and the same. */
static int add_exec(const struct sb_process *exec, struct task_pids_response *resp,
		    struct arena *arena)
{
	const struct runc_process_details details = { .exec_id = exec->exec_id };
	struct pb_any info;
	int r = pb_any_pack(arena, &runc_process_details_type, &details, &info);

	if (r >= 0)
		r = task_pids_add(resp, arena, exec->host_pid);
	if (r >= 0)
		resp->processes[resp->nr_processes - 1].info = info;
	return r;
}

/**
 * task_pids_add_own() - the numbers that the core gave a container's processes
 * @ctr: container
 * @resp: receives them
 * @arena: of the response
 *
 * Return: 0 or -ENOMEM.
 */
int task_pids_add_own(struct sb_container *ctr, struct task_pids_response *resp,
		      struct arena *arena)
{
	int r = task_pids_add(resp, arena, ctr->init->host_pid);

	list_for_each(node, &ctr->execs) {
		const struct sb_process *exec = list_entry(node, struct sb_process, node);

		if (r >= 0 && exec->state == SB_PROCESS_STATE_RUNNING)
			r = add_exec(exec, resp, arena);
	}
	return r;
}

/**
 * task_handle_pids() - handler of Task.Pids
 * @ctx: shim
 * @call: request
 * @request: struct task_pids_request
 * @response: struct task_pids_response
 * @err: filled on failure
 *
 * Return: 0 or -errno.
 */
int task_handle_pids(void *ctx, struct rpc_request *call, const void *request, void *response,
		     struct err *err)
{
	const struct task_pids_request *req = request;
	struct task_pids_response *resp = response;
	struct shim *shim = ctx;
	struct sb_container *ctr = sb_container_find(shim->sandbox, req->id);

	if (!ctr || ctr->deleted)
		return err_set(err, ENOENT, "container %s does not exist", req->id);
	/* A restarted containerd cleans up what has no processes. */
	bool being_made = ctr->init->state == SB_PROCESS_STATE_CREATED && !ctr->in_guest;
	if (ctr->init->state == SB_PROCESS_STATE_STOPPED || being_made)
		return 0;
	int r = shim->ops->list_pids(shim, ctr, call, resp);
	return r < 0 ? err_set_errno(err, r, "processes of %s", req->id) : 0;
}
