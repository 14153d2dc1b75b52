/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Task service: every method is a few lines that find the container and call the sandbox core.
 * Versions 2 and 3 share the handlers.
 */
#include "shim/task/task_service.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/log.h"
#include "common/str.h"
#include "oci/spec.h"
#include "rpc/pb/task_msg.h"
#include "shim/core/event_ring.h"
#include "shim/core/shim.h"
#include "shim/task/stream_uris.h"
#include "shim/task/task_create.h"
#include "shim/task/task_pids.h"
#include "shim/task/task_stats.h"
#include "sandbox/lifecycle/container_verbs.h"
#include "sandbox/lifecycle/container_exec.h"
#include "sandbox/lifecycle/container_delete.h"
#include "sandbox/lifecycle/process_verbs.h"
#include "sandbox/lifecycle/sandbox_stop.h"

static int get_process_of(struct sb_container *ctr, const char *exec_id, struct sb_process **ret,
			  struct err *err)
{
	struct sb_process *process = sb_container_find_process(ctr, exec_id);

	if (!process)
		return err_set(err, ENOENT, "exec %s of container %s does not exist", exec_id,
			       ctr->id);
	*ret = sb_process_ref(process);
	return 0;
}

/* Finds a process. The reference keeps it while a handler waits. */
static int get_process(struct shim *shim, const char *id, const char *exec_id,
		       struct sb_process **ret, struct err *err)
{
	struct sb_container *ctr = NULL;
	int r = sb_container_get(shim->sandbox, id, &ctr, err);

	return r < 0 ? r : get_process_of(ctr, exec_id, ret, err);
}

static struct pb_timestamp to_timestamp(const struct timespec *ts)
{
	return (struct pb_timestamp){ .seconds = ts->tv_sec, .nanos = (int32_t)ts->tv_nsec };
}

/**
 * task_service_status() - a process's state in the Task service's words
 * @process: process of a container
 *
 * Return: enum task_status.
 */
int task_service_status(const struct sb_process *process)
{
	if (process->state == SB_PROCESS_STATE_CREATED)
		return TASK_STATUS_CREATED;
	if (process->state == SB_PROCESS_STATE_STOPPED)
		return TASK_STATUS_STOPPED;
	return process->container->paused ? TASK_STATUS_PAUSED : TASK_STATUS_RUNNING;
}

static int handle_state(void *ctx, struct rpc_request *call, const void *request, void *response,
			struct err *err)
{
	const struct task_state_request *req = request;
	struct task_state_response *resp = response;
	cleanup_process struct sb_process *process = NULL;
	int r = get_process(ctx, req->id, req->exec_id, &process, err);

	if (r < 0)
		return r;
	struct shim_creation *creation = shim_find_creation(ctx, req->id);
	if (creation && creation->conn != call->conn)
		creation->known = true;
	resp->id = req->id;
	resp->exec_id = req->exec_id;
	resp->bundle = process->container->bundle;
	resp->pid = process->host_pid;
	resp->status = task_service_status(process);
	resp->stdin = process->uris[0];
	resp->stdout = process->uris[1];
	resp->stderr = process->uris[2];
	resp->terminal = process->io.terminal;
	resp->exit_status = (uint32_t)process->exit_status;
	resp->exited_at = to_timestamp(&process->exited_at);
	return 0;
}

static int handle_start(void *ctx, struct rpc_request *call, const void *request, void *response,
			struct err *err)
{
	const struct task_start_request *req = request;
	struct task_start_response *resp = response;
	struct shim *shim = ctx;
	cleanup_process struct sb_process *process = NULL;
	struct sb_container *ctr;
	int r = sb_container_lock(shim->sandbox, req->id, &ctr, err);

	(void)call;
	if (r < 0)
		return r;
	r = get_process_of(ctr, req->exec_id, &process, err);
	if (r >= 0)
		r = process == ctr->init ? sb_container_start(ctr, err)
					 : sb_container_start_exec(ctr, process, err);
	if (r >= 0)
		resp->pid = process->host_pid;
	sb_container_unlock(ctr);
	return r;
}

static int handle_delete(void *ctx, struct rpc_request *call, const void *request, void *response,
			 struct err *err)
{
	const struct task_delete_request *req = request;
	struct task_delete_response *resp = response;
	struct shim *shim = ctx;
	cleanup_process struct sb_process *process = NULL;
	struct sb_container *ctr = NULL;
	int r = sb_container_lock(shim->sandbox, req->id, &ctr, err);

