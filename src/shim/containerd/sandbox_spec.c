/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The specification of a sandbox that has no pause container, and so no bundle. The core expects
 * that of a first container; it is made here from the fields of CreateSandbox.
 */
#include "shim/containerd/sandbox_spec.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/str.h"
#include "rpc/pb/pb_bridge.h"

static int add_annotation(struct oci_spec *spec, struct arena *arena, const char *key,
			  const char *value)
{
	int r = arena_grow(arena, &spec->annotations, &spec->nr_annotations, sizeof(struct kv));

	if (r < 0)
		return r;
	struct kv *kv = &spec->annotations[spec->nr_annotations - 1];
	kv->key = arena_strdup(arena, key);
	kv->value = arena_strdup(arena, value);
	return kv->key && kv->value ? 0 : -ENOMEM;
}

static int add_number(struct oci_spec *spec, struct arena *arena, const char *key, int64_t value)
{
	char text[24];

	(void)snprintf(text, sizeof(text), "%lld", (long long)value);
	return value ? add_annotation(spec, arena, key, text) : 0;
}

/* The annotations in which containerd puts the size of a pod on its pause container. */
static int add_size(struct oci_spec *spec, struct arena *arena,
		    const struct cri_pod_resources *size)
{
	int r = add_number(spec, arena, "io.kubernetes.cri.sandbox-cpu-period", size->cpu_period);

	if (r >= 0)
		r = add_number(spec, arena, "io.kubernetes.cri.sandbox-cpu-quota", size->cpu_quota);
	if (r >= 0)
		r = add_number(spec, arena, "io.kubernetes.cri.sandbox-cpu-shares",
			       size->cpu_shares);
	return r < 0 ? r
		     : add_number(spec, arena, "io.kubernetes.cri.sandbox-memory",
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

/*
 * A specification lacks the namespaces that are the node's. Whether a VM can do without them,
 * oci_spec_validate_vm() says later.
 */
static int use_security(struct oci_spec *spec, const struct cri_pod_linux *config,
			struct arena *arena)
{
	const struct cri_pod_namespaces *modes =
		config->security_context ? config->security_context->namespace_options : NULL;
	struct oci_linux *linux_ = spec->linux_;

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

/**
 * sandbox_spec_use_pod_config() - add what Kubernetes says of a pod
 * @spec: specification of sandbox_spec_make()
 * @req: its options are a PodSandboxConfig
 * @arena: receives the parts
 * @err: filled on failure
 *
 * Return: 0 or -errno.
 */
int sandbox_spec_use_pod_config(struct oci_spec *spec,
				const struct sandboxapi_create_sandbox_request *req,
				struct arena *arena, struct err *err)
{
	const struct pb_any *any = &req->options;
	struct cri_pod_config config = { 0 };
	int r = pb_decode(&cri_pod_config_type, any->value, any->value_len, arena, &config, err);

	if (r < 0)
		return err_wrap(err, "options of the sandbox");
	if (!str_empty(config.hostname))
		spec->hostname = arena_strdup(arena, config.hostname);
	if (!config.linux_)
		return 0;
	r = use_security(spec, config.linux_, arena);
	if (r < 0)
		return err_set_errno(err, r, "security context of the sandbox");
	if (!str_empty(config.linux_->cgroup_parent)) {
		const char *parent = config.linux_->cgroup_parent, *slash = strrchr(parent, '/');
		const char *base = slash ? slash + 1 : parent;
		bool slice = strlen(base) > 6 && str_eq(base + strlen(base) - 6, ".slice");

		spec->linux_->cgroups_path =
			slice ? arena_printf(arena, "%s:kata:%s", base, req->sandbox_id)
			      : arena_printf(arena, "%s/%s", parent, req->sandbox_id);
	}
	r = config.linux_->resources ? add_size(spec, arena, config.linux_->resources) : 0;
	return r < 0 ? err_set_errno(err, r, "size of the sandbox") : 0;
}

/**
 * sandbox_spec_make() - what every sandbox has, and the annotations of the request
 * @spec: receives it; all zero
 * @req: CreateSandbox
 * @arena: receives the parts
 * @err: filled on failure
 *
 * Return: 0 or -errno.
 */
int sandbox_spec_make(struct oci_spec *spec, const struct sandboxapi_create_sandbox_request *req,
		      struct arena *arena, struct err *err)
{
	static const char *const types[] = { "network", "pid", "ipc", "uts" };
	struct oci_namespace *ns = arena_calloc(arena, ARRAY_SIZE(types), sizeof(*ns));

	spec->oci_version = arena_strdup(arena, "1.0.2");
	spec->linux_ = arena_alloc(arena, sizeof(*spec->linux_));
	if (!ns || !spec->oci_version || !spec->linux_)
		return err_set(err, ENOMEM, "out of memory");
	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		ns[i].type = arena_strdup(arena, types[i]);
		if (!ns[i].type)
			return err_set(err, ENOMEM, "out of memory");
	}
	ns->path = str_empty(req->netns_path) ? NULL : arena_strdup(arena, req->netns_path);
	spec->linux_->namespaces = ns;
	spec->linux_->nr_namespaces = ARRAY_SIZE(types);
	int r = add_annotation(spec, arena, "io.kubernetes.cri.container-type", "sandbox");
	if (r >= 0)
		r = add_annotation(spec, arena, "io.kubernetes.cri.sandbox-id", req->sandbox_id);
	for (size_t i = 0; r >= 0 && i < req->nr_annotations; i++)
		if (!str_skip_prefix(req->annotations[i].key, "io.kubernetes.cri."))
			r = add_annotation(spec, arena, req->annotations[i].key,
					   req->annotations[i].value);
	return r < 0 ? err_set_errno(err, r, "annotations of the sandbox") : 0;
}
