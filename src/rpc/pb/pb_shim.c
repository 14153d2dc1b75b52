/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What containerd exchanges with a shim besides the Task service: tables only (rpc/pb/pb_table.h says
 * how to read them).
 */
#include "rpc/pb/shim_msg.h"

#include "bootstrap.pb-c.h"
#include "containerd_types.pb-c.h"
#include "cri_pod.pb-c.h"
#include "introspection.pb-c.h"
#include "rpc/pb/pb_table.h"
#include "runc_options.pb-c.h"
#include "runtimeoptions.pb-c.h"
#include "sandbox.pb-c.h"

/* clang-format off */

PB_STATIC(containerd_platform, containerd__types__platform__descriptor,
	PB_FIELD(containerd_platform, os, 1),
	PB_FIELD(containerd_platform, architecture, 2),
	PB_FIELD(containerd_platform, variant, 3),
	PB_FIELD(containerd_platform, os_version, 4),
	PB_FIELD(containerd_platform, os_features, 5));

const struct pb_type containerd_metric_type = PB_TYPE(containerd_metric,
	containerd__types__metric__descriptor,
	PB_EMBED(containerd_metric, timestamp, 1, pb_timestamp_type),
	PB_FIELD(containerd_metric, id, 2),
	PB_EMBED(containerd_metric, data, 3, pb_any_type));

static const struct pb_type t_sandboxapi_create_sandbox_request_annotations_entry = PB_TYPE_KV(containerd__runtime__sandbox__v1__create_sandbox_request__annotations_entry__descriptor);

PB_STATIC(sandboxapi_create_sandbox_request,
	containerd__runtime__sandbox__v1__create_sandbox_request__descriptor,
	PB_FIELD(sandboxapi_create_sandbox_request, sandbox_id, 1),
	PB_FIELD(sandboxapi_create_sandbox_request, bundle_path, 2),
	PB_MESSAGES(sandboxapi_create_sandbox_request, rootfs, 3, pb_containerd_mount_type),
	PB_EMBED(sandboxapi_create_sandbox_request, options, 4, pb_any_type),
	PB_FIELD(sandboxapi_create_sandbox_request, netns_path, 5),
	PB_MESSAGES(sandboxapi_create_sandbox_request, annotations, 6,
	t_sandboxapi_create_sandbox_request_annotations_entry));

PB_STATIC(sandboxapi_start_sandbox_request,
	containerd__runtime__sandbox__v1__start_sandbox_request__descriptor,
	PB_FIELD(sandboxapi_start_sandbox_request, sandbox_id, 1));

PB_STATIC(sandboxapi_start_sandbox_response,
	containerd__runtime__sandbox__v1__start_sandbox_response__descriptor,
	PB_FIELD(sandboxapi_start_sandbox_response, pid, 1),
	PB_EMBED(sandboxapi_start_sandbox_response, created_at, 2, pb_timestamp_type),
	PB_EMBED(sandboxapi_start_sandbox_response, spec, 3, pb_any_type));

PB_STATIC(sandboxapi_platform_request,
	containerd__runtime__sandbox__v1__platform_request__descriptor,
	PB_FIELD(sandboxapi_platform_request, sandbox_id, 1));

PB_STATIC(sandboxapi_platform_response,
	containerd__runtime__sandbox__v1__platform_response__descriptor,
	PB_MESSAGE(sandboxapi_platform_response, platform, 1, t_containerd_platform));

PB_STATIC(sandboxapi_stop_sandbox_request,
	containerd__runtime__sandbox__v1__stop_sandbox_request__descriptor,
	PB_FIELD(sandboxapi_stop_sandbox_request, sandbox_id, 1),
	PB_FIELD(sandboxapi_stop_sandbox_request, timeout_secs, 2));

PB_STATIC(sandboxapi_wait_sandbox_request,
	containerd__runtime__sandbox__v1__wait_sandbox_request__descriptor,
	PB_FIELD(sandboxapi_wait_sandbox_request, sandbox_id, 1));

PB_STATIC(sandboxapi_wait_sandbox_response,
	containerd__runtime__sandbox__v1__wait_sandbox_response__descriptor,
	PB_FIELD(sandboxapi_wait_sandbox_response, exit_status, 1),
	PB_EMBED(sandboxapi_wait_sandbox_response, exited_at, 2, pb_timestamp_type));

PB_STATIC(sandboxapi_sandbox_status_request,
	containerd__runtime__sandbox__v1__sandbox_status_request__descriptor,
	PB_FIELD(sandboxapi_sandbox_status_request, sandbox_id, 1),
	PB_FIELD(sandboxapi_sandbox_status_request, verbose, 2));

static const struct pb_type t_sandboxapi_sandbox_status_response_info_entry = PB_TYPE_KV(containerd__runtime__sandbox__v1__sandbox_status_response__info_entry__descriptor);

