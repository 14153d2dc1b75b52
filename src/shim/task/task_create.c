/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Task.Create: reads the bundle, starts the sandbox with the first container, makes the container
 * in it.
 */
#include "shim/task/task_create.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/log.h"
#include "common/str.h"
#include "kata/state.h"
#include "oci/grouping.h"
#include "oci/spec.h"
#include "oci/validate.h"
#include "rpc/pb/task_msg.h"
#include "sandbox/network/netns.h"
#include "shim/core/shim.h"
#include "shim/task/runtime_options.h"
#include "shim/task/stream_uris.h"

static bool metadata_is(const struct rpc_request *call, const char *key, const char *value)
{
	for (size_t i = 0; i < call->nr_metadata; i++)
		if (str_eq(call->metadata[i].key, key))
			return str_eq(call->metadata[i].value, value);
	return false;
}

/*
 * The network namespace of the sandbox: the given one, the one the spec names, or a new one, which
 * is for hooks or the manager to fill. -1: none is asked for.
 */
static int open_netns(const struct shim *shim, const struct oci_spec *spec, int given_netns,
		      struct err *err)
{
	const struct oci_namespace *ns = oci_namespace_find(spec, "network");

	if (given_netns >= 0 || !ns)
		return given_netns;
	if (!ns->path)
		return shim->single && shim->sandbox->state == SANDBOX_STATE_NEW ? netns_new(err)
										 : -1;
	int fd = neg_errno(open(ns->path, O_RDONLY | O_CLOEXEC));
	return fd < 0 ? err_set_errno(err, fd, "network namespace %s", ns->path) : fd;
}

static int read_spec(struct shim *shim, const struct task_create_request *req, struct arena *arena,
		     struct oci_spec **ret, struct oci_grouping *grouping, struct err *err)
{
	struct strv warnings = { 0 };
	int r = oci_spec_load(req->bundle, arena, ret, err);

	if (r >= 0)
		r = oci_grouping_find(req->id, *ret, grouping, err);
	/*
	 * First what a VM cannot give: that the host's namespaces were asked for is the better
	 * explanation than what follows from their absence.
	 */
	const struct oci_vm_policy policy = { .in_pod = r >= 0 &&
							grouping->type != OCI_CONTAINER_SINGLE };
	if (r >= 0)
		r = shim->ops->validate(*ret, &policy, err);
	if (r >= 0)
		r = oci_spec_validate(*ret, arena, &warnings, err);
	for (size_t i = 0; r >= 0 && i < warnings.nr; i++)
		log_warn("%s", warnings.v[i]);
	return r;
}

static int fill_params(struct shim *shim, const struct rpc_request *call,
		       const struct task_create_request *req, uint32_t host_pid,
		       struct sandbox_params *params, struct err *err)
{
	/*
	 * The first container's spec is the sandbox's too; those that come later must not pile up
	 * in its memory.
	 */
	bool first = shim->sandbox->state == SANDBOX_STATE_NEW;

	if (first && shim->explicit_sandbox)
		return err_set(err, EBUSY, "sandbox %s has not been started", shim->id);
	struct arena *arena = first ? shim->sandbox->arena : call->arena;
	struct oci_grouping grouping;
	struct oci_spec *spec;
	const char *config_path = NULL;
	int r = read_spec(shim, req, arena, &spec, &grouping, err);

	if (r >= 0)
		r = runtime_options_config(&req->options, arena, &config_path, err);
	if (r < 0)
		return r;
	if (first)
		shim->single = grouping.type == OCI_CONTAINER_SINGLE;
	const struct oci_namespace *ns = oci_namespace_find(spec, "network");
	*params = (struct sandbox_params){
		.id = shim->id,
		.first_id = req->id,
		.state_dir = shim->state_dir,
		.netns_fd = -1,
		.netns_joined = ns && ns->path,
		.spec = spec,
		.config_path = config_path ? config_path : shim->config_path,
		.systemd_cgroup = metadata_is(call, KATA_META_SYSTEMD_CGROUP, "1"),
		.host_pid = host_pid,
		.bundle = req->bundle,
	};
	return 0;
}

static int start_sandbox(struct shim *shim, const struct rpc_request *call,
			 const struct task_create_request *req, const struct shim_streams *streams,
			 struct err *err)
{
	cleanup_close int own_netns = streams->netns_fd;
	struct sandbox_params params;
	int r = fill_params(shim, call, req, streams->host_pid, &params, err);

	if (r < 0)
		return r;
	params.netns_fd = open_netns(shim, params.spec, TAKE_FD(own_netns), err);
	if (params.netns_fd < -1)
		return params.netns_fd;
	return sandbox_start(shim->sandbox, &params, err);
}

/* Consumes the container's lock after a failure. */
static int hand_over(struct shim *shim, const struct task_create_request *req,
		     struct sb_container *ctr, struct err *err)
{
	struct err ignored = ERR_NULL;
	int r = shim->ops->created(shim, req, ctr->init, err);

	/* It has not been started, so that it can be deleted at once. */
	if (r < 0 && sb_container_delete(ctr, &ignored) < 0) {
		log_warn("%s", ignored.text);
		fiber_unlock(&ctr->lock);
	}
	return r;
}

static int create(struct shim *shim, const struct rpc_request *call,
		  const struct task_create_request *req, struct task_create_response *resp,
		  struct err *err)
{
	struct shim_streams streams;
	struct sb_container *ctr;
	const struct stdio_request uris = { req->id, req->stdin, req->stdout, req->stderr,
					    req->terminal };
	int r = shim->ops->open_streams(shim, &uris, &streams, err);

	if (r < 0)
		return r;
	r = start_sandbox(shim, call, req, &streams, err);
	if (r < 0) {
		sb_process_io_close(&streams.io);
		return r;
	}
	struct sb_container_params params = {
		.id = req->id,
		.bundle = req->bundle,
		.io = streams.io,
		.host_pid = streams.host_pid,
		.rootfs = req->rootfs,
		.nr_rootfs = req->nr_rootfs,
	};
	r = sb_container_create(shim->sandbox, &params, &ctr, err);
	if (r >= 0)
		r = hand_over(shim, req, ctr, err);
	if (r < 0)
		return r;
	fiber_unlock(&ctr->lock);
	stream_uris_note(ctr->init, &uris);
	resp->pid = ctr->init->host_pid;
	return 0;
}

/**
 * task_handle_create() - handler of Task.Create
 * @ctx: shim
 * @call: request
 * @request: struct task_create_request
 * @response: struct task_create_response
 * @err: filled on failure
 *
 * Return: 0 or -errno.
 */
int task_handle_create(void *ctx, struct rpc_request *call, const void *request, void *response,
		       struct err *err)
{
	const struct task_create_request *req = request;
	struct shim *shim = ctx;

	if (!str_is_valid_id(req->id))
		return err_set(err, EINVAL, "container id '%s' is not valid", req->id);
	if (*req->bundle != '/')
		return err_set(err, EINVAL, "bundle '%s' is not an absolute path", req->bundle);
	if (!str_empty(req->checkpoint))
		return err_set(err, ENOSYS, "restoring from a checkpoint is not supported");
	shim->creating++;
	int r = create(shim, call, req, response, err);
	shim->creating--;
	if (r < 0)
		shim_maybe_end(shim);
	return r;
}
