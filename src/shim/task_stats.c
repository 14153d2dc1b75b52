/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Task.Stats. Clients decide by their host which of containerd's two Metrics messages they read, so
 * the host's cgroup version chooses, not the guest's (which is always 2).
 */
#include "shim/task_stats.h"

#include <errno.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/vfs.h>

#include "common/str.h"
#include "rpc/agent_msg.h"
#include "rpc/metrics_msg.h"
#include "rpc/pb_bridge.h"
#include "rpc/task_msg.h"
#include "shim/shim.h"

#define NSEC_PER_USEC 1000

static const struct agent_cpu_usage no_usage;
static const struct agent_throttling_data no_throttling;
static const struct agent_memory_data no_memory;
static const struct agent_pids_stats no_pids;

static bool host_has_cgroup2(void)
{
	struct statfs fs;

	return statfs("/sys/fs/cgroup", &fs) == 0 && fs.f_type == CGROUP2_SUPER_MAGIC;
}

static uint64_t memory_detail(const struct agent_memory_stats *memory, const char *key)
{
	for (size_t i = 0; i < memory->nr_stats; i++)
		if (str_eq(memory->stats[i].key, key))
			return memory->stats[i].value;
	return 0;
}

static struct cgroup1_memory_entry memory_entry(const struct agent_memory_data *data)
{
	data = data ? data : &no_memory;
	return (struct cgroup1_memory_entry){ data->limit, data->usage, data->max_usage,
					      data->failcnt };
}

static int pack_v1(const struct agent_stats_container_response *stats, struct arena *arena,
		   struct pb_any *ret)
{
	const struct agent_cgroup_stats *cg = stats->cgroup_stats;
	const struct agent_cpu_stats *cpu = cg->cpu_stats;
	const struct agent_cpu_usage *usage = cpu && cpu->cpu_usage ? cpu->cpu_usage : &no_usage;
	const struct agent_throttling_data *throttling =
		cpu && cpu->throttling_data ? cpu->throttling_data : &no_throttling;
	const struct agent_pids_stats *pids = cg->pids_stats ? cg->pids_stats : &no_pids;
	struct cgroup1_pids_stat v1_pids = { pids->current, pids->limit };
	struct cgroup1_cpu_usage v1_usage = { usage->total_usage, usage->usage_in_kernelmode,
					      usage->usage_in_usermode, usage->percpu_usage,
					      usage->nr_percpu_usage };
	struct cgroup1_throttle v1_throttle = { throttling->periods, throttling->throttled_periods,
						throttling->throttled_time };
	struct cgroup1_cpu_stat v1_cpu = { &v1_usage, &v1_throttle };
	struct cgroup1_memory_stat v1_memory = { 0 };
	struct cgroup1_memory_entry entries[3] = { { 0 } };
	struct cgroup1_metrics metrics = { .pids = &v1_pids, .cpu = &v1_cpu };

	if (cg->memory_stats) {
		const struct agent_memory_stats *m = cg->memory_stats;

		entries[0] = memory_entry(m->usage);
		entries[1] = memory_entry(m->swap_usage);
		entries[2] = memory_entry(m->kernel_usage);
		v1_memory = (struct cgroup1_memory_stat){
			.cache = memory_detail(m, "file"),
			.rss = memory_detail(m, "anon"),
			.mapped_file = memory_detail(m, "file_mapped"),
			.pg_fault = memory_detail(m, "pgfault"),
			.pg_maj_fault = memory_detail(m, "pgmajfault"),
			.inactive_anon = memory_detail(m, "inactive_anon"),
			.active_anon = memory_detail(m, "active_anon"),
			.inactive_file = memory_detail(m, "inactive_file"),
			.active_file = memory_detail(m, "active_file"),
			.total_inactive_file = memory_detail(m, "inactive_file"),
			.total_cache = memory_detail(m, "file"),
			.total_rss = memory_detail(m, "anon"),
			.hierarchical_memory_limit = entries[0].limit,
			.usage = &entries[0],
			.swap = &entries[1],
			.kernel = &entries[2],
		};
		metrics.memory = &v1_memory;
	}
	metrics.nr_network = stats->nr_network_stats;
	metrics.network = arena_calloc(arena, metrics.nr_network, sizeof(*metrics.network));
	if (!metrics.network)
		return -ENOMEM;
	for (size_t i = 0; i < metrics.nr_network; i++) {
		const struct agent_network_stats *n = &stats->network_stats[i];

		metrics.network[i] = (struct cgroup1_network_stat){
			n->name,     n->rx_bytes,   n->rx_packets, n->rx_errors,  n->rx_dropped,
			n->tx_bytes, n->tx_packets, n->tx_errors,  n->tx_dropped,
		};
	}
	return pb_any_pack(arena, &cgroup1_metrics_type, &metrics, ret);
}

