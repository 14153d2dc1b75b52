/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The limits of the host's cgroup of a sandbox, as files of either version.
 */
#include "sandbox/cgroup/host_cgroup.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/io.h"
#include "common/limit_file.h"
#include "common/log.h"
#include "common/str.h"
#include "oci/cpu.h"
#include "sandbox/cgroup/systemd_scope.h"

#define HOST_CGROUP_EXHAUST_BYTES (16ULL << 20)

/* The hierarchy of a controller, or NULL; @ret_v2 says which interface its files have. */
static const char *find_controller(const struct host_cgroup *cg, const char *controller,
				   bool *ret_v2)
{
	size_t len = strlen(controller);

	for (size_t i = 0; i < cg->nr; i++) {
		*ret_v2 = !*cg->controllers[i];
		if (*ret_v2)
			return cg->dirs[i];
		for (const char *p = cg->controllers[i]; p;
		     p = strchr(p, ',') ? strchr(p, ',') + 1 : NULL)
			if (strncmp(p, controller, len) == 0 && (p[len] == ',' || !p[len]))
				return cg->dirs[i];
	}
	return NULL;
}

static int set_value(const struct host_cgroup *cg, const char *controller, const char *v1_file,
		     const char *v2_file, const char *value, struct err *err)
{
	bool v2 = false;
	const char *dir = find_controller(cg, controller, &v2);
	char path[600];

	if (!dir || !(v2 ? v2_file : v1_file))
		return 0; /* the guest enforces it as well; the host's share is what this kernel offers */
	(void)snprintf(path, sizeof(path), "%s/%s", dir, v2 ? v2_file : v1_file);
	int r = io_write_str_at(AT_FDCWD, path, value);
	return r < 0 ? err_set_errno(err, r, "set %s to %s", path, value) : 0;
}

static int set_number(const struct host_cgroup *cg, const char *v1_file, int64_t value,
		      struct err *err)
{
	char text[32];

	(void)snprintf(text, sizeof(text), "%" PRId64, value);
	return set_value(cg, "cpu", v1_file, NULL, text, err);
}

/*
 * Version 1 has two files, and refuses what would be more than the parent allows at any moment: a
 * shorter period with the quota before. Then the quota is the one that has to go first.
 */
static int set_bandwidth(const struct host_cgroup *cg, const struct oci_bandwidth *b, bool v2,
			 struct err *err)
{
	char text[64];

	if (v2 && b->quota < 0) {
		(void)snprintf(text, sizeof(text), "max %" PRIu64, b->period);
		return set_value(cg, "cpu", NULL, "cpu.max", text, err);
	}
	if (v2) {
		(void)snprintf(text, sizeof(text), "%" PRId64 " %" PRIu64, b->quota, b->period);
		return set_value(cg, "cpu", NULL, "cpu.max", text, err);
	}
	int first = set_number(cg, "cpu.cfs_period_us", (int64_t)b->period, err);
	if (first < 0 && first != -EINVAL)
		return first;
	int r = set_number(cg, "cpu.cfs_quota_us", b->quota, err);
	if (r < 0 || first >= 0)
		return r;
	*err = ERR_NULL;
	return set_number(cg, "cpu.cfs_period_us", (int64_t)b->period, err);
}

static int limit_cpu(const struct host_cgroup *cg, const struct oci_cpu *cpu, struct err *err)
{
	struct oci_bandwidth bandwidth = OCI_BANDWIDTH_NONE;
	char text[64];
	bool v2 = false;
	int r = 0;

	(void)find_controller(cg, "cpu", &v2);
	if (cpu->shares && *cpu->shares) {
		(void)snprintf(text, sizeof(text), "%" PRIu64,
			       v2 ? oci_cpu_weight(*cpu->shares) : *cpu->shares);
		r = set_value(cg, "cpu", "cpu.shares", "cpu.weight", text, err);
	}
	if (r >= 0 && oci_cpu_bandwidth(cpu, &bandwidth))
		r = set_bandwidth(cg, &bandwidth, v2, err);
	if (r >= 0 && !str_empty(cpu->cpus))
		r = set_value(cg, "cpuset", "cpuset.cpus", "cpuset.cpus", cpu->cpus, err);
	if (r >= 0 && !str_empty(cpu->mems))
		r = set_value(cg, "cpuset", "cpuset.mems", "cpuset.mems", cpu->mems, err);
	return r;
}

/* The first of the files that is there, NULL for none. */
static const char *find_file(const char *dir, const char *const *files)
{
	char path[600];

	for (; *files; files++) {
		(void)snprintf(path, sizeof(path), "%s/%s", dir, *files);
		if (access(path, F_OK) == 0)
			return *files;
	}
	return NULL;
}

