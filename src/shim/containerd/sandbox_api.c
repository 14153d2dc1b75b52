/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Sandbox service: a sandbox without a pause container. Its containers come by Task.Create as
 * usual.
 */
#include "shim/containerd/sandbox_api.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/log.h"
#include "common/str.h"
#include "oci/spec.h"
#include "oci/validate.h"
#include "rpc/pb/pb_bridge.h"
#include "shim/containerd/containerd_frontend.h"
#include "shim/containerd/sandbox_spec.h"
#include "shim/task/runtime_options.h"
#include "shim/task/task_stats.h"
#include "sandbox/lifecycle/sandbox_start.h"
#include "sandbox/lifecycle/sandbox_stop.h"
#include "sandbox/network/netns.h"

#define POD_CONFIG_NAME "runtime.v1.PodSandboxConfig"
#define SPEC_TYPE_URL "types.containerd.io/opencontainers/runtime-spec/1/Spec"
#define READY "SANDBOX_READY"
#define NOT_READY "SANDBOX_NOTREADY"

struct sandbox_api {
	struct oci_spec spec;
	const char *bundle, *config_path;
	int netns_fd;	  /* until the sandbox is started */
	bool was_stopped; /* by a call, before it ended otherwise */
	struct pb_timestamp created_at, exited_at;
};

static int check_id(const struct shim *shim, const char *id, struct err *err)
{
	if (!str_eq(id, shim->id))
		return err_set(err, ENOENT, "sandbox %s does not exist", id);
	return 0;
}

/* NULL: no CreateSandbox has come. */
static struct sandbox_api *api_of(struct shim *shim)
{
	return container_of(shim, struct containerd_shim, shim)->api;
}

static int find(struct shim *shim, const char *id, struct sandbox_api **ret, struct err *err)
{
	int r = check_id(shim, id, err);

	if (r < 0)
		return r;
	*ret = api_of(shim);
	return *ret ? 0 : err_set(err, ENOENT, "sandbox %s has not been created", id);
}

static int create(struct shim *shim, const struct sandboxapi_create_sandbox_request *req,
		  struct sandbox_api *api, struct err *err)
{
	struct arena *arena = shim->sandbox->arena;
	const char *type = req->options.type_url ? req->options.type_url : "";
	int r;

	/* Kubernetes gives every pod a namespace but those on the host's network. */
	if (strstr(type, POD_CONFIG_NAME) && str_empty(req->netns_path))
		return err_set(
			err, EOPNOTSUPP,
			"no network namespace; a container in a VM cannot use the host's network");
	r = sandbox_spec_make(&api->spec, req, arena, err);
	if (r < 0)
		return r;
	api->bundle = arena_strdup(arena, req->bundle_path);
	if (!api->bundle)
		return err_set(err, ENOMEM, "out of memory");
	if (strstr(type, POD_CONFIG_NAME))
		r = sandbox_spec_use_pod_config(&api->spec, req, arena, err);
	else
		r = runtime_options_config(&req->options, arena, &api->config_path, err);
	const struct oci_vm_policy policy = { .in_pod = true };
	if (r >= 0)
		r = oci_spec_validate_vm(&api->spec, &policy, err);
	if (r < 0 || str_empty(req->netns_path))
		return r;
	api->netns_fd = netns_open(req->netns_path, err);
	return MIN(api->netns_fd, 0);
}

/**
 * sandbox_api_create() - CreateSandbox: note what the sandbox is to be
 * @ctx: shim
 * @call: request
 * @request: struct sandboxapi_create_sandbox_request
 * @response: NULL
 * @err: filled on failure
 *
 * Return: 0 or -errno (-EEXIST when there is one).
 */
SANDBOX_API_HANDLER(create)
{
	const struct sandboxapi_create_sandbox_request *req = request;
	struct shim *shim = ctx;
	int r = check_id(shim, req->sandbox_id, err);

	(void)call;
	(void)response;
	if (r < 0)
		return r;
	if (*req->bundle_path != '/')
		return err_set(err, EINVAL, "bundle '%s' is not an absolute path",
			       req->bundle_path);
	if (api_of(shim) || shim->sandbox->state != SANDBOX_STATE_NEW)
		return err_set(err, EEXIST, "sandbox %s already exists", shim->id);
	struct sandbox_api *api = arena_alloc(shim->sandbox->arena, sizeof(*api));
	if (!api)
		return err_set(err, ENOMEM, "out of memory");
	api->netns_fd = -1;
	r = create(shim, req, api, err);
	if (r < 0)
		return r;
	container_of(shim, struct containerd_shim, shim)->api = api;
	shim->explicit_sandbox = true;
	return 0;
}

/* The specification that a pause container would have: plug-ins of containerd read it. */
static int tell_spec(const struct oci_spec *spec, struct arena *arena, struct pb_any *ret,
		     struct err *err)
{
	cleanup_strbuf struct strbuf json = STRBUF_NULL;
	int r = oci_spec_format(spec, 0, &json);
	const uint8_t *value = r < 0 ? NULL : arena_memdup(arena, json.data, json.len);

