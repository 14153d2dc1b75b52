/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counters of a cgroup, read into the message they travel in. A missing file is a missing
 * controller and leaves zeros; nothing here can fail but for memory.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/container/cgroup/cgroup.h"
#include "common/io.h"
#include "common/str.h"
#include "rpc/pb/agent_msg.h"

/* Bounds what one answer can hold. */
#define STATS_MEMORY_KEYS_MAX 512
#define STATS_IO_ENTRIES_MAX 1024
#define STATS_HUGETLB_MAX 32

static uint64_t read_u64(int fd, const char *file)
{
	uint64_t value = 0;

	(void)cgroup_read_u64(fd, file, &value); /* 0 when it is not there */
	return value;
}

static uint64_t read_key(int fd, const char *file, const char *key)
{
	uint64_t value = 0;

	(void)cgroup_read_key(fd, file, key, &value); /* 0 when it is not there */
	return value;
}

static int read_cpu(int fd, struct arena *arena, struct agent_cpu_stats **ret)
{
	struct agent_cpu_stats *cpu = arena_alloc(arena, sizeof(*cpu));
	struct agent_cpu_usage *usage = arena_alloc(arena, sizeof(*usage));
	struct agent_throttling_data *throttling = arena_alloc(arena, sizeof(*throttling));

	if (!cpu || !usage || !throttling)
		return -ENOMEM;
	usage->total_usage = read_key(fd, "cpu.stat", "usage_usec") * 1000;
	usage->usage_in_usermode = read_key(fd, "cpu.stat", "user_usec") * 1000;
	usage->usage_in_kernelmode = read_key(fd, "cpu.stat", "system_usec") * 1000;
	throttling->periods = read_key(fd, "cpu.stat", "nr_periods");
	throttling->throttled_periods = read_key(fd, "cpu.stat", "nr_throttled");
	throttling->throttled_time = read_key(fd, "cpu.stat", "throttled_usec") * 1000;
	cpu->cpu_usage = usage;
	cpu->throttling_data = throttling;
	*ret = cpu;
	return 0;
}

/* "key value" lines of memory.stat, as they are. */
static int read_memory_keys(int fd, struct arena *arena, struct agent_memory_stats *memory)
{
	cleanup_free char *text = NULL;

	if (cgroup_read_text(fd, "memory.stat", &text) < 0)
		return 0;
	for (char *rest = text, *line; (line = strsep(&rest, "\n"));) {
		char *value = strchr(line, ' ');
		uint64_t number;

		if (!value || memory->nr_stats >= STATS_MEMORY_KEYS_MAX)
			continue;
		*value++ = '\0';
		if (str_to_u64(value, &number) < 0)
			continue;
		char *key = arena_strdup(arena, line);
		if (!key || arena_grow(arena, &memory->stats, &memory->nr_stats,
				       sizeof(*memory->stats)) < 0)
			return -ENOMEM;
		memory->stats[memory->nr_stats - 1] =
			(struct pb_kv_u64){ .key = key, .value = number };
	}
	return 0;
}

static int read_memory(int fd, struct arena *arena, struct agent_memory_stats **ret)
{
	struct agent_memory_stats *memory = arena_alloc(arena, sizeof(*memory));
	struct agent_memory_data *data = arena_calloc(arena, 3, sizeof(*data));

	if (!memory || !data)
		return -ENOMEM;
	memory->usage = &data[0];
	memory->swap_usage = &data[1];
	memory->kernel_usage = &data[2];
	memory->usage->usage = read_u64(fd, "memory.current");
	memory->usage->max_usage = read_u64(fd, "memory.peak");
	memory->usage->limit = read_u64(fd, "memory.max");
	memory->usage->failcnt = read_key(fd, "memory.events", "max");
	memory->swap_usage->usage = read_u64(fd, "memory.swap.current");
	memory->swap_usage->max_usage = read_u64(fd, "memory.swap.peak");
	memory->swap_usage->limit = read_u64(fd, "memory.swap.max");
	memory->swap_usage->failcnt = read_key(fd, "memory.swap.events", "max");
	memory->kernel_usage->usage = read_key(fd, "memory.stat", "kernel");
	memory->cache = read_key(fd, "memory.stat", "file");
	memory->use_hierarchy = true;
	int r = read_memory_keys(fd, arena, memory);
	if (r < 0)
		return r;
	*ret = memory;
	return 0;
}

static int read_pids(int fd, struct arena *arena, struct agent_pids_stats **ret)
{
	struct agent_pids_stats *pids = arena_alloc(arena, sizeof(*pids));

	if (!pids)
		return -ENOMEM;
	pids->current = read_u64(fd, "pids.current");
	pids->limit = read_u64(fd, "pids.max");
	if (pids->limit == UINT64_MAX)
		pids->limit = 0; /* how consumers of this message know "no limit" */
	*ret = pids;
	return 0;
}

static int add_io(struct arena *arena, struct agent_blkio_stats_entry **list, size_t *nr,
		  unsigned major, unsigned minor, const char *op, uint64_t value)
{
	if (*nr >= STATS_IO_ENTRIES_MAX)
		return 0;
	int r = arena_grow(arena, list, nr, sizeof(**list));
	if (r >= 0)
		(*list)[*nr - 1] = (struct agent_blkio_stats_entry){
			.major = major, .minor = minor, .op = op, .value = value
		};
	return r;
}