static int set_throttles(const struct host_cgroup *cg, const char *v1_file, const char *v2_key,
			 const struct oci_throttle_device *list, size_t nr, struct err *err)
{
	bool v2 = false;
	char text[96];
	int r = 0;

	(void)find_controller(cg, "blkio", &v2);
	for (size_t i = 0; i < nr && r >= 0; i++) {
		int n = snprintf(text, sizeof(text), "%" PRId64 ":%" PRId64 " ", list[i].major,
				 list[i].minor);

		if (v2 && !list[i].rate)
			(void)snprintf(text + n, sizeof(text) - (size_t)n, "%s=max", v2_key);
		else
			(void)snprintf(text + n, sizeof(text) - (size_t)n, "%s%s%" PRIu64,
				       v2 ? v2_key : "", v2 ? "=" : "", list[i].rate);
		r = set_value(cg, "blkio", v1_file, "io.max", text, err);
	}
	return r;
}

static int limit_io_rates(const struct host_cgroup *cg, const struct oci_block_io *io,
			  struct err *err)
{
	int r = set_throttles(cg, "blkio.throttle.read_bps_device", "rbps",
			      io->throttle_read_bps_device, io->nr_throttle_read_bps_device, err);

	if (r >= 0)
		r = set_throttles(cg, "blkio.throttle.write_bps_device", "wbps",
				  io->throttle_write_bps_device, io->nr_throttle_write_bps_device,
				  err);
	if (r >= 0)
		r = set_throttles(cg, "blkio.throttle.read_iops_device", "riops",
				  io->throttle_read_iops_device, io->nr_throttle_read_iops_device,
				  err);
	if (r >= 0)
		r = set_throttles(cg, "blkio.throttle.write_iops_device", "wiops",
				  io->throttle_write_iops_device, io->nr_throttle_write_iops_device,
				  err);
	return r;
}

/* From 10 to 1000 of version 1 to 1 to 10000: as runc. */
static unsigned io_weight(const char *file, unsigned weight)
{
	return str_eq(file, "io.weight") ? 1 + (weight - 10) * 9999 / 990 : weight;
}

/* Which there are depends on the schedulers of the disks: what cannot be is no failure. */
static int limit_io_weights(const struct host_cgroup *cg, const char *dir, bool v2,
			    const struct oci_block_io *io, struct err *err)
{
	static const char *const v1_all[] = { "blkio.bfq.weight", "blkio.weight", NULL };
	static const char *const v1_each[] = { "blkio.bfq.weight_device", "blkio.weight_device",
					       NULL };
	static const char *const v2_both[] = { "io.bfq.weight", "io.weight", NULL };
	const char *all = find_file(dir, v2 ? v2_both : v1_all);
	const char *each = find_file(dir, v2 ? v2_both : v1_each);
	char text[96];
	int r = 0;

	if ((io->weight && *io->weight && !all) || (io->nr_weight_device && !each) ||
	    (io->leaf_weight && *io->leaf_weight))
		log_warn("the host knows no such weights of I/O: they are not applied");
	if (io->weight && *io->weight && all) {
		(void)snprintf(text, sizeof(text), "%s%u",
			       str_eq(all, "io.weight") ? "default " : "",
			       io_weight(all, *io->weight));
		r = set_value(cg, "blkio", all, all, text, err);
	}
	for (size_t i = 0; each && i < io->nr_weight_device && r >= 0; i++) {
		const struct oci_weight_device *dev = &io->weight_device[i];

		if (!dev->weight || !*dev->weight)
			continue;
		(void)snprintf(text, sizeof(text), "%" PRId64 ":%" PRId64 " %u", dev->major,
			       dev->minor, io_weight(each, *dev->weight));
		r = set_value(cg, "blkio", each, each, text, err);
	}
	return r;
}

static int limit_io(const struct host_cgroup *cg, const struct oci_block_io *io, struct err *err)
{
	static const char *const rates[] = { "blkio.throttle.read_bps_device", "io.max", NULL };
	bool v2 = false;
	const char *dir = find_controller(cg, "blkio", &v2);
	bool limits = io->nr_throttle_read_bps_device || io->nr_throttle_write_bps_device ||
		      io->nr_throttle_read_iops_device || io->nr_throttle_write_iops_device;

	if (!dir || (limits && !find_file(dir, rates))) {
		log_warn("the host's cgroup has no controller of block I/O: its limits are not "
			 "applied to the host's disks");
		return 0;
	}
	int r = limits ? limit_io_rates(cg, io, err) : 0;
	return r < 0 ? r : limit_io_weights(cg, dir, v2, io, err);
}

/**
 * host_cgroup_write() - write limits into files
 * @cg: cgroup that is there
 * @resources: limits, or NULL
 * @err: names the file and value that failed
 *
 * Return: 0 or -errno.
 */
