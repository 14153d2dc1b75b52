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
	metrics.network = stats->network_stats;
	metrics.nr_network = stats->nr_network_stats;
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
	metrics.network = stats->network_stats;
	metrics.nr_network = stats->nr_network_stats;
	return pb_any_pack(arena, &cgroup2_metrics_type, &metrics, ret);
}

static int pack(const struct agent_stats_container_response *stats, struct arena *arena,
		struct pb_any *ret, struct err *err)
{
	int r = host_has_cgroup2() ? pack_v2(stats, arena, ret) : pack_v1(stats, arena, ret);

	return r < 0 ? err_set_errno(err, r, "pack counters") : 0;
}

static int ask(struct sandbox *sb, const char *id, struct arena *arena,
	       struct agent_stats_container_response *ret, struct err *err)
{
	struct agent_stats_container_request req = { .container_id = id };

	if (!sb->agent)
		return err_set(err, ENOENT, "container %s does not run", id);
	int r = rpc_call(sb->agent, &agent_stats_container, &req, ret, arena,
			 sandbox_request_deadline(sb), err);
	if (r < 0)
		return r;
	return ret->cgroup_stats ? 0 : err_set(err, EPROTO, "the guest sent no counters");
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
	struct agent_stats_container_response stats = { 0 };

	if (!sb_container_find(sb, req->id))
		return err_set(err, ENOENT, "container %s does not exist", req->id);
	int r = ask(sb, req->id, call->arena, &stats, err);
	return r < 0 ? r : pack(&stats, call->arena, &resp->stats, err);
}

/* The messages that a sum needs, all zero. */
struct sum {
	struct agent_cpu_usage usage;
	struct agent_throttling_data throttling;
	struct agent_cpu_stats cpu;
	struct agent_pids_stats pids;
	struct agent_memory_data memory_usage, swap_usage, kernel_usage;
	struct agent_memory_stats memory;
	struct agent_cgroup_stats cgroup;
};

static void add_memory_data(struct agent_memory_data *sum, const struct agent_memory_data *data)
{
	if (data)
		sum->usage += data->usage; /* limits are each container's own */
}

static int add_memory_detail(struct agent_memory_stats *sum, const struct pb_kv_u64 *detail,
			     struct arena *arena)
{
	for (size_t i = 0; i < sum->nr_stats; i++) {
		if (str_eq(sum->stats[i].key, detail->key)) {
			sum->stats[i].value += detail->value;
			return 0;
		}
	}
	int r = arena_grow(arena, &sum->stats, &sum->nr_stats, sizeof(*sum->stats));
	if (r >= 0)
		sum->stats[sum->nr_stats - 1] = *detail;
	return r;
}

static int add(struct sum *sum, const struct agent_cgroup_stats *cg, struct arena *arena)
{
	const struct agent_memory_stats *memory = cg->memory_stats;
	int r = 0;

	if (cg->cpu_stats && cg->cpu_stats->cpu_usage) {
		sum->usage.total_usage += cg->cpu_stats->cpu_usage->total_usage;
		sum->usage.usage_in_kernelmode += cg->cpu_stats->cpu_usage->usage_in_kernelmode;
		sum->usage.usage_in_usermode += cg->cpu_stats->cpu_usage->usage_in_usermode;
	}
	if (cg->cpu_stats && cg->cpu_stats->throttling_data) {
		const struct agent_throttling_data *t = cg->cpu_stats->throttling_data;

		sum->throttling.periods += t->periods;
		sum->throttling.throttled_periods += t->throttled_periods;
		sum->throttling.throttled_time += t->throttled_time;
	}
	if (cg->pids_stats)
		sum->pids.current += cg->pids_stats->current;
	if (!memory)
		return 0;
	add_memory_data(&sum->memory_usage, memory->usage);
	add_memory_data(&sum->swap_usage, memory->swap_usage);
	add_memory_data(&sum->kernel_usage, memory->kernel_usage);
	for (size_t i = 0; r >= 0 && i < memory->nr_stats; i++)
		r = add_memory_detail(&sum->memory, &memory->stats[i], arena);
	return r;
}

static int list_ids(const struct sandbox *sb, struct arena *arena, struct strv *ret)
{
	list_for_each(pos, &sb->containers) {
		const struct sb_container *ctr = list_entry(pos, struct sb_container, node);

		if (ctr->init->state != SB_PROCESS_STATE_RUNNING)
			continue;
		int r = arena_strv_add(arena, ret, ctr->id);
		if (r < 0)
			return r;
	}
	return 0;
}

/**
 * task_stats_of_sandbox() - what the containers of a sandbox use together
 * @sb: sandbox that runs
 * @arena: receives the result
 * @ret: receives the counters as a Metrics message
 * @err: filled on failure
 *
 * Containers share one network, so each of them tells all of it. Without a container that runs all
 * counters are 0 and no interface is named.
 *
 * Return: 0 or -errno.
 */
int task_stats_of_sandbox(struct sandbox *sb, struct arena *arena, struct pb_any *ret,
			  struct err *err)
{
	struct agent_stats_container_response total = { 0 };
	struct strv ids = { 0 };
	struct sum *sum = arena_calloc(arena, 1, sizeof(*sum));
	int r = sum ? list_ids(sb, arena, &ids) : -ENOMEM;

	if (r < 0)
		return err_set_errno(err, r, "metrics of the sandbox");
	sum->cpu = (struct agent_cpu_stats){ &sum->usage, &sum->throttling };
	sum->memory.usage = &sum->memory_usage;
	sum->memory.swap_usage = &sum->swap_usage;
	sum->memory.kernel_usage = &sum->kernel_usage;
	sum->cgroup.cpu_stats = &sum->cpu;
	sum->cgroup.memory_stats = &sum->memory;
	sum->cgroup.pids_stats = &sum->pids;
	total.cgroup_stats = &sum->cgroup;
	for (size_t i = 0; i < ids.nr; i++) {
		struct agent_stats_container_response stats = { 0 };

		r = ask(sb, ids.v[i], arena, &stats, err);
		if (r == -ENOENT) {
			*err = ERR_NULL; /* it has ended while others were asked */
			continue;
		}
		if (r >= 0)
			r = add(sum, stats.cgroup_stats, arena);
		if (r < 0)
			return err->code ? r : err_set_errno(err, r, "metrics of the sandbox");
		total.network_stats = stats.network_stats;
		total.nr_network_stats = stats.nr_network_stats;
	}
	return pack(&total, arena, ret, err);
}