PB_STATIC(sandboxapi_sandbox_status_response,
	containerd__runtime__sandbox__v1__sandbox_status_response__descriptor,
	PB_FIELD(sandboxapi_sandbox_status_response, sandbox_id, 1),
	PB_FIELD(sandboxapi_sandbox_status_response, pid, 2),
	PB_FIELD(sandboxapi_sandbox_status_response, state, 3),
	PB_MESSAGES(sandboxapi_sandbox_status_response, info, 4,
	t_sandboxapi_sandbox_status_response_info_entry),
	PB_EMBED(sandboxapi_sandbox_status_response, created_at, 5, pb_timestamp_type),
	PB_EMBED(sandboxapi_sandbox_status_response, exited_at, 6, pb_timestamp_type),
	PB_EMBED(sandboxapi_sandbox_status_response, extra, 7, pb_any_type));

PB_STATIC(sandboxapi_ping_request, containerd__runtime__sandbox__v1__ping_request__descriptor,
	PB_FIELD(sandboxapi_ping_request, sandbox_id, 1));

PB_STATIC(sandboxapi_shutdown_sandbox_request,
	containerd__runtime__sandbox__v1__shutdown_sandbox_request__descriptor,
	PB_FIELD(sandboxapi_shutdown_sandbox_request, sandbox_id, 1));

PB_STATIC(sandboxapi_sandbox_metrics_request,
	containerd__runtime__sandbox__v1__sandbox_metrics_request__descriptor,
	PB_FIELD(sandboxapi_sandbox_metrics_request, sandbox_id, 1));

PB_STATIC(sandboxapi_sandbox_metrics_response,
	containerd__runtime__sandbox__v1__sandbox_metrics_response__descriptor,
	PB_MESSAGE(sandboxapi_sandbox_metrics_response, metrics, 1, containerd_metric_type));

#define METHOD(var, name_, request_, response_) \
	const struct rpc_method var = { "containerd.runtime.sandbox.v1.Sandbox", name_, request_, response_ }
METHOD(sandboxapi_create_sandbox, "CreateSandbox", &t_sandboxapi_create_sandbox_request, NULL);
METHOD(sandboxapi_start_sandbox, "StartSandbox", &t_sandboxapi_start_sandbox_request,
	&t_sandboxapi_start_sandbox_response);
METHOD(sandboxapi_platform, "Platform", &t_sandboxapi_platform_request,
	&t_sandboxapi_platform_response);
METHOD(sandboxapi_stop_sandbox, "StopSandbox", &t_sandboxapi_stop_sandbox_request, NULL);
METHOD(sandboxapi_wait_sandbox, "WaitSandbox", &t_sandboxapi_wait_sandbox_request,
	&t_sandboxapi_wait_sandbox_response);
METHOD(sandboxapi_sandbox_status, "SandboxStatus", &t_sandboxapi_sandbox_status_request,
	&t_sandboxapi_sandbox_status_response);
METHOD(sandboxapi_ping_sandbox, "PingSandbox", &t_sandboxapi_ping_request, NULL);
METHOD(sandboxapi_shutdown_sandbox, "ShutdownSandbox",
	&t_sandboxapi_shutdown_sandbox_request, NULL);
METHOD(sandboxapi_sandbox_metrics, "SandboxMetrics", &t_sandboxapi_sandbox_metrics_request,
	&t_sandboxapi_sandbox_metrics_response);
#undef METHOD

PB_STATIC(bootstrap_extension, containerd__runtime__bootstrap__v1__extension__descriptor,
	PB_EMBED(bootstrap_extension, value, 1, pb_any_type));

const struct pb_type bootstrap_params_type = PB_TYPE(bootstrap_params,
	containerd__runtime__bootstrap__v1__bootstrap_params__descriptor,
	PB_FIELD(bootstrap_params, instance_id, 1),
	PB_FIELD(bootstrap_params, namespace, 2),
	PB_FIELD(bootstrap_params, log_level, 3),
	PB_FIELD(bootstrap_params, containerd_version, 4),
	PB_FIELD(bootstrap_params, containerd_ttrpc_address, 5),
	PB_FIELD(bootstrap_params, containerd_grpc_address, 6),
	PB_FIELD(bootstrap_params, containerd_binary, 7),
	PB_MESSAGES(bootstrap_params, extensions, 8, t_bootstrap_extension),
	PB_FIELD(bootstrap_params, socket_dir, 9));

static const struct pb_type t_bootstrap_result_metadata_entry = PB_TYPE_KV(containerd__runtime__bootstrap__v1__bootstrap_result__metadata_entry__descriptor);

const struct pb_type bootstrap_result_type = PB_TYPE(bootstrap_result,
	containerd__runtime__bootstrap__v1__bootstrap_result__descriptor,
	PB_FIELD(bootstrap_result, version, 1),
	PB_FIELD(bootstrap_result, address, 2),
	PB_FIELD(bootstrap_result, protocol, 3),
	PB_LIST(bootstrap_result, capabilities, 4),
	PB_MESSAGES(bootstrap_result, metadata, 5, t_bootstrap_result_metadata_entry));

