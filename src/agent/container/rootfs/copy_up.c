/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Copying a directory tree of the image into a fresh tmpfs ("tmpcopyup"). Works on descriptors
 * only, so links in the tree lead nowhere. Device nodes, sockets and fifos are left out.
 */
#include "agent/container/rootfs/copy_up.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/io.h"

/* Deeper trees are refused; bounds the recursion. */
#define COPY_DEPTH_MAX 64

static int copy_link(int from, int to, const char *name, const struct stat *st)
{
	char target[PATH_MAX];
	ssize_t n = readlinkat(from, name, target, sizeof(target) - 1);

	if (n < 0)
		return -errno;
	target[n] = '\0';
	if (symlinkat(target, to, name) < 0)
		return -errno;
	return neg_errno(fchownat(to, name, st->st_uid, st->st_gid, AT_SYMLINK_NOFOLLOW));
}

static int copy_file(int from, int to, const char *name, const struct stat *st)
{
	cleanup_close int in =
		neg_errno(openat(from, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK));
	cleanup_close int out = neg_errno(
		openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));

	if (in < 0 || out < 0)
		return in < 0 ? in : out;
	for (;;) {
		ssize_t n = neg_errno_sz(sendfile(out, in, NULL, 1 << 20));

		if (n < 0)
			return (int)n;
		if (n == 0)
			break;
	}
	if (fchown(out, st->st_uid, st->st_gid) < 0 || fchmod(out, st->st_mode & 07777) < 0)
		return -errno;
	const struct timespec times[2] = { st->st_atim, st->st_mtim };
	return neg_errno(futimens(out, times));
}

static int copy_dir(int from, int to, unsigned depth);

static int copy_subdir(int from, int to, const char *name, const struct stat *st, unsigned depth)
{
	if (depth >= COPY_DEPTH_MAX)
		return -ELOOP;
	if (mkdirat(to, name, 0700) < 0)
		return -errno;
	cleanup_close int in =
		neg_errno(openat(from, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
	cleanup_close int out =
		neg_errno(openat(to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
	if (in < 0 || out < 0)
		return in < 0 ? in : out;
	int r = copy_dir(in, out, depth + 1);
	if (r < 0)
		return r;
	if (fchown(out, st->st_uid, st->st_gid) < 0 || fchmod(out, st->st_mode & 07777) < 0)
		return -errno;
	return 0;
}

static int copy_entry(int from, int to, const char *name, unsigned depth)
{
	struct stat st;

	if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return 0;
	if (fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if (S_ISDIR(st.st_mode))
		return copy_subdir(from, to, name, &st, depth);
	if (S_ISREG(st.st_mode))
		return copy_file(from, to, name, &st);
	return S_ISLNK(st.st_mode) ? copy_link(from, to, name, &st) : 0;
}

static int copy_dir(int from, int to, unsigned depth)
{
	DIR *dir;
	int r = io_opendir_at(from, ".", &dir);

	if (r < 0)
		return r;
	for (struct dirent *d; r >= 0 && (d = readdir(dir));)
		r = copy_entry(from, to, d->d_name, depth);
	(void)closedir(dir);
	return r;
}

/**
 * copy_up_tree() - copy the contents of a directory
 * @source_fd: directory
 * @target_fd: empty directory, may be an O_PATH descriptor or a detached mount
 * @err: filled on failure
 *
 * Return: 0 or -errno.
 */
int copy_up_tree(int source_fd, int target_fd, struct err *err)
{
	int r = copy_dir(source_fd, target_fd, 0);

	return r < 0 ? err_set_errno(err, r, "copy the contents of the image into the tmpfs") : 0;
}
