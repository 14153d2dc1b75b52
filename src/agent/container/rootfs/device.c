/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The nodes below /dev. They are made with mknod(2) in the container's own /dev; who may not do
 * that, because of a user namespace or of a file system without nodes, gets a bind mount of one.
 */
#include "agent/container/rootfs/device.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "agent/container/attr/user.h"
#include "agent/container/rootfs/mount.h"
#include "agent/container/rootfs/plan.h"
#include "agent/util/path.h"
#include "common/fd.h"
#include "common/str.h"

#define DEVICES_MAX 1024

static const struct {
	const char *path;
	unsigned major, minor;
} default_devices[] = {
	{ "/dev/null", 1, 3 },	 { "/dev/zero", 1, 5 },	   { "/dev/full", 1, 7 },
	{ "/dev/random", 1, 8 }, { "/dev/urandom", 1, 9 }, { "/dev/tty", 5, 0 },
};

static const struct {
	const char *target, *path;
} links[] = {
	{ "/proc/self/fd", "fd" },	 { "/proc/self/fd/0", "stdin" },
	{ "/proc/self/fd/1", "stdout" }, { "/proc/self/fd/2", "stderr" },
	{ "/proc/kcore", "core" },
};

static int plan_listed(const struct oci_device *oci, struct device_plan *plan, struct err *err)
{
	uint32_t mode = oci->file_mode ? *oci->file_mode & 07777 : 0666;

	if (str_empty(oci->path) || oci->path[0] != '/')
		return err_set(err, EINVAL, "device with wrong path \"%.64s\"",
			       oci->path ? oci->path : "");
	if (oci->major < 0 || oci->major > 0xfff || oci->minor < 0 || oci->minor > 0xfffff)
		if (!str_eq(oci->type, "p"))
			return err_set(err, EINVAL, "device %s: wrong number %lld:%lld", oci->path,
				       (long long)oci->major, (long long)oci->minor);
	*plan = (struct device_plan){
		.path = oci->path,
		.uid = oci->uid ? *oci->uid : 0,
		.gid = oci->gid ? *oci->gid : 0,
		.tree_fd = -1,
	};
	if (str_eq(oci->type, "c") || str_eq(oci->type, "u"))
		plan->mode = S_IFCHR | mode;
	else if (str_eq(oci->type, "b"))
		plan->mode = S_IFBLK | mode;
	else if (str_eq(oci->type, "p"))
		plan->mode = S_IFIFO | mode;
	else
		return err_set(err, EINVAL, "device %s: unknown type \"%.8s\"", oci->path,
			       oci->type ? oci->type : "");
	if (!S_ISFIFO(plan->mode))
		plan->rdev = makedev((unsigned)oci->major, (unsigned)oci->minor);
	return 0;
}

static int node_path(const struct rootfs_plan *root, size_t index, char path[PATH_MAX])
{
	int n = snprintf(path, PATH_MAX, "%s/.device-node-%zu", root->bundle, index);

	return n < 0 || n >= PATH_MAX ? -ENAMETOOLONG : 0;
}

/*
 * A node of the agent's, owned as the container wants it, as a mount that the child can put in
 * place. It must keep its name until it is there.
 */
static int open_node_tree(struct rootfs_plan *root, size_t index, struct device_plan *plan,
			  struct err *err)
{
	const struct oci_linux *l = root->spec->linux_;
	char path[PATH_MAX];

	if (node_path(root, index, path) < 0)
		return err_set(err, ENAMETOOLONG, "device %s", plan->path);
	(void)unlink(path); /* of an earlier attempt that was cut short */
	mode_t old = umask(0);
	int r = neg_errno(mknod(path, plan->mode, plan->rdev));
	(void)umask(old);
	if (r >= 0)
		r = neg_errno(lchown(path,
				     user_map_id(l->uid_mappings, l->nr_uid_mappings, plan->uid),
				     user_map_id(l->gid_mappings, l->nr_gid_mappings, plan->gid)));
	if (r >= 0)
		r = plan->tree_fd =
			neg_errno(open_tree(AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC));
	if (r >= 0)
		r = mount_setattr_fd(plan->tree_fd, false, 0, MOUNT_ATTR_NODEV);
	return r < 0 ? err_set_errno(err, r, "device %s", plan->path) : 0;
}

static bool is_listed(const struct oci_linux *linux_, const char *path)
{
	for (size_t i = 0; i < linux_->nr_devices; i++)
		if (str_eq(linux_->devices[i].path, path))
			return true;
	return false;
}

/**
 * device_plans_init() - list the nodes a container gets
 * @root: receives devices; released with device_plans_deinit(), also after a failure
 * @err: names the device that is wrong
 *
 * Return: 0 or -errno.
 */
int device_plans_init(struct rootfs_plan *root, struct err *err)
{
	const struct oci_linux *l = root->spec->linux_;
	int r = 0;

	if (root->has_dev_mount || root->fd < 0)
		return 0;
	if (l->nr_devices > DEVICES_MAX)
		return err_set(err, E2BIG, "more than %d devices", DEVICES_MAX);
	root->devices = arena_calloc(root->arena, ARRAY_SIZE(default_devices) + l->nr_devices,
				     sizeof(*root->devices));
	if (!root->devices)
		return err_set_errno(err, -ENOMEM, "devices");
	for (size_t i = 0; i < ARRAY_SIZE(default_devices); i++)
		if (!is_listed(l, default_devices[i].path))
			root->devices[root->nr_devices++] = (struct device_plan){
				.path = default_devices[i].path,
				.mode = S_IFCHR | 0666,
				.rdev = makedev(default_devices[i].major, default_devices[i].minor),
				.tree_fd = -1,
			};
	for (size_t i = 0; i < l->nr_devices && r >= 0; i++) {
		r = plan_listed(&l->devices[i], &root->devices[root->nr_devices], err);
		if (r >= 0)
			root->nr_devices++;
	}
	for (size_t i = 0; i < root->nr_devices && r >= 0 && root->userns; i++)
		r = open_node_tree(root, i, &root->devices[i], err);
	return r;
}

