/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Container statistics: tables only (rpc/pb/pb_table.h says how to read them).
 */
#include "rpc/pb/metrics_msg.h"

#include "metrics_v1.pb-c.h"
#include "metrics_v2.pb-c.h"
#include "rpc/pb/agent_msg.h"
#include "rpc/pb/pb_table.h"

/* clang-format off */

PB_STATIC(cgroup1_hugetlb_stat, io__containerd__cgroups__v1__hugetlb_stat__descriptor,
	PB_FIELD(cgroup1_hugetlb_stat, usage, 1),
	PB_FIELD(cgroup1_hugetlb_stat, max, 2),
	PB_FIELD(cgroup1_hugetlb_stat, failcnt, 3),
	PB_FIELD(cgroup1_hugetlb_stat, pagesize, 4));

PB_STATIC(cgroup1_pids_stat, io__containerd__cgroups__v1__pids_stat__descriptor,
	PB_FIELD(cgroup1_pids_stat, current, 1),
	PB_FIELD(cgroup1_pids_stat, limit, 2));

PB_STATIC(cgroup1_cpu_usage, io__containerd__cgroups__v1__cpuusage__descriptor,
	PB_FIELD(cgroup1_cpu_usage, total, 1),
	PB_FIELD(cgroup1_cpu_usage, kernel, 2),
	PB_FIELD(cgroup1_cpu_usage, user, 3),
	PB_LIST(cgroup1_cpu_usage, per_cpu, 4));

PB_STATIC(cgroup1_throttle, io__containerd__cgroups__v1__throttle__descriptor,
	PB_FIELD(cgroup1_throttle, periods, 1),
	PB_FIELD(cgroup1_throttle, throttled_periods, 2),
	PB_FIELD(cgroup1_throttle, throttled_time, 3));

PB_STATIC(cgroup1_cpu_stat, io__containerd__cgroups__v1__cpustat__descriptor,
	PB_MESSAGE(cgroup1_cpu_stat, usage, 1, t_cgroup1_cpu_usage),
	PB_MESSAGE(cgroup1_cpu_stat, throttling, 2, t_cgroup1_throttle));

PB_STATIC(cgroup1_memory_entry, io__containerd__cgroups__v1__memory_entry__descriptor,
	PB_FIELD(cgroup1_memory_entry, limit, 1),
	PB_FIELD(cgroup1_memory_entry, usage, 2),
	PB_FIELD(cgroup1_memory_entry, max, 3),
	PB_FIELD(cgroup1_memory_entry, failcnt, 4));

