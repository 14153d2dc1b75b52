/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The root of a container: attach it, fill it, cover what must not be seen, and make it the root.
 * Until rootfs_enter() the process still has the agent's root, so paths mean the agent's files and
 * descriptors the container's.
 */
#include "agent/container/rootfs/rootfs.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "agent/container/rootfs/device.h"
#include "agent/container/rootfs/mount.h"
#include "agent/container/rootfs/plan.h"
#include "agent/util/path.h"
#include "common/fd.h"
#include "common/str.h"

/**
 * rootfs_attach() - in the child's new mount namespace: attach the root over "/"
 * @root: plan
 * @err: filled on failure
 *
 * It covers the agent's root without replacing it: absolute paths still start below it.
 *
 * Return: 0 or -errno.
 */
int rootfs_attach(const struct rootfs_plan *root, struct err *err)
{
	unsigned long propagation = root->propagation.flag;
	int r;

	if (propagation != MS_SHARED && mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0)
		return err_set_errno(err, -errno, "set mount propagation");
	/*
	 * pivot_root(2) refuses a shared parent, and a mount made below one would come out in the
	 * agent.
	 */
	if (propagation == MS_SHARED && mount(NULL, "/", NULL, MS_PRIVATE, NULL) < 0)
		return err_set_errno(err, -errno, "set mount propagation");
	r = neg_errno(move_mount(root->fd, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH));
	return r < 0 ? err_set_errno(err, r, "attach the rootfs") : 0;
}

/* When it cannot be made, as on a read-only rootfs, the later chdir() fails and says so. */
static void make_cwd(const struct rootfs_plan *root)
{
	const char *cwd = root->spec->process->cwd;

	if (!str_empty(cwd))
		(void)fd_close(path_make_in(root->fd, cwd, PATH_DIR, 0755));
}

/**
 * rootfs_prepare() - mounts, devices and the working directory
 * @root: plan
 * @err: filled on failure
 *
 * Return: 0 or -errno.
 */
int rootfs_prepare(const struct rootfs_plan *root, struct err *err)
{
	int r = mount_apply_all(root, root->fd, err);

	if (r >= 0)
		r = device_make_all(root, root->fd, err);
	if (r >= 0)
		make_cwd(root);
	return r;
}

static int cover_dir(int target_fd)
{
	struct mount_options options = { .self = { .set = MOUNT_ATTR_RDONLY } };
	struct err ignored;
	cleanup_close int tree = -1;
	int r = mount_new_fs("tmpfs", "tmpfs", &options, NULL, &tree, &ignored);

	return r < 0 ? r : mount_move_to(tree, target_fd);
}

/*
 * Covers a file with the agent's own /dev/null: the container's could be anything (CVE-2025-31133).

 */
static int cover_file(int target_fd)
{
	cleanup_close int tree =
		neg_errno(open_tree(AT_FDCWD, "/dev/null", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC));

	return tree < 0 ? tree : mount_move_to(tree, target_fd);
}

static int mask_path(int root_fd, const char *path, struct err *err)
{
	cleanup_close int fd = path_open_in(root_fd, path, O_PATH);
	struct stat st;

	if (fd == -ENOENT || fd == -ENOTDIR || fd == -EACCES)
		return 0;
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_set_errno(err, fd < 0 ? fd : -errno, "masked path %s", path);
	int r = S_ISDIR(st.st_mode) ? cover_dir(fd) : cover_file(fd);
	return r < 0 ? err_set_errno(err, r, "masked path %s", path) : 0;
}

static int protect_path(int root_fd, const char *path, struct err *err)
{
	cleanup_close int fd = path_open_in(root_fd, path, O_PATH);

	if (fd == -ENOENT || fd == -ENOTDIR || fd == -EACCES)
		return 0;
	if (fd < 0)
		return err_set_errno(err, fd, "read-only path %s", path);
	cleanup_close int tree = neg_errno(open_tree(
		fd, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH | AT_RECURSIVE));
	int r = tree < 0 ? tree : mount_setattr_fd(tree, false, MOUNT_ATTR_RDONLY, 0);
	if (r >= 0)
		r = mount_move_to(tree, fd);
	return r < 0 ? err_set_errno(err, r, "read-only path %s", path) : 0;
}

