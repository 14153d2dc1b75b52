/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CopyFile: directories, links, and files that come in pieces. Every path is walked below one
 * directory by openat2(2) with RESOLVE_BENEATH: neither ".." nor a link, also one that was sent
 * before, leads out of it.
 */
#include "agent/rpc/copyfile.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <linux/openat2.h>

#include "agent/rpc/service.h"
#include "agent/util/mounts.h"
#include "common/fd.h"
#include "common/io.h"
#include "common/str.h"
#include "kata/guest.h"
#include "rpc/pb/agent_msg.h"

#define COPYFILE_TMP ".tmp"

static int open_beneath(int dir, const char *path, int flags)
{
	return fd_open_resolved(dir, path, flags, RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS);
}

/* Makes what is missing of a path of directories below @root and opens the last one. */
static int open_parents(int root, char *path, mode_t mode)
{
	cleanup_close int dir = open_beneath(root, ".", O_PATH | O_DIRECTORY);

	for (char *save = NULL, *name = strtok_r(path, "/", &save); name;
	     name = strtok_r(NULL, "/", &save)) {
		if (dir < 0)
			return dir;
		if (mkdirat(dir, name, mode) < 0 && errno != EEXIST)
			return -errno;
		/*
		 * A link to a place inside is followed: names of a ConfigMap's files go through
		 * one.
		 */
		int next = open_beneath(dir, name, O_PATH | O_DIRECTORY);
		(void)fd_close(dir);
		dir = next;
	}
	return TAKE_FD(dir);
}

static int store_dir(int parent, const char *name, const struct agent_copy_file_request *req)
{
	if (mkdirat(parent, name, 0700) < 0 && errno != EEXIST)
		return -errno;
	cleanup_close int fd =
		neg_errno(openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
	if (fd < 0)
		return fd;
	if (fchown(fd, (uid_t)req->uid, (gid_t)req->gid) < 0)
		return -errno;
	return neg_errno(fchmod(fd, req->file_mode & 07777));
}

static int store_link(int parent, const char *name, const struct agent_copy_file_request *req)
{
	char target[PATH_MAX];

	if (!req->data_len || req->data_len >= sizeof(target) ||
	    memchr(req->data, '\0', req->data_len))
		return -EINVAL;
	memcpy(target, req->data, req->data_len);
	target[req->data_len] = '\0';
	int r = io_rm_tree_at(parent, name);
	if (r >= 0)
		r = neg_errno(symlinkat(target, parent, name));
	if (r >= 0)
		r = neg_errno(fchownat(parent, name, (uid_t)req->uid, (gid_t)req->gid,
				       AT_SYMLINK_NOFOLLOW));
	return r;
}

/* Pieces gather under another name; the last one makes the file appear. */
static int store_piece(int parent, const char *name, const struct agent_copy_file_request *req)
{
	char tmp[NAME_MAX + 1];
	int flags = O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, r = 0;
	struct stat st;

	if ((size_t)snprintf(tmp, sizeof(tmp), "%s" COPYFILE_TMP, name) >= sizeof(tmp))
		return -ENAMETOOLONG;
	if (req->offset == 0)
		r = io_rm_tree_at(parent, tmp);
	if (r < 0)
		return r;
	cleanup_close int fd = neg_errno(openat(parent, tmp, flags, 0600));
	if (fd < 0)
		return fd;
	r = io_pwrite_full(fd, req->data, req->data_len, req->offset);
	if (r >= 0 && fstat(fd, &st) < 0)
		r = -errno;
	if (r < 0 || st.st_size != req->file_size)
		return r;
	r = neg_errno(fchown(fd, (uid_t)req->uid, (gid_t)req->gid));
	if (r >= 0)
		r = neg_errno(fchmod(fd, req->file_mode & 07777));
	if (r >= 0 && fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode))
		r = io_rm_tree_at(parent, name);
	return r < 0 ? r : neg_errno(renameat(parent, tmp, parent, name));
}

static int store(int root, char *path, const struct agent_copy_file_request *req)
{
	char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
	char empty[] = "";

	if (slash)
		*slash = '\0';
	cleanup_close int parent = open_parents(root, slash ? path : empty, req->dir_mode & 0777);
	if (parent < 0)
		return parent;
	if (slash && fchownat(parent, "", (uid_t)req->uid, (gid_t)req->gid, AT_EMPTY_PATH) < 0)
		return -errno;
	switch (req->file_mode & S_IFMT) {
	case S_IFDIR:
		return store_dir(parent, name, req);
	case S_IFLNK:
		return store_link(parent, name, req);
	case S_IFREG:
		return store_piece(parent, name, req);
	default:
		return -EOPNOTSUPP;
	}
}

/**
 * copyfile_store() - store a file, a link, a directory or a piece of a file
 * @base: directory all is below
 * @req: request
 * @err: filled on failure
 *
 * Return: 0 or -errno.
 */
int copyfile_store(const char *base, const struct agent_copy_file_request *req, struct err *err)
{
	const char *rest = str_skip_prefix(req->path, base);
	int r = mounts_check_path(req->path, err);

	if (r < 0)
		return r;
	if (!rest || *rest != '/' || !rest[strspn(rest, "/")])
		return err_set(err, EINVAL, "copy %.256s: not below %s", req->path, base);
	if (req->offset < 0 || req->file_size < 0 || req->offset > req->file_size ||
	    (int64_t)req->data_len > req->file_size - req->offset) {
		if ((req->file_mode & S_IFMT) == S_IFREG)
			return err_set(err, EINVAL, "copy %.256s: a piece outside of the file",
				       req->path);
	}
	r = io_mkdir_p(base, 0755);
	cleanup_close int root = r < 0 ? r
				       : neg_errno(open(base, O_PATH | O_DIRECTORY | O_CLOEXEC));
	cleanup_free char *path = strdup(rest + strspn(rest, "/"));
	if (root < 0 || !path)
		return err_set_errno(err, root < 0 ? root : -ENOMEM, "copy %.256s", req->path);
	for (size_t len = strlen(path); path[len - 1] == '/'; len--)
		path[len - 1] = '\0';
	r = store(root, path, req);
	return r < 0 ? err_set_errno(err, r, "copy %.256s", req->path) : 0;
}

/**
 * copyfile_rpc_copy() - CopyFile
 * @ctx: agent
 * @call: request
 * @request: struct agent_copy_file_request
 * @response: NULL
 * @err: filled on failure
 *
 * Return: 0 or -errno.
 */
RPC_FN(copyfile_rpc_copy)
{
	(void)ctx;
	(void)call;
	(void)response;
	return copyfile_store(KATA_GUEST_SHARED_DIR, request, err);
}