PB_STATIC(cgroup1_memory_stat, io__containerd__cgroups__v1__memory_stat__descriptor,
	PB_FIELD(cgroup1_memory_stat, cache, 1),
	PB_FIELD(cgroup1_memory_stat, rss, 2),
	PB_FIELD(cgroup1_memory_stat, rss_huge, 3),
	PB_FIELD(cgroup1_memory_stat, mapped_file, 4),
	PB_FIELD(cgroup1_memory_stat, dirty, 5),
	PB_FIELD(cgroup1_memory_stat, writeback, 6),
	PB_FIELD(cgroup1_memory_stat, pg_pg_in, 7),
	PB_FIELD(cgroup1_memory_stat, pg_pg_out, 8),
	PB_FIELD(cgroup1_memory_stat, pg_fault, 9),
	PB_FIELD(cgroup1_memory_stat, pg_maj_fault, 10),
	PB_FIELD(cgroup1_memory_stat, inactive_anon, 11),
	PB_FIELD(cgroup1_memory_stat, active_anon, 12),
	PB_FIELD(cgroup1_memory_stat, inactive_file, 13),
	PB_FIELD(cgroup1_memory_stat, active_file, 14),
	PB_FIELD(cgroup1_memory_stat, unevictable, 15),
	PB_FIELD(cgroup1_memory_stat, hierarchical_memory_limit, 16),
	PB_FIELD(cgroup1_memory_stat, hierarchical_swap_limit, 17),
	PB_FIELD(cgroup1_memory_stat, total_cache, 18),
	PB_FIELD(cgroup1_memory_stat, total_rss, 19),
	PB_FIELD(cgroup1_memory_stat, total_rss_huge, 20),
	PB_FIELD(cgroup1_memory_stat, total_mapped_file, 21),
	PB_FIELD(cgroup1_memory_stat, total_dirty, 22),
	PB_FIELD(cgroup1_memory_stat, total_writeback, 23),
	PB_FIELD(cgroup1_memory_stat, total_pg_pg_in, 24),
	PB_FIELD(cgroup1_memory_stat, total_pg_pg_out, 25),
	PB_FIELD(cgroup1_memory_stat, total_pg_fault, 26),
	PB_FIELD(cgroup1_memory_stat, total_pg_maj_fault, 27),
	PB_FIELD(cgroup1_memory_stat, total_inactive_anon, 28),
	PB_FIELD(cgroup1_memory_stat, total_active_anon, 29),
	PB_FIELD(cgroup1_memory_stat, total_inactive_file, 30),
	PB_FIELD(cgroup1_memory_stat, total_active_file, 31),
	PB_FIELD(cgroup1_memory_stat, total_unevictable, 32),
	PB_MESSAGE(cgroup1_memory_stat, usage, 33, t_cgroup1_memory_entry),
	PB_MESSAGE(cgroup1_memory_stat, swap, 34, t_cgroup1_memory_entry),
	PB_MESSAGE(cgroup1_memory_stat, kernel, 35, t_cgroup1_memory_entry),
	PB_MESSAGE(cgroup1_memory_stat, kernel_tcp, 36, t_cgroup1_memory_entry));

/* The agent has the same, but for a device's name. */
static const struct pb_type t_cgroup1_blkio_entry = PB_TYPE(agent_blkio_stats_entry,
	io__containerd__cgroups__v1__blk_ioentry__descriptor,
	PB_FIELD(agent_blkio_stats_entry, op, 1),
	PB_FIELD(agent_blkio_stats_entry, device, 2),
	PB_FIELD(agent_blkio_stats_entry, major, 3),
	PB_FIELD(agent_blkio_stats_entry, minor, 4),
	PB_FIELD(agent_blkio_stats_entry, value, 5));

static const struct pb_type t_cgroup1_blkio_stat = PB_TYPE(agent_blkio_stats,
	io__containerd__cgroups__v1__blk_iostat__descriptor,
	PB_MESSAGES(agent_blkio_stats, io_service_bytes_recursive, 1, t_cgroup1_blkio_entry),
	PB_MESSAGES(agent_blkio_stats, io_serviced_recursive, 2, t_cgroup1_blkio_entry),
	PB_MESSAGES(agent_blkio_stats, io_queued_recursive, 3, t_cgroup1_blkio_entry),
	PB_MESSAGES(agent_blkio_stats, io_service_time_recursive, 4, t_cgroup1_blkio_entry),
	PB_MESSAGES(agent_blkio_stats, io_wait_time_recursive, 5, t_cgroup1_blkio_entry),
	PB_MESSAGES(agent_blkio_stats, io_merged_recursive, 6, t_cgroup1_blkio_entry),
	PB_MESSAGES(agent_blkio_stats, io_time_recursive, 7, t_cgroup1_blkio_entry),
	PB_MESSAGES(agent_blkio_stats, sectors_recursive, 8, t_cgroup1_blkio_entry));

PB_STATIC(cgroup1_rdma_entry, io__containerd__cgroups__v1__rdma_entry__descriptor,
	PB_FIELD(cgroup1_rdma_entry, device, 1),
	PB_FIELD(cgroup1_rdma_entry, hca_handles, 2),
	PB_FIELD(cgroup1_rdma_entry, hca_objects, 3));

PB_STATIC(cgroup1_rdma_stat, io__containerd__cgroups__v1__rdma_stat__descriptor,
	PB_MESSAGES(cgroup1_rdma_stat, current, 1, t_cgroup1_rdma_entry),
	PB_MESSAGES(cgroup1_rdma_stat, limit, 2, t_cgroup1_rdma_entry));