	(void)call;
	if (r < 0)
		return r;
	r = get_process_of(ctr, req->exec_id, &process, err);
	bool whole = r >= 0 && process == ctr->init;
	if (r >= 0)
		r = whole ? sb_container_delete(ctr, err)
			  : sb_container_delete_exec(ctr, process, err);
	if (!whole || r < 0)
		sb_container_unlock(ctr); /* otherwise the lock went with its container */
	if (r >= 0) {
		resp->pid = process->host_pid;
		resp->exit_status = (uint32_t)process->exit_status;
		resp->exited_at = to_timestamp(&process->exited_at);
		if (whole) /* of an exec nobody is told: that is what containerd's own shim does */
			shim->ops->event(shim, SHIM_EVENT_DELETED, req->id, process);
	}
	if (whole)
		shim_maybe_end(shim);
	return r;
}

/*
 * A container that Create still makes has no process in the guest yet, so that nobody would report
 * its end. Its signal waits until it is made.
 */
static int wait_created(struct shim *shim, const char *id, struct err *err)
{
	struct sb_container *ctr = NULL;
	int r = sb_container_get(shim->sandbox, id, &ctr, err);

	if (r < 0 || ctr->in_guest || ctr->init->state != SB_PROCESS_STATE_CREATED)
		return r;
	r = sb_container_lock(shim->sandbox, id, &ctr, err);
	if (r >= 0)
		sb_container_unlock(ctr);
	return r;
}

static int handle_kill(void *ctx, struct rpc_request *call, const void *request, void *response,
		       struct err *err)
{
	const struct task_kill_request *req = request;
	cleanup_process struct sb_process *process = NULL;
	int r = wait_created(ctx, req->id, err);

	(void)call;
	(void)response;
	if (r >= 0)
		r = get_process(ctx, req->id, req->exec_id, &process, err);
	if (r < 0)
		return r;
	if (req->signal >= NSIG)
		return err_set(err, EINVAL, "signal %u does not exist", req->signal);
	return sb_process_signal(process, (int)req->signal, req->all, err);
}

static int handle_exec(void *ctx, struct rpc_request *call, const void *request, void *response,
		       struct err *err)
{
	const struct task_exec_request *req = request;
	struct shim *shim = ctx;
	struct shim_streams streams;
	struct sb_container *ctr;
	struct sb_process *exec;

	(void)call;
	(void)response;
	if (!str_is_valid_id(req->exec_id))
		return err_set(err, EINVAL, "exec id '%s' is not valid", req->exec_id);
	int r = sb_container_lock(shim->sandbox, req->id, &ctr, err);
	if (r < 0)
		return r;
	const struct stdio_request uris = { req->exec_id, req->stdin, req->stdout, req->stderr,
					    req->terminal };
	r = shim->ops->open_streams(shim, &uris, &streams, err);
	if (r >= 0) {
		(void)fd_close(streams.netns_fd); /* an exec is in its container's */
		r = sb_container_add_exec(ctr, req->exec_id, (const char *)req->spec.value,
					  req->spec.value_len, streams.io, &exec, err);
	}
	if (r >= 0) {
		stream_uris_note(exec, &uris);
		shim->ops->exec_added(shim, &uris, exec);
	}
	sb_container_unlock(ctr);
	return r;
}

static int handle_wait(void *ctx, struct rpc_request *call, const void *request, void *response,
		       struct err *err)
{
	const struct task_wait_request *req = request;
	struct task_wait_response *resp = response;
	cleanup_process struct sb_process *process = NULL;
	int r = get_process(ctx, req->id, req->exec_id, &process, err);

	if (r < 0)
		return r;
	r = sb_process_wait(process, call->deadline_ns);
	if (r < 0)
		r = err_set_errno(err, r, "wait for %s", req->id);
	resp->exit_status = (uint32_t)process->exit_status;
	resp->exited_at = to_timestamp(&process->exited_at);
	return r;
}

static void note_paused(struct shim *shim, const struct sb_container *ctr)
{
	shim->ops->event(shim, SHIM_EVENT_PAUSED, ctr->id, ctr->init);
	event_ring_add(shim->event_ring, ctr->paused ? ADMIN_EVENT_PAUSED : ADMIN_EVENT_RESUMED,
		       ctr->id, "", 0, "");
}

static int set_paused(struct shim *shim, const char *id, bool pause, struct err *err)
{
	struct sb_container *ctr = NULL;
	int r = sb_container_lock(shim->sandbox, id, &ctr, err);

	if (r < 0)
		return r;
	r = sb_container_pause(ctr, pause, err);
	if (r >= 0)
		note_paused(shim, ctr);
	sb_container_unlock(ctr);
	return r;
}

static int handle_pause(void *ctx, struct rpc_request *call, const void *request, void *response,
			struct err *err)
{
	const struct task_pause_request *req = request;