int host_cgroup_write(const struct host_cgroup *cg, const struct oci_resources *resources,
		      struct err *err)
{
	char text[32];
	bool v2 = false;
	int r = 0;

	if (!resources)
		return 0;
	if (resources->memory && resources->memory->limit && *resources->memory->limit) {
		(void)find_controller(cg, "memory", &v2);
		if (*resources->memory->limit > 0)
			(void)snprintf(text, sizeof(text), "%" PRId64, *resources->memory->limit);
		else
			(void)snprintf(text, sizeof(text), "%s", v2 ? "max" : "-1");
		r = set_value(cg, "memory", "memory.limit_in_bytes", "memory.max", text, err);
	}
	if (r >= 0 && resources->cpu)
		r = limit_cpu(cg, resources->cpu, err);
	if (r >= 0 && resources->block_io)
		r = limit_io(cg, resources->block_io, err);
	return r;
}

static int get_value(const struct host_cgroup *cg, const char *controller, const char *v1_file,
		     const char *v2_file, char *buf, size_t size)
{
	cleanup_free char *text = NULL;
	bool v2 = false;
	const char *dir = find_controller(cg, controller, &v2);
	char path[600];

	*buf = '\0';
	if (!dir || !(v2 ? v2_file : v1_file))
		return -ENOENT;
	(void)snprintf(path, sizeof(path), "%s/%s", dir, v2 ? v2_file : v1_file);
	ssize_t n = io_read_file_at(AT_FDCWD, path, size - 1, &text);
	if (n < 0)
		return (int)n;
	text[strcspn(text, "\n")] = '\0';
	(void)snprintf(buf, size, "%s", text);
	return *buf ? 0 : -ENODATA;
}

static void read_memory(const struct host_cgroup *cg, struct host_cgroup_limits *ret)
{
	char text[64];

	if (get_value(cg, "memory", "memory.limit_in_bytes", "memory.max", text, sizeof(text)) < 0)
		return;
	uint64_t limit = 0;
	/* Version 1 says "unlimited" by the largest number of whole pages. */
	if (str_to_u64(text, &limit) < 0 || limit > INT64_MAX - (1U << 20))
		ret->memory_limit = -1;
	else
		ret->memory_limit = (int64_t)limit;
	ret->memory.limit = &ret->memory_limit;
	ret->resources.memory = &ret->memory;
}

static void read_bandwidth(const struct host_cgroup *cg, struct host_cgroup_limits *ret)
{
	struct oci_bandwidth b = OCI_BANDWIDTH_NONE;
	char text[64];

	if (get_value(cg, "cpu", NULL, "cpu.max", text, sizeof(text)) == 0) {
		char quota[24] = "";
		unsigned long long period = b.period;

		if (sscanf(text, "%23s %llu", quota, &period) < 1 ||
		    str_to_i64(quota, &b.quota) < 0)
			b.quota = -1;
		b.period = period;
	} else {
		if (get_value(cg, "cpu", "cpu.cfs_quota_us", NULL, text, sizeof(text)) < 0 ||
		    str_to_i64(text, &b.quota) < 0)
			return;
		if (get_value(cg, "cpu", "cpu.cfs_period_us", NULL, text, sizeof(text)) < 0 ||
		    str_to_u64(text, &b.period) < 0)
			return;
	}
	ret->bandwidth = b;
	ret->cpu.quota = &ret->bandwidth.quota;
	ret->cpu.period = &ret->bandwidth.period;
}

/**
 * host_cgroup_read() - the limits that hold
 * @cg: cgroup that is there
 * @ret: receives them; its resources, given to host_cgroup_limit(), bring them back
 */
void host_cgroup_read(const struct host_cgroup *cg, struct host_cgroup_limits *ret)
{
	char text[64];
	bool v2 = false;

	*ret = (struct host_cgroup_limits){ .bandwidth = OCI_BANDWIDTH_NONE };
	ret->resources.cpu = &ret->cpu;
	read_memory(cg, ret);
	read_bandwidth(cg, ret);
	(void)find_controller(cg, "cpu", &v2);
	if (get_value(cg, "cpu", "cpu.shares", "cpu.weight", text, sizeof(text)) == 0 &&
	    str_to_u64(text, &ret->shares) == 0) {
		if (v2)
			ret->shares = oci_cpu_shares(ret->shares);
		ret->cpu.shares = &ret->shares;
	}
	if (get_value(cg, "cpuset", "cpuset.cpus", "cpuset.cpus", ret->cpus, sizeof(ret->cpus)) ==
	    0)
		ret->cpu.cpus = ret->cpus;
	if (get_value(cg, "cpuset", "cpuset.mems", "cpuset.mems", ret->mems, sizeof(ret->mems)) ==
	    0)
		ret->cpu.mems = ret->mems;
}

