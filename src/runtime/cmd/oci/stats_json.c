/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Statistics as JSON. The names and the nesting are those that readers of "runc events" expect;
 * some of them follow no rule, such as the capital letters of the network's.
 */
#include "runtime/cmd/oci/stats_json.h"

static void put_cpu(struct json_writer *w, const struct agent_cpu_stats *cpu)
{
	json_member_object(w, "cpu");
	if (cpu && cpu->cpu_usage) {
		const struct agent_cpu_usage *usage = cpu->cpu_usage;

		json_member_object(w, "usage");
		json_member_uint(w, "total", usage->total_usage);
		json_member_array(w, "percpu");
		for (size_t i = 0; i < usage->nr_percpu_usage; i++)
			json_put_uint(w, usage->percpu_usage[i]);
		json_array_end(w);
		json_member_uint(w, "kernel", usage->usage_in_kernelmode);
		json_member_uint(w, "user", usage->usage_in_usermode);
		json_object_end(w);
	}
	if (cpu && cpu->throttling_data) {
		json_member_object(w, "throttling");
		json_member_uint(w, "periods", cpu->throttling_data->periods);
		json_member_uint(w, "throttledPeriods", cpu->throttling_data->throttled_periods);
		json_member_uint(w, "throttledTime", cpu->throttling_data->throttled_time);
		json_object_end(w);
	}
	json_object_end(w);
}

static void put_memory_data(struct json_writer *w, const char *name,
			    const struct agent_memory_data *data)
{
	static const struct agent_memory_data none;

	if (!data)
		data = &none;
	json_member_object(w, name);
	json_member_uint(w, "limit", data->limit);
	json_member_uint(w, "usage", data->usage);
	json_member_uint(w, "max", data->max_usage);
	json_member_uint(w, "failcnt", data->failcnt);
	json_object_end(w);
}

static void put_memory(struct json_writer *w, const struct agent_memory_stats *memory)
{
	static const struct agent_memory_stats none;

	if (!memory)
		memory = &none;
	json_member_object(w, "memory");
	json_member_uint(w, "cache", memory->cache);
	put_memory_data(w, "usage", memory->usage);
	put_memory_data(w, "swap", memory->swap_usage);
	put_memory_data(w, "kernel", memory->kernel_usage);
	put_memory_data(w, "kernelTCP", NULL);
	json_member_object(w, "raw");
	for (size_t i = 0; i < memory->nr_stats; i++)
		json_member_uint(w, memory->stats[i].key, memory->stats[i].value);
	json_object_end(w);
	json_object_end(w);
}

static void put_blkio_list(struct json_writer *w, const char *name,
			   const struct agent_blkio_stats_entry *entries, size_t nr)
{
	if (nr == 0)
		return;
	json_member_array(w, name);
	for (size_t i = 0; i < nr; i++) {
		json_object(w);
		json_member_uint(w, "major", entries[i].major);
		json_member_uint(w, "minor", entries[i].minor);
		json_member_str(w, "op", entries[i].op);
		json_member_uint(w, "value", entries[i].value);
		json_object_end(w);
	}
	json_array_end(w);
}

static void put_blkio(struct json_writer *w, const struct agent_blkio_stats *blkio)
{
	static const struct agent_blkio_stats none;
	const struct agent_blkio_stats *b = blkio ? blkio : &none;

	json_member_object(w, "blkio");
	put_blkio_list(w, "ioServiceBytesRecursive", b->io_service_bytes_recursive,
		       b->nr_io_service_bytes_recursive);
	put_blkio_list(w, "ioServicedRecursive", b->io_serviced_recursive,
		       b->nr_io_serviced_recursive);
	put_blkio_list(w, "ioQueueRecursive", b->io_queued_recursive, b->nr_io_queued_recursive);
	put_blkio_list(w, "ioServiceTimeRecursive", b->io_service_time_recursive,
		       b->nr_io_service_time_recursive);
	put_blkio_list(w, "ioWaitTimeRecursive", b->io_wait_time_recursive,
		       b->nr_io_wait_time_recursive);
	put_blkio_list(w, "ioMergedRecursive", b->io_merged_recursive, b->nr_io_merged_recursive);
	put_blkio_list(w, "ioTimeRecursive", b->io_time_recursive, b->nr_io_time_recursive);
	put_blkio_list(w, "sectorsRecursive", b->sectors_recursive, b->nr_sectors_recursive);
	json_object_end(w);
}

static void put_hugetlb(struct json_writer *w, const struct agent_cgroup_stats *cgroup)
{
	json_member_object(w, "hugetlb");
	for (size_t i = 0; i < cgroup->nr_hugetlb_stats; i++) {
		const struct agent_hugetlb_stats_entry *entry = &cgroup->hugetlb_stats[i];

		if (!entry->value)
			continue;
		json_member_object(w, entry->key);
		json_member_uint(w, "usage", entry->value->usage);
		json_member_uint(w, "max", entry->value->max_usage);
		json_member_uint(w, "failcnt", entry->value->failcnt);
		json_object_end(w);
	}
	json_object_end(w);
}

static void put_network(struct json_writer *w, const struct agent_stats_container_response *stats)
{
	json_member_array(w, "network_interfaces");
	for (size_t i = 0; i < stats->nr_network_stats; i++) {
		const struct agent_network_stats *net = &stats->network_stats[i];

		json_object(w);
		json_member_str(w, "Name", net->name);
		json_member_uint(w, "RxBytes", net->rx_bytes);
		json_member_uint(w, "RxPackets", net->rx_packets);
		json_member_uint(w, "RxErrors", net->rx_errors);
		json_member_uint(w, "RxDropped", net->rx_dropped);
		json_member_uint(w, "TxBytes", net->tx_bytes);
		json_member_uint(w, "TxPackets", net->tx_packets);
		json_member_uint(w, "TxErrors", net->tx_errors);
		json_member_uint(w, "TxDropped", net->tx_dropped);
		json_object_end(w);
	}
	json_array_end(w);
}

/**
 * stats_json_write() - write the "data" object of a stats event
 * @w: writer
 * @stats: statistics as the guest tells them
 */
void stats_json_write(struct json_writer *w, const struct agent_stats_container_response *stats)
{
	static const struct agent_cgroup_stats none;
	const struct agent_cgroup_stats *cgroup = stats->cgroup_stats ? stats->cgroup_stats : &none;

	json_object(w);
	put_cpu(w, cgroup->cpu_stats);
	put_memory(w, cgroup->memory_stats);
	json_member_object(w, "pids");
	if (cgroup->pids_stats) {
		json_member_uint(w, "current", cgroup->pids_stats->current);
		json_member_uint(w, "limit", cgroup->pids_stats->limit);
	}
	json_object_end(w);
	put_blkio(w, cgroup->blkio_stats);
	put_hugetlb(w, cgroup);
	json_member_object(w, "intel_rdt");
	json_object_end(w);
	put_network(w, stats);
	json_object_end(w);
}