	(void)call;
	(void)response;
	return set_paused(ctx, req->id, true, err);
}

static int handle_resume(void *ctx, struct rpc_request *call, const void *request, void *response,
			 struct err *err)
{
	const struct task_resume_request *req = request;

	(void)call;
	(void)response;
	return set_paused(ctx, req->id, false, err);
}

static int handle_resize_pty(void *ctx, struct rpc_request *call, const void *request,
			     void *response, struct err *err)
{
	const struct task_resize_pty_request *req = request;
	cleanup_process struct sb_process *process = NULL;
	int r = get_process(ctx, req->id, req->exec_id, &process, err);

	(void)call;
	(void)response;
	return r < 0 ? r : sb_process_resize(process, req->height, req->width, err);
}

static int handle_close_io(void *ctx, struct rpc_request *call, const void *request, void *response,
			   struct err *err)
{
	const struct task_close_io_request *req = request;
	cleanup_process struct sb_process *process = NULL;
	int r = get_process(ctx, req->id, req->exec_id, &process, err);

	(void)call;
	(void)response;
	if (r < 0)
		return r;
	return req->stdin ? sb_process_close_stdin(process, err) : 0;
}

static int handle_update(void *ctx, struct rpc_request *call, const void *request, void *response,
			 struct err *err)
{
	const struct task_update_request *req = request;
	struct shim *shim = ctx;
	struct oci_resources *resources;
	struct sb_container *ctr;

	(void)response;
	int r = oci_resources_parse((const char *)req->resources.value, req->resources.value_len,
				    "resources", call->arena, &resources, err);
	if (r >= 0)
		r = sb_container_lock(shim->sandbox, req->id, &ctr, err);
	if (r < 0)
		return r;
	r = sb_container_update(ctr, resources, err);
	sb_container_unlock(ctr);
	return r;
}

static int handle_connect(void *ctx, struct rpc_request *call, const void *request, void *response,
			  struct err *err)
{
	const struct task_connect_request *req = request;
	struct task_connect_response *resp = response;
	struct sb_container *ctr = sb_container_find(((struct shim *)ctx)->sandbox, req->id);

	(void)call;
	(void)err;
	resp->shim_pid = (uint32_t)getpid();
	resp->task_pid = ctr ? ctr->init->host_pid : 0;
	resp->version = KATA_VERSION;
	return 0;
}

static int handle_shutdown(void *ctx, struct rpc_request *call, const void *request, void *response,
			   struct err *err)
{
	const struct task_shutdown_request *req = request;
	struct shim *shim = ctx;

	(void)call;
	(void)response;
	/* containerd asks after each container of a pod. */
	if ((!list_empty(&shim->sandbox->containers) || shim->explicit_sandbox) && !req->now)
		return 0;
	int r = sandbox_stop(shim->sandbox, err);
	if (r >= 0)
		shim_end_soon(shim);
	return r;
}

static int handle_checkpoint(void *ctx, struct rpc_request *call, const void *request,
			     void *response, struct err *err)
{
	(void)ctx;
	(void)call;
	(void)request;
	(void)response;
	return err_set(err, ENOSYS, "checkpoint is not supported");
}

#define TASK_HANDLERS(v)                                                                           \
	{ &task_##v##_state, handle_state, 0 }, { &task_##v##_create, task_handle_create, 0 },     \
		{ &task_##v##_start, handle_start, 0 }, { &task_##v##_delete, handle_delete, 0 },  \
		{ &task_##v##_pids, task_handle_pids, 0 }, { &task_##v##_pause, handle_pause, 0 }, \
		{ &task_##v##_resume, handle_resume, 0 },                                          \
		{ &task_##v##_checkpoint, handle_checkpoint, 0 },                                  \
		{ &task_##v##_kill, handle_kill, 0 }, { &task_##v##_exec, handle_exec, 0 },        \
		{ &task_##v##_resize_pty, handle_resize_pty, 0 },                                  \
		{ &task_##v##_close_io, handle_close_io, 0 },                                      \
		{ &task_##v##_update, handle_update, 0 },                                          \
		{ &task_##v##_wait, handle_wait, RPC_HANDLER_CANCELABLE },                         \
		{ &task_##v##_stats, task_handle_stats, 0 },                                       \
		{ &task_##v##_connect, handle_connect, 0 },                                        \
	{                                                                                          \
		&task_##v##_shutdown, handle_shutdown, 0                                           \
	}

const struct rpc_handler task_handlers[] = { TASK_HANDLERS(v2), TASK_HANDLERS(v3) };
const size_t nr_task_handlers = ARRAY_SIZE(task_handlers);
