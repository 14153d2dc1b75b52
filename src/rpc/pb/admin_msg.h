/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages and methods of kata.admin.v1.Admin, the shim's second service: what kata-runtime asks a
 * running sandbox beyond the Task service. Plain structs (rules: rpc/pb/agent_msg.h). Only our own two
 * binaries speak it.
 */
#pragma once

#include "rpc/pb/agent_msg.h"
#include "rpc/pb/task_msg.h"

struct admin_ping_response {
	const char *sandbox_id, *version;
	uint32_t shim_pid, vmm_pid;
};

/*
 * @id is a container id, @exec_id empty for its first process; the other requests use them alike.
 */
struct admin_container_info_request {
	const char *id, *exec_id;
};

struct admin_container_info_response {
	const char *id, *exec_id, *sandbox_id, *bundle;
	int32_t status;		 /* enum task_status */
	uint32_t pid, guest_pid; /* of the stand-in on the host; in the guest */
	uint32_t exit_status;
	bool terminal, oom_killed;
	const char *exit_reason; /* "" unless something other than the process ended it */
	struct pb_timestamp created_at, started_at, exited_at;
	struct strv exec_ids; /* of the container's living execs */
};

struct admin_stats_request {
	const char *id;
}; /* answered by struct agent_stats_container_response */

struct admin_processes_request {
	const char *id;
};

struct admin_process {
	uint32_t pid, ppid, uid; /* as the guest sees them */
	uint64_t start_time;	 /* clock ticks since the guest's boot */
	uint64_t cpu_time;	 /* clock ticks, user and system */
	uint64_t rss;		 /* bytes */
	const char *tty, *state, *command, *comm;
	uint32_t host_pid;   /* of the stand-in, 0 for a process without one */
	const char *exec_id; /* the container's id for its first process */
};

struct admin_processes_response {
	struct admin_process *processes;
	size_t nr_processes;
};

struct admin_console_request {
	uint32_t tail; /* at most that many bytes from the end; 0: all that is kept */
};

struct admin_console_response {
	const uint8_t *data;
	size_t data_len;
};

struct admin_timeline_response {
	const char *timeline; /* JSON */
};

struct admin_metrics_response {
	const char *metrics; /* Prometheus text */
};

enum admin_event_type {
	ADMIN_EVENT_NONE = 0, /* the wait ended without one */
	ADMIN_EVENT_OOM = 1,
	ADMIN_EVENT_EXIT = 2,
	ADMIN_EVENT_PAUSED = 3,
	ADMIN_EVENT_RESUMED = 4,
	ADMIN_EVENT_SANDBOX_GONE = 5,
};

struct admin_wait_event_request {
	uint64_t since; /* the last sequence number seen, 0: from the oldest kept */
	const char *id; /* only this container's events; "": all */
};

struct admin_wait_event_response {
	uint64_t seq;
	int32_t type; /* enum admin_event_type */
	const char *id, *exec_id, *text;
	uint32_t exit_status;
	struct pb_timestamp time;
};

struct admin_remove_interface_request {
	const char *name;
};

/*
 * The rest reuses the agent's messages: ListInterfaces -> agent_interfaces, UpdateInterface
 * agent_update_interface_request -> agent_interface, ListRoutes -> agent_routes, UpdateRoutes
 * agent_update_routes_request -> agent_routes, GetIPTables and SetIPTables the agent's requests and
 * responses.
 */
extern const struct rpc_method admin_ping;
extern const struct rpc_method admin_container_info;
extern const struct rpc_method admin_stats;
extern const struct rpc_method admin_processes;
extern const struct rpc_method admin_console;
extern const struct rpc_method admin_timeline;
extern const struct rpc_method admin_metrics;
extern const struct rpc_method admin_wait_event;
extern const struct rpc_method admin_list_interfaces;
extern const struct rpc_method admin_update_interface;
extern const struct rpc_method admin_remove_interface;
extern const struct rpc_method admin_list_routes;
extern const struct rpc_method admin_update_routes;
extern const struct rpc_method admin_get_iptables;
extern const struct rpc_method admin_set_iptables;

/*
 * kata.agent.v1.Extra: what our agent serves beyond Kata's protocol. ListProcesses:
 * admin_processes_request -> admin_processes_response, pids as the guest's root PID namespace has
 * them, host_pid 0. OfflineCPUs: extra_offline_cpus_request -> nothing.
 */
struct extra_offline_cpus_request {
	uint32_t nb_cpus;
};

/* SyncClock: extra_sync_clock_request -> extra_sync_clock_response. */
struct extra_sync_clock_request {
	int64_t correct_ns; /* to be added to the clock */
	bool step;	    /* at once, backward too */
	int64_t rate_ppb;   /* parts of 10^9 that it is to run faster; if set_rate */
	bool set_rate;
};

struct extra_sync_clock_response {
	int64_t realtime_ns, raw_ns; /* CLOCK_REALTIME and CLOCK_MONOTONIC_RAW */
};

extern const struct rpc_method extra_list_processes;
extern const struct rpc_method extra_offline_cpus;
extern const struct rpc_method extra_sync_clock;
