/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Walks a volume and changes group and modes, without following symbolic links and without leaving
 * its file system.
 */
#include "agent/storage/fs_group.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/fiber.h"
#include "common/io.h"
#include "rpc/pb/agent_msg.h"

#define FS_GROUP_DEPTH_MAX 64
/* Files between two turns of others. */
#define FS_GROUP_BATCH 128

struct walk {
	gid_t gid;
	dev_t dev;
	unsigned nr;
};

static int visit(int dirfd, const char *name, struct walk *walk, int depth);

static int change(int fd, const struct stat *st, const struct walk *walk)
{
	mode_t mode = st->st_mode & 07777;

	/* As Kubernetes does it itself; new files inherit the group of their directory. */
	mode |= S_ISDIR(st->st_mode) ? 02770 : 0660;
	if (st->st_gid != walk->gid && fchownat(fd, "", (uid_t)-1, walk->gid, AT_EMPTY_PATH) < 0)
		return -errno;
	if (S_ISLNK(st->st_mode) || mode == (st->st_mode & 07777))
		return 0;
	char path[FD_PATH_MAX];
	return neg_errno(chmod(fd_path(fd, path), mode)); /* O_PATH has no fchmod() */
}

static int visit_children(int fd, struct walk *walk, int depth)
{
	DIR *dir;
	int r = io_opendir_at(fd, ".", &dir);

	if (r < 0)
		return r;
	for (struct dirent *e = readdir(dir); r >= 0 && e; e = readdir(dir))
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			r = visit(dirfd(dir), e->d_name, walk, depth + 1);
	(void)closedir(dir);
	return r;
}

static int visit(int dirfd, const char *name, struct walk *walk, int depth)
{
	struct stat st;
	cleanup_close int fd = neg_errno(openat(dirfd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC));

	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (st.st_dev != walk->dev)
		return 0;
	if (depth > FS_GROUP_DEPTH_MAX)
		return -ELOOP;
	if (++walk->nr % FS_GROUP_BATCH == 0)
		fiber_yield();
	int r = change(fd, &st, walk);
	return r >= 0 && S_ISDIR(st.st_mode) ? visit_children(fd, walk, depth) : r;
}

/**
 * fs_group_apply() - give a volume to a group
 * @path: root of the volume
 * @group: group and policy; OnRootMismatch trusts a root that has the group and the setgid bit
 * @err: filled on failure
 *
 * Return: 0 or -errno.
 */
int fs_group_apply(const char *path, const struct agent_fs_group *group, struct err *err)
{
	struct walk walk = { .gid = group->group_id };
	struct stat st;

	if (stat(path, &st) < 0)
		return err_set_errno(err, -errno, "stat %s", path);
	if (group->group_change_policy == AGENT_FS_GROUP_ON_ROOT_MISMATCH &&
	    st.st_gid == walk.gid && (st.st_mode & S_ISGID))
		return 0;
	walk.dev = st.st_dev;
	int r = visit(AT_FDCWD, path, &walk, 0);
	return r < 0 ? err_set_errno(err, r, "give %s to group %u", path, walk.gid) : 0;
}
