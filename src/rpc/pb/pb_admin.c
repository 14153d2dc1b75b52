/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The messages and methods of kata.admin.v1.Admin: tables only (rpc/pb/pb_table.h says how to read
 * them).
 */
#include "rpc/pb/admin_msg.h"

#include "admin.pb-c.h"
#include "agent_extra.pb-c.h"
#include "rpc/pb/pb_table.h"

/* clang-format off */

PB_STATIC(admin_ping_response, kata__admin__v1__ping_response__descriptor,
	PB_FIELD(admin_ping_response, sandbox_id, 1),
	PB_FIELD(admin_ping_response, version, 2),
	PB_FIELD(admin_ping_response, shim_pid, 3),
	PB_FIELD(admin_ping_response, vmm_pid, 4));

PB_STATIC(admin_container_info_request, kata__admin__v1__container_info_request__descriptor,
	PB_FIELD(admin_container_info_request, id, 1),
	PB_FIELD(admin_container_info_request, exec_id, 2));

PB_STATIC(admin_container_info_response, kata__admin__v1__container_info_response__descriptor,
	PB_FIELD(admin_container_info_response, id, 1),
	PB_FIELD(admin_container_info_response, exec_id, 2),
	PB_FIELD(admin_container_info_response, sandbox_id, 3),
	PB_FIELD(admin_container_info_response, bundle, 4),
	PB_FIELD(admin_container_info_response, status, 5),
	PB_FIELD(admin_container_info_response, pid, 6),
	PB_FIELD(admin_container_info_response, guest_pid, 7),
	PB_FIELD(admin_container_info_response, exit_status, 8),
	PB_FIELD(admin_container_info_response, terminal, 9),
	PB_FIELD(admin_container_info_response, oom_killed, 10),
	PB_FIELD(admin_container_info_response, exit_reason, 11),
	PB_EMBED(admin_container_info_response, created_at, 12, pb_timestamp_type),
	PB_EMBED(admin_container_info_response, started_at, 13, pb_timestamp_type),
	PB_EMBED(admin_container_info_response, exited_at, 14, pb_timestamp_type),
	PB_FIELD(admin_container_info_response, exec_ids, 15));

PB_STATIC(admin_stats_request, kata__admin__v1__stats_request__descriptor,
	PB_FIELD(admin_stats_request, id, 1));

PB_STATIC(admin_processes_request, kata__admin__v1__processes_request__descriptor,
	PB_FIELD(admin_processes_request, id, 1));

PB_STATIC(admin_process, kata__admin__v1__process__descriptor,
	PB_FIELD(admin_process, pid, 1),
	PB_FIELD(admin_process, ppid, 2),
	PB_FIELD(admin_process, uid, 3),
	PB_FIELD(admin_process, start_time, 4),
	PB_FIELD(admin_process, cpu_time, 5),
	PB_FIELD(admin_process, rss, 6),
	PB_FIELD(admin_process, tty, 7),
	PB_FIELD(admin_process, state, 8),
	PB_FIELD(admin_process, command, 9),
	PB_FIELD(admin_process, host_pid, 10),
	PB_FIELD(admin_process, exec_id, 11),
	PB_FIELD(admin_process, comm, 12));

PB_STATIC(admin_processes_response, kata__admin__v1__processes_response__descriptor,
	PB_MESSAGES(admin_processes_response, processes, 1, t_admin_process));

PB_STATIC(admin_console_request, kata__admin__v1__console_request__descriptor,
	PB_FIELD(admin_console_request, tail, 1));

PB_STATIC(admin_console_response, kata__admin__v1__console_response__descriptor,
	PB_BYTES(admin_console_response, data, 1));

PB_STATIC(admin_timeline_response, kata__admin__v1__timeline_response__descriptor,
	PB_FIELD(admin_timeline_response, timeline, 1));

PB_STATIC(admin_metrics_response, kata__admin__v1__metrics_response__descriptor,
	PB_FIELD(admin_metrics_response, metrics, 1));

