/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Paths inside a tree somebody else controls: the kernel resolves them as if the tree were the root
 * (openat2(2), RESOLVE_IN_ROOT), so neither ".." nor a symbolic link, nor one exchanged while we
 * look, leads out of it.
 */
#include "agent/util/path.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/err.h"
#include "common/fd.h"

/*
 * Dangling symbolic links followed while missing parts are made; the kernel's own limit is the
 * same.
 */
#define PATH_LINKS_MAX 40

static int open_how_in(int root_fd, const char *path, int flags, uint64_t resolve)
{
	for (int tries = 0;; tries++) {
		int fd = fd_open_resolved(root_fd, *path ? path : ".",
					  flags | ((flags & O_PATH) ? 0 : O_NOCTTY),
					  RESOLVE_IN_ROOT | resolve);

		/*
		 * A rename raced with a ".." in the path: the kernel cannot tell whether it stayed
		 * inside.
		 */
		if (fd != -EAGAIN || tries >= 32)
			return fd;
	}
}

/**
 * path_open_in() - open what is there
 * @root_fd: the tree
 * @path: path in it, absolute or not
 * @flags: open(2) flags but O_CREAT; O_CLOEXEC is added
 *
 * Symbolic links are followed inside the tree; those of procfs that jump (/proc/self/fd/N) are not.
 *
 * Return: descriptor or -errno.
 */
int path_open_in(int root_fd, const char *path, int flags)
{
	return open_how_in(root_fd, path, flags, RESOLVE_NO_MAGICLINKS);
}

/**
 * path_open_plain_in() - the same where no part of the path may be a symbolic link
 * @root_fd: the tree
 * @path: path in it
 * @flags: open(2) flags
 *
 * Return: descriptor or -errno, -ELOOP for a symbolic link.
 */
int path_open_plain_in(int root_fd, const char *path, int flags)
{
	return open_how_in(root_fd, path, flags, RESOLVE_NO_SYMLINKS);
}

/* Splits the first component off *@rest into @name; "" when there is none left. */
static int next_component(const char **rest, char name[NAME_MAX + 1])
{
	const char *p = *rest + strspn(*rest, "/");
	size_t len = strcspn(p, "/");

	if (len > NAME_MAX)
		return -ENAMETOOLONG;
	memcpy(name, p, len);
	name[len] = '\0';
	p += len;
	*rest = p + strspn(p, "/");
	return 0;
}

static int join(char out[PATH_MAX], const char *a, const char *b)
{
	char joined[PATH_MAX];
	int n = snprintf(joined, sizeof(joined), "%s%s%s", a, *a && *b ? "/" : "", b);

	if (n < 0 || (size_t)n >= sizeof(joined))
		return -ENAMETOOLONG;
	memcpy(out, joined, (size_t)n + 1);
	return 0;
}

static int make_one(int parent_fd, const char *name, enum path_kind kind, mode_t mode)
{
	if (kind == PATH_DIR)
		return neg_errno(mkdirat(parent_fd, name, mode));
	int fd = neg_errno(openat(parent_fd, name,
				  O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode));
	if (fd >= 0)
		(void)close(fd);
	return fd < 0 ? fd : 0;
}

/*
 * Makes @done/@name, which openat2() said is not there. When the name exists nevertheless it is a
 * symbolic link to nothing: then @todo becomes what it points to plus @rest, to be walked from the
 * start (*ret_restart).
 */
static int make_missing(int root_fd, const char *done, const char *name, enum path_kind kind,
			mode_t mode, const char *rest, char todo[PATH_MAX], bool *ret_restart)
{
	cleanup_close int parent = path_open_in(root_fd, done, O_PATH | O_DIRECTORY);
	char target[PATH_MAX];

	if (parent < 0)
		return parent;
	int r = make_one(parent, name, kind, mode);
	if (r != -EEXIST)
		return r;
	ssize_t n = readlinkat(parent, name, target, sizeof(target) - 1);
	if (n < 0)
		return errno == EINVAL ? 0 : -errno; /* somebody else made it meanwhile */
	target[n] = '\0';
	char tail[PATH_MAX];
	r = join(tail, target, rest);
	if (r >= 0)
		r = target[0] == '/' ? join(todo, "", tail) : join(todo, done, tail);
	if (r >= 0)
		*ret_restart = true;
	return r;
}

/**
 * path_make_in() - open a path and make what is missing of it
 * @root_fd: the tree
 * @path: path in it
 * @kind: what to make when the last component is missing
 * @mode: permissions of it; parents get 0755
 *
 * What exists is opened whatever its type is.
 *
 * Return: an O_PATH descriptor or -errno.
 */
int path_make_in(int root_fd, const char *path, enum path_kind kind, mode_t mode)
{
	char todo[PATH_MAX], done[PATH_MAX] = "", name[NAME_MAX + 1];
	const char *rest = todo;
	int links = 0, r = join(todo, "", path);

	if (r < 0)
		return r;
	while (*rest) {
		char candidate[PATH_MAX];
		bool restart = false;

		r = next_component(&rest, name);
		if (r >= 0)
			r = join(candidate, done, name);
		if (r < 0)
			return r;
		cleanup_close int fd = path_open_in(root_fd, candidate, O_PATH);
		if (fd == -ENOENT && strcmp(name, "..") != 0) {
			bool last = !*rest;
			char rest_copy[PATH_MAX];

			r = join(rest_copy, "", rest);
			if (r >= 0)
				r = make_missing(root_fd, done, name, last ? kind : PATH_DIR,
						 last ? mode : 0755, rest_copy, todo, &restart);
			if (r < 0)
				return r;
		} else if (fd < 0) {
			return fd;
		}
		if (restart) {
			if (++links > PATH_LINKS_MAX)
				return -ELOOP;
			rest = todo;
			done[0] = '\0';
			continue;
		}
		memcpy(done, candidate, sizeof(done));
	}
	return path_open_in(root_fd, done, O_PATH);
}

/**
 * path_make_parent_in() - make the directories above a path
 * @root_fd: the tree
 * @path: path in it
 * @mode: permissions of the direct parent when it is made
 * @ret_name: receives the last component
 * @name_size: size of @ret_name
 *
 * Return: an O_PATH descriptor of the parent, -EINVAL when the path has no usable last component,
 * or -errno.
 */
int path_make_parent_in(int root_fd, const char *path, mode_t mode, char *ret_name,
			size_t name_size)
{
	char copy[PATH_MAX];
	size_t len = strlen(path);

	while (len && path[len - 1] == '/')
		len--;
	if (len >= sizeof(copy))
		return -ENAMETOOLONG;
	memcpy(copy, path, len);
	copy[len] = '\0';
	char *slash = strrchr(copy, '/');
	const char *name = slash ? slash + 1 : copy;
	if (!*name || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return -EINVAL;
	if (strlen(name) >= name_size)
		return -ENAMETOOLONG;
	memcpy(ret_name, name, strlen(name) + 1);
	if (slash)
		*slash = '\0';
	return path_make_in(root_fd, slash ? copy : "", PATH_DIR, mode);
}
