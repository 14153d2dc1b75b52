/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GetMetrics: the agent and the guest in Prometheus' text format, under the names Kata's users
 * know. All values come from procfs; a file that cannot be read leaves its metrics out.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/core/agent.h"
#include "agent/rpc/service.h"
#include "agent/rpc/stats.h"
#include "common/io.h"
#include "common/str.h"

#define PROC_FILE_MAX (256U * 1024)

/* Text being written; the first failure sticks. */
struct metrics {
	struct strbuf out;
	int r;
};

static void family(struct metrics *m, const char *name, const char *type, const char *help)
{
	if (m->r >= 0)
		m->r = strbuf_printf(&m->out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name,
				     type);
}

static void value(struct metrics *m, const char *name, const char *labels, double v)
{
	if (m->r >= 0)
		m->r = strbuf_printf(&m->out, "%s%s %.15g\n", name, labels, v);
}

static void item(struct metrics *m, const char *name, const char *key, const char *label, double v)
{
	if (m->r >= 0)
		m->r = strbuf_printf(&m->out, "%s{%s=\"%s\"} %.15g\n", name, key, label, v);
}

static char *slurp(const char *path)
{
	char *text = NULL;

	return io_read_file_at(AT_FDCWD, path, PROC_FILE_MAX, &text) < 0 ? NULL : text;
}

/* "MemTotal:  123 kB" becomes "memtotal" and 123. */
static bool parse_key_value(char *line, char **ret_key, double *ret_value)
{
	char *colon = strchr(line, ':');

	if (!colon)
		return false;
	*colon = '\0';
	for (char *p = line; *p; p++)
		*p = isalnum((unsigned char)*p) ? (char)tolower((unsigned char)*p) : '_';
	*ret_key = line;
	return sscanf(colon + 1, "%lf", ret_value) == 1;
}

static void key_value_file(struct metrics *m, const char *path, const char *name, const char *help,
			   const char *only_prefix, double scale)
{
	cleanup_free char *text = slurp(path);
	char *save = NULL, *key;
	double v;

	if (!text)
		return;
	family(m, name, "gauge", help);
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		if (parse_key_value(line, &key, &v) && str_skip_prefix(key, only_prefix))
			item(m, name, "item", key, v * scale);
}

static void agent_process(struct metrics *m)
{
	cleanup_free char *stat = slurp("/proc/self/stat");
	char *close = stat ? strrchr(stat, ')') : NULL;
	double ticks = (double)sysconf(_SC_CLK_TCK), utime, stime, threads, vsize, rss;

	if (!close || sscanf(close + 1,
			     " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lf %lf %*d %*d %*d %*d "
			     "%lf %*d %*u %lf %lf",
			     &utime, &stime, &threads, &vsize, &rss) != 5)
		return;
	family(m, "kata_agent_total_time", "gauge", "Agent process total time");
	value(m, "kata_agent_total_time", "", utime + stime);
	family(m, "kata_agent_process_cpu_seconds_total", "counter",
	       "User and system CPU time of the agent");
	value(m, "kata_agent_process_cpu_seconds_total", "", (utime + stime) / ticks);
	family(m, "kata_agent_threads", "gauge", "Agent process threads");
	value(m, "kata_agent_threads", "", threads);
	family(m, "kata_agent_total_vm", "gauge", "Agent process total virtual memory");
	value(m, "kata_agent_total_vm", "", vsize);
	family(m, "kata_agent_total_rss", "gauge", "Agent process resident memory");
	value(m, "kata_agent_total_rss", "", rss * (double)sysconf(_SC_PAGESIZE));
	key_value_file(m, "/proc/self/io", "kata_agent_io_stat", "Agent process IO statistics", "",
		       1);
	key_value_file(m, "/proc/self/status", "kata_agent_proc_status", "Agent process status",
		       "vm", 1);
}

static void guest_load(struct metrics *m)
{
	static const char *const names[] = { "load1", "load5", "load15" };
	cleanup_free char *text = slurp("/proc/loadavg");
	double load[3];

	if (!text || sscanf(text, "%lf %lf %lf", &load[0], &load[1], &load[2]) != 3)
		return;
	family(m, "kata_guest_load", "gauge", "Guest system load");
	for (size_t i = 0; i < ARRAY_SIZE(load); i++)
		item(m, "kata_guest_load", "item", names[i], load[i]);
}

