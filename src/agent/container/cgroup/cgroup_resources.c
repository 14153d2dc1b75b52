/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Limits of the specification, which are in the units of cgroup v1, as values of cgroup v2 files.
 * What v2 has no counterpart for is refused when it asks for something and ignored when it asks for
 * nothing.
 */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/container/cgroup/cgroup.h"
#include "common/str.h"
#include "oci/cpu.h"

#define RESOURCE_LIST_MAX 1024
#define RECLAIM_ROUNDS 5

/**
 * cgroup_blkio_to_io_weight() - blkio.weight of v1 as io.weight
 * @weight: 10 to 1000; others are cut
 *
 * Return: 1 to 10000.
 */
uint64_t cgroup_blkio_to_io_weight(uint64_t weight)
{
	weight = MIN(MAX(weight, 10U), 1000U);
	return 1 + (weight - 10) * 9999 / 990;
}

/**
 * cgroup_swap_limit() - memory and swap together, as v1 limits them, as swap alone
 * @limit: memory, -1 for none
 * @swap: memory and swap, -1 for none
 * @ret: receives the limit of swap, -1 for none
 * @err: filled on failure
 *
 * Return: 0 or -EINVAL.
 */
int cgroup_swap_limit(int64_t limit, int64_t swap, int64_t *ret, struct err *err)
{
	if (swap < 0) {
		*ret = -1;
		return 0;
	}
	if (limit <= 0)
		return err_set(err, EINVAL, "memory.swap needs memory.limit");
	if (swap < limit)
		return err_set(err, EINVAL,
			       "memory.swap (memory and swap together) is below memory.limit");
	*ret = swap - limit;
	return 0;
}

static int write_limit(int fd, const char *file, int64_t limit, struct err *err)
{
	return limit < 0 ? cgroup_write(fd, file, err, "max")
			 : cgroup_write(fd, file, err, "%lld", (long long)limit);
}

/* Quota and period share a file; what is absent keeps its value. */
static int apply_cpu_max(int fd, const struct oci_cpu *cpu, struct err *err)
{
	cleanup_free char *text = NULL;
	struct oci_bandwidth b = OCI_BANDWIDTH_NONE;
	char quota[32] = "max";

	/* As it was, or the defaults; "max" is no number. */
	if (cgroup_read_text(fd, "cpu.max", &text) >= 0 &&
	    sscanf(text, "%31s %" SCNu64, quota, &b.period) >= 1 && str_to_i64(quota, &b.quota) < 0)
		b.quota = -1;
	if (!oci_cpu_bandwidth(cpu, &b))
		return 0;
	if (!text && b.quota < 0)
		return 0; /* no such controller, and nothing is limited */
	if (b.quota < 0)
		return cgroup_write(fd, "cpu.max", err, "max %" PRIu64, b.period);
	return cgroup_write(fd, "cpu.max", err, "%" PRId64 " %" PRIu64, b.quota, b.period);
}

/*
 * A burst may not exceed the quota: it is lowered before that, or raised after it; one of the two
 * always fits.
 */
static int apply_bandwidth(int fd, const struct oci_cpu *cpu, struct err *err)
{
	struct err ignored;
	unsigned long long burst = cpu->burst ? *cpu->burst : 0;
	bool has_burst = cpu->burst && (burst || cgroup_has(fd, "cpu.max.burst"));
	bool done = has_burst && cgroup_write(fd, "cpu.max.burst", &ignored, "%llu", burst) >= 0;
	int r = apply_cpu_max(fd, cpu, err);

	if (r >= 0 && has_burst && !done)
		r = cgroup_write(fd, "cpu.max.burst", err, "%llu", burst);
	return r;
}