/* Each may be there or not, in either version. */
static const char *const io_files[] = {
	"blkio.throttle.read_bps_device",
	"blkio.throttle.write_bps_device",
	"blkio.throttle.read_iops_device",
	"blkio.throttle.write_iops_device",
	"blkio.bfq.weight",
	"blkio.bfq.weight_device",
	"blkio.weight",
	"blkio.weight_device",
	"io.max",
	"io.weight",
	"io.bfq.weight",
};
static_assert(ARRAY_SIZE(io_files) == HOST_CGROUP_IO_FILES, "one place for each");

static int open_io(const struct host_cgroup *cg)
{
	bool v2 = false;
	const char *dir = find_controller(cg, "blkio", &v2);

	return dir ? neg_errno(open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC)) : -ENOENT;
}

/**
 * host_cgroup_save_io() - the limits of block I/O that hold
 * @cg: cgroup that is there
 * @arena: holds what was read
 * @ret: receives it, for host_cgroup_restore_io()
 *
 * Return: 0 or -ENOMEM.
 */
int host_cgroup_save_io(const struct host_cgroup *cg, struct arena *arena,
			struct host_cgroup_io *ret)
{
	cleanup_close int dir = open_io(cg);

	ret->nr = 0;
	for (size_t i = 0; dir >= 0 && i < ARRAY_SIZE(io_files); i++) {
		int r = limit_file_save(dir, io_files[i], arena, &ret->files[ret->nr]);

		if (r == -ENOMEM)
			return r;
		if (r >= 0)
			ret->nr++;
	}
	return 0;
}

/**
 * host_cgroup_restore_io() - bring limits of block I/O back
 * @cg: cgroup
 * @saved: by host_cgroup_save_io()
 * @err: names the first file that failed
 *
 * Return: 0 or -errno; the others are back then, too.
 */
int host_cgroup_restore_io(const struct host_cgroup *cg, const struct host_cgroup_io *saved,
			   struct err *err)
{
	cleanup_close int dir = open_io(cg);
	struct err later = ERR_NULL;
	int first = 0;

	for (size_t i = 0; dir >= 0 && i < saved->nr; i++) {
		int r = limit_file_restore(dir, &saved->files[i], first < 0 ? &later : err);

		first = first < 0 ? first : r;
	}
	return first;
}

/**
 * host_cgroup_limit() - apply a container's new limits to the whole VM
 * @cg: cgroup
 * @resources: limits; process counts are the guest's business, since QEMU's threads are not the
 *	container's
 * @err: names the file and value that failed
 *
 * What is said of only one of a CPU quota and its period holds with the other as it is. systemd has
 * to know of them, or it would restore its own; the files then get the exact values,
 * and those that are none of systemd's.
 *
 * Return: 0 or -errno.
 */
int host_cgroup_limit(struct host_cgroup *cg, const struct oci_resources *resources,
		      struct err *err)
{
	struct oci_resources all;
	struct host_cgroup_limits now;
	struct oci_cpu cpu;

	if (resources && resources->cpu) {
		host_cgroup_read(cg, &now);
		cpu = *resources->cpu;
		if (oci_cpu_bandwidth(&cpu, &now.bandwidth)) {
			cpu.quota = &now.bandwidth.quota;
			cpu.period = &now.bandwidth.period;
		}
		all = *resources;
		all.cpu = &cpu;
		resources = &all;
	}
	int r = cg->scope ? systemd_scope_limit(cg->scope, resources, err) : 0;

	return r < 0 ? r : host_cgroup_write(cg, resources, err);
}

/**
 * host_cgroup_exhaust() - leave little memory to take
 * @cg: cgroup
 * @err: names the file that failed; -ENOENT when there is no memory controller
 *
 * Return: 0 or -errno.
 */
int host_cgroup_exhaust(struct host_cgroup *cg, struct err *err)
{
	cleanup_free char *usage = NULL;
	bool v2 = false;
	const char *dir = find_controller(cg, "memory", &v2);
	char path[600], text[32];

	if (!dir)
		return err_set(err, ENOENT, "no memory controller");
	(void)snprintf(path, sizeof(path), "%s/%s", dir,
		       v2 ? "memory.current" : "memory.usage_in_bytes");
	ssize_t n = io_read_file_at(AT_FDCWD, path, 64, &usage);
	if (n < 0)
		return err_set_errno(err, (int)n, "read %s", path);
	(void)snprintf(text, sizeof(text), "%llu",
		       strtoull(usage, NULL, 10) + HOST_CGROUP_EXHAUST_BYTES);
	return set_value(cg, "memory", "memory.limit_in_bytes", "memory.max", text, err);
}
