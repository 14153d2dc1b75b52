/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages and methods of containerd's Task service, as plain structs (rules: rpc/pb/agent_msg.h).
 * Versions 2 and 3 have the same messages under two service names, so there is one set of structs
 * and two of methods. Structs are named after the RPC: CreateTaskRequest is struct
 * task_create_request, ExecProcessRequest struct task_exec_request.
 */
#pragma once

#include "rpc/pb/common_msg.h"
#include "rpc/pb/rpc_method.h"

enum task_status {
	TASK_STATUS_UNKNOWN = 0,
	TASK_STATUS_CREATED = 1,
	TASK_STATUS_RUNNING = 2,
	TASK_STATUS_STOPPED = 3,
	TASK_STATUS_PAUSED = 4,
	TASK_STATUS_PAUSING = 5,
};

struct task_process_info {
	uint32_t pid;
	struct pb_any info;
};

struct task_create_request {
	const char *id, *bundle;
	struct containerd_mount *rootfs;
	size_t nr_rootfs;
	bool terminal;
	const char *stdin, *stdout, *stderr, *checkpoint, *parent_checkpoint;
	struct pb_any options;
};

struct task_create_response {
	uint32_t pid;
};

struct task_delete_request {
	const char *id, *exec_id;
};

struct task_delete_response {
	uint32_t pid, exit_status;
	struct pb_timestamp exited_at;
};

struct task_exec_request {
	const char *id, *exec_id;
	bool terminal;
	const char *stdin, *stdout, *stderr;
	struct pb_any spec;
};

struct task_resize_pty_request {
	const char *id, *exec_id;
	uint32_t width, height;
};

struct task_state_request {
	const char *id, *exec_id;
};

struct task_state_response {
	const char *id, *bundle;
	uint32_t pid;
	int32_t status; /* enum task_status */
	const char *stdin, *stdout, *stderr;
	bool terminal;
	uint32_t exit_status;
	struct pb_timestamp exited_at;
	const char *exec_id;
};

struct task_kill_request {
	const char *id, *exec_id;
	uint32_t signal;
	bool all;
};

struct task_close_io_request {
	const char *id, *exec_id;
	bool stdin;
};

struct task_pids_request {
	const char *id;
};

struct task_pids_response {
	struct task_process_info *processes;
	size_t nr_processes;
};

struct task_checkpoint_request {
	const char *id, *path;
	struct pb_any options;
};

struct task_update_request {
	const char *id;
	struct pb_any resources;
	struct kv *annotations;
	size_t nr_annotations;
};

struct task_start_request {
	const char *id, *exec_id;
};

struct task_start_response {
	uint32_t pid;
};

struct task_wait_request {
	const char *id, *exec_id;
};

struct task_wait_response {
	uint32_t exit_status;
	struct pb_timestamp exited_at;
};

struct task_stats_request {
	const char *id;
};

struct task_stats_response {
	struct pb_any stats;
};

struct task_connect_request {
	const char *id;
};

struct task_connect_response {
	uint32_t shim_pid, task_pid;
	const char *version;
};

struct task_shutdown_request {
	const char *id;
	bool now;
};

struct task_pause_request {
	const char *id;
};

struct task_resume_request {
	const char *id;
};

/* containerd.task.v2.Task */
extern const struct rpc_method task_v2_state;
extern const struct rpc_method task_v2_create;
extern const struct rpc_method task_v2_start;
extern const struct rpc_method task_v2_delete;
extern const struct rpc_method task_v2_pids;
extern const struct rpc_method task_v2_pause;
extern const struct rpc_method task_v2_resume;
extern const struct rpc_method task_v2_checkpoint;
extern const struct rpc_method task_v2_kill;
extern const struct rpc_method task_v2_exec;
extern const struct rpc_method task_v2_resize_pty;
extern const struct rpc_method task_v2_close_io;
extern const struct rpc_method task_v2_update;
extern const struct rpc_method task_v2_wait;
extern const struct rpc_method task_v2_stats;
extern const struct rpc_method task_v2_connect;
extern const struct rpc_method task_v2_shutdown;

/* containerd.task.v3.Task */
extern const struct rpc_method task_v3_state;
extern const struct rpc_method task_v3_create;
extern const struct rpc_method task_v3_start;
extern const struct rpc_method task_v3_delete;
extern const struct rpc_method task_v3_pids;
extern const struct rpc_method task_v3_pause;
extern const struct rpc_method task_v3_resume;
extern const struct rpc_method task_v3_checkpoint;
extern const struct rpc_method task_v3_kill;
extern const struct rpc_method task_v3_exec;
extern const struct rpc_method task_v3_resize_pty;
extern const struct rpc_method task_v3_close_io;
extern const struct rpc_method task_v3_update;
extern const struct rpc_method task_v3_wait;
extern const struct rpc_method task_v3_stats;
extern const struct rpc_method task_v3_connect;
extern const struct rpc_method task_v3_shutdown;