/* "8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6" */
static int parse_io_line(struct arena *arena, char *line, struct agent_blkio_stats *io)
{
	char *word = strsep(&line, " ");
	unsigned major, minor;
	int r = 0;

	if (sscanf(word, "%u:%u", &major, &minor) != 2)
		return 0;
	while (r >= 0 && (word = strsep(&line, " "))) {
		char *value = strchr(word, '=');
		uint64_t number;

		if (!value)
			continue;
		*value++ = '\0';
		size_t len = strlen(word);
		const char *op = word[0] == 'r' ? "Read" : word[0] == 'w' ? "Write" : "Discard";
		if (str_to_u64(value, &number) < 0 || len < 4 || !strchr("rwd", word[0]))
			continue;
		if (str_eq(word + 1, "bytes"))
			r = add_io(arena, &io->io_service_bytes_recursive,
				   &io->nr_io_service_bytes_recursive, major, minor, op, number);
		else if (str_eq(word + 1, "ios"))
			r = add_io(arena, &io->io_serviced_recursive, &io->nr_io_serviced_recursive,
				   major, minor, op, number);
	}
	return r;
}

static int read_io(int fd, struct arena *arena, struct agent_blkio_stats **ret)
{
	struct agent_blkio_stats *io = arena_alloc(arena, sizeof(*io));
	cleanup_free char *text = NULL;
	int r = 0;

	if (!io)
		return -ENOMEM;
	*ret = io;
	if (cgroup_read_text(fd, "io.stat", &text) < 0)
		return 0;
	for (char *rest = text, *line; r >= 0 && (line = strsep(&rest, "\n"));)
		if (*line)
			r = parse_io_line(arena, line, io);
	return r;
}

static int add_hugetlb(int fd, struct arena *arena, const char *size, size_t len,
		       struct agent_cgroup_stats *stats)
{
	char *key = arena_strndup(arena, size, len), file[96];
	struct agent_hugetlb_stats *value = arena_alloc(arena, sizeof(*value));

	if (!key || !value ||
	    arena_grow(arena, &stats->hugetlb_stats, &stats->nr_hugetlb_stats,
		       sizeof(*stats->hugetlb_stats)) < 0)
		return -ENOMEM;
	(void)snprintf(file, sizeof(file), "hugetlb.%s.current", key);
	value->usage = read_u64(fd, file);
	(void)snprintf(file, sizeof(file), "hugetlb.%s.max", key);
	value->limit = read_u64(fd, file);
	(void)snprintf(file, sizeof(file), "hugetlb.%s.events", key);
	value->failcnt = read_key(fd, file, "max");
	stats->hugetlb_stats[stats->nr_hugetlb_stats - 1] =
		(struct agent_hugetlb_stats_entry){ key, value };
	return 0;
}

/* One entry per page size, found by its "hugetlb.2MB.current". */
static int read_hugetlb(int fd, struct arena *arena, struct agent_cgroup_stats *stats)
{
	static const char suffix[] = ".current";
	DIR *dir;
	int r = io_opendir_at(fd, ".", &dir);

	if (r < 0)
		return 0;
	for (struct dirent *d;
	     r >= 0 && (d = readdir(dir)) && stats->nr_hugetlb_stats < STATS_HUGETLB_MAX;) {
		const char *size = str_skip_prefix(d->d_name, "hugetlb.");
		size_t len = size ? strlen(size) : 0;

		if (len < sizeof(suffix) || len > 64 ||
		    !str_eq(size + len - strlen(suffix), suffix))
			continue;
		len -= strlen(suffix);
		if (!memchr(size, '.', len)) /* not "2MB.rsvd" */
			r = add_hugetlb(fd, arena, size, len, stats);
	}
	(void)closedir(dir);
	return r;
}

/**
 * cgroup_stats() - read all counters
 * @cgroup: cgroup
 * @arena: holds the result
 * @ret: receives the counters
 * @err: filled on failure
 *
 * Return: 0 or -ENOMEM.
 */
int cgroup_stats(const struct cgroup *cgroup, struct arena *arena, struct agent_cgroup_stats **ret,
		 struct err *err)
{
	struct agent_cgroup_stats *stats = arena_alloc(arena, sizeof(*stats));
	int fd = cgroup_fd(cgroup), r = stats ? 0 : -ENOMEM;

	if (r >= 0)
		r = read_cpu(fd, arena, &stats->cpu_stats);
	if (r >= 0)
		r = read_memory(fd, arena, &stats->memory_stats);
	if (r >= 0)
		r = read_pids(fd, arena, &stats->pids_stats);
	if (r >= 0)
		r = read_io(fd, arena, &stats->blkio_stats);
	if (r >= 0)
		r = read_hugetlb(fd, arena, stats);
	if (r < 0)
		return err_set_errno(err, r, "statistics of cgroup %s", cgroup_path(cgroup));
	*ret = stats;
	return 0;
}
