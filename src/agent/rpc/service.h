/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of what the agent serves, and the handlers in it, by the file they are in. Each has the
 * type of rpc_handler_fn; @ctx is the agent.
 */
#pragma once

#include "rpc/ttrpc/rpc.h"

extern const struct rpc_handler service_handlers[];
extern const size_t service_nr_handlers;

#define RPC_FN(name)                                                                       \
	int name(void *ctx, struct rpc_request *call, const void *request, void *response, \
		 struct err *err)

/* rpc_sandbox.c */
RPC_FN(sandbox_rpc_create);
RPC_FN(sandbox_rpc_destroy);
RPC_FN(sandbox_rpc_update_ephemeral_mounts);
RPC_FN(sandbox_rpc_remove_stale_mounts);
RPC_FN(sandbox_rpc_volume_stats);
RPC_FN(sandbox_rpc_get_oom_event);

/* rpc_container.c */
RPC_FN(container_rpc_create);
RPC_FN(container_rpc_start);
RPC_FN(container_rpc_remove);
RPC_FN(container_rpc_update);
RPC_FN(container_rpc_stats);
RPC_FN(container_rpc_pause);
RPC_FN(container_rpc_resume);
RPC_FN(container_rpc_diagnostic_data);

/* rpc_process.c */
RPC_FN(process_rpc_exec);
RPC_FN(process_rpc_signal);
RPC_FN(process_rpc_wait);
RPC_FN(process_rpc_write_stdin);
RPC_FN(process_rpc_read_stdout);
RPC_FN(process_rpc_read_stderr);
RPC_FN(process_rpc_close_stdin);
RPC_FN(process_rpc_resize);

/* rpc_network.c */
RPC_FN(network_rpc_update_interface);
RPC_FN(network_rpc_update_routes);
RPC_FN(network_rpc_list_interfaces);
RPC_FN(network_rpc_list_routes);
RPC_FN(network_rpc_add_neighbors);

/* rpc_guest.c */
RPC_FN(guest_rpc_details);
RPC_FN(guest_rpc_set_time);
RPC_FN(guest_rpc_reseed);
RPC_FN(guest_rpc_online);
RPC_FN(guest_rpc_offline_cpus);
RPC_FN(guest_rpc_probe_memory);
RPC_FN(guest_rpc_add_swap);
RPC_FN(guest_rpc_add_swap_path);

/* one file each */
RPC_FN(clock_rpc_sync);
RPC_FN(copyfile_rpc_copy);
RPC_FN(health_rpc_check);
RPC_FN(health_rpc_version);
RPC_FN(iptables_rpc_get);
RPC_FN(iptables_rpc_set);
RPC_FN(metrics_rpc_get);
RPC_FN(processes_rpc_list);

/* policy_guard.c */
struct agent;
int policy_guard(void *ctx, const struct rpc_method *method, const void *req,
		 struct err *err) must_check;
void policy_guard_init(struct agent *agent);
