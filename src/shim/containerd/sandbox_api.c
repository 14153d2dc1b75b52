/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Sandbox service. A sandbox without a pause container has no bundle, so the specification that
 * the core wants of its first container is made here of what CreateSandbox says. Its containers
 * come by Task.Create as usual.
 */
#include "shim/containerd/sandbox_api.h"

#include <errno.h>
#include <fcntl.h>
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
#include "sandbox/lifecycle/sandbox_start.h"
#include "sandbox/lifecycle/sandbox_stop.h"
#include "shim/core/runtime_options.h"
#include "shim/core/shim.h"
#include "shim/task/task_stats.h"

#define POD_CONFIG_NAME "runtime.v1.PodSandboxConfig"
#define SPEC_TYPE_URL "types.containerd.io/opencontainers/runtime-spec/1/Spec"
#define READY "SANDBOX_READY"
#define NOT_READY "SANDBOX_NOTREADY"

struct sandbox_api {
	struct oci_spec spec;
	const char *bundle, *config_path;
	int netns_fd;	  /* until the sandbox is started */
	bool was_stopped; /* by a call, before it died of anything else */
	struct pb_timestamp created_at, exited_at;
};

static int check_id(const struct shim *shim, const char *id, struct err *err)
{
	if (!str_eq(id, shim->id))
		return err_set(err, ENOENT, "sandbox %s does not exist", id);
	return 0;
}

static int find(const struct shim *shim, const char *id, struct err *err)
{
	int r = check_id(shim, id, err);

	if (r == 0 && !shim->api)
		return err_set(err, ENOENT, "sandbox %s has not been created", id);
	return r;
}

static int add_annotation(struct sandbox_api *api, struct arena *arena, const char *key,
			  const char *value)
{
	int r = arena_grow(arena, &api->spec.annotations, &api->spec.nr_annotations,
			   sizeof(struct kv));

	if (r < 0)
		return r;
	struct kv *kv = &api->spec.annotations[api->spec.nr_annotations - 1];
	kv->key = arena_strdup(arena, key);
	kv->value = arena_strdup(arena, value);
	return kv->key && kv->value ? 0 : -ENOMEM;
}

static int add_number(struct sandbox_api *api, struct arena *arena, const char *key, int64_t value)
{
	char text[24];

	(void)snprintf(text, sizeof(text), "%lld", (long long)value);
	return value ? add_annotation(api, arena, key, text) : 0;
}

/* The words by which containerd's pause containers tell the size of their pod. */
static int add_size(struct sandbox_api *api, struct arena *arena,
		    const struct cri_pod_resources *size)
{
	int r = add_number(api, arena, "io.kubernetes.cri.sandbox-cpu-period", size->cpu_period);

	if (r >= 0)
		r = add_number(api, arena, "io.kubernetes.cri.sandbox-cpu-quota", size->cpu_quota);
	if (r >= 0)
		r = add_number(api, arena, "io.kubernetes.cri.sandbox-cpu-shares",
			       size->cpu_shares);
	return r < 0 ? r
		     : add_number(api, arena, "io.kubernetes.cri.sandbox-memory",
				  size->memory_limit_in_bytes);
}

static void drop_namespace(struct oci_linux *linux_, const char *type)
{
	size_t nr = 0;

	for (size_t i = 0; i < linux_->nr_namespaces; i++)
		if (!str_eq(linux_->namespaces[i].type, type))
			linux_->namespaces[nr++] = linux_->namespaces[i];
	linux_->nr_namespaces = nr;
}

/* A namespace that is the node's is missing in a specification, and judged there. */
static int use_security(struct sandbox_api *api, const struct cri_pod_linux *config,
			struct arena *arena)
{
	const struct cri_pod_namespaces *modes =
		config->security_context ? config->security_context->namespace_options : NULL;
	struct oci_linux *linux_ = api->spec.linux_;

	if (modes && modes->pid == CRI_NAMESPACE_NODE)
		drop_namespace(linux_, "pid");
	if (modes && modes->ipc == CRI_NAMESPACE_NODE)
		drop_namespace(linux_, "ipc");
	for (size_t i = 0; i < config->nr_sysctls; i++) {
		int r = arena_grow(arena, &linux_->sysctl, &linux_->nr_sysctl, sizeof(struct kv));

		if (r < 0)
			return r;
		struct kv *kv = &linux_->sysctl[i];
		kv->key = arena_strdup(arena, config->sysctls[i].key);
		kv->value = arena_strdup(arena, config->sysctls[i].value);
		if (!kv->key || !kv->value)
			return -ENOMEM;
	}
	return 0;
}

static int use_pod_config(struct sandbox_api *api, const struct shim *shim,
			  const struct pb_any *any, struct arena *arena, struct err *err)
{
	struct cri_pod_config config = { 0 };
	int r = pb_decode(&cri_pod_config_type, any->value, any->value_len, arena, &config, err);

	if (r < 0)
		return err_wrap(err, "options of the sandbox");
	if (!str_empty(config.hostname))
		api->spec.hostname = arena_strdup(arena, config.hostname);
	if (!config.linux_)
		return 0;
	r = use_security(api, config.linux_, arena);
	if (r < 0)
		return err_set_errno(err, r, "security context of the sandbox");
	if (!str_empty(config.linux_->cgroup_parent)) {
		const char *parent = config.linux_->cgroup_parent, *slash = strrchr(parent, '/');
		const char *base = slash ? slash + 1 : parent;
		bool slice = strlen(base) > 6 && str_eq(base + strlen(base) - 6, ".slice");

		api->spec.linux_->cgroups_path =
			slice ? arena_printf(arena, "%s:kata:%s", base, shim->id)
			      : arena_printf(arena, "%s/%s", parent, shim->id);
	}
	r = config.linux_->resources ? add_size(api, arena, config.linux_->resources) : 0;
	return r < 0 ? err_set_errno(err, r, "size of the sandbox") : 0;
}