	if (!value)
		return err_set(err, ENOMEM, "out of memory");
	*ret = (struct pb_any){ SPEC_TYPE_URL, value, json.len };
	return 0;
}

/**
 * sandbox_api_start() - StartSandbox: bring the VM up
 * @ctx: shim
 * @call: request
 * @request: struct sandboxapi_start_sandbox_request
 * @response: struct sandboxapi_start_sandbox_response
 * @err: filled on failure
 *
 * Return: 0 or -errno.
 */
SANDBOX_API_HANDLER(start)
{
	const struct sandboxapi_start_sandbox_request *req = request;
	struct sandboxapi_start_sandbox_response *resp = response;
	struct shim *shim = ctx;
	struct sandbox_api *api;
	int r = find(shim, req->sandbox_id, &api, err);

	if (r < 0)
		return r;
	if (shim->sandbox->state != SANDBOX_STATE_NEW)
		return err_set(err, EBUSY, "sandbox %s is %s", shim->id,
			       sandbox_state_name(shim->sandbox->state));
	struct sandbox_params params = {
		.id = shim->id,
		.first_id = shim->id,
		.state_dir = shim->state_dir,
		.netns_fd = TAKE_FD(api->netns_fd),
		.netns_joined = api->spec.linux_->namespaces[0].path,
		.spec = &api->spec,
		.first_type = OCI_CONTAINER_SANDBOX,
		.config_path = api->config_path ? api->config_path : shim->config_path,
		.bundle = api->bundle,
	};
	r = sandbox_start(shim->sandbox, &params, err);
	if (r < 0)
		return r;
	api->created_at = pb_timestamp_now();
	resp->pid = (uint32_t)shim->sandbox->vmm_pid;
	resp->created_at = api->created_at;
	return tell_spec(&api->spec, call->arena, &resp->spec, err);
}

static const char *architecture(const char *machine)
{
	if (str_eq(machine, "x86_64"))
		return "amd64";
	return str_eq(machine, "aarch64") ? "arm64" : machine;
}

/**
 * sandbox_api_platform() - Platform: what images the guest runs
 * @ctx: shim
 * @call: request
 * @request: struct sandboxapi_platform_request
 * @response: struct sandboxapi_platform_response
 * @err: filled on failure
 *
 * Return: 0 or -errno.
 */
SANDBOX_API_HANDLER(platform)
{
	const struct sandboxapi_platform_request *req = request;
	struct sandboxapi_platform_response *resp = response;
	struct utsname names;
	int r = check_id(ctx, req->sandbox_id, err);

	if (r < 0)
		return r;
	if (uname(&names) < 0)
		return err_set_errno(err, -errno, "uname");
	resp->platform = arena_alloc(call->arena, sizeof(*resp->platform));
	if (!resp->platform)
		return err_set(err, ENOMEM, "out of memory");
	resp->platform->os = "linux";
	resp->platform->architecture = arena_strdup(call->arena, architecture(names.machine));
	return resp->platform->architecture ? 0 : err_set(err, ENOMEM, "out of memory");
}

static int stop(struct shim *shim, struct err *err)
{
	struct sandbox_api *api = api_of(shim);

	if (api && !*shim->sandbox->end.exit_reason)
		api->was_stopped = true;
	return sandbox_stop(shim->sandbox, err);
}

/**
 * sandbox_api_stop() - StopSandbox: end the VM; a sandbox that has stopped is left as it is
 * @ctx: shim
 * @call: request
 * @request: struct sandboxapi_stop_sandbox_request; its time-out is not needed, the end is bounded
 * @response: NULL
 * @err: filled on failure
 *
 * Return: 0 or -errno.
 */
SANDBOX_API_HANDLER(stop)
{
	const struct sandboxapi_stop_sandbox_request *req = request;
	struct shim *shim = ctx;
	struct sandbox_api *api;
	int r = find(shim, req->sandbox_id, &api, err);

	(void)call;
	(void)response;
	return r < 0 ? r : stop(shim, err);
}

/* A VM that ended without being asked to was killed. */
static uint32_t exit_status(const struct shim *shim, const struct sandbox_api *api)
{
	return *shim->sandbox->end.exit_reason && !api->was_stopped ? 128 + SIGKILL : 0;
}

/**
 * sandbox_api_wait() - WaitSandbox: until the VM is gone
 * @ctx: shim
 * @call: request
 * @request: struct sandboxapi_wait_sandbox_request
 * @response: struct sandboxapi_wait_sandbox_response
 * @err: filled on failure
 *
 * Return: 0 or -errno.
 */
SANDBOX_API_HANDLER(wait)
{
	const struct sandboxapi_wait_sandbox_request *req = request;
	struct sandboxapi_wait_sandbox_response *resp = response;
	struct shim *shim = ctx;
	struct sandbox_api *api;
	int r = find(shim, req->sandbox_id, &api, err);

	while (r >= 0 && shim->sandbox->state != SANDBOX_STATE_STOPPED) {
		r = fiber_cond_wait(&shim->sandbox->changed, call->deadline_ns);
		if (r < 0)
			return err_set_errno(err, r, "wait for sandbox %s", shim->id);
	}
	if (r < 0)
		return r;
	if (!api->exited_at.seconds)
		api->exited_at = pb_timestamp_now();
	resp->exit_status = exit_status(shim, api);
	resp->exited_at = api->exited_at;
	return 0;
}

