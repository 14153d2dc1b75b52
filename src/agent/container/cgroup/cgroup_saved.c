/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The limits of a cgroup before an update, which come back when it fails. Files are kept as they read:
 * what version 2 shows of a limit is what it takes.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/container/cgroup/cgroup.h"
#include "common/log.h"
#include "common/str.h"

struct saved_file {
	const char *name;
	char *text; /* ends without a newline */
};

struct cgroup_saved {
	struct saved_file *files;
	size_t nr, max;
};

static void drop_newline(char *text)
{
	size_t len = strlen(text);

	if (len && text[len - 1] == '\n')
		text[len - 1] = '\0';
}

/* One that is not there is not changed either. */
static int save_file(int fd, const char *name, struct arena *arena, struct cgroup_saved *saved)
{
	cleanup_free char *text = NULL;

	if (saved->nr == saved->max || cgroup_read_text(fd, name, &text) < 0)
		return 0;
	drop_newline(text);
	struct saved_file *file = &saved->files[saved->nr++];
	file->name = arena_strdup(arena, name);
	file->text = arena_strdup(arena, text);
	return file->name && file->text ? 0 : -ENOMEM;
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

/* Lines for devices that had none: io.max shows only what is limited. */
static void lift_new_devices(int fd, const struct saved_file *file, const char *now)
{
	for (const char *line = now; *line; line += strcspn(line, "\n") + 1) {
		char device[48];
		struct err ignored;

		(void)snprintf(device, sizeof(device), "%.*s ", (int)strcspn(line, " \n"), line);
		if (!strstr(file->text, device))
			(void)cgroup_write(fd, "io.max", &ignored,
					   "%s rbps=max wbps=max riops=max wiops=max", device);
		if (!line[strcspn(line, "\n")])
			return;
	}
}

static void restore_file(int fd, const struct saved_file *file)
{
	cleanup_free char *now = NULL;
	struct err err = ERR_NULL;
	int r = 0;

	if (cgroup_read_text(fd, file->name, &now) < 0)
		return;
	drop_newline(now);
	if (str_eq(now, file->text))
		return;
	if (str_eq(file->name, "io.max"))
		lift_new_devices(fd, file, now);
	for (const char *line = file->text; r >= 0; line++) {
		size_t n = strcspn(line, "\n");

		/* An empty cpuset is the parent's, and said by an empty line. */
		r = cgroup_write(fd, file->name, &err, "%.*s\n", (int)n, line);
		line += n;
		if (!*line)
			break;
	}
	if (r < 0)
		log_warn("undo an update of limits: %s", err.text);
}

/**
 * cgroup_restore() - bring limits back
 * @fd: the cgroup's directory
 * @saved: what cgroup_save() read
 */
void cgroup_restore(int fd, const struct cgroup_saved *saved)
{
	for (size_t i = 0; i < saved->nr; i++)
		restore_file(fd, &saved->files[i]);
}
