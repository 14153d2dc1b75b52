/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guest's counters as one of containerd's two Metrics messages. Clients decide by their host
 * which of them they read, so the host's cgroup version chooses, not the guest's (which is always
 * 2). Devices are the guest's and have no names here.
 */
#include "shim/task/metrics.h"

#include <errno.h>
#include <linux/magic.h>
#include <sys/vfs.h>

#include "common/str.h"
#include "rpc/pb/agent_msg.h"
#include "rpc/pb/metrics_msg.h"
#include "rpc/pb/pb_bridge.h"

#define NSEC_PER_USEC 1000

static const struct agent_cpu_usage no_usage;
static const struct agent_throttling_data no_throttling;
static const struct agent_memory_data no_memory;
static const struct agent_memory_stats no_memory_stats;
static const struct agent_pids_stats no_pids;
static const struct agent_hugetlb_stats no_hugetlb;

/**
 * metrics_of_host() - which message this host's clients read
 *
 * Return: the host's version of cgroups.
 */
int metrics_of_host(void)
{
	struct statfs fs;

	return statfs("/sys/fs/cgroup", &fs) == 0 && fs.f_type == CGROUP2_SUPER_MAGIC ? 2 : 1;
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

static int list_v1_hugetlb(const struct agent_cgroup_stats *cg, struct arena *arena,
			   struct cgroup1_metrics *metrics)
{
	metrics->hugetlb = arena_calloc(arena, cg->nr_hugetlb_stats + 1, sizeof(*metrics->hugetlb));
	if (!metrics->hugetlb)
		return -ENOMEM;
	for (size_t i = 0; i < cg->nr_hugetlb_stats; i++) {
		const struct agent_hugetlb_stats_entry *entry = &cg->hugetlb_stats[i];
		const struct agent_hugetlb_stats *value = entry->value ? entry->value : &no_hugetlb;

		metrics->hugetlb[metrics->nr_hugetlb++] =
			(struct cgroup1_hugetlb_stat){ value->usage, value->max_usage,
						       value->failcnt, entry->key };
	}
	return 0;
}

/* CRI-O reads processors, memory and processes without asking whether these messages are there. */
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
	const struct agent_memory_stats *m = cg->memory_stats ? cg->memory_stats : &no_memory_stats;
	struct cgroup1_memory_entry entries[] = { memory_entry(m->usage),
						  memory_entry(m->swap_usage),
						  memory_entry(m->kernel_usage),
						  { 0 } };
	struct cgroup1_memory_stat v1_memory = {
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
		.kernel_tcp = &entries[3],
	};
	struct cgroup1_metrics metrics = {
		.pids = &v1_pids, .cpu = &v1_cpu, .memory = &v1_memory, .blkio = cg->blkio_stats
	};
	int r = list_v1_hugetlb(cg, arena, &metrics);

	if (r < 0)
		return r;
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

static int list_v2_hugetlb(const struct agent_cgroup_stats *cg, struct arena *arena,
			   struct cgroup2_metrics *metrics)
{
	metrics->hugetlb = arena_calloc(arena, cg->nr_hugetlb_stats + 1, sizeof(*metrics->hugetlb));
	if (!metrics->hugetlb)
		return -ENOMEM;
	for (size_t i = 0; i < cg->nr_hugetlb_stats; i++) {
		const struct agent_hugetlb_stats_entry *entry = &cg->hugetlb_stats[i];
		const struct agent_hugetlb_stats *value = entry->value ? entry->value : &no_hugetlb;

		metrics->hugetlb[metrics->nr_hugetlb++] =
			(struct cgroup2_hugetlb_stat){ value->usage, value->limit, entry->key,
						       value->failcnt };
	}
	return 0;
}

/* The counters of a device; its entry is added where there is none yet. */
static struct cgroup2_io_entry *
io_of(struct cgroup2_io_stat *io, const struct agent_blkio_stats_entry *key, struct arena *arena)
{
	for (size_t i = 0; i < io->nr_usage; i++)
		if (io->usage[i].major == key->major && io->usage[i].minor == key->minor)
			return &io->usage[i];
	if (arena_grow(arena, &io->usage, &io->nr_usage, sizeof(*io->usage)) < 0)
		return NULL;
	io->usage[io->nr_usage - 1] =
		(struct cgroup2_io_entry){ .major = key->major, .minor = key->minor };
	return &io->usage[io->nr_usage - 1];
}

/* @bytes: what is counted, otherwise operations */
static int add_v2_io(struct cgroup2_io_stat *io, const struct agent_blkio_stats_entry *list,
		     size_t nr, bool bytes, struct arena *arena)
{
	for (size_t i = 0; i < nr; i++) {
		struct cgroup2_io_entry *entry = io_of(io, &list[i], arena);

		if (!entry)
			return -ENOMEM;
		if (str_eq(list[i].op, "Read"))
			*(bytes ? &entry->rbytes : &entry->rios) = list[i].value;
		else if (str_eq(list[i].op, "Write"))
			*(bytes ? &entry->wbytes : &entry->wios) = list[i].value;
	}
	return 0;
}

static int list_v2_io(const struct agent_blkio_stats *from, struct arena *arena,
		      struct cgroup2_io_stat *io)
{
	int r = add_v2_io(io, from->io_service_bytes_recursive, from->nr_io_service_bytes_recursive,
			  true, arena);

	return r < 0 ? r
		     : add_v2_io(io, from->io_serviced_recursive, from->nr_io_serviced_recursive,
				 false, arena);
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
	struct cgroup2_io_stat v2_io = { 0 };
	struct cgroup2_metrics metrics = {
		.pids = &v2_pids, .cpu = &v2_cpu, .memory = &v2_memory, .io = &v2_io
	};
	int r = list_v2_hugetlb(cg, arena, &metrics);

	if (r >= 0 && cg->blkio_stats)
		r = list_v2_io(cg->blkio_stats, arena, &v2_io);
	if (r < 0)
		return r;
	fill_v2_memory(cg->memory_stats ? cg->memory_stats : &no_memory_stats, &v2_memory);
	metrics.network = stats->network_stats;
	metrics.nr_network = stats->nr_network_stats;
	return pb_any_pack(arena, &cgroup2_metrics_type, &metrics, ret);
}

/**
 * metrics_pack() - counters of the guest as a message for this host's clients
 * @stats: counters with cgroup_stats; messages in it may be missing
 * @version: of the message: 1 or 2
 * @arena: receives the result
 * @ret: receives one of containerd's two Metrics messages
 * @err: filled on failure
 *
 * Return: 0 or -errno.
 */
int metrics_pack(const struct agent_stats_container_response *stats, int version,
		 struct arena *arena, struct pb_any *ret, struct err *err)
{
	int r = version == 2 ? pack_v2(stats, arena, ret) : pack_v1(stats, arena, ret);

	return r < 0 ? err_set_errno(err, r, "pack counters") : 0;
}
