/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mounts, the child's half: make file systems, resolve targets inside the root, put mounts in
 * place. Every target is resolved once, to a descriptor, and mounted on by that descriptor.
 */
#include "agent/container/rootfs/mount.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/container/rootfs/copy_up.h"
#include "agent/container/rootfs/plan.h"
#include "agent/util/path.h"
#include "common/fd.h"
#include "common/str.h"

/* fsconfig(2) takes values up to this long; longer ones go through mount(2). */
#define FS_VALUE_MAX 255

static bool has_long_value(const struct mount_options *options)
{
	for (size_t i = 0; i < options->data.nr; i++) {
		const char *eq = strchr(options->data.v[i], '=');

		if (eq && strlen(eq + 1) > FS_VALUE_MAX)
			return true;
	}
	return false;
}

/* For an overlay with more layers than fit into one value of fsconfig(2). */
static int mount_long(const struct mount_plan *plan, int target_fd, int root_fd, struct err *err)
{
	cleanup_strbuf struct strbuf data = STRBUF_NULL;
	const struct mount_options *o = &plan->options;
	char target[64];
	int r = 0;

	for (size_t i = 0; i < o->data.nr && r >= 0; i++)
		r = strbuf_printf(&data, "%s%s", i ? "," : "", o->data.v[i]);
	if (r < 0)
		return err_set_errno(err, r, "mount options");
	/* The agent's procfs: the root has not changed yet. */
	(void)snprintf(target, sizeof(target), "/proc/self/fd/%d", target_fd);
	unsigned long flags = o->self.set & MOUNT_ATTR_RDONLY ? MS_RDONLY : 0;
	if (mount(plan->oci->source ? plan->oci->source : plan->type, target, plan->type, flags,
		  data.data) < 0)
		return err_set_errno(err, -errno, "file system %s", plan->type);
	cleanup_close int fd = path_open_in(root_fd, plan->oci->destination, O_PATH);
	r = fd < 0 ? fd : mount_setattr_fd(fd, false, o->self.set | o->tree.set, 0);
	if (r >= 0)
		r = mount_apply_propagation(fd, o);
	return r < 0 ? err_set_errno(err, r, "set options") : 0;
}

/*
 * The kernel refuses a new procfs or sysfs when the namespace they show belongs to a stronger user
 * namespace than ours; what the agent sees is the same content then.
 */
static int mount_instead(const struct mount_plan *plan, int *ret_fd, struct err *err)
{
	const char *own = str_eq(plan->type, "proc") ? "/proc" : "/sys";
	const struct mount_options *o = &plan->options;
	cleanup_close int fd = neg_errno(
		open_tree(AT_FDCWD, own, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE));

	if (fd < 0)
		return err_set_errno(err, fd, "bind %s", own);
	int r = mount_setattr_fd(fd, true, o->self.set | o->tree.set, 0);
	if (r < 0)
		return err_set_errno(err, r, "set options");
	*ret_fd = TAKE_FD(fd);
	return 0;
}

static int make_tree(const struct rootfs_plan *root, const struct mount_plan *plan, int *ret_fd,
		     struct err *err)
{
	int r = mount_new_fs(plan->type, plan->oci->source, &plan->options,
			     root->spec->linux_->mount_label, ret_fd, err);

	if (r == -EPERM && root->userns &&
	    (str_eq(plan->type, "proc") || str_eq(plan->type, "sysfs")))
		r = mount_instead(plan, ret_fd, err);
	return r;
}

/*
 * A link there in the image could lead the kernel's own file systems somewhere else: CVE-2019-19921
 * and its kin.
 */
static bool must_be_plain(const char *destination)
{
	static const char *const plain[] = { "/proc", "/sys", "/dev" };
	char name[8];
	size_t len = strlen(destination);

	while (len > 1 && destination[len - 1] == '/')
		len--;
	if (len >= sizeof(name))
		return false;
	memcpy(name, destination, len);
	name[len] = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(plain); i++)
		if (str_eq(name, plain[i]))
			return true;
	return false;
}

static int open_target(const struct mount_plan *plan, int root_fd, struct err *err)
{
	const char *destination = plan->oci->destination;

	if (must_be_plain(destination)) {
		/* When it fails for another reason than EEXIST, the open fails, too. */
		(void)mkdirat(root_fd, destination + 1, 0755);
		int fd = path_open_plain_in(root_fd, destination, O_PATH);
		return fd < 0 ? err_set_errno(err, fd, "mount target %s in the rootfs", destination)
			      : fd;
	}
	int fd = path_make_in(root_fd, destination, plan->is_dir ? PATH_DIR : PATH_FILE,
			      plan->is_dir ? 0755 : 0644);
	return fd < 0 ? err_set_errno(err, fd, "mount target %s in the rootfs", destination) : fd;
}

