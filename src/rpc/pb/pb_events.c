/* SPDX-License-Identifier: Apache-2.0 */
/*
 * containerd's events and the service that takes them: tables only (rpc/pb/pb_table.h says how to read
 * them).
 */
#include "rpc/pb/events_msg.h"

#include "containerd_types.pb-c.h"
#include "events.pb-c.h"
#include "events_service.pb-c.h"
#include "rpc/pb/pb_table.h"

/* clang-format off */

PB_STATIC(event_task_io, containerd__events__task_io__descriptor,
	PB_FIELD(event_task_io, stdin, 1),
	PB_FIELD(event_task_io, stdout, 2),
	PB_FIELD(event_task_io, stderr, 3),
	PB_FIELD(event_task_io, terminal, 4));

const struct pb_type event_task_create_type = PB_TYPE(event_task_create,
	containerd__events__task_create__descriptor,
	PB_FIELD(event_task_create, container_id, 1),
	PB_FIELD(event_task_create, bundle, 2),
	PB_MESSAGES(event_task_create, rootfs, 3, pb_containerd_mount_type),
	PB_MESSAGE(event_task_create, io, 4, t_event_task_io),
	PB_FIELD(event_task_create, checkpoint, 5),
	PB_FIELD(event_task_create, pid, 6));

const struct pb_type event_task_start_type = PB_TYPE(event_task_start,
	containerd__events__task_start__descriptor,
	PB_FIELD(event_task_start, container_id, 1),
	PB_FIELD(event_task_start, pid, 2));

const struct pb_type event_task_delete_type = PB_TYPE(event_task_delete,
	containerd__events__task_delete__descriptor,
	PB_FIELD(event_task_delete, container_id, 1),
	PB_FIELD(event_task_delete, pid, 2),
	PB_FIELD(event_task_delete, exit_status, 3),
	PB_EMBED(event_task_delete, exited_at, 4, pb_timestamp_type),
	PB_FIELD(event_task_delete, id, 5));

const struct pb_type event_task_exit_type = PB_TYPE(event_task_exit,
	containerd__events__task_exit__descriptor,
	PB_FIELD(event_task_exit, container_id, 1),
	PB_FIELD(event_task_exit, id, 2),
	PB_FIELD(event_task_exit, pid, 3),
	PB_FIELD(event_task_exit, exit_status, 4),
	PB_EMBED(event_task_exit, exited_at, 5, pb_timestamp_type));

const struct pb_type event_task_oom_type = PB_TYPE(event_task_oom,
	containerd__events__task_oom__descriptor,
	PB_FIELD(event_task_oom, container_id, 1));

const struct pb_type event_task_exec_added_type = PB_TYPE(event_task_exec_added,
	containerd__events__task_exec_added__descriptor,
	PB_FIELD(event_task_exec_added, container_id, 1),
	PB_FIELD(event_task_exec_added, exec_id, 2));

const struct pb_type event_task_exec_started_type = PB_TYPE(event_task_exec_started,
	containerd__events__task_exec_started__descriptor,
	PB_FIELD(event_task_exec_started, container_id, 1),
	PB_FIELD(event_task_exec_started, exec_id, 2),
	PB_FIELD(event_task_exec_started, pid, 3));

const struct pb_type event_task_paused_type = PB_TYPE(event_task_paused,
	containerd__events__task_paused__descriptor,
	PB_FIELD(event_task_paused, container_id, 1));

const struct pb_type event_task_resumed_type = PB_TYPE(event_task_resumed,
	containerd__events__task_resumed__descriptor,
	PB_FIELD(event_task_resumed, container_id, 1));

const struct pb_type event_task_checkpointed_type = PB_TYPE(event_task_checkpointed,
	containerd__events__task_checkpointed__descriptor,
	PB_FIELD(event_task_checkpointed, container_id, 1),
	PB_FIELD(event_task_checkpointed, checkpoint, 2));

PB_STATIC(event_envelope, containerd__types__envelope__descriptor,
	PB_EMBED(event_envelope, timestamp, 1, pb_timestamp_type),
	PB_FIELD(event_envelope, namespace, 2),
	PB_FIELD(event_envelope, topic, 3),
	PB_EMBED(event_envelope, event, 4, pb_any_type));

PB_STATIC(events_forward_request,
	containerd__services__events__ttrpc__v1__forward_request__descriptor,
	PB_MESSAGE(events_forward_request, envelope, 1, t_event_envelope));

#define METHOD(var, name_, request_, response_) \
	const struct rpc_method var = { "containerd.services.events.ttrpc.v1.Events", name_, request_, response_ }
METHOD(events_forward, "Forward", &t_events_forward_request, NULL);
#undef METHOD
