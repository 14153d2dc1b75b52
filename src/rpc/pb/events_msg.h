/* SPDX-License-Identifier: Apache-2.0 */
/*
 * containerd's events, their envelope and the service that takes them, as plain structs (rules:
 * rpc/pb/agent_msg.h). An event travels inside a struct pb_any: pb_any_pack() with its pb_type
 * (rpc/pb/pb_bridge.h).
 */
#pragma once

#include "rpc/pb/common_msg.h"
#include "rpc/pb/rpc_method.h"

struct event_task_create {
	const char *container_id, *bundle;
	struct containerd_mount *rootfs;
	size_t nr_rootfs;
	struct event_task_io *io;
	const char *checkpoint;
	uint32_t pid;
};

struct event_task_start {
	const char *container_id;
	uint32_t pid;
};

struct event_task_delete {
	const char *container_id;
	uint32_t pid, exit_status;
	struct pb_timestamp exited_at;
	const char *id;
};

struct event_task_io {
	const char *stdin, *stdout, *stderr;
	bool terminal;
};

struct event_task_exit {
	const char *container_id, *id;
	uint32_t pid, exit_status;
	struct pb_timestamp exited_at;
};

struct event_task_oom {
	const char *container_id;
};

struct event_task_exec_added {
	const char *container_id, *exec_id;
};

struct event_task_exec_started {
	const char *container_id, *exec_id;
	uint32_t pid;
};

struct event_task_paused {
	const char *container_id;
};

struct event_task_resumed {
	const char *container_id;
};

struct event_task_checkpointed {
	const char *container_id, *checkpoint;
};

struct event_envelope {
	struct pb_timestamp timestamp;
	const char *namespace, *topic;
	struct pb_any event;
};

struct events_forward_request {
	struct event_envelope *envelope;
};

extern const struct pb_type event_task_create_type;
extern const struct pb_type event_task_start_type;
extern const struct pb_type event_task_delete_type;
extern const struct pb_type event_task_exit_type;
extern const struct pb_type event_task_oom_type;
extern const struct pb_type event_task_exec_added_type;
extern const struct pb_type event_task_exec_started_type;
extern const struct pb_type event_task_paused_type;
extern const struct pb_type event_task_resumed_type;
extern const struct pb_type event_task_checkpointed_type;

/* containerd.services.events.ttrpc.v1.Events */
extern const struct rpc_method events_forward;