static int apply_cpu(int fd, const struct oci_cpu *cpu, struct err *err)
{
	int r = 0;

	if ((cpu->realtime_runtime && *cpu->realtime_runtime) ||
	    (cpu->realtime_period && *cpu->realtime_period))
		return err_set(err, ENOTSUP, "not supported: realtime CPU limits with cgroup v2");
	if (cpu->shares && *cpu->shares)
		r = cgroup_write(fd, "cpu.weight", err, "%llu",
				 (unsigned long long)oci_cpu_weight(*cpu->shares));
	if (r >= 0 && cpu->idle)
		r = cgroup_write(fd, "cpu.idle", err, "%lld", (long long)*cpu->idle);
	if (r >= 0)
		r = apply_bandwidth(fd, cpu, err);
	if (r >= 0 && !str_empty(cpu->cpus))
		r = cgroup_write(fd, "cpuset.cpus", err, "%s", cpu->cpus);
	if (r >= 0 && !str_empty(cpu->mems))
		r = cgroup_write(fd, "cpuset.mems", err, "%s", cpu->mems);
	return r;
}

static int check_usage(int fd, const struct oci_memory *memory, struct err *err)
{
	uint64_t usage;

	if (!memory->check_before_update || !*memory->check_before_update || !memory->limit ||
	    *memory->limit <= 0)
		return 0;
	if (cgroup_read_u64(fd, "memory.current", &usage) >= 0 && usage > (uint64_t)*memory->limit)
		return err_set(err, EINVAL, "memory limit %lld is below the current usage %llu",
			       (long long)*memory->limit, (unsigned long long)usage);
	return 0;
}

/*
 * A lower limit than what is in use makes the kernel kill, once it has written back and dropped what
 * it can. It is asked to do that first; what it cannot is in use, and the limit is refused.
 */
static int give_back(int fd, int64_t limit, struct err *err)
{
	uint64_t usage;
	struct err ignored;

	if (!cgroup_has(fd, "memory.reclaim"))
		return 0; /* before Linux 5.19 */
	for (unsigned round = 0; round < RECLAIM_ROUNDS; round++) {
		if (cgroup_read_u64(fd, "memory.current", &usage) < 0 || usage <= (uint64_t)limit)
			return 0;
		/* -EAGAIN: less than that much */
		(void)cgroup_write(fd, "memory.reclaim", &ignored, "%llu",
				   (unsigned long long)(usage - (uint64_t)limit));
	}
	if (cgroup_read_u64(fd, "memory.current", &usage) < 0 || usage <= (uint64_t)limit)
		return 0;
	return err_set(err, EBUSY,
		       "the container uses %llu bytes of memory and cannot give back %llu of them "
		       "for a limit of %lld",
		       (unsigned long long)usage, (unsigned long long)(usage - (uint64_t)limit),
		       (long long)limit);
}

static int apply_swap(int fd, const struct oci_memory *memory, bool is_update, struct err *err)
{
	int64_t limit = memory->limit ? *memory->limit : 0, swap = 0;
	uint64_t current;

	if (!memory->swap || *memory->swap == 0)
		return 0;
	if (!limit && is_update && cgroup_read_u64(fd, "memory.max", &current) >= 0 &&
	    current <= INT64_MAX)
		limit = (int64_t)current;
	int r = cgroup_swap_limit(limit, *memory->swap, &swap, err);
	if (r < 0)
		return r;
	/* A kernel without swap has no such file and needs no limit. */
	return cgroup_has(fd, "memory.swap.max") ? write_limit(fd, "memory.swap.max", swap, err)
						 : 0;
}

/*
 * kernel, kernelTCP, swappiness and disableOOMKiller have no meaning in v2; managers that know v1
 * send them.
 */
static int apply_memory(int fd, const struct oci_memory *memory, bool is_update, struct err *err)
{
	int r = check_usage(fd, memory, err);

	if (r >= 0 && is_update && memory->limit && *memory->limit > 0)
		r = give_back(fd, *memory->limit, err);
	if (r >= 0)
		r = apply_swap(fd, memory, is_update, err);
	if (r >= 0 && memory->limit && *memory->limit)
		r = write_limit(fd, "memory.max", *memory->limit, err);
	if (r >= 0 && memory->reservation && *memory->reservation)
		r = write_limit(fd, "memory.low", *memory->reservation, err);
	return r;
}