PB_STATIC(admin_wait_event_request, kata__admin__v1__wait_event_request__descriptor,
	PB_FIELD(admin_wait_event_request, since, 1),
	PB_FIELD(admin_wait_event_request, id, 2));

PB_STATIC(admin_wait_event_response, kata__admin__v1__wait_event_response__descriptor,
	PB_FIELD(admin_wait_event_response, seq, 1),
	PB_FIELD(admin_wait_event_response, type, 2),
	PB_FIELD(admin_wait_event_response, id, 3),
	PB_FIELD(admin_wait_event_response, exec_id, 4),
	PB_FIELD(admin_wait_event_response, text, 5),
	PB_FIELD(admin_wait_event_response, exit_status, 6),
	PB_EMBED(admin_wait_event_response, time, 7, pb_timestamp_type));

PB_STATIC(admin_remove_interface_request, kata__admin__v1__remove_interface_request__descriptor,
	PB_FIELD(admin_remove_interface_request, name, 1));

#define METHOD(var, name_, request_, response_) \
	const struct rpc_method var = { "kata.admin.v1.Admin", name_, request_, response_ }
METHOD(admin_ping, "Ping", NULL, &t_admin_ping_response);
METHOD(admin_container_info, "ContainerInfo", &t_admin_container_info_request, &t_admin_container_info_response);
METHOD(admin_stats, "Stats", &t_admin_stats_request, &pb_agent_stats_container_response_type);
METHOD(admin_processes, "Processes", &t_admin_processes_request, &t_admin_processes_response);
METHOD(admin_console, "Console", &t_admin_console_request, &t_admin_console_response);
METHOD(admin_timeline, "Timeline", NULL, &t_admin_timeline_response);
METHOD(admin_metrics, "Metrics", NULL, &t_admin_metrics_response);
METHOD(admin_wait_event, "WaitEvent", &t_admin_wait_event_request, &t_admin_wait_event_response);
METHOD(admin_list_interfaces, "ListInterfaces", NULL, &pb_agent_interfaces_type);
METHOD(admin_update_interface, "UpdateInterface", &pb_agent_update_interface_request_type, &pb_agent_interface_type);
METHOD(admin_remove_interface, "RemoveInterface", &t_admin_remove_interface_request, NULL);
METHOD(admin_list_routes, "ListRoutes", NULL, &pb_agent_routes_type);
METHOD(admin_update_routes, "UpdateRoutes", &pb_agent_update_routes_request_type, &pb_agent_routes_type);
METHOD(admin_get_iptables, "GetIPTables", &pb_agent_get_iptables_request_type,
	&pb_agent_get_iptables_response_type);
METHOD(admin_set_iptables, "SetIPTables", &pb_agent_set_iptables_request_type,
	&pb_agent_set_iptables_response_type);
#undef METHOD

const struct rpc_method extra_list_processes = {
	"kata.agent.v1.Extra", "ListProcesses", &t_admin_processes_request, &t_admin_processes_response,
};

PB_STATIC(extra_offline_cpus_request, kata__agent__v1__offline_cpus_request__descriptor,
	PB_FIELD(extra_offline_cpus_request, nb_cpus, 1));
const struct rpc_method extra_offline_cpus = {
	"kata.agent.v1.Extra", "OfflineCPUs", &t_extra_offline_cpus_request, NULL,
};

PB_STATIC(extra_sync_clock_request, kata__agent__v1__sync_clock_request__descriptor,
	PB_FIELD(extra_sync_clock_request, correct_ns, 1),
	PB_FIELD(extra_sync_clock_request, step, 2),
	PB_FIELD(extra_sync_clock_request, rate_ppb, 3),
	PB_FIELD(extra_sync_clock_request, set_rate, 4));
PB_STATIC(extra_sync_clock_response, kata__agent__v1__sync_clock_response__descriptor,
	PB_FIELD(extra_sync_clock_response, realtime_ns, 1),
	PB_FIELD(extra_sync_clock_response, raw_ns, 2));
const struct rpc_method extra_sync_clock = {
	"kata.agent.v1.Extra", "SyncClock", &t_extra_sync_clock_request, &t_extra_sync_clock_response,
};
