/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mounts below a directory. A tree is only removed after everything mounted in it
 * has been taken away: what is mounted there may be the host's.
 */
#include "agent/util/mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "common/io.h"
#include "common/mountinfo.h"
#include "common/str.h"

static bool is_below(const char *path, const char *dir)
{
	size_t len = strlen(dir);

	return strncmp(path, dir, len) == 0 && (path[len] == '\0' || path[len] == '/');
}

/* The mount on top of all those at or below @dir, or NULL. */
static const char *last_below(const struct mountinfo *info, const char *dir)
{
	for (size_t i = info->nr; i-- > 0;)
		if (is_below(info->entries[i].mount_point, dir))
			return info->entries[i].mount_point;
	return NULL;
}

/**
 * mounts_detach_below() - unmount everything at and below a directory
 * @path: absolute path
 *
 * Return: the number of mounts taken away, or -errno, and then some may be left.
 */
int mounts_detach_below(const char *path)
{
	for (int nr = 0;; nr++) {
		cleanup_mountinfo struct mountinfo info = MOUNTINFO_NULL;
		int r = mountinfo_read(&info);

		if (r < 0)
			return r;
		const char *target = last_below(&info, path);
		if (!target)
			return nr;
		if (umount2(target, MNT_DETACH | UMOUNT_NOFOLLOW) < 0)
			return -errno;
	}
}

/**
 * mounts_stat_below() - look at every mount at and below a directory
 * @path: absolute path
 *
 * Return: 0 or -errno of reading the list.
 */
int mounts_stat_below(const char *path)
{
	cleanup_mountinfo struct mountinfo info = MOUNTINFO_NULL;
	struct stat st;
	int r = mountinfo_read(&info);

	if (r < 0)
		return r;
	for (size_t i = 0; i < info.nr; i++)
		if (is_below(info.entries[i].mount_point, path))
			(void)stat(info.entries[i].mount_point, &st); /* to have looked is all */
	return 0;
}

/**
 * mounts_remove_tree() - remove a directory of ours, but nothing that is mounted in it
 * @path: absolute path
 * @err: filled on failure
 *
 * Return: 0 also when it was not there, or -errno.
 */
int mounts_remove_tree(const char *path, struct err *err)
{
	int r = mounts_detach_below(path);

	if (r < 0)
		return err_set_errno(err, r, "unmount what is below %s", path);
	r = io_rm_tree_at(AT_FDCWD, path);
	return r < 0 ? err_set_errno(err, r, "remove %s", path) : 0;
}

/**
 * mounts_check_path() - may this string of a peer be a path of the guest?
 * @path: string
 * @err: says why not
 *
 * Return: 0 or -EINVAL.
 */
int mounts_check_path(const char *path, struct err *err)
{
	if (*path != '/' || strlen(path) >= PATH_MAX)
		return err_set(err, EINVAL, "%.100s is not an absolute path", path);
	for (const char *p = path; p; p = strchr(p, '/')) {
		p++;
		size_t len = strcspn(p, "/");
		if ((len == 1 && p[0] == '.') || (len == 2 && p[0] == '.' && p[1] == '.'))
			return err_set(err, EINVAL, "%.100s: \".\" and \"..\" are not allowed",
				       path);
	}
	return 0;
}