static int apply_pids(int fd, const struct oci_pids *pids, struct err *err)
{
	return pids->limit && *pids->limit ? write_limit(fd, "pids.max", *pids->limit, err) : 0;
}

static int apply_throttle(int fd, const char *key, const struct oci_throttle_device *list,
			  size_t nr, struct err *err)
{
	for (size_t i = 0; i < nr; i++) {
		char rate[32] = "max";

		if (list[i].rate)
			(void)snprintf(rate, sizeof(rate), "%llu",
				       (unsigned long long)list[i].rate);
		int r = cgroup_write(fd, "io.max", err, "%lld:%lld %s=%s", (long long)list[i].major,
				     (long long)list[i].minor, key, rate);
		if (r < 0)
			return r;
	}
	return 0;
}

static int apply_io_weight(int fd, const struct oci_block_io *io, struct err *err)
{
	bool bfq = cgroup_has(fd, "io.bfq.weight");
	int r = 0;

	if (io->weight && *io->weight)
		r = bfq ? cgroup_write(fd, "io.bfq.weight", err, "%u", *io->weight)
			: cgroup_write(fd, "io.weight", err, "default %llu",
				       (unsigned long long)cgroup_blkio_to_io_weight(*io->weight));
	for (size_t i = 0; i < io->nr_weight_device && r >= 0; i++) {
		const struct oci_weight_device *dev = &io->weight_device[i];

		if (!dev->weight || !*dev->weight)
			continue;
		uint64_t weight = bfq ? *dev->weight : cgroup_blkio_to_io_weight(*dev->weight);
		r = cgroup_write(fd, bfq ? "io.bfq.weight" : "io.weight", err, "%lld:%lld %llu",
				 (long long)dev->major, (long long)dev->minor,
				 (unsigned long long)weight);
	}
	return r;
}

static int apply_io(int fd, const struct oci_block_io *io, struct err *err)
{
	int r = 0;

	if ((io->leaf_weight && *io->leaf_weight))
		return err_set(err, ENOTSUP, "not supported: blockIO.leafWeight with cgroup v2");
	if (io->nr_weight_device > RESOURCE_LIST_MAX ||
	    io->nr_throttle_read_bps_device > RESOURCE_LIST_MAX ||
	    io->nr_throttle_write_bps_device > RESOURCE_LIST_MAX ||
	    io->nr_throttle_read_iops_device > RESOURCE_LIST_MAX ||
	    io->nr_throttle_write_iops_device > RESOURCE_LIST_MAX)
		return err_set(err, E2BIG, "too many blockIO devices");
	r = apply_io_weight(fd, io, err);
	if (r >= 0)
		r = apply_throttle(fd, "rbps", io->throttle_read_bps_device,
				   io->nr_throttle_read_bps_device, err);
	if (r >= 0)
		r = apply_throttle(fd, "wbps", io->throttle_write_bps_device,
				   io->nr_throttle_write_bps_device, err);
	if (r >= 0)
		r = apply_throttle(fd, "riops", io->throttle_read_iops_device,
				   io->nr_throttle_read_iops_device, err);
	if (r >= 0)
		r = apply_throttle(fd, "wiops", io->throttle_write_iops_device,
				   io->nr_throttle_write_iops_device, err);
	return r;
}

/* A name that becomes part of a file name. */
static bool is_word(const char *s, const char *also)
{
	if (str_empty(s) || strlen(s) > 128 || s[0] == '.')
		return false;
	for (; *s; s++)
		if (!isalnum((unsigned char)*s) && !strchr(also, *s))
			return false;
	return true;
}

static int apply_hugetlb(int fd, const struct oci_hugepage_limit *limit, struct err *err)
{
	char file[160];

	if (!is_word(limit->page_size, ""))
		return err_set(err, EINVAL, "wrong huge page size \"%.32s\"",
			       limit->page_size ? limit->page_size : "");
	(void)snprintf(file, sizeof(file), "hugetlb.%s.max", limit->page_size);
	int r = cgroup_write(fd, file, err, "%llu", (unsigned long long)limit->limit);
	if (r < 0)
		return r;
	(void)snprintf(file, sizeof(file), "hugetlb.%s.rsvd.max", limit->page_size);
	return cgroup_has(fd, file)
		       ? cgroup_write(fd, file, err, "%llu", (unsigned long long)limit->limit)
		       : 0;
}

