/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files, read and written whole, relative to directory descriptors.
 */
#include "common/io.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/err.h"
#include "common/fd.h"

/* Deeper trees than this are not ours; bounds the recursion of io_rm_tree_at(). */
#define IO_TREE_DEPTH_MAX 64

/**
 * io_read_full() - read exactly @len bytes
 * @fd: blocking descriptor
 * @buf: buffer
 * @len: bytes to read
 *
 * Return: 0, -errno, or -ENODATA when the file ends before.
 */
int io_read_full(int fd, void *buf, size_t len)
{
	for (size_t done = 0; done < len;) {
		ssize_t n = read(fd, (char *)buf + done, len - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return -ENODATA;
		done += (size_t)n;
	}
	return 0;
}

/**
 * io_write_full() - write all bytes
 * @fd: blocking descriptor
 * @buf: bytes
 * @len: number of bytes
 *
 * Return: 0 or -errno.
 */
int io_write_full(int fd, const void *buf, size_t len)
{
	for (size_t done = 0; done < len;) {
		ssize_t n = write(fd, (const char *)buf + done, len - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		done += (size_t)n;
	}
	return 0;
}

/**
 * io_pwrite_full() - write all bytes to a place in a file
 * @fd: file
 * @buf: bytes
 * @len: number of bytes
 * @at: where the first of them goes
 *
 * Return: 0 or -errno.
 */
int io_pwrite_full(int fd, const void *buf, size_t len, off_t at)
{
	for (size_t done = 0; done < len;) {
		ssize_t n = pwrite(fd, (const char *)buf + done, len - done, at + (off_t)done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		done += (size_t)n;
	}
	return 0;
}

static ssize_t read_all(int fd, size_t max, char **ret_data)
{
	cleanup_free char *data = NULL;
	size_t len = 0, cap = 0;

	for (;;) {
		if (cap - len < 2) {
			cap = cap ? cap * 2 : 1024;
			char *p = realloc(data, cap);
			if (!p)
				return -ENOMEM;
			data = p;
		}
		ssize_t n = read(fd, data + len, cap - len - 1);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		len += (size_t)n;
		if (len > max)
			return -EFBIG;
	}
	data[len] = '\0';
	*ret_data = TAKE_PTR(data);
	return (ssize_t)len;
}

/**
 * io_read_file_at() - read a whole file
 * @dirfd: directory @path is relative to, or AT_FDCWD
 * @path: path
 * @max: largest size accepted, in bytes
 * @ret_data: receives the contents with a NUL behind them; the caller frees it
 *
 * Works for files without a size (procfs, sysfs).
 *
 * Return: length in bytes, or -errno (-EFBIG above @max).
 */
ssize_t io_read_file_at(int dirfd, const char *path, size_t max, char **ret_data)
{
	cleanup_close int fd = neg_errno(openat(dirfd, path, O_RDONLY | O_CLOEXEC | O_NOCTTY));

	return fd < 0 ? fd : read_all(fd, max, ret_data);
}

static int open_regular_at(int dirfd, const char *path, struct stat *ret_st)
{
	cleanup_close int fd =
		neg_errno(openat(dirfd, path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));

	if (fd < 0)
		return fd;
	if (fstat(fd, ret_st) < 0)
		return -errno;
	return S_ISREG(ret_st->st_mode) ? TAKE_FD(fd) : -EINVAL;
}

/**
 * io_open_regular() - open a file for reading that somebody else chose
 * @path: path
 * @ret_st: receives what fstat(2) says of it
 *
 * What the file is, is looked at on the descriptor that will be read: neither a FIFO without a
 * writer nor a device can stop the caller.
 *
 * Return: a descriptor that the caller owns, or -errno (-EINVAL for what is no regular file).
 */
int io_open_regular(const char *path, struct stat *ret_st)
{
	return open_regular_at(AT_FDCWD, path, ret_st);
}

/**
 * io_describe_state() - which file, and which state of it
 * @st: what is known of it
 * @ret: receives a text that is another one after the file was changed or replaced
 */
void io_describe_state(const struct stat *st, char ret[IO_STATE_MAX])
{
	(void)snprintf(ret, IO_STATE_MAX, "%llu:%llu %llu %lld.%09ld %lld.%09ld",
		       (unsigned long long)st->st_dev, (unsigned long long)st->st_ino,
		       (unsigned long long)st->st_size, (long long)st->st_mtim.tv_sec,
		       st->st_mtim.tv_nsec, (long long)st->st_ctim.tv_sec, st->st_ctim.tv_nsec);
}

/**
 * io_is_ours_alone() - may nobody else change this file, or the names in this directory?
 * @st: what fstat(2) says of it
 *
 * What root runs or believes must be root's, or the caller's own, who is root then.
 *
 * Return: true when only root, and who runs this program, may write to it.
 */
bool io_is_ours_alone(const struct stat *st)
{
	bool by_group = (st->st_mode & S_IWGRP) && st->st_gid != 0 && st->st_gid != getegid();

	return (st->st_uid == 0 || st->st_uid == geteuid()) && !by_group &&
	       !(st->st_mode & S_IWOTH);
}

/**
 * io_read_regular_at() - read a whole file that somebody else chose
 * @dirfd: directory @path is relative to, or AT_FDCWD
 * @path: path
 * @max: largest size accepted, in bytes
 * @ret_data: receives the contents with a NUL behind them; the caller frees it
 *
 * Works for files without a size (procfs, sysfs), too.
 *
 * Return: length in bytes, or -errno (-EFBIG above @max, otherwise as io_open_regular()).
 */
ssize_t io_read_regular_at(int dirfd, const char *path, size_t max, char **ret_data)
{
	struct stat st;
	cleanup_close int fd = open_regular_at(dirfd, path, &st);

	return fd < 0 ? fd : read_all(fd, max, ret_data);
}

/**
 * io_write_file_at() - write into an existing file with one write(2), as sysfs, procfs and cgroupfs
 * need it
 * @dirfd: directory @path is relative to, or AT_FDCWD
 * @path: path
 * @data: bytes
 * @len: number of bytes
 *
 * Return: 0 or -errno; a short write is -EIO.
 */
int io_write_file_at(int dirfd, const char *path, const void *data, size_t len)
{
	cleanup_close int fd = neg_errno(openat(dirfd, path, O_WRONLY | O_CLOEXEC | O_NOCTTY));

	if (fd < 0)
		return fd;
	ssize_t n = neg_errno_sz(write(fd, data, len));
	if (n < 0)
		return (int)n;
	return (size_t)n == len ? 0 : -EIO;
}

/**
 * io_write_str_at() - io_write_file_at() for a string
 * @dirfd: directory @path is relative to, or AT_FDCWD
 * @path: path
 * @s: string
 *
 * Return: 0 or -errno.
 */
int io_write_str_at(int dirfd, const char *path, const char *s)
{
	return io_write_file_at(dirfd, path, s, strlen(s));
}

/**
 * io_replace_file_at() - write a file so that readers see the old or the new contents, never half
 * @dirfd: directory @path is relative to, or AT_FDCWD
 * @path: path; "<path>.tmp" is used on the way
 * @data: bytes
 * @len: number of bytes
 * @mode: permissions of the new file
 *
 * Return: 0 or -errno.
 */
int io_replace_file_at(int dirfd, const char *path, const void *data, size_t len, mode_t mode)
{
	cleanup_free char *tmp = NULL;

	if (asprintf(&tmp, "%s.tmp", path) < 0)
		return -ENOMEM;
	cleanup_close int fd = neg_errno(
		openat(dirfd, tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, mode));
	if (fd < 0)
		return fd;
	int r = io_write_full(fd, data, len);
	if (r >= 0)
		r = neg_errno(renameat(dirfd, tmp, dirfd, path));
	if (r < 0)
		(void)unlinkat(dirfd, tmp, 0); /* the first failure is the one to report */
	return r;
}

/**
 * io_mkdir_p() - make a directory and its parents
 * @path: absolute path
 * @mode: permissions of those that are made
 *
 * Return: 0 also when it was there, or -errno.
 */
int io_mkdir_p(const char *path, mode_t mode)
{
	cleanup_free char *copy = strdup(path);

	if (!copy)
		return -ENOMEM;
	for (char *p = copy + 1;; p++) {
		char c = *p;

		if (c && c != '/')
			continue;
		*p = '\0';
		if (mkdir(copy, mode) < 0 && errno != EEXIST)
			return -errno;
		*p = c;
		if (!c)
			return 0;
	}
}

/**
 * io_opendir_at() - read a directory
 * @parent_fd: directory @path is relative to, or AT_FDCWD
 * @path: path, "." for @parent_fd itself; a symbolic link at its end is not followed
 * @ret: receives the stream, for closedir()
 *
 * Return: 0 or -errno.
 */
int io_opendir_at(int parent_fd, const char *path, DIR **ret)
{
	int fd =
		neg_errno(openat(parent_fd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));

	if (fd < 0)
		return fd;
	DIR *dir = fdopendir(fd);
	if (!dir) {
		int r = -errno;

		(void)close(fd);
		return r;
	}
	*ret = dir;
	return 0;
}

static int rm_tree(int parent_fd, const char *path, int depth)
{
	if (unlinkat(parent_fd, path, 0) == 0 || errno == ENOENT)
		return 0;
	if (errno != EISDIR && errno != EPERM)
		return -errno;
	if (depth > IO_TREE_DEPTH_MAX)
		return -ELOOP;
	DIR *dir;
	int first = 0, r = io_opendir_at(parent_fd, path, &dir);

	if (r < 0)
		return r == -ENOENT ? 0 : r; /* somebody else is removing it too */
	for (struct dirent *e = readdir(dir); e; e = readdir(dir)) {
		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		r = rm_tree(dirfd(dir), e->d_name, depth + 1);
		if (r < 0 && !first)
			first = r;
	}
	(void)closedir(dir);
	if (first < 0)
		return first;
	r = neg_errno(unlinkat(parent_fd, path, AT_REMOVEDIR));
	return r == -ENOENT ? 0 : r;
}

/**
 * io_rm_tree_at() - remove a file or a directory with all in it
 * @dirfd: directory @path is relative to, or AT_FDCWD
 * @path: path; symbolic links are removed, not followed. Must hold no mounts that are not to be
 *	emptied.
 *
 * Return: 0 also when nothing was there, or the first -errno.
 */
int io_rm_tree_at(int dirfd, const char *path)
{
	return rm_tree(dirfd, path, 0);
}
