/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The limits of the host's cgroup of a sandbox, as files of either version.
 */
#include "sandbox/cgroup/host_cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/io.h"
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

static int limit_cpu(const struct host_cgroup *cg, const struct oci_cpu *cpu, struct err *err)
{
	char text[64];
	uint64_t period = oci_cpu_period(cpu);
	bool v2 = false;
	int r = 0;

	(void)find_controller(cg, "cpu", &v2);
	if (cpu->shares && *cpu->shares) {
		(void)snprintf(text, sizeof(text), "%" PRIu64,
			       v2 ? oci_cpu_weight(*cpu->shares) : *cpu->shares);
		r = set_value(cg, "cpu", "cpu.shares", "cpu.weight", text, err);
	}
	if (r >= 0 && cpu->quota && *cpu->quota != 0) {
		if (v2 && *cpu->quota < 0)
			(void)snprintf(text, sizeof(text), "max %" PRIu64, period);
		else if (v2)
			(void)snprintf(text, sizeof(text), "%" PRId64 " %" PRIu64, *cpu->quota,
				       period);
		else
			(void)snprintf(text, sizeof(text), "%" PRId64, *cpu->quota);
		char period_text[32];
		(void)snprintf(period_text, sizeof(period_text), "%" PRIu64, period);
		r = set_value(cg, "cpu", "cpu.cfs_period_us", NULL, period_text, err);
		if (r >= 0)
			r = set_value(cg, "cpu", "cpu.cfs_quota_us", "cpu.max", text, err);
	}
	if (r >= 0 && !str_empty(cpu->cpus))
		r = set_value(cg, "cpuset", "cpuset.cpus", "cpuset.cpus", cpu->cpus, err);
	if (r >= 0 && !str_empty(cpu->mems))
		r = set_value(cg, "cpuset", "cpuset.mems", "cpuset.mems", cpu->mems, err);
	return r;
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
	int r = 0;

	if (!resources)
		return 0;
	if (resources->memory && resources->memory->limit && *resources->memory->limit > 0) {
		(void)snprintf(text, sizeof(text), "%" PRId64, *resources->memory->limit);
		r = set_value(cg, "memory", "memory.limit_in_bytes", "memory.max", text, err);
	}
	if (r >= 0 && resources->cpu)
		r = limit_cpu(cg, resources->cpu, err);
	return r;
}

/**
 * host_cgroup_limit() - apply a container's new limits to the whole VM
 * @cg: cgroup
 * @resources: limits; process counts are the guest's business, since QEMU's threads are not the
 *	container's
 * @err: names the file and value that failed
 *
 * systemd has to know of them, or it would restore its own; the files then get the exact values,
 * and those that are none of systemd's.
 *
 * Return: 0 or -errno.
 */
int host_cgroup_limit(struct host_cgroup *cg, const struct oci_resources *resources,
		      struct err *err)
{
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
