/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The messages and methods of containerd's Task service: tables only (rpc/pb/pb_table.h says how to
 * read them).
 */
#include "rpc/pb/task_msg.h"

#include "rpc/pb/pb_table.h"
#include "task.pb-c.h"
#include "task_types.pb-c.h"

/* clang-format off */

PB_STATIC(task_process_info, containerd__v1__types__process_info__descriptor,
	PB_FIELD(task_process_info, pid, 1),
	PB_EMBED(task_process_info, info, 2, pb_any_type));

PB_STATIC(task_create_request, containerd__task__v2__create_task_request__descriptor,
	PB_FIELD(task_create_request, id, 1),
	PB_FIELD(task_create_request, bundle, 2),
	PB_MESSAGES(task_create_request, rootfs, 3, pb_containerd_mount_type),
	PB_FIELD(task_create_request, terminal, 4),
	PB_FIELD(task_create_request, stdin, 5),
	PB_FIELD(task_create_request, stdout, 6),
	PB_FIELD(task_create_request, stderr, 7),
	PB_FIELD(task_create_request, checkpoint, 8),
	PB_FIELD(task_create_request, parent_checkpoint, 9),
	PB_EMBED(task_create_request, options, 10, pb_any_type));

PB_STATIC(task_create_response, containerd__task__v2__create_task_response__descriptor,
	PB_FIELD(task_create_response, pid, 1));

PB_STATIC(task_delete_request, containerd__task__v2__delete_request__descriptor,
	PB_FIELD(task_delete_request, id, 1),
	PB_FIELD(task_delete_request, exec_id, 2));

PB_STATIC(task_delete_response, containerd__task__v2__delete_response__descriptor,
	PB_FIELD(task_delete_response, pid, 1),
	PB_FIELD(task_delete_response, exit_status, 2),
	PB_EMBED(task_delete_response, exited_at, 3, pb_timestamp_type));

PB_STATIC(task_exec_request, containerd__task__v2__exec_process_request__descriptor,
	PB_FIELD(task_exec_request, id, 1),
	PB_FIELD(task_exec_request, exec_id, 2),
	PB_FIELD(task_exec_request, terminal, 3),
	PB_FIELD(task_exec_request, stdin, 4),
	PB_FIELD(task_exec_request, stdout, 5),
	PB_FIELD(task_exec_request, stderr, 6),
	PB_EMBED(task_exec_request, spec, 7, pb_any_type));

PB_STATIC(task_resize_pty_request, containerd__task__v2__resize_pty_request__descriptor,
	PB_FIELD(task_resize_pty_request, id, 1),
	PB_FIELD(task_resize_pty_request, exec_id, 2),
	PB_FIELD(task_resize_pty_request, width, 3),
	PB_FIELD(task_resize_pty_request, height, 4));

PB_STATIC(task_state_request, containerd__task__v2__state_request__descriptor,
	PB_FIELD(task_state_request, id, 1),
	PB_FIELD(task_state_request, exec_id, 2));

PB_STATIC(task_state_response, containerd__task__v2__state_response__descriptor,
	PB_FIELD(task_state_response, id, 1),
	PB_FIELD(task_state_response, bundle, 2),
	PB_FIELD(task_state_response, pid, 3),
	PB_FIELD(task_state_response, status, 4),
	PB_FIELD(task_state_response, stdin, 5),
	PB_FIELD(task_state_response, stdout, 6),
	PB_FIELD(task_state_response, stderr, 7),
	PB_FIELD(task_state_response, terminal, 8),
	PB_FIELD(task_state_response, exit_status, 9),
	PB_EMBED(task_state_response, exited_at, 10, pb_timestamp_type),
	PB_FIELD(task_state_response, exec_id, 11));

PB_STATIC(task_kill_request, containerd__task__v2__kill_request__descriptor,
	PB_FIELD(task_kill_request, id, 1),
	PB_FIELD(task_kill_request, exec_id, 2),
	PB_FIELD(task_kill_request, signal, 3),
	PB_FIELD(task_kill_request, all, 4));

PB_STATIC(task_close_io_request, containerd__task__v2__close_iorequest__descriptor,
	PB_FIELD(task_close_io_request, id, 1),
	PB_FIELD(task_close_io_request, exec_id, 2),
	PB_FIELD(task_close_io_request, stdin, 3));

PB_STATIC(task_pids_request, containerd__task__v2__pids_request__descriptor,
	PB_FIELD(task_pids_request, id, 1));

PB_STATIC(task_pids_response, containerd__task__v2__pids_response__descriptor,
	PB_MESSAGES(task_pids_response, processes, 1, t_task_process_info));

PB_STATIC(task_checkpoint_request, containerd__task__v2__checkpoint_task_request__descriptor,
	PB_FIELD(task_checkpoint_request, id, 1),
	PB_FIELD(task_checkpoint_request, path, 2),
	PB_EMBED(task_checkpoint_request, options, 3, pb_any_type));

static const struct pb_type t_task_update_request_annotations_entry = PB_TYPE_KV(containerd__task__v2__update_task_request__annotations_entry__descriptor);

PB_STATIC(task_update_request, containerd__task__v2__update_task_request__descriptor,
	PB_FIELD(task_update_request, id, 1),
	PB_EMBED(task_update_request, resources, 2, pb_any_type),
	PB_MESSAGES(task_update_request, annotations, 3,
	t_task_update_request_annotations_entry));

