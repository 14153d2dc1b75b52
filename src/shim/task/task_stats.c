/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Task.Stats and SandboxMetrics: the guest's counters of a container, and the sum over a pod's.
 */
#include "shim/task/task_stats.h"

#include <errno.h>
#include <string.h>

#include "common/str.h"
#include "rpc/pb/agent_msg.h"
#include "rpc/pb/task_msg.h"
#include "shim/core/shim.h"
#include "shim/task/metrics.h"

/*
 * Lists are merged by looking each entry up, so a list that a hostile guest makes long would keep
 * the shim busy for minutes. No guest has more disks, huge page sizes or counters than this.
 */
#define STATS_LIST_MAX 512

/**
 * task_stats_check() - are the lists in a guest's counters as short as real ones?
 * @cg: counters as they were received
 * @err: filled on failure
 *
 * Return: 0, or -EMSGSIZE.
 */
int task_stats_check(const struct agent_cgroup_stats *cg, struct err *err)
{
	const struct agent_blkio_stats *io = cg->blkio_stats;
	const struct {
		const char *what;
		size_t nr;
	} lists[] = {
		{ "bytes of disks", io ? io->nr_io_service_bytes_recursive : 0 },
		{ "operations of disks", io ? io->nr_io_serviced_recursive : 0 },
		{ "huge pages", cg->nr_hugetlb_stats },
		{ "memory", cg->memory_stats ? cg->memory_stats->nr_stats : 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(lists); i++)
		if (lists[i].nr > STATS_LIST_MAX)
			return err_set(err, EMSGSIZE,
				       "the guest sent %zu counters of %s, more than %d",
				       lists[i].nr, lists[i].what, STATS_LIST_MAX);
	return 0;
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
	return ret->cgroup_stats ? task_stats_check(ret->cgroup_stats, err)
				 : err_set(err, EPROTO, "the guest sent no counters");
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
	return r < 0 ? r : metrics_pack(&stats, metrics_of_host(), call->arena, &resp->stats, err);
}

/* The messages that a sum needs, all zero. */
struct sum {
	struct agent_cpu_usage usage;
	struct agent_throttling_data throttling;
	struct agent_cpu_stats cpu;
	struct agent_pids_stats pids;
	struct agent_memory_data memory_usage, swap_usage, kernel_usage;
	struct agent_memory_stats memory;
	struct agent_blkio_stats blkio;
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

static int add_blkio(struct agent_blkio_stats_entry **sum, size_t *nr,
		     const struct agent_blkio_stats_entry *list, size_t nr_list,
		     struct arena *arena)
{
	for (size_t i = 0; i < nr_list; i++) {
		struct agent_blkio_stats_entry *found = NULL;

		for (size_t j = 0; j < *nr && !found; j++)
			if ((*sum)[j].major == list[i].major && (*sum)[j].minor == list[i].minor &&
			    str_eq((*sum)[j].op, list[i].op))
				found = &(*sum)[j];
		if (found) {
			found->value += list[i].value;
			continue;
		}
		int r = arena_grow(arena, sum, nr, sizeof(**sum));
		if (r < 0)
			return r;
		(*sum)[*nr - 1] = list[i];
	}
	return 0;
}

static int add_hugetlb(struct agent_cgroup_stats *sum,
		       const struct agent_hugetlb_stats_entry *entry, struct arena *arena)
{
	struct agent_hugetlb_stats *total = NULL;

	for (size_t i = 0; i < sum->nr_hugetlb_stats && !total; i++)
		if (str_eq(sum->hugetlb_stats[i].key, entry->key))
			total = sum->hugetlb_stats[i].value;
	if (!total) {
		total = arena_alloc(arena, sizeof(*total));
		int r = total ? arena_grow(arena, &sum->hugetlb_stats, &sum->nr_hugetlb_stats,
					   sizeof(*sum->hugetlb_stats))
			      : -ENOMEM;
		if (r < 0)
			return r;
		sum->hugetlb_stats[sum->nr_hugetlb_stats - 1] =
			(struct agent_hugetlb_stats_entry){ entry->key, total };
	}
	if (entry->value) {
		total->usage += entry->value->usage;
		total->failcnt += entry->value->failcnt;
	}
	return 0;
}

static int add_io(struct sum *sum, const struct agent_cgroup_stats *cg, struct arena *arena)
{
	const struct agent_blkio_stats *io = cg->blkio_stats;
	int r = 0;

	for (size_t i = 0; r >= 0 && i < cg->nr_hugetlb_stats; i++)
		r = add_hugetlb(&sum->cgroup, &cg->hugetlb_stats[i], arena);
	if (r < 0 || !io)
		return r;
	r = add_blkio(&sum->blkio.io_service_bytes_recursive,
		      &sum->blkio.nr_io_service_bytes_recursive, io->io_service_bytes_recursive,
		      io->nr_io_service_bytes_recursive, arena);
	return r < 0 ? r
		     : add_blkio(&sum->blkio.io_serviced_recursive,
				 &sum->blkio.nr_io_serviced_recursive, io->io_serviced_recursive,
				 io->nr_io_serviced_recursive, arena);
}

static int add(struct sum *sum, const struct agent_cgroup_stats *cg, struct arena *arena)
{
	const struct agent_memory_stats *memory = cg->memory_stats;
	int r = add_io(sum, cg, arena);

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
	if (r < 0 || !memory)
		return r;
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
	sum->cgroup.blkio_stats = &sum->blkio;
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
		/* Containers of one guest share its disks: together they have no longer lists. */
		if (r >= 0)
			r = task_stats_check(&sum->cgroup, err);
		if (r < 0)
			return err->code ? r : err_set_errno(err, r, "metrics of the sandbox");
		total.network_stats = stats.network_stats;
		total.nr_network_stats = stats.nr_network_stats;
	}
	return metrics_pack(&total, metrics_of_host(), arena, ret, err);
}