/* Versions 1 and 2 and the agent have the same. */
#define NETWORK_FIELDS                                                                      \
	PB_FIELD(agent_network_stats, name, 1), PB_FIELD(agent_network_stats, rx_bytes, 2), \
		PB_FIELD(agent_network_stats, rx_packets, 3),                               \
		PB_FIELD(agent_network_stats, rx_errors, 4),                                \
		PB_FIELD(agent_network_stats, rx_dropped, 5),                               \
		PB_FIELD(agent_network_stats, tx_bytes, 6),                                 \
		PB_FIELD(agent_network_stats, tx_packets, 7),                               \
		PB_FIELD(agent_network_stats, tx_errors, 8),                                \
		PB_FIELD(agent_network_stats, tx_dropped, 9)

static const struct pb_type t_cgroup1_network_stat = PB_TYPE(agent_network_stats,
	io__containerd__cgroups__v1__network_stat__descriptor, NETWORK_FIELDS);

PB_STATIC(cgroup1_cgroup_stats, io__containerd__cgroups__v1__cgroup_stats__descriptor,
	PB_FIELD(cgroup1_cgroup_stats, nr_sleeping, 1),
	PB_FIELD(cgroup1_cgroup_stats, nr_running, 2),
	PB_FIELD(cgroup1_cgroup_stats, nr_stopped, 3),
	PB_FIELD(cgroup1_cgroup_stats, nr_uninterruptible, 4),
	PB_FIELD(cgroup1_cgroup_stats, nr_io_wait, 5));

PB_STATIC(cgroup1_memory_oom_control, io__containerd__cgroups__v1__memory_oom_control__descriptor,
	PB_FIELD(cgroup1_memory_oom_control, oom_kill_disable, 1),
	PB_FIELD(cgroup1_memory_oom_control, under_oom, 2),
	PB_FIELD(cgroup1_memory_oom_control, oom_kill, 3));

const struct pb_type cgroup1_metrics_type = PB_TYPE(cgroup1_metrics,
	io__containerd__cgroups__v1__metrics__descriptor,
	PB_MESSAGES(cgroup1_metrics, hugetlb, 1, t_cgroup1_hugetlb_stat),
	PB_MESSAGE(cgroup1_metrics, pids, 2, t_cgroup1_pids_stat),
	PB_MESSAGE(cgroup1_metrics, cpu, 3, t_cgroup1_cpu_stat),
	PB_MESSAGE(cgroup1_metrics, memory, 4, t_cgroup1_memory_stat),
	PB_MESSAGE(cgroup1_metrics, blkio, 5, t_cgroup1_blkio_stat),
	PB_MESSAGE(cgroup1_metrics, rdma, 6, t_cgroup1_rdma_stat),
	PB_MESSAGES(cgroup1_metrics, network, 7, t_cgroup1_network_stat),
	PB_MESSAGE(cgroup1_metrics, cgroup_stats, 8, t_cgroup1_cgroup_stats),
	PB_MESSAGE(cgroup1_metrics, memory_oom_control, 9, t_cgroup1_memory_oom_control));

PB_STATIC(cgroup2_pids_stat, io__containerd__cgroups__v2__pids_stat__descriptor,
	PB_FIELD(cgroup2_pids_stat, current, 1),
	PB_FIELD(cgroup2_pids_stat, limit, 2));

PB_STATIC(cgroup2_psi_data, io__containerd__cgroups__v2__psidata__descriptor,
	PB_FIELD(cgroup2_psi_data, avg10, 1),
	PB_FIELD(cgroup2_psi_data, avg60, 2),
	PB_FIELD(cgroup2_psi_data, avg300, 3),
	PB_FIELD(cgroup2_psi_data, total, 4));