static void fill_v2_memory(const struct agent_memory_stats *m, struct cgroup2_memory_stat *ret)
{
	const struct agent_memory_data *usage = m->usage ? m->usage : &no_memory;
	const struct agent_memory_data *swap = m->swap_usage ? m->swap_usage : &no_memory;

	*ret = (struct cgroup2_memory_stat){
		.anon = memory_detail(m, "anon"),
		.file = memory_detail(m, "file"),
		.kernel_stack = memory_detail(m, "kernel_stack"),
		.slab = memory_detail(m, "slab"),
		.sock = memory_detail(m, "sock"),
		.shmem = memory_detail(m, "shmem"),
		.file_mapped = memory_detail(m, "file_mapped"),
		.file_dirty = memory_detail(m, "file_dirty"),
		.file_writeback = memory_detail(m, "file_writeback"),
		.inactive_anon = memory_detail(m, "inactive_anon"),
		.active_anon = memory_detail(m, "active_anon"),
		.inactive_file = memory_detail(m, "inactive_file"),
		.active_file = memory_detail(m, "active_file"),
		.unevictable = memory_detail(m, "unevictable"),
		.slab_reclaimable = memory_detail(m, "slab_reclaimable"),
		.slab_unreclaimable = memory_detail(m, "slab_unreclaimable"),
		.pgfault = memory_detail(m, "pgfault"),
		.pgmajfault = memory_detail(m, "pgmajfault"),
		.usage = usage->usage,
		.usage_limit = usage->limit,
		.max_usage = usage->max_usage,
		.swap_usage = swap->usage,
		.swap_limit = swap->limit,
	};
}

static int pack_v2(const struct agent_stats_container_response *stats, struct arena *arena,
		   struct pb_any *ret)
{
	const struct agent_cgroup_stats *cg = stats->cgroup_stats;
	const struct agent_cpu_stats *cpu = cg->cpu_stats;
	const struct agent_cpu_usage *usage = cpu && cpu->cpu_usage ? cpu->cpu_usage : &no_usage;
	const struct agent_throttling_data *throttling =
		cpu && cpu->throttling_data ? cpu->throttling_data : &no_throttling;
	const struct agent_pids_stats *pids = cg->pids_stats ? cg->pids_stats : &no_pids;
	struct cgroup2_pids_stat v2_pids = { pids->current, pids->limit };
	struct cgroup2_cpu_stat v2_cpu = {
		.usage_usec = usage->total_usage / NSEC_PER_USEC,
		.user_usec = usage->usage_in_usermode / NSEC_PER_USEC,
		.system_usec = usage->usage_in_kernelmode / NSEC_PER_USEC,
		.nr_periods = throttling->periods,
		.nr_throttled = throttling->throttled_periods,
		.throttled_usec = throttling->throttled_time / NSEC_PER_USEC,
	};
	struct cgroup2_memory_stat v2_memory;
	struct cgroup2_metrics metrics = { .pids = &v2_pids, .cpu = &v2_cpu };

	if (cg->memory_stats) {
		fill_v2_memory(cg->memory_stats, &v2_memory);
		metrics.memory = &v2_memory;
	}
	metrics.nr_network = stats->nr_network_stats;
	metrics.network = arena_calloc(arena, metrics.nr_network, sizeof(*metrics.network));
	if (!metrics.network)
		return -ENOMEM;
	for (size_t i = 0; i < metrics.nr_network; i++) {
		const struct agent_network_stats *n = &stats->network_stats[i];

		metrics.network[i] = (struct cgroup2_network_stat){
			n->name,     n->rx_bytes,   n->rx_packets, n->rx_errors,  n->rx_dropped,
			n->tx_bytes, n->tx_packets, n->tx_errors,  n->tx_dropped,
		};
	}
	return pb_any_pack(arena, &cgroup2_metrics_type, &metrics, ret);
}

/**
 * task_handle_stats() - handler of Task.Stats
 * @ctx: shim
 * @call: request
 * @request: struct task_stats_request
 * @response: struct task_stats_response
 * @err: filled on failure
 *
 * Return: 0 or -errno.
 */
int task_handle_stats(void *ctx, struct rpc_request *call, const void *request, void *response,
		      struct err *err)
{
	const struct task_stats_request *req = request;
	struct task_stats_response *resp = response;
	struct sandbox *sb = ((struct shim *)ctx)->sandbox;
	struct agent_stats_container_request agent_req = { .container_id = req->id };
	struct agent_stats_container_response stats = { 0 };

	if (!sb_container_find(sb, req->id))
		return err_set(err, ENOENT, "container %s does not exist", req->id);
	if (!sb->agent)
		return err_set(err, ENOENT, "container %s does not run", req->id);
	int r = rpc_call(sb->agent, &agent_stats_container, &agent_req, &stats, call->arena,
			 sandbox_request_deadline(sb), err);
	if (r < 0)
		return r;
	if (!stats.cgroup_stats)
		return err_set(err, EPROTO, "the guest sent no counters");
	r = host_has_cgroup2() ? pack_v2(&stats, call->arena, &resp->stats)
			       : pack_v1(&stats, call->arena, &resp->stats);
	return r < 0 ? err_set_errno(err, r, "pack counters") : 0;
}
