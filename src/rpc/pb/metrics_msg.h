/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Container statistics as containerd's clients read them: io.containerd.cgroups.v1.Metrics and
 * v2.Metrics, as plain structs (rules: rpc/pb/agent_msg.h). They travel inside a struct pb_any.
 */
#pragma once

#include "rpc/pb/common_msg.h"
#include "rpc/pb/rpc_method.h"

struct agent_blkio_stats;
struct agent_network_stats;

/* io.containerd.cgroups.v1 */

struct cgroup1_metrics {
	struct cgroup1_hugetlb_stat *hugetlb;
	size_t nr_hugetlb;
	struct cgroup1_pids_stat *pids;
	struct cgroup1_cpu_stat *cpu;
	struct cgroup1_memory_stat *memory;
	struct agent_blkio_stats *blkio; /* has the same fields */
	struct cgroup1_rdma_stat *rdma;
	struct agent_network_stats *network; /* has the same fields */
	size_t nr_network;
	struct cgroup1_cgroup_stats *cgroup_stats;
	struct cgroup1_memory_oom_control *memory_oom_control;
};

struct cgroup1_hugetlb_stat {
	uint64_t usage, max, failcnt;
	const char *pagesize;
};

struct cgroup1_pids_stat {
	uint64_t current, limit;
};

struct cgroup1_cpu_stat {
	struct cgroup1_cpu_usage *usage;
	struct cgroup1_throttle *throttling;
};

struct cgroup1_cpu_usage {
	uint64_t total, kernel, user, *per_cpu;
	size_t nr_per_cpu;
};

struct cgroup1_throttle {
	uint64_t periods, throttled_periods, throttled_time;
};

struct cgroup1_memory_stat {
	uint64_t cache, rss, rss_huge, mapped_file, dirty, writeback, pg_pg_in, pg_pg_out, pg_fault;
	uint64_t pg_maj_fault, inactive_anon, active_anon, inactive_file, active_file, unevictable;
	uint64_t hierarchical_memory_limit, hierarchical_swap_limit, total_cache, total_rss;
	uint64_t total_rss_huge, total_mapped_file, total_dirty, total_writeback, total_pg_pg_in;
	uint64_t total_pg_pg_out, total_pg_fault, total_pg_maj_fault, total_inactive_anon;
	uint64_t total_active_anon, total_inactive_file, total_active_file, total_unevictable;
	struct cgroup1_memory_entry *usage;
	struct cgroup1_memory_entry *swap;
	struct cgroup1_memory_entry *kernel;
	struct cgroup1_memory_entry *kernel_tcp;
};

struct cgroup1_memory_entry {
	uint64_t limit, usage, max, failcnt;
};

struct cgroup1_memory_oom_control {
	uint64_t oom_kill_disable, under_oom, oom_kill;
};

struct cgroup1_rdma_stat {
	struct cgroup1_rdma_entry *current;
	size_t nr_current;
	struct cgroup1_rdma_entry *limit;
	size_t nr_limit;
};

struct cgroup1_rdma_entry {
	const char *device;
	uint32_t hca_handles, hca_objects;
};

struct cgroup1_cgroup_stats {
	uint64_t nr_sleeping, nr_running, nr_stopped, nr_uninterruptible, nr_io_wait;
};

/* io.containerd.cgroups.v2 */

struct cgroup2_metrics {
	struct cgroup2_pids_stat *pids;
	struct cgroup2_cpu_stat *cpu;
	struct cgroup2_memory_stat *memory;
	struct cgroup2_rdma_stat *rdma;
	struct cgroup2_io_stat *io;
	struct cgroup2_hugetlb_stat *hugetlb;
	size_t nr_hugetlb;
	struct cgroup2_memory_events *memory_events;
	struct agent_network_stats *network;
	size_t nr_network;
};

struct cgroup2_psi_data {
	double avg10, avg60, avg300;
	uint64_t total;
};

struct cgroup2_psi_stats {
	struct cgroup2_psi_data *some;
	struct cgroup2_psi_data *full;
};

struct cgroup2_pids_stat {
	uint64_t current, limit;
};

struct cgroup2_cpu_stat {
	uint64_t usage_usec, user_usec, system_usec, nr_periods, nr_throttled, throttled_usec;
	struct cgroup2_psi_stats *psi;
	uint64_t nr_bursts, burst_usec;
};

struct cgroup2_memory_stat {
	uint64_t anon, file, kernel_stack, slab, sock, shmem, file_mapped, file_dirty;
	uint64_t file_writeback, anon_thp, inactive_anon, active_anon, inactive_file, active_file;
	uint64_t unevictable, slab_reclaimable, slab_unreclaimable, pgfault, pgmajfault;
	uint64_t workingset_refault, workingset_activate, workingset_nodereclaim, pgrefill, pgscan;
	uint64_t pgsteal, pgactivate, pgdeactivate, pglazyfree, pglazyfreed, thp_fault_alloc;
	uint64_t thp_collapse_alloc, usage, usage_limit, swap_usage, swap_limit, max_usage;
	uint64_t swap_max_usage;
	struct cgroup2_psi_stats *psi;
};

struct cgroup2_memory_events {
	uint64_t low, high, max, oom, oom_kill, oom_group_kill;
};

struct cgroup2_rdma_stat {
	struct cgroup2_rdma_entry *current;
	size_t nr_current;
	struct cgroup2_rdma_entry *limit;
	size_t nr_limit;
};

struct cgroup2_rdma_entry {
	const char *device;
	uint32_t hca_handles, hca_objects;
};

struct cgroup2_io_stat {
	struct cgroup2_io_entry *usage;
	size_t nr_usage;
	struct cgroup2_psi_stats *psi;
};

struct cgroup2_io_entry {
	uint64_t major, minor, rbytes, wbytes, rios, wios;
};

struct cgroup2_hugetlb_stat {
	uint64_t current, max;
	const char *pagesize;
	uint64_t failcnt;
};

extern const struct pb_type cgroup1_metrics_type;
extern const struct pb_type cgroup2_metrics_type;