PB_STATIC(cgroup2_psi_stats, io__containerd__cgroups__v2__psistats__descriptor,
	PB_MESSAGE(cgroup2_psi_stats, some, 1, t_cgroup2_psi_data),
	PB_MESSAGE(cgroup2_psi_stats, full, 2, t_cgroup2_psi_data));

PB_STATIC(cgroup2_cpu_stat, io__containerd__cgroups__v2__cpustat__descriptor,
	PB_FIELD(cgroup2_cpu_stat, usage_usec, 1),
	PB_FIELD(cgroup2_cpu_stat, user_usec, 2),
	PB_FIELD(cgroup2_cpu_stat, system_usec, 3),
	PB_FIELD(cgroup2_cpu_stat, nr_periods, 4),
	PB_FIELD(cgroup2_cpu_stat, nr_throttled, 5),
	PB_FIELD(cgroup2_cpu_stat, throttled_usec, 6),
	PB_MESSAGE(cgroup2_cpu_stat, psi, 7, t_cgroup2_psi_stats),
	PB_FIELD(cgroup2_cpu_stat, nr_bursts, 8),
	PB_FIELD(cgroup2_cpu_stat, burst_usec, 9));

PB_STATIC(cgroup2_memory_stat, io__containerd__cgroups__v2__memory_stat__descriptor,
	PB_FIELD(cgroup2_memory_stat, anon, 1),
	PB_FIELD(cgroup2_memory_stat, file, 2),
	PB_FIELD(cgroup2_memory_stat, kernel_stack, 3),
	PB_FIELD(cgroup2_memory_stat, slab, 4),
	PB_FIELD(cgroup2_memory_stat, sock, 5),
	PB_FIELD(cgroup2_memory_stat, shmem, 6),
	PB_FIELD(cgroup2_memory_stat, file_mapped, 7),
	PB_FIELD(cgroup2_memory_stat, file_dirty, 8),
	PB_FIELD(cgroup2_memory_stat, file_writeback, 9),
	PB_FIELD(cgroup2_memory_stat, anon_thp, 10),
	PB_FIELD(cgroup2_memory_stat, inactive_anon, 11),
	PB_FIELD(cgroup2_memory_stat, active_anon, 12),
	PB_FIELD(cgroup2_memory_stat, inactive_file, 13),
	PB_FIELD(cgroup2_memory_stat, active_file, 14),
	PB_FIELD(cgroup2_memory_stat, unevictable, 15),
	PB_FIELD(cgroup2_memory_stat, slab_reclaimable, 16),
	PB_FIELD(cgroup2_memory_stat, slab_unreclaimable, 17),
	PB_FIELD(cgroup2_memory_stat, pgfault, 18),
	PB_FIELD(cgroup2_memory_stat, pgmajfault, 19),
	PB_FIELD(cgroup2_memory_stat, workingset_refault, 20),
	PB_FIELD(cgroup2_memory_stat, workingset_activate, 21),
	PB_FIELD(cgroup2_memory_stat, workingset_nodereclaim, 22),
	PB_FIELD(cgroup2_memory_stat, pgrefill, 23),
	PB_FIELD(cgroup2_memory_stat, pgscan, 24),
	PB_FIELD(cgroup2_memory_stat, pgsteal, 25),
	PB_FIELD(cgroup2_memory_stat, pgactivate, 26),
	PB_FIELD(cgroup2_memory_stat, pgdeactivate, 27),
	PB_FIELD(cgroup2_memory_stat, pglazyfree, 28),
	PB_FIELD(cgroup2_memory_stat, pglazyfreed, 29),
	PB_FIELD(cgroup2_memory_stat, thp_fault_alloc, 30),
	PB_FIELD(cgroup2_memory_stat, thp_collapse_alloc, 31),
	PB_FIELD(cgroup2_memory_stat, usage, 32),
	PB_FIELD(cgroup2_memory_stat, usage_limit, 33),
	PB_FIELD(cgroup2_memory_stat, swap_usage, 34),
	PB_FIELD(cgroup2_memory_stat, swap_limit, 35),
	PB_FIELD(cgroup2_memory_stat, max_usage, 36),
	PB_FIELD(cgroup2_memory_stat, swap_max_usage, 37),
	PB_MESSAGE(cgroup2_memory_stat, psi, 38, t_cgroup2_psi_stats));