static void guest_cpu(struct metrics *m)
{
	static const char *const items[] = { "user",   "nice", "system",  "idle",
					     "iowait", "irq",  "softirq", "steal" };
	cleanup_free char *text = slurp("/proc/stat");
	char *save = NULL, cpu[16], labels[64];
	double v[ARRAY_SIZE(items)];

	if (!text)
		return;
	family(m, "kata_guest_cpu_time", "gauge", "Guest CPU statistics");
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		if (sscanf(line, "cpu%15s %lf %lf %lf %lf %lf %lf %lf %lf", cpu, &v[0], &v[1],
			   &v[2], &v[3], &v[4], &v[5], &v[6], &v[7]) != 9 ||
		    !isdigit((unsigned char)line[3]))
			continue;
		for (size_t i = 0; i < ARRAY_SIZE(items); i++) {
			(void)snprintf(labels, sizeof(labels), "{cpu=\"%s\",item=\"%s\"}", cpu,
				       items[i]);
			value(m, "kata_guest_cpu_time", labels, v[i]);
		}
	}
}

static void guest_disks(struct metrics *m)
{
	static const char *const items[] = { "reads",
					     "reads_merged",
					     "sectors_read",
					     "time_reading",
					     "writes",
					     "writes_merged",
					     "sectors_written",
					     "time_writing",
					     "in_progress",
					     "time_in_progress",
					     "weighted_time_in_progress" };
	cleanup_free char *text = slurp("/proc/diskstats");
	char *save = NULL, disk[32], labels[96];
	double v[ARRAY_SIZE(items)];

	if (!text)
		return;
	family(m, "kata_guest_diskstat", "gauge", "Guest disk statistics");
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		if (sscanf(line, "%*u %*u %31s %lf %lf %lf %lf %lf %lf %lf %lf %lf %lf %lf", disk,
			   &v[0], &v[1], &v[2], &v[3], &v[4], &v[5], &v[6], &v[7], &v[8], &v[9],
			   &v[10]) != 12)
			continue;
		for (size_t i = 0; i < ARRAY_SIZE(items); i++) {
			(void)snprintf(labels, sizeof(labels), "{disk=\"%s\",item=\"%s\"}", disk,
				       items[i]);
			value(m, "kata_guest_diskstat", labels, v[i]);
		}
	}
}

static void net_item(struct metrics *m, const char *interface, const char *name, uint64_t v)
{
	char labels[96];

	(void)snprintf(labels, sizeof(labels), "{interface=\"%s\",item=\"%s\"}", interface, name);
	value(m, "kata_guest_netdev_stat", labels, (double)v);
}

static void guest_network(struct metrics *m, struct arena *arena)
{
	struct agent_network_stats *s;
	size_t nr;

	if (stats_network(arena, &s, &nr) < 0)
		return;
	family(m, "kata_guest_netdev_stat", "gauge", "Guest network devices statistics");
	for (size_t i = 0; i < nr; i++) {
		net_item(m, s[i].name, "recv_bytes", s[i].rx_bytes);
		net_item(m, s[i].name, "recv_packets", s[i].rx_packets);
		net_item(m, s[i].name, "recv_errs", s[i].rx_errors);
		net_item(m, s[i].name, "recv_drop", s[i].rx_dropped);
		net_item(m, s[i].name, "sent_bytes", s[i].tx_bytes);
		net_item(m, s[i].name, "sent_packets", s[i].tx_packets);
		net_item(m, s[i].name, "sent_errs", s[i].tx_errors);
		net_item(m, s[i].name, "sent_drop", s[i].tx_dropped);
	}
}

/**
 * metrics_rpc_get() - GetMetrics
 * @ctx: agent
 * @call: request
 * @request: NULL
 * @response: struct agent_metrics
 * @err: filled on failure
 *
 * Return: 0 or -errno.
 */
RPC_FN(metrics_rpc_get)
{
	struct agent_metrics *resp = response;
	struct metrics m = { .out = STRBUF_NULL };

	(void)ctx;
	(void)request;
	family(&m, "kata_agent_scrape_count", "counter", "Metrics scrape count");
	static uint64_t scrapes;
	value(&m, "kata_agent_scrape_count", "", (double)++scrapes);
	agent_process(&m);
	guest_load(&m);
	key_value_file(&m, "/proc/meminfo", "kata_guest_meminfo", "Guest memory in bytes", "",
		       1024);
	guest_cpu(&m);
	guest_disks(&m);
	guest_network(&m, call->arena);
	if (m.r >= 0)
		resp->metrics = arena_strdup(call->arena, m.out.data);
	strbuf_deinit(&m.out);
	return m.r < 0 || !resp->metrics ? err_set(err, ENOMEM, "out of memory") : 0;
}