PB_STATIC(task_start_request, containerd__task__v2__start_request__descriptor,
	PB_FIELD(task_start_request, id, 1),
	PB_FIELD(task_start_request, exec_id, 2));

PB_STATIC(task_start_response, containerd__task__v2__start_response__descriptor,
	PB_FIELD(task_start_response, pid, 1));

PB_STATIC(task_wait_request, containerd__task__v2__wait_request__descriptor,
	PB_FIELD(task_wait_request, id, 1),
	PB_FIELD(task_wait_request, exec_id, 2));

PB_STATIC(task_wait_response, containerd__task__v2__wait_response__descriptor,
	PB_FIELD(task_wait_response, exit_status, 1),
	PB_EMBED(task_wait_response, exited_at, 2, pb_timestamp_type));

PB_STATIC(task_stats_request, containerd__task__v2__stats_request__descriptor,
	PB_FIELD(task_stats_request, id, 1));

PB_STATIC(task_stats_response, containerd__task__v2__stats_response__descriptor,
	PB_EMBED(task_stats_response, stats, 1, pb_any_type));

PB_STATIC(task_connect_request, containerd__task__v2__connect_request__descriptor,
	PB_FIELD(task_connect_request, id, 1));

PB_STATIC(task_connect_response, containerd__task__v2__connect_response__descriptor,
	PB_FIELD(task_connect_response, shim_pid, 1),
	PB_FIELD(task_connect_response, task_pid, 2),
	PB_FIELD(task_connect_response, version, 3));

PB_STATIC(task_shutdown_request, containerd__task__v2__shutdown_request__descriptor,
	PB_FIELD(task_shutdown_request, id, 1),
	PB_FIELD(task_shutdown_request, now, 2));

PB_STATIC(task_pause_request, containerd__task__v2__pause_request__descriptor,
	PB_FIELD(task_pause_request, id, 1));

PB_STATIC(task_resume_request, containerd__task__v2__resume_request__descriptor,
	PB_FIELD(task_resume_request, id, 1));

#define METHOD(var, name_, request_, response_) \
	const struct rpc_method var = { "containerd.task.v2.Task", name_, request_, response_ }
METHOD(task_v2_state, "State", &t_task_state_request, &t_task_state_response);
METHOD(task_v2_create, "Create", &t_task_create_request, &t_task_create_response);
METHOD(task_v2_start, "Start", &t_task_start_request, &t_task_start_response);
METHOD(task_v2_delete, "Delete", &t_task_delete_request, &t_task_delete_response);
METHOD(task_v2_pids, "Pids", &t_task_pids_request, &t_task_pids_response);
METHOD(task_v2_pause, "Pause", &t_task_pause_request, NULL);
METHOD(task_v2_resume, "Resume", &t_task_resume_request, NULL);
METHOD(task_v2_checkpoint, "Checkpoint", &t_task_checkpoint_request, NULL);
METHOD(task_v2_kill, "Kill", &t_task_kill_request, NULL);
METHOD(task_v2_exec, "Exec", &t_task_exec_request, NULL);
METHOD(task_v2_resize_pty, "ResizePty", &t_task_resize_pty_request, NULL);
METHOD(task_v2_close_io, "CloseIO", &t_task_close_io_request, NULL);
METHOD(task_v2_update, "Update", &t_task_update_request, NULL);
METHOD(task_v2_wait, "Wait", &t_task_wait_request, &t_task_wait_response);
METHOD(task_v2_stats, "Stats", &t_task_stats_request, &t_task_stats_response);
METHOD(task_v2_connect, "Connect", &t_task_connect_request, &t_task_connect_response);
METHOD(task_v2_shutdown, "Shutdown", &t_task_shutdown_request, NULL);
#undef METHOD

#define METHOD(var, name_, request_, response_) \
	const struct rpc_method var = { "containerd.task.v3.Task", name_, request_, response_ }
METHOD(task_v3_state, "State", &t_task_state_request, &t_task_state_response);
METHOD(task_v3_create, "Create", &t_task_create_request, &t_task_create_response);
METHOD(task_v3_start, "Start", &t_task_start_request, &t_task_start_response);
METHOD(task_v3_delete, "Delete", &t_task_delete_request, &t_task_delete_response);
METHOD(task_v3_pids, "Pids", &t_task_pids_request, &t_task_pids_response);
METHOD(task_v3_pause, "Pause", &t_task_pause_request, NULL);
METHOD(task_v3_resume, "Resume", &t_task_resume_request, NULL);
METHOD(task_v3_checkpoint, "Checkpoint", &t_task_checkpoint_request, NULL);
METHOD(task_v3_kill, "Kill", &t_task_kill_request, NULL);
METHOD(task_v3_exec, "Exec", &t_task_exec_request, NULL);
METHOD(task_v3_resize_pty, "ResizePty", &t_task_resize_pty_request, NULL);
METHOD(task_v3_close_io, "CloseIO", &t_task_close_io_request, NULL);
METHOD(task_v3_update, "Update", &t_task_update_request, NULL);
METHOD(task_v3_wait, "Wait", &t_task_wait_request, &t_task_wait_response);
METHOD(task_v3_stats, "Stats", &t_task_stats_request, &t_task_stats_response);
METHOD(task_v3_connect, "Connect", &t_task_connect_request, &t_task_connect_response);
METHOD(task_v3_shutdown, "Shutdown", &t_task_shutdown_request, NULL);
#undef METHOD
