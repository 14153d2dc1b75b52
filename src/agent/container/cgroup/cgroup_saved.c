/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The limits of a cgroup before an update, which come back when it fails.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/container/cgroup/cgroup.h"
#include "common/limit_file.h"
#include "common/log.h"
#include "common/str.h"

struct cgroup_saved {
	struct limit_file *files;
	size_t nr, max;
};

/* One that is not there is not changed either. */
static int save_file(int fd, const char *name, struct arena *arena, struct cgroup_saved *saved)
{
	if (saved->nr == saved->max)
		return 0;
	int r = limit_file_save(fd, name, arena, &saved->files[saved->nr]);
	if (r >= 0)
		saved->nr++;
	return r == -ENOMEM ? r : 0;
}

static int save_hugetlb(int fd, const char *page_size, struct arena *arena,
			struct cgroup_saved *saved)
{
	static const char *const ends[] = { "max", "rsvd.max" };
	char name[160];
	int r = 0;

	/* What is no page size is refused later; here it is no part of a path. */
	if (str_empty(page_size) || strlen(page_size) > 64 || strchr(page_size, '/'))
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(ends) && r >= 0; i++) {
		(void)snprintf(name, sizeof(name), "hugetlb.%s.%s", page_size, ends[i]);
		r = save_file(fd, name, arena, saved);
	}
	return r;
}

/**
 * cgroup_save() - read what an update may change
 * @fd: the cgroup's directory
 * @res: the update
 * @arena: holds the result
 * @ret: receives it
 *
 * Return: 0 or -ENOMEM.
 */
int cgroup_save(int fd, const struct oci_resources *res, struct arena *arena,
		struct cgroup_saved **ret)
{
	/* A burst may not exceed the quota, in both directions: it comes back before and after. */
	static const char *const names[] = {
		"cpu.max.burst", "cpu.max",	"cpu.max.burst", "cpu.weight",	    "cpu.idle",
		"cpuset.cpus",	 "cpuset.mems", "memory.max",	 "memory.swap.max", "memory.low",
		"pids.max",	 "io.weight",	"io.bfq.weight", "io.max",	    "rdma.max",
	};
	struct cgroup_saved *saved = arena_alloc(arena, sizeof(*saved));
	int r = saved ? 0 : -ENOMEM;

	if (r < 0)
		return r;
	saved->max = ARRAY_SIZE(names) + 2 * res->nr_hugepage_limits + res->nr_unified;
	saved->files = arena_calloc(arena, saved->max, sizeof(*saved->files));
	if (!saved->files)
		return -ENOMEM;
	for (size_t i = 0; i < ARRAY_SIZE(names) && r >= 0; i++)
		r = save_file(fd, names[i], arena, saved);
	for (size_t i = 0; i < res->nr_hugepage_limits && r >= 0; i++)
		r = save_hugetlb(fd, res->hugepage_limits[i].page_size, arena, saved);
	for (size_t i = 0; i < res->nr_unified && r >= 0; i++)
		if (res->unified[i].key && !strchr(res->unified[i].key, '/'))
			r = save_file(fd, res->unified[i].key, arena, saved);
	if (r >= 0)
		*ret = saved;
	return r;
}

/**
 * cgroup_restore() - bring limits back
 * @fd: the cgroup's directory
 * @saved: what cgroup_save() read
 */
void cgroup_restore(int fd, const struct cgroup_saved *saved)
{
	struct err err = ERR_NULL;

	for (size_t i = 0; i < saved->nr; i++)
		if (limit_file_restore(fd, &saved->files[i], &err) < 0)
			log_warn("undo an update of limits: %s", err.text);
}