PB_STATIC(cgroup2_rdma_entry, io__containerd__cgroups__v2__rdma_entry__descriptor,
	PB_FIELD(cgroup2_rdma_entry, device, 1),
	PB_FIELD(cgroup2_rdma_entry, hca_handles, 2),
	PB_FIELD(cgroup2_rdma_entry, hca_objects, 3));

PB_STATIC(cgroup2_rdma_stat, io__containerd__cgroups__v2__rdma_stat__descriptor,
	PB_MESSAGES(cgroup2_rdma_stat, current, 1, t_cgroup2_rdma_entry),
	PB_MESSAGES(cgroup2_rdma_stat, limit, 2, t_cgroup2_rdma_entry));

PB_STATIC(cgroup2_io_entry, io__containerd__cgroups__v2__ioentry__descriptor,
	PB_FIELD(cgroup2_io_entry, major, 1),
	PB_FIELD(cgroup2_io_entry, minor, 2),
	PB_FIELD(cgroup2_io_entry, rbytes, 3),
	PB_FIELD(cgroup2_io_entry, wbytes, 4),
	PB_FIELD(cgroup2_io_entry, rios, 5),
	PB_FIELD(cgroup2_io_entry, wios, 6));

PB_STATIC(cgroup2_io_stat, io__containerd__cgroups__v2__iostat__descriptor,
	PB_MESSAGES(cgroup2_io_stat, usage, 1, t_cgroup2_io_entry),
	PB_MESSAGE(cgroup2_io_stat, psi, 2, t_cgroup2_psi_stats));

PB_STATIC(cgroup2_hugetlb_stat, io__containerd__cgroups__v2__huge_tlb_stat__descriptor,
	PB_FIELD(cgroup2_hugetlb_stat, current, 1),
	PB_FIELD(cgroup2_hugetlb_stat, max, 2),
	PB_FIELD(cgroup2_hugetlb_stat, pagesize, 3),
	PB_FIELD(cgroup2_hugetlb_stat, failcnt, 4));

PB_STATIC(cgroup2_memory_events, io__containerd__cgroups__v2__memory_events__descriptor,
	PB_FIELD(cgroup2_memory_events, low, 1),
	PB_FIELD(cgroup2_memory_events, high, 2),
	PB_FIELD(cgroup2_memory_events, max, 3),
	PB_FIELD(cgroup2_memory_events, oom, 4),
	PB_FIELD(cgroup2_memory_events, oom_kill, 5),
	PB_FIELD(cgroup2_memory_events, oom_group_kill, 6));

static const struct pb_type t_cgroup2_network_stat = PB_TYPE(agent_network_stats,
	io__containerd__cgroups__v2__network_stat__descriptor, NETWORK_FIELDS);

const struct pb_type cgroup2_metrics_type = PB_TYPE(cgroup2_metrics,
	io__containerd__cgroups__v2__metrics__descriptor,
	PB_MESSAGE(cgroup2_metrics, pids, 1, t_cgroup2_pids_stat),
	PB_MESSAGE(cgroup2_metrics, cpu, 2, t_cgroup2_cpu_stat),
	PB_MESSAGE(cgroup2_metrics, memory, 4, t_cgroup2_memory_stat),
	PB_MESSAGE(cgroup2_metrics, rdma, 5, t_cgroup2_rdma_stat),
	PB_MESSAGE(cgroup2_metrics, io, 6, t_cgroup2_io_stat),
	PB_MESSAGES(cgroup2_metrics, hugetlb, 7, t_cgroup2_hugetlb_stat),
	PB_MESSAGE(cgroup2_metrics, memory_events, 8, t_cgroup2_memory_events),
	PB_MESSAGES(cgroup2_metrics, network, 9, t_cgroup2_network_stat));