PB_STATIC(runtime_version, containerd__types__runtime_version__descriptor,
	PB_FIELD(runtime_version, version, 1),
	PB_FIELD(runtime_version, revision, 2));

static const struct pb_type t_runtime_info_annotations_entry = PB_TYPE_KV(containerd__types__runtime_info__annotations_entry__descriptor);

const struct pb_type runtime_info_type = PB_TYPE(runtime_info,
	containerd__types__runtime_info__descriptor,
	PB_FIELD(runtime_info, name, 1),
	PB_MESSAGE(runtime_info, version, 2, t_runtime_version),
	PB_EMBED(runtime_info, options, 3, pb_any_type),
	PB_EMBED(runtime_info, features, 4, pb_any_type),
	PB_MESSAGES(runtime_info, annotations, 5, t_runtime_info_annotations_entry));

const struct pb_type runtimeoptions_options_type = PB_TYPE(runtimeoptions_options,
	runtimeoptions__v1__options__descriptor,
	PB_FIELD(runtimeoptions_options, type_url, 1),
	PB_FIELD(runtimeoptions_options, config_path, 2),
	PB_BYTES(runtimeoptions_options, config_body, 3));

PB_STATIC(cri_pod_resources, runtime__v1__linux_container_resources__descriptor,
	PB_FIELD(cri_pod_resources, cpu_period, 1),
	PB_FIELD(cri_pod_resources, cpu_quota, 2),
	PB_FIELD(cri_pod_resources, cpu_shares, 3),
	PB_FIELD(cri_pod_resources, memory_limit_in_bytes, 4));

PB_STATIC(cri_pod_namespaces, runtime__v1__namespace_option__descriptor,
	PB_FIELD(cri_pod_namespaces, pid, 2),
	PB_FIELD(cri_pod_namespaces, ipc, 3));

PB_STATIC(cri_pod_security, runtime__v1__linux_sandbox_security_context__descriptor,
	PB_MESSAGE(cri_pod_security, namespace_options, 1, t_cri_pod_namespaces));

static const struct pb_type t_cri_pod_sysctls_entry =
	PB_TYPE_KV(runtime__v1__linux_pod_sandbox_config__sysctls_entry__descriptor);

PB_STATIC(cri_pod_linux, runtime__v1__linux_pod_sandbox_config__descriptor,
	PB_FIELD(cri_pod_linux, cgroup_parent, 1),
	PB_MESSAGE(cri_pod_linux, security_context, 2, t_cri_pod_security),
	PB_MESSAGES(cri_pod_linux, sysctls, 3, t_cri_pod_sysctls_entry),
	PB_MESSAGE(cri_pod_linux, resources, 5, t_cri_pod_resources));

const struct pb_type cri_pod_config_type = PB_TYPE(cri_pod_config,
	runtime__v1__pod_sandbox_config__descriptor,
	PB_FIELD(cri_pod_config, hostname, 2),
	PB_MESSAGE(cri_pod_config, linux_, 8, t_cri_pod_linux));

const struct pb_type runc_options_type = PB_TYPE(runc_options,
	containerd__runc__v1__options__descriptor,
	PB_FIELD(runc_options, no_pivot_root, 1),
	PB_FIELD(runc_options, no_new_keyring, 2),
	PB_FIELD(runc_options, shim_cgroup, 3),
	PB_FIELD(runc_options, io_uid, 4),
	PB_FIELD(runc_options, io_gid, 5),
	PB_FIELD(runc_options, binary_name, 6),
	PB_FIELD(runc_options, root, 7),
	PB_FIELD(runc_options, systemd_cgroup, 9),
	PB_FIELD(runc_options, criu_image_path, 10),
	PB_FIELD(runc_options, criu_work_path, 11),
	PB_FIELD(runc_options, task_api_address, 12),
	PB_FIELD(runc_options, task_api_version, 13));

const struct pb_type runc_checkpoint_options_type = PB_TYPE(runc_checkpoint_options,
	containerd__runc__v1__checkpoint_options__descriptor,
	PB_FIELD(runc_checkpoint_options, exit, 1),
	PB_FIELD(runc_checkpoint_options, open_tcp, 2),
	PB_FIELD(runc_checkpoint_options, external_unix_sockets, 3),
	PB_FIELD(runc_checkpoint_options, terminal, 4),
	PB_FIELD(runc_checkpoint_options, file_locks, 5),
	PB_FIELD(runc_checkpoint_options, empty_namespaces, 6),
	PB_FIELD(runc_checkpoint_options, cgroups_mode, 7),
	PB_FIELD(runc_checkpoint_options, image_path, 8),
	PB_FIELD(runc_checkpoint_options, work_path, 9),
	PB_FIELD(runc_checkpoint_options, parent_path, 10));

const struct pb_type runc_process_details_type = PB_TYPE(runc_process_details,
	containerd__runc__v1__process_details__descriptor,
	PB_FIELD(runc_process_details, exec_id, 1));