static int copy_under(const struct mount_plan *plan, int tree_fd, int target_fd, struct err *err)
{
	struct stat st;
	cleanup_close int below =
		neg_errno(openat(target_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));

	if (below < 0)
		return err_set_errno(err, below, "open what is below %s", plan->oci->destination);
	if (fstat(below, &st) < 0 || fchownat(tree_fd, "", st.st_uid, st.st_gid, AT_EMPTY_PATH) < 0)
		return err_set_errno(err, -errno, "own %s", plan->oci->destination);
	return copy_up_tree(below, tree_fd, err);
}

static bool has_option(const struct mount_options *options, const char *prefix)
{
	for (size_t i = 0; i < options->data.nr; i++)
		if (str_skip_prefix(options->data.v[i], prefix))
			return true;
	return false;
}

/*
 * A tmpfs without a mode takes over that of the directory it covers. 0: leave the file system's
 * default.
 */
static mode_t covered_mode(const struct mount_plan *plan, int root_fd)
{
	struct stat st;

	if (!str_eq(plan->type, "tmpfs") || has_option(&plan->options, "mode="))
		return 0;
	cleanup_close int fd = path_open_in(root_fd, plan->oci->destination, O_PATH);
	return fd >= 0 && fstat(fd, &st) >= 0 ? st.st_mode & 07777 : 0;
}

/* Makes the file system of a mount, complete but for its place. */
static int build_tree(const struct rootfs_plan *root, const struct mount_plan *plan, int target_fd,
		      mode_t mode, int *ret_fd, struct err *err)
{
	struct mount_plan copy = *plan;
	char option[sizeof("mode=") + 3 * sizeof(mode)]; /* octal: less than 3 digits a byte */
	cleanup_close int fd = -1;

	if (mode) {
		(void)snprintf(option, sizeof(option), "mode=%o", mode);
		if (arena_strv_add(root->arena, &copy.options.data, option) < 0)
			return err_set_errno(err, -ENOMEM, "set the mode");
	}
	/* Read-only only after the copy. */
	if (plan->options.tmpcopyup)
		copy.options.self.set &= ~(uint64_t)MOUNT_ATTR_RDONLY;
	int r = make_tree(root, &copy, &fd, err);
	if (r >= 0 && plan->options.tmpcopyup)
		r = copy_under(plan, fd, target_fd, err);
	if (r < 0)
		return r;
	r = plan->options.tmpcopyup
		    ? mount_setattr_fd(fd, false, plan->options.self.set & MOUNT_ATTR_RDONLY, 0)
		    : 0;
	if (r < 0)
		return err_set_errno(err, r, "set options");
	*ret_fd = TAKE_FD(fd);
	return 0;
}

static int apply_one(const struct rootfs_plan *root, const struct mount_plan *plan, int root_fd,
		     struct err *err)
{
	const struct mount_options *o = &plan->options;
	mode_t mode = covered_mode(plan, root_fd);
	cleanup_close int target = open_target(plan, root_fd, err), made = -1;
	int r = 0;

	if (target < 0)
		return target;
	if (o->remount) {
		r = mount_setattr_fd(target, false, o->self.set, o->self.clear);
		if (r >= 0)
			r = mount_setattr_fd(target, true, o->tree.set, o->tree.clear);
		return r < 0 ? err_set_errno(err, r, "remount") : 0;
	}
	if (plan->type && has_long_value(o))
		return mount_long(plan, target, root_fd, err);
	if (plan->type) {
		r = build_tree(root, plan, target, mode, &made, err);
		if (r < 0)
			return r;
	}
	int tree = plan->type ? made : plan->tree_fd;
	r = mount_move_to(tree, target);
	if (r < 0)
		return err_set_errno(err, r, "mount it");
	r = mount_apply_propagation(tree, o);
	return r < 0 ? err_set_errno(err, r, "set propagation") : 0;
}

/**
 * mount_apply_all() - in the child: put all mounts of the spec in place
 * @root: plan
 * @root_fd: root of the container, attached in this mount namespace
 * @err: names the mount that failed
 *
 * Return: 0 or -errno.
 */
int mount_apply_all(const struct rootfs_plan *root, int root_fd, struct err *err)
{
	for (size_t i = 0; i < root->nr_mounts; i++) {
		const struct mount_plan *plan = &root->mounts[i];

		if (apply_one(root, plan, root_fd, err) < 0)
			return err_wrap(err, "mount %s", plan->oci->destination);
	}
	return 0;
}