static int apply_rdma(int fd, const struct oci_rdma *rdma, struct err *err)
{
	char handles[16] = "max", objects[16] = "max";

	if (!is_word(rdma->key, "_-."))
		return err_set(err, EINVAL, "wrong RDMA device \"%.32s\"",
			       rdma->key ? rdma->key : "");
	if (rdma->hca_handles)
		(void)snprintf(handles, sizeof(handles), "%u", *rdma->hca_handles);
	if (rdma->hca_objects)
		(void)snprintf(objects, sizeof(objects), "%u", *rdma->hca_objects);
	return cgroup_write(fd, "rdma.max", err, "%s hca_handle=%s hca_object=%s", rdma->key,
			    handles, objects);
}

static int apply_unified(int fd, const struct kv *unified, struct err *err)
{
	if (!is_word(unified->key, "_-.") || !strchr(unified->key, '.'))
		return err_set(err, EINVAL, "wrong cgroup file \"%.64s\" in resources.unified",
			       unified->key ? unified->key : "");
	if (str_skip_prefix(unified->key, "cgroup."))
		return err_set(err, EINVAL, "resources.unified must not write %.64s", unified->key);
	/* A file that takes one line per device gets one write per line. */
	for (const char *line = unified->value ? unified->value : ""; *line;) {
		size_t len = strcspn(line, "\n");

		if (len > 2048)
			return err_set(err, E2BIG, "resources.unified %s is too long",
				       unified->key);
		int r = len ? cgroup_write(fd, unified->key, err, "%.*s", (int)len, line) : 0;
		if (r < 0)
			return r;
		line += len + (line[len] == '\n');
	}
	return 0;
}

static int apply_all(int fd, const struct oci_resources *res, bool is_update, struct err *err)
{
	int r = 0;

	if (res->nr_hugepage_limits > RESOURCE_LIST_MAX || res->nr_rdma > RESOURCE_LIST_MAX ||
	    res->nr_unified > RESOURCE_LIST_MAX)
		return err_set(err, E2BIG, "too many resource limits");
	if (res->cpu)
		r = apply_cpu(fd, res->cpu, err);
	if (r >= 0 && res->memory)
		r = apply_memory(fd, res->memory, is_update, err);
	if (r >= 0 && res->pids)
		r = apply_pids(fd, res->pids, err);
	if (r >= 0 && res->block_io)
		r = apply_io(fd, res->block_io, err);
	for (size_t i = 0; i < res->nr_hugepage_limits && r >= 0; i++)
		r = apply_hugetlb(fd, &res->hugepage_limits[i], err);
	for (size_t i = 0; i < res->nr_rdma && r >= 0; i++)
		r = apply_rdma(fd, &res->rdma[i], err);
	for (size_t i = 0; i < res->nr_unified && r >= 0; i++)
		r = apply_unified(fd, &res->unified[i], err);
	return r;
}

/**
 * cgroup_apply() - set limits, all of them or none
 * @cgroup: cgroup
 * @res: what is absent is left alone; device rules are not looked at
 * @is_update: processes are there already, and go on with the limits before if this fails
 * @err: names the limit that could not be set
 *
 * Return: 0 or -errno.
 */
int cgroup_apply(const struct cgroup *cgroup, const struct oci_resources *res, bool is_update,
		 struct err *err)
{
	cleanup_arena struct arena *arena = NULL;
	struct cgroup_saved *saved = NULL;
	int fd = cgroup_fd(cgroup), r = 0;

	if (is_update) {
		r = arena_new(&arena);
		if (r >= 0)
			r = cgroup_save(fd, res, arena, &saved);
		if (r < 0)
			return err_set_errno(err, r, "read the limits of the cgroup");
	}
	r = apply_all(fd, res, is_update, err);
	if (r < 0 && saved)
		cgroup_restore(fd, saved);
	return r;
}
