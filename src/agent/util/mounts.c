/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mounts as /proc/self/mountinfo lists them. A tree is only removed after everything mounted in it
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
#include "common/str.h"

#define MOUNTINFO_MAX (4U << 20)

/* Turns \040 and its like into the bytes they stand for, in place. */
static void unescape(char *s)
{
	char *out = s;

	while (*s) {
		if (s[0] == '\\' && s[1] >= '0' && s[1] <= '3' && s[2] >= '0' && s[2] <= '7' &&
		    s[3] >= '0' && s[3] <= '7') {
			*out++ = (char)((s[1] - '0') << 6 | (s[2] - '0') << 3 | (s[3] - '0'));
			s += 4;
		} else {
			*out++ = *s++;
		}
	}
	*out = '\0';
}

static bool is_below(const char *path, const char *dir)
{
	size_t len = strlen(dir);

	return strncmp(path, dir, len) == 0 && (path[len] == '\0' || path[len] == '/');
}

/* The next mount at or below @dir, or NULL; field 5 of each line is the mount point. */
static char *next_below(char **lines, const char *dir)
{
	for (char *line = strsep(lines, "\n"); line; line = strsep(lines, "\n")) {
		char *word = strsep(&line, " ");

		for (int i = 1; word && i < 5; i++)
			word = strsep(&line, " ");
		if (!word)
			continue;
		unescape(word);
		if (is_below(word, dir))
			return word;
	}
	return NULL;
}

static char *last_below(char *info, const char *dir)
{
	char *found = NULL;

	for (char *next = next_below(&info, dir); next; next = next_below(&info, dir))
		found = next;
	return found;
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
		cleanup_free char *info = NULL;
		ssize_t n = io_read_file_at(AT_FDCWD, "/proc/self/mountinfo", MOUNTINFO_MAX, &info);

		if (n < 0)
			return (int)n;
		char *target = last_below(info, path);
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
	cleanup_free char *info = NULL;
	struct stat st;
	ssize_t n = io_read_file_at(AT_FDCWD, "/proc/self/mountinfo", MOUNTINFO_MAX, &info);

	if (n < 0)
		return (int)n;
	char *rest = info;
	for (char *next = next_below(&rest, path); next; next = next_below(&rest, path))
		(void)stat(next, &st); /* to have looked is all */
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