static int protect_dev(const struct rootfs_plan *root, struct err *err)
{
	if (!root->dev_read_only)
		return 0;
	cleanup_close int dev = path_open_plain_in(root->fd, "/dev", O_PATH | O_DIRECTORY);
	int r = dev < 0 ? dev : mount_setattr_fd(dev, false, MOUNT_ATTR_RDONLY, 0);
	return r < 0 ? err_set_errno(err, r, "make /dev read-only") : 0;
}

/**
 * rootfs_protect() - read-only /dev, read-only paths, masked paths, read-only root
 * @root: plan
 * @err: names the path that failed
 *
 * The last change to the mounts of the container.
 *
 * Return: 0 or -errno.
 */
int rootfs_protect(const struct rootfs_plan *root, struct err *err)
{
	const struct oci_linux *l = root->spec->linux_;
	int r = protect_dev(root, err);

	for (size_t i = 0; i < l->readonly_paths.nr && r >= 0; i++)
		r = protect_path(root->fd, l->readonly_paths.v[i], err);
	for (size_t i = 0; i < l->masked_paths.nr && r >= 0; i++)
		r = mask_path(root->fd, l->masked_paths.v[i], err);
	if (r < 0 || !root->spec->root || !root->spec->root->readonly)
		return r;
	r = mount_setattr_fd(root->fd, false, MOUNT_ATTR_RDONLY, 0);
	return r < 0 ? err_set_errno(err, r, "make the rootfs read-only") : 0;
}

/* Leaves the new root on top and nothing of the old one in the namespace. */
static int pivot(int root_fd, struct err *err)
{
	cleanup_close int old = neg_errno(open("/", O_PATH | O_DIRECTORY | O_CLOEXEC));

	if (old < 0)
		return err_set_errno(err, old, "open /");
	if (fchdir(root_fd) < 0)
		return err_set_errno(err, -errno, "enter the rootfs");
	if (syscall(SYS_pivot_root, ".", ".") < 0)
		return -errno; /* the caller has another way */
	if (fchdir(old) < 0)
		return err_set_errno(err, -errno, "enter the old root");
	/* Its unmounting must not propagate to where it came from. */
	if (mount(NULL, ".", NULL, MS_SLAVE | MS_REC, NULL) < 0 || umount2(".", MNT_DETACH) < 0)
		return err_set_errno(err, -errno, "unmount the old root");
	return 0;
}

/*
 * Where pivot_root(2) cannot work: the root below is the initial root file system. The new root
 * covers it, so the way up from the new root leads back into it, and nobody can uncover it who has
 * no descriptor of what is below.
 */
static int change_root(int root_fd, struct err *err)
{
	if (fchdir(root_fd) < 0 || chroot(".") < 0)
		return err_set_errno(err, -errno, "change the root");
	return 0;
}

/**
 * rootfs_enter() - make the prepared tree the root of this process and of its mount namespace
 * @root: plan
 * @err: filled on failure
 *
 * Return: 0 or -errno.
 */
int rootfs_enter(const struct rootfs_plan *root, struct err *err)
{
	const struct mount_propagation *p = &root->propagation;
	int r = root->no_pivot ? -EINVAL : pivot(root->fd, err);

	if (r == -EINVAL)
		r = change_root(root->fd, err);
	if (r < 0)
		return err->code ? r : err_set_errno(err, r, "pivot_root");
	if (chdir("/") < 0)
		return err_set_errno(err, -errno, "enter the new root");
	if (p->flag && mount(NULL, "/", NULL, p->flag | (p->recursive ? MS_REC : 0UL), NULL) < 0)
		return err_set_errno(err, -errno, "set the propagation of the rootfs");
	return 0;
}

/**
 * rootfs_make_pivotable() - make pivot_root(2) work for containers
 * @err: filled on failure
 *
 * Return: 0 or -errno.
 */
int rootfs_make_pivotable(struct err *err)
{
	cleanup_close int tree =
		neg_errno(open_tree(AT_FDCWD, "/", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC));

	if (tree < 0)
		return err_set_errno(err, tree, "bind /");
	if (move_mount(tree, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return err_set_errno(err, -errno, "mount over /");
	if (fchdir(tree) < 0 || chroot(".") < 0 || chdir("/") < 0)
		return err_set_errno(err, -errno, "change the root");
	return 0;
}