static int add_info(struct sandboxapi_sandbox_status_response *resp, struct arena *arena,
		    const char *key, const char *value)
{
	int r = arena_grow(arena, &resp->info, &resp->nr_info, sizeof(*resp->info));

	if (r < 0)
		return r;
	struct kv *kv = &resp->info[resp->nr_info - 1];
	kv->key = arena_strdup(arena, key);
	kv->value = arena_strdup(arena, value);
	return kv->key && kv->value ? 0 : -ENOMEM;
}

/**
 * sandbox_api_status() - SandboxStatus
 * @ctx: shim
 * @call: request
 * @request: struct sandboxapi_sandbox_status_request
 * @response: struct sandboxapi_sandbox_status_response
 * @err: filled on failure
 *
 * Return: 0 or -errno.
 */
SANDBOX_API_HANDLER(status)
{
	const struct sandboxapi_sandbox_status_request *req = request;
	struct sandboxapi_sandbox_status_response *resp = response;
	struct shim *shim = ctx;
	const struct sandbox *sb = shim->sandbox;
	struct sandbox_api *api;
	int r = find(shim, req->sandbox_id, &api, err);

	if (r < 0)
		return r;
	resp->sandbox_id = shim->id;
	resp->pid = (uint32_t)sb->vmm_pid;
	resp->state = sb->state == SANDBOX_STATE_RUNNING ? READY : NOT_READY;
	resp->created_at = api->created_at;
	resp->exited_at = api->exited_at;
	if (req->verbose)
		r = add_info(resp, call->arena, "state", sandbox_state_name(sb->state));
	if (r >= 0 && req->verbose && *sb->end.exit_reason)
		r = add_info(resp, call->arena, "reason", sb->end.exit_reason);
	return r < 0 ? err_set_errno(err, r, "status") : 0;
}

/**
 * sandbox_api_ping() - PingSandbox: does it live?
 * @ctx: shim
 * @call: request
 * @request: struct sandboxapi_ping_request
 * @response: NULL
 * @err: filled on failure
 *
 * Return: 0 or -errno.
 */
SANDBOX_API_HANDLER(ping)
{
	const struct sandboxapi_ping_request *req = request;
	struct shim *shim = ctx;
	struct sandbox_api *api;
	int r = find(shim, req->sandbox_id, &api, err);

	(void)call;
	(void)response;
	if (r >= 0 && shim->sandbox->state == SANDBOX_STATE_STOPPED)
		return err_set(err, ESHUTDOWN, "sandbox %s has stopped%s%s", shim->id,
			       *shim->sandbox->end.exit_reason ? ": " : "",
			       shim->sandbox->end.exit_reason);
	return r;
}

/**
 * sandbox_api_shutdown() - ShutdownSandbox: end the VM and the shim
 * @ctx: shim
 * @call: request
 * @request: struct sandboxapi_shutdown_sandbox_request
 * @response: NULL
 * @err: filled on failure
 *
 * Return: 0 or -errno.
 */
SANDBOX_API_HANDLER(shutdown)
{
	const struct sandboxapi_shutdown_sandbox_request *req = request;
	struct shim *shim = ctx;
	int r = check_id(shim, req->sandbox_id, err);

	(void)call;
	(void)response;
	if (r >= 0)
		r = stop(shim, err);
	if (r < 0)
		return r;
	struct sandbox_api *api = api_of(shim);
	if (api)
		api->netns_fd = fd_close(api->netns_fd);
	shim_end_soon(shim);
	return 0;
}

/**
 * sandbox_api_metrics() - SandboxMetrics
 * @ctx: shim
 * @call: request
 * @request: struct sandboxapi_sandbox_metrics_request
 * @response: struct sandboxapi_sandbox_metrics_response
 * @err: filled on failure
 *
 * Return: 0 or -errno.
 */
SANDBOX_API_HANDLER(metrics)
{
	const struct sandboxapi_sandbox_metrics_request *req = request;
	struct sandboxapi_sandbox_metrics_response *resp = response;
	struct shim *shim = ctx;
	struct sandbox_api *api;
	int r = find(shim, req->sandbox_id, &api, err);

	if (r >= 0 && shim->sandbox->state != SANDBOX_STATE_RUNNING)
		r = err_set(err, EBUSY, "sandbox %s is %s", shim->id,
			    sandbox_state_name(shim->sandbox->state));
	if (r < 0)
		return r;
	resp->metrics = arena_alloc(call->arena, sizeof(*resp->metrics));
	if (!resp->metrics)
		return err_set(err, ENOMEM, "out of memory");
	resp->metrics->timestamp = pb_timestamp_now();
	resp->metrics->id = shim->id;
	return task_stats_of_sandbox(shim->sandbox, call->arena, &resp->metrics->data, err);
}