/**
 * device_plans_deinit() - close and remove what device_plans_init() made
 * @root: plan
 */
void device_plans_deinit(struct rootfs_plan *root)
{
	char path[PATH_MAX];

	for (size_t i = 0; i < root->nr_devices && root->userns; i++) {
		root->devices[i].tree_fd = fd_close(root->devices[i].tree_fd);
		if (node_path(root, i, path) >= 0)
			(void)unlink(path); /* not there when the plan failed before it */
	}
}

/*
 * Whether the node is there already, as an image or a manager may have it. Return: 1, 0 or -errno.

 */
static int node_exists(int parent_fd, const char *name, const struct device_plan *plan,
		       struct err *err)
{
	struct stat st;

	if (fstatat(parent_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : err_set_errno(err, -errno, "device %s", plan->path);
	if ((st.st_mode & S_IFMT) == (plan->mode & S_IFMT) &&
	    (S_ISFIFO(st.st_mode) || st.st_rdev == plan->rdev))
		return 1;
	if (S_ISREG(st.st_mode) && st.st_size == 0)
		return 0; /* left by an earlier bind mount */
	return err_set(err, EEXIST, "device %s: something else is there", plan->path);
}

static int bind_node(int root_fd, const struct device_plan *plan, int tree_fd, struct err *err)
{
	cleanup_close int target = path_make_in(root_fd, plan->path, PATH_FILE, 0666);
	int r = target < 0 ? target : mount_move_to(tree_fd, target);

	return r < 0 ? err_set_errno(err, r, "device %s: bind mount", plan->path) : 0;
}

/*
 * Where nodes cannot be made, as on virtio-fs: the agent's own node, if it has the same one at the
 * same place.
 */
static int bind_own_node(int root_fd, const struct device_plan *plan, struct err *err)
{
	struct stat st;
	cleanup_close int tree =
		neg_errno(open_tree(AT_FDCWD, plan->path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC));

	if (tree < 0 || fstat(tree, &st) < 0 || st.st_rdev != plan->rdev)
		return err_set(err, EPERM, "device %s: nodes cannot be made in this rootfs",
			       plan->path);
	return bind_node(root_fd, plan, tree, err);
}

static int make_node(const struct device_plan *plan, int root_fd, struct err *err)
{
	char name[NAME_MAX + 1];

	if (plan->tree_fd >= 0)
		return bind_node(root_fd, plan, plan->tree_fd, err);
	cleanup_close int parent =
		path_make_parent_in(root_fd, plan->path, 0755, name, sizeof(name));
	if (parent < 0)
		return err_set_errno(err, parent, "device %s", plan->path);
	int r = node_exists(parent, name, plan, err);
	if (r < 0)
		return r;
	if (r == 0 && mknodat(parent, name, plan->mode, plan->rdev) < 0) {
		if (errno == EPERM || errno == EEXIST)
			return bind_own_node(root_fd, plan, err);
		return err_set_errno(err, -errno, "device %s: make the node", plan->path);
	}
	if (fchownat(parent, name, plan->uid, plan->gid, AT_SYMLINK_NOFOLLOW) < 0)
		return err_set_errno(err, -errno, "device %s: set the owner", plan->path);
	return 0;
}

static int make_links(int dev_fd, struct err *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(links); i++) {
		if (str_eq(links[i].path, "core") && access(links[i].target, F_OK) < 0)
			continue;
		/* An entry that the image has there already is kept. */
		if (symlinkat(links[i].target, dev_fd, links[i].path) < 0 && errno != EEXIST)
			return err_set_errno(err, -errno, "link /dev/%s", links[i].path);
	}
	/* Must be the one of the container's own devpts. */
	if (unlinkat(dev_fd, "ptmx", 0) < 0 && errno != ENOENT && errno != EBUSY)
		return err_set_errno(err, -errno, "replace /dev/ptmx");
	if (symlinkat("pts/ptmx", dev_fd, "ptmx") < 0 && errno != EEXIST)
		return err_set_errno(err, -errno, "link /dev/ptmx");
	return 0;
}

/**
 * device_make_all() - in the child: fill /dev
 * @root: plan
 * @root_fd: root of the container
 * @err: names the device that failed
 *
 * Return: 0 or -errno.
 */
int device_make_all(const struct rootfs_plan *root, int root_fd, struct err *err)
{
	int r = 0;

	if (root->has_dev_mount)
		return 0;
	/* When it fails for another reason than EEXIST, the open fails, too. */
	(void)mkdirat(root_fd, "dev", 0755);
	cleanup_close int dev = path_open_plain_in(root_fd, "/dev", O_PATH | O_DIRECTORY);
	if (dev < 0)
		return err_set_errno(err, dev, "/dev of the container");
	mode_t old = umask(0);
	for (size_t i = 0; i < root->nr_devices && r >= 0; i++)
		r = make_node(&root->devices[i], root_fd, err);
	(void)umask(old);
	return r < 0 ? r : make_links(dev, err);
}