static int make_spec(struct sandbox_api *api, const struct shim *shim,
		     const struct sandboxapi_create_sandbox_request *req, struct arena *arena,
		     struct err *err)
{
	static const char *const types[] = { "network", "pid", "ipc", "uts" };
	struct oci_namespace *ns = arena_calloc(arena, ARRAY_SIZE(types), sizeof(*ns));

	api->spec.oci_version = arena_strdup(arena, "1.0.2");
	api->spec.linux_ = arena_alloc(arena, sizeof(*api->spec.linux_));
	if (!ns || !api->spec.oci_version || !api->spec.linux_)
		return err_set(err, ENOMEM, "out of memory");
	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		ns[i].type = arena_strdup(arena, types[i]);
		if (!ns[i].type)
			return err_set(err, ENOMEM, "out of memory");
	}
	ns->path = str_empty(req->netns_path) ? NULL : arena_strdup(arena, req->netns_path);
	api->spec.linux_->namespaces = ns;
	api->spec.linux_->nr_namespaces = ARRAY_SIZE(types);
	int r = add_annotation(api, arena, "io.kubernetes.cri.container-type", "sandbox");
	if (r >= 0)
		r = add_annotation(api, arena, "io.kubernetes.cri.sandbox-id", shim->id);
	for (size_t i = 0; r >= 0 && i < req->nr_annotations; i++)
		if (!str_skip_prefix(req->annotations[i].key, "io.kubernetes.cri."))
			r = add_annotation(api, arena, req->annotations[i].key,
					   req->annotations[i].value);
	return r < 0 ? err_set_errno(err, r, "annotations of the sandbox") : 0;
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
	r = make_spec(api, shim, req, arena, err);
	if (r < 0)
		return r;
	api->bundle = arena_strdup(arena, req->bundle_path);
	if (!api->bundle)
		return err_set(err, ENOMEM, "out of memory");
	if (strstr(type, POD_CONFIG_NAME))
		r = use_pod_config(api, shim, &req->options, arena, err);
	else
		r = runtime_options_config(&req->options, arena, &api->config_path, err);
	const struct oci_vm_policy policy = { .in_pod = true };
	if (r >= 0)
		r = oci_spec_validate_vm(&api->spec, &policy, err);
	if (r < 0 || str_empty(req->netns_path))
		return r;
	api->netns_fd = neg_errno(open(req->netns_path, O_RDONLY | O_CLOEXEC));
	return api->netns_fd < 0
		       ? err_set_errno(err, api->netns_fd, "network namespace %s", req->netns_path)
		       : 0;
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
	if (shim->api || shim->sandbox->state != SANDBOX_STATE_NEW)
		return err_set(err, EEXIST, "sandbox %s already exists", shim->id);
	struct sandbox_api *api = arena_alloc(shim->sandbox->arena, sizeof(*api));
	if (!api)
		return err_set(err, ENOMEM, "out of memory");
	api->netns_fd = -1;
	r = create(shim, req, api, err);
	if (r < 0)
		return r;
	shim->api = api;
	return 0;
}

/* What a pause container would have been made of: plug-ins of the manager read it. */
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
	int r = find(shim, req->sandbox_id, err);

	if (r < 0)
		return r;
	struct sandbox_api *api = shim->api;
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
	if (shim->api && !*shim->sandbox->end.exit_reason)
		shim->api->was_stopped = true;
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
	int r = find(shim, req->sandbox_id, err);

	(void)call;
	(void)response;
	return r < 0 ? r : stop(shim, err);
}

/* Every VM ends at last; only one that was not asked to was killed. */
static uint32_t exit_status(const struct shim *shim)
{
	return *shim->sandbox->end.exit_reason && !shim->api->was_stopped ? 128 + SIGKILL : 0;
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
	int r = find(shim, req->sandbox_id, err);

	while (r >= 0 && shim->sandbox->state != SANDBOX_STATE_STOPPED) {
		r = fiber_cond_wait(&shim->sandbox->changed, call->deadline_ns);
		if (r < 0)
			return err_set_errno(err, r, "wait for sandbox %s", shim->id);
	}
	if (r < 0)
		return r;
	if (!shim->api->exited_at.seconds)
		shim->api->exited_at = pb_timestamp_now();
	resp->exit_status = exit_status(shim);
	resp->exited_at = shim->api->exited_at;
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
	int r = find(shim, req->sandbox_id, err);

	if (r < 0)
		return r;
	resp->sandbox_id = shim->id;
	resp->pid = (uint32_t)sb->vmm_pid;
	resp->state = sb->state == SANDBOX_STATE_RUNNING ? READY : NOT_READY;
	resp->created_at = shim->api->created_at;
	resp->exited_at = shim->api->exited_at;
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
	int r = find(shim, req->sandbox_id, err);

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
	if (shim->api)
		shim->api->netns_fd = fd_close(shim->api->netns_fd);
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
	int r = find(shim, req->sandbox_id, err);

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
