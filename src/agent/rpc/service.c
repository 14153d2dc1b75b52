/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the agent serves. Calls of the protocol that are not in this table are answered
 * UNIMPLEMENTED by the server; docs/agent.md lists them.
 */
#include "agent/rpc/service.h"

#include "rpc/pb/admin_msg.h"
#include "rpc/pb/agent_msg.h"

/* A peer that goes ends the calls that only wait; those that change something run to their end. */
#define WAITS RPC_HANDLER_CANCELABLE

const struct rpc_handler service_handlers[] = {
	{ &agent_create_sandbox, sandbox_rpc_create, 0 },
	{ &agent_destroy_sandbox, sandbox_rpc_destroy, 0 },
	{ &agent_update_ephemeral_mounts, sandbox_rpc_update_ephemeral_mounts, 0 },
	{ &agent_remove_stale_virtiofs_share_mounts, sandbox_rpc_remove_stale_mounts, 0 },
	{ &agent_get_volume_stats, sandbox_rpc_volume_stats, 0 },

	{ &agent_create_container, container_rpc_create, 0 },
	{ &agent_start_container, container_rpc_start, 0 },
	{ &agent_remove_container, container_rpc_remove, 0 },
	{ &agent_update_container, container_rpc_update, 0 },
	{ &agent_stats_container, container_rpc_stats, 0 },
	{ &agent_pause_container, container_rpc_pause, 0 },
	{ &agent_resume_container, container_rpc_resume, 0 },
	{ &agent_get_diagnostic_data, container_rpc_diagnostic_data, 0 },

	{ &agent_exec_process, process_rpc_exec, 0 },
	{ &agent_signal_process, process_rpc_signal, 0 },
	{ &agent_wait_process, process_rpc_wait, WAITS },
	{ &agent_write_stdin, process_rpc_write_stdin, WAITS },
	{ &agent_read_stdout, process_rpc_read_stdout, WAITS },
	{ &agent_read_stderr, process_rpc_read_stderr, WAITS },
	{ &agent_close_stdin, process_rpc_close_stdin, 0 },
	{ &agent_tty_win_resize, process_rpc_resize, 0 },

	{ &agent_update_interface, network_rpc_update_interface, 0 },
	{ &agent_update_routes, network_rpc_update_routes, 0 },
	{ &agent_list_interfaces, network_rpc_list_interfaces, 0 },
	{ &agent_list_routes, network_rpc_list_routes, 0 },
	{ &agent_add_arp_neighbors, network_rpc_add_neighbors, 0 },
	{ &agent_get_iptables, iptables_rpc_get, 0 },
	{ &agent_set_iptables, iptables_rpc_set, 0 },

	{ &agent_get_guest_details, guest_rpc_details, 0 },
	{ &agent_set_guest_date_time, guest_rpc_set_time, 0 },
	{ &agent_reseed_random_dev, guest_rpc_reseed, 0 },
	{ &agent_online_cpu_mem, guest_rpc_online, WAITS },
	{ &agent_mem_hotplug_by_probe, guest_rpc_probe_memory, 0 },
	{ &agent_add_swap, guest_rpc_add_swap, 0 },
	{ &agent_add_swap_path, guest_rpc_add_swap_path, 0 },
	{ &agent_copy_file, copyfile_rpc_copy, 0 },
	{ &agent_get_metrics, metrics_rpc_get, 0 },
	{ &agent_get_oom_event, sandbox_rpc_get_oom_event, WAITS },

	{ &health_check, health_rpc_check, 0 },
	{ &health_version, health_rpc_version, 0 },

	{ &extra_list_processes, processes_rpc_list, 0 },
	{ &extra_offline_cpus, guest_rpc_offline_cpus, 0 },
	{ &extra_sync_clock, clock_rpc_sync, 0 },
};
const size_t service_nr_handlers = ARRAY_SIZE(service_handlers);
