/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Task.Create: reads the bundle, starts the sandbox with the first container, makes the container
 * in it.
 */
#include "shim/task/task_create.h"

#include <errno.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/log.h"
#include "common/str.h"
#include "kata/state.h"
#include "oci/grouping.h"
#include "oci/spec.h"
#include "oci/namespaces.h"
#include "oci/validate.h"
#include "rpc/pb/task_msg.h"
#include "sandbox/lifecycle/container_create.h"
#include "sandbox/lifecycle/container_delete.h"
#include "sandbox/lifecycle/process_verbs.h"
#include "sandbox/lifecycle/sandbox_admit.h"
#include "sandbox/lifecycle/sandbox_start.h"
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

/* What a bundle says. It is read once: whoever can write to it may replace the file meanwhile. */
struct bundle {
	const struct oci_spec *spec; /* validated */
	struct oci_grouping grouping;
	struct arena *arena; /* holds spec; NULL: the sandbox's does */
};

static int read_spec(const struct shim *shim, const struct task_create_request *req,
		     struct arena *arena, struct bundle *ret, struct err *err)
{
	struct strv warnings = { 0 };
	struct oci_spec *spec = NULL;
	int r = oci_spec_load(req->bundle, arena, &spec, err);

	if (r >= 0)
		r = oci_grouping_find(req->id, spec, &ret->grouping, err);
	/*
	 * First what a VM cannot give: that the host's namespaces were asked for is the better
	 * explanation than what follows from their absence.
	 */
	const struct oci_vm_policy policy = { .in_pod = r >= 0 && ret->grouping.type !=
									  OCI_CONTAINER_SINGLE };
	if (r >= 0)
		r = shim->ops->validate(spec, &policy, err);
	if (r >= 0)
		r = oci_spec_validate(spec, arena, &warnings, err);
	for (size_t i = 0; r >= 0 && i < warnings.nr; i++)
		log_warn("%s", warnings.v[i]);
	ret->spec = spec;
	return r;
}

/*
 * The first container's spec is the sandbox's too; those that come later must not pile up in its
 * memory.
 */
static int read_bundle(const struct shim *shim, const struct task_create_request *req,
		       struct bundle *ret, struct err *err)
{
	bool first = shim->sandbox->state == SANDBOX_STATE_NEW;

	if (first && shim->explicit_sandbox)
		return err_set(err, EBUSY, "sandbox %s has not been started", shim->id);
	if (!first && arena_new(&ret->arena) < 0)
		return err_set(err, ENOMEM, "out of memory");
	return read_spec(shim, req, first ? shim->sandbox->arena : ret->arena, ret, err);
}

/*
 * The network namespace of the sandbox: the given one, the one the spec names, or a new one, which
 * is for hooks or the manager to fill. -1: none is asked for.
 */
static int open_netns(const struct shim *shim, const struct bundle *bundle, int given_netns,
		      struct err *err)
{
	const struct oci_namespace *ns = oci_namespace_find(bundle->spec, "network");

	if (given_netns >= 0 || !ns)
		return given_netns;
	if (!ns->path)
		return bundle->grouping.type == OCI_CONTAINER_SINGLE &&
				       shim->sandbox->state == SANDBOX_STATE_NEW
			       ? netns_new(err)
			       : -1;
	return netns_open(ns->path, err);
}

static int start_sandbox(struct shim *shim, const struct rpc_request *call,
			 const struct task_create_request *req, const struct bundle *bundle,
			 const struct shim_streams *streams, struct err *err)
{
	cleanup_close int own_netns = streams->netns_fd;
	const struct oci_namespace *ns = oci_namespace_find(bundle->spec, "network");
	const char *config_path = NULL;
	const struct sandbox_candidate candidate = { req->id, bundle->spec, bundle->grouping,
						     own_netns };
	int r = sandbox_admit(shim->sandbox, &candidate, err);

	if (r >= 0)
		r = runtime_options_config(&req->options,
					   bundle->arena ? bundle->arena : shim->sandbox->arena,
					   &config_path, err);
	if (r < 0)
		return r;
	const struct sandbox_params params = {
		.id = shim->id,
		.first_id = req->id,
		.first_type = bundle->grouping.type,
		.state_dir = shim->state_dir,
		.netns_fd = open_netns(shim, bundle, TAKE_FD(own_netns), err),
		.netns_joined = ns && ns->path,
		.spec = bundle->spec,
		.config_path = config_path ? config_path : shim->config_path,
		.systemd_cgroup = metadata_is(call, KATA_META_SYSTEMD_CGROUP, "1"),
		.host_pid = streams->host_pid,
		.bundle = req->bundle,
	};
	if (params.netns_fd < -1)
		return params.netns_fd;
	return sandbox_start(shim->sandbox, &params, err);
}

/* Takes streams->netns_fd over. */
static int prepare(struct shim *shim, const struct rpc_request *call,
		   const struct task_create_request *req, const struct shim_streams *streams,
		   struct bundle *ret, struct err *err)
{
	int r = read_bundle(shim, req, ret, err);

	if (r >= 0)
		r = start_sandbox(shim, call, req, ret, streams, err);
	else
		(void)fd_close(streams->netns_fd);
	if (r < 0)
		ret->arena = arena_free(ret->arena);
	return r;
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
		sb_container_unlock(ctr);
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
	struct bundle bundle = { 0 };
	r = prepare(shim, call, req, &streams, &bundle, err);
	if (r < 0) {
		sb_process_io_close(&streams.io);
		return r;
	}
	struct sb_container_params params = {
		.id = req->id,
		.bundle = req->bundle,
		.spec = bundle.spec,
		.arena = bundle.arena,
		.grouping = bundle.grouping,
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
	sb_container_unlock(ctr);
	stream_uris_note(ctr->init, &uris);
	resp->pid = ctr->init->host_pid;
	return 0;
}

static void forget_creation(struct shim *shim, const struct shim_creation *creation)
{
	struct shim_creation **at = &shim->creations;

	while (*at != creation)
		at = &(*at)->next;
	*at = creation->next;
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
	struct shim_creation creation = { shim->creations, call->conn, req->id, false, false };
	shim->creations = &creation;
	int r = create(shim, call, req, response, err);
	forget_creation(shim, &creation);
	if (r < 0)
		shim_maybe_end(shim);
	return r;
}
