/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What containerd exchanges with a shim besides the Task service, as plain structs (rules:
 * rpc/pb/agent_msg.h): the sandbox API, the start-up parameters and result, runtime options, and the
 * answer to -info.
 */
#pragma once

#include "rpc/pb/common_msg.h"
#include "rpc/pb/rpc_method.h"

enum bootstrap_log_level {
	BOOTSTRAP_LOG_TRACE = -8,
	BOOTSTRAP_LOG_DEBUG = -4,
	BOOTSTRAP_LOG_INFO = 0,
	BOOTSTRAP_LOG_WARN = 4,
	BOOTSTRAP_LOG_ERROR = 8,
	BOOTSTRAP_LOG_FATAL = 10,
	BOOTSTRAP_LOG_PANIC = 12,
};

/* containerd.types */

struct containerd_platform {
	const char *os, *architecture, *variant, *os_version;
	struct strv os_features;
};

struct containerd_metric {
	struct pb_timestamp timestamp;
	const char *id;
	struct pb_any data;
};

/* containerd.runtime.sandbox.v1 */

struct sandboxapi_create_sandbox_request {
	const char *sandbox_id, *bundle_path;
	struct containerd_mount *rootfs;
	size_t nr_rootfs;
	struct pb_any options;
	const char *netns_path;
	struct kv *annotations;
	size_t nr_annotations;
};

struct sandboxapi_start_sandbox_request {
	const char *sandbox_id;
};

struct sandboxapi_start_sandbox_response {
	uint32_t pid;
	struct pb_timestamp created_at;
	struct pb_any spec;
};

struct sandboxapi_platform_request {
	const char *sandbox_id;
};

struct sandboxapi_platform_response {
	struct containerd_platform *platform;
};

struct sandboxapi_stop_sandbox_request {
	const char *sandbox_id;
	uint32_t timeout_secs;
};

struct sandboxapi_wait_sandbox_request {
	const char *sandbox_id;
};

struct sandboxapi_wait_sandbox_response {
	uint32_t exit_status;
	struct pb_timestamp exited_at;
};

struct sandboxapi_sandbox_status_request {
	const char *sandbox_id;
	bool verbose;
};

struct sandboxapi_sandbox_status_response {
	const char *sandbox_id;
	uint32_t pid;
	const char *state;
	struct kv *info;
	size_t nr_info;
	struct pb_timestamp created_at;
	struct pb_timestamp exited_at;
	struct pb_any extra;
};

struct sandboxapi_ping_request {
	const char *sandbox_id;
};

struct sandboxapi_shutdown_sandbox_request {
	const char *sandbox_id;
};

struct sandboxapi_sandbox_metrics_request {
	const char *sandbox_id;
};

struct sandboxapi_sandbox_metrics_response {
	struct containerd_metric *metrics;
};

/* containerd.runtime.bootstrap.v1, stdin and stdout of the start action */

struct bootstrap_params {
	const char *instance_id, *namespace;
	int32_t log_level; /* enum bootstrap_log_level */
	const char *containerd_version, *containerd_ttrpc_address, *containerd_grpc_address;
	const char *containerd_binary;
	struct bootstrap_extension *extensions;
	size_t nr_extensions;
	const char *socket_dir; /* NULL when absent */
};

struct bootstrap_extension {
	struct pb_any value;
};

struct bootstrap_result {
	int32_t version;
	const char *address, *protocol;
	int32_t *capabilities;
	size_t nr_capabilities;
	struct kv *metadata;
	size_t nr_metadata;
};

/* containerd.types, the answer to -info */

struct runtime_version {
	const char *version, *revision;
};

struct runtime_info {
	const char *name;
	struct runtime_version *version;
	struct pb_any options;
	struct pb_any features;
	struct kv *annotations;
	size_t nr_annotations;
};

/* runtimeoptions.v1 */

struct runtimeoptions_options {
	const char *type_url, *config_path;
	const uint8_t *config_body;
	size_t config_body_len;
};

/* runtime.v1: what matters here of a PodSandboxConfig */

struct cri_pod_resources {
	int64_t cpu_period, cpu_quota, cpu_shares, memory_limit_in_bytes;
};

#define CRI_NAMESPACE_NODE 2

struct cri_pod_namespaces {
	int32_t pid, ipc;
};

struct cri_pod_security {
	struct cri_pod_namespaces *namespace_options;
};

struct cri_pod_linux {
	const char *cgroup_parent;
	struct cri_pod_security *security_context;
	struct kv *sysctls;
	size_t nr_sysctls;
	struct cri_pod_resources *resources;
};

struct cri_pod_config {
	const char *hostname;
	struct cri_pod_linux *linux_;
};

/* containerd.runc.v1 */

struct runc_options {
	bool no_pivot_root, no_new_keyring;
	const char *shim_cgroup;
	uint32_t io_uid, io_gid;
	const char *binary_name, *root;
	bool systemd_cgroup;
	const char *criu_image_path, *criu_work_path, *task_api_address;
	uint32_t task_api_version;
};

struct runc_checkpoint_options {
	bool exit, open_tcp, external_unix_sockets, terminal, file_locks;
	struct strv empty_namespaces;
	const char *cgroups_mode, *image_path, *work_path, *parent_path;
};

struct runc_process_details {
	const char *exec_id;
};

extern const struct pb_type bootstrap_params_type;
extern const struct pb_type bootstrap_result_type;
extern const struct pb_type runtime_info_type;
extern const struct pb_type runtimeoptions_options_type;
extern const struct pb_type cri_pod_config_type;
extern const struct pb_type runc_options_type;
extern const struct pb_type runc_checkpoint_options_type;
extern const struct pb_type runc_process_details_type;
extern const struct pb_type containerd_metric_type;

/* containerd.runtime.sandbox.v1.Sandbox */
extern const struct rpc_method sandboxapi_create_sandbox;
extern const struct rpc_method sandboxapi_start_sandbox;
extern const struct rpc_method sandboxapi_platform;
extern const struct rpc_method sandboxapi_stop_sandbox;
extern const struct rpc_method sandboxapi_wait_sandbox;
extern const struct rpc_method sandboxapi_sandbox_status;
extern const struct rpc_method sandboxapi_ping_sandbox;
extern const struct rpc_method sandboxapi_shutdown_sandbox;
extern const struct rpc_method sandboxapi_sandbox_metrics;
