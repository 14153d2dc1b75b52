/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mounts, the agent's half: the options are parsed and every source of a bind mount is resolved
 * once and cloned into a detached mount, with all its attributes, while the agent still has all its
 * rights. The child only puts it in place (mount_apply.c).
 */
#include "agent/container/rootfs/mount.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/container/attr/user.h"
#include "agent/container/rootfs/mount_options.h"
#include "agent/container/rootfs/plan.h"
#include "common/fd.h"
#include "common/str.h"

/* Bounds descriptors as well as work. */
#define MOUNTS_MAX 1024

static int open_source(const struct rootfs_plan *root, const struct mount_plan *plan,
		       struct err *err)
{
	const char *source = plan->oci->source;
	char path[PATH_MAX];
	int n = snprintf(path, sizeof(path), "%s%s%s", source && *source == '/' ? "" : root->bundle,
			 source && *source == '/' ? "" : "/", source ? source : "");

	if (str_empty(source))
		return err_set(err, EINVAL, "mount %s: a bind mount needs a source",
			       plan->oci->destination);
	if (n < 0 || (size_t)n >= sizeof(path))
		return err_set(err, ENAMETOOLONG, "mount %s: source is too long",
			       plan->oci->destination);
	int fd = neg_errno(open_tree(AT_FDCWD, path,
				     OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC |
					     (plan->options.recursive ? AT_RECURSIVE : 0)));
	return fd < 0 ? err_set_errno(err, fd, "mount %s: source %s", plan->oci->destination, path)
		      : fd;
}

static int apply_idmap(const struct rootfs_plan *root, const struct mount_plan *plan,
		       struct err *err)
{
	const struct oci_mount *m = plan->oci;
	const struct oci_linux *l = root->spec->linux_;
	bool own = m->nr_uid_mappings || m->nr_gid_mappings;

	if (!own && !plan->options.idmap)
		return 0;
	if (!own && !l->nr_uid_mappings)
		return err_set(err, EINVAL, "mount %s: idmap needs mappings", m->destination);
	cleanup_close int ns = own ? user_open_mapped_ns(m->uid_mappings, m->nr_uid_mappings,
							 m->gid_mappings, m->nr_gid_mappings, err)
				   : user_open_mapped_ns(l->uid_mappings, l->nr_uid_mappings,
							 l->gid_mappings, l->nr_gid_mappings, err);
	if (ns < 0)
		return err_wrap(err, "mount %s", m->destination);
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_IDMAP,
				   .userns_fd = (uint64_t)(unsigned)ns };
	unsigned flags = AT_EMPTY_PATH | (plan->options.recursive_idmap ? AT_RECURSIVE : 0);
	if (mount_setattr(plan->tree_fd, "", flags, &attr, sizeof(attr)) < 0)
		return err_set_errno(err, -errno,
				     "mount %s: map ids (does the file system support it?)",
				     m->destination);
	return 0;
}

/*
 * What is mounted in the agent must not follow the container's mounts, nor the other way round,
 * unless asked.
 */
static int isolate_tree(const struct rootfs_plan *root, int fd)
{
	struct mount_attr attr = { .propagation = MS_SLAVE };

	if (root->propagation.flag == MS_SHARED)
		return 0;
	return neg_errno(mount_setattr(fd, "", AT_EMPTY_PATH | AT_RECURSIVE, &attr, sizeof(attr)));
}

static int plan_bind(struct rootfs_plan *root, struct mount_plan *plan, struct err *err)
{
	const struct mount_options *o = &plan->options;
	struct stat st;

	plan->tree_fd = open_source(root, plan, err);
	if (plan->tree_fd < 0)
		return plan->tree_fd;
	if (fstat(plan->tree_fd, &st) < 0)
		return err_set_errno(err, -errno, "mount %s: stat", plan->oci->destination);
	plan->is_dir = S_ISDIR(st.st_mode);
	int r = isolate_tree(root, plan->tree_fd);
	if (r >= 0)
		r = mount_setattr_fd(plan->tree_fd, false, o->self.set, o->self.clear);
	if (r >= 0)
		r = mount_setattr_fd(plan->tree_fd, true, o->tree.set, o->tree.clear);
	if (r < 0)
		return err_set_errno(err, r, "mount %s: set options", plan->oci->destination);
	return apply_idmap(root, plan, err);
}

/* Without a cgroup namespace of its own a container sees its own part of the tree, no more. */
static int plan_cgroup(struct rootfs_plan *root, struct mount_plan *plan, struct err *err)
{
	struct oci_mount *own = arena_memdup(root->arena, plan->oci, sizeof(*plan->oci));

	plan->options.data = (struct strv){ 0 }; /* options of cgroup v1 hierarchies */
	plan->type = "cgroup2";
	plan->is_dir = true;
	if (root->has_cgroup_ns)
		return 0;
	plan->type = NULL;
	if (!own || !root->cgroup_path)
		return err_set(err, ENOTSUP, "mount %s: cgroups are off", plan->oci->destination);
	own->source = arena_strdup(root->arena, root->cgroup_path);
	if (!own->source)
		return err_set_errno(err, -ENOMEM, "mount %s", plan->oci->destination);
	plan->oci = own;
	return plan_bind(root, plan, err);
}

/*
 * The superblock of mqueue belongs to an IPC namespace, and only who has rights in the one that
 * owns it may mount it. A container in a user namespace that shares the sandbox's IPC namespace
 * gets it from the agent.
 */
static int plan_mqueue(struct rootfs_plan *root, struct mount_plan *plan, struct err *err)
{
	plan->is_dir = true;
	if (!root->userns || root->has_ipc_ns)
		return 0;
	cleanup_close int own = neg_errno(open("/proc/self/ns/ipc", O_RDONLY | O_CLOEXEC));
	if (own < 0)
		return err_set_errno(err, own, "open /proc/self/ns/ipc");
	if (root->ipc_ns_fd >= 0 && setns(root->ipc_ns_fd, CLONE_NEWIPC) < 0)
		return err_set_errno(err, -errno, "join the ipc namespace");
	int r = mount_new_fs(plan->type, plan->oci->source, &plan->options, NULL, &plan->tree_fd,
			     err);
	if (root->ipc_ns_fd >= 0 && setns(own, CLONE_NEWIPC) < 0)
		return err_set_errno(err, -errno, "return to the ipc namespace of the agent");
	plan->type = NULL;
	return r < 0 ? err_wrap(err, "mount %s", plan->oci->destination) : 0;
}

static int plan_one(struct rootfs_plan *root, const struct oci_mount *oci, struct mount_plan *plan,
		    struct err *err)
{
	*plan = (struct mount_plan){ .oci = oci, .type = oci->type, .tree_fd = -1 };
	if (str_empty(oci->destination))
		return err_set(err, EINVAL, "a mount without a destination");
	int r = mount_options_parse(root->arena, &oci->options, &plan->options, err);
	if (r < 0)
		return err_wrap(err, "mount %s", oci->destination);
	if (plan->options.remount) {
		plan->type = NULL;
		return 0;
	}
	if (plan->options.bind || str_eq(oci->type, "bind")) {
		plan->type = NULL;
		return plan_bind(root, plan, err);
	}
	if (oci->nr_uid_mappings || oci->nr_gid_mappings || plan->options.idmap)
		return err_set(
			err, ENOTSUP,
			"mount %s: not supported: id mappings on a mount that is no bind mount",
			oci->destination);
	if (str_empty(oci->type))
		return err_set(err, EINVAL, "mount %s: no type", oci->destination);
	if (str_eq(oci->type, "cgroup") || str_eq(oci->type, "cgroup2"))
		return plan_cgroup(root, plan, err);
	if (str_eq(oci->type, "mqueue"))
		return plan_mqueue(root, plan, err);
	plan->is_dir = true;
	return 0;
}

static bool is_dev(const char *destination)
{
	size_t len = strlen(destination);

	while (len > 1 && destination[len - 1] == '/')
		len--;
	return len == 4 && memcmp(destination, "/dev", 4) == 0;
}

/* It is filled first: see rootfs_protect(). */
static void plan_dev(struct rootfs_plan *root, struct mount_plan *plan)
{
	struct mount_options *o = &plan->options;

	root->dev_read_only = (o->self.set | o->tree.set) & MOUNT_ATTR_RDONLY;
	o->self.set &= ~(uint64_t)MOUNT_ATTR_RDONLY;
	o->tree.set &= ~(uint64_t)MOUNT_ATTR_RDONLY;
}

static int plan_rootfs(struct rootfs_plan *root, struct err *err)
{
	const char *word = root->spec->linux_->rootfs_propagation;
	struct mount_attr attr = { .propagation = MS_PRIVATE };
	struct stat st;

	if (!str_empty(word) && mount_propagation_parse(word, &root->propagation) < 0)
		return err_set(err, EINVAL, "unknown rootfsPropagation \"%.32s\"", word);
	if (root->is_joined)
		return 0;
	int fd = neg_errno(open_tree(AT_FDCWD, root->source,
				     OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE));
	if (fd < 0)
		return err_set_errno(err, fd, "rootfs %s", root->source);
	root->fd = fd;
	if (fstat(fd, &st) < 0 || !S_ISDIR(st.st_mode))
		return err_set(err, ENOTDIR, "rootfs %s is not a directory", root->source);
	/* pivot_root(2) wants the new root not shared, whatever is below it. */
	int r = isolate_tree(root, fd);
	if (r >= 0)
		r = neg_errno(mount_setattr(fd, "", AT_EMPTY_PATH, &attr, sizeof(attr)));
	return r < 0 ? err_set_errno(err, r, "rootfs %s: set propagation", root->source) : 0;
}

/**
 * mount_plans_init() - prepare the root and all mounts of a container
 * @root: receives fd and mounts; released with mount_plans_deinit(), also after a failure
 * @err: names the mount that is wrong
 *
 * Return: 0 or -errno.
 */
int mount_plans_init(struct rootfs_plan *root, struct err *err)
{
	const struct oci_spec *spec = root->spec;

	if (spec->nr_mounts > MOUNTS_MAX)
		return err_set(err, E2BIG, "more than %d mounts", MOUNTS_MAX);
	int r = plan_rootfs(root, err);
	if (r < 0)
		return r;
	if (root->is_joined)
		return 0;
	root->mounts = arena_calloc(root->arena, spec->nr_mounts, sizeof(*root->mounts));
	if (!root->mounts)
		return err_set_errno(err, -ENOMEM, "mounts");
	for (size_t i = 0; i < spec->nr_mounts; i++) {
		struct mount_plan *plan = &root->mounts[root->nr_mounts++];

		r = plan_one(root, &spec->mounts[i], plan, err);
		if (r < 0)
			return r;
		if (!plan->type && !plan->options.remount && is_dev(plan->oci->destination))
			root->has_dev_mount = true;
		else if (plan->type && is_dev(plan->oci->destination))
			plan_dev(root, plan);
	}
	return 0;
}

/**
 * mount_plans_deinit() - close what mount_plans_init() opened
 * @root: plan
 */
void mount_plans_deinit(struct rootfs_plan *root)
{
	for (size_t i = 0; i < root->nr_mounts; i++)
		root->mounts[i].tree_fd = fd_close(root->mounts[i].tree_fd);
	root->fd = fd_close(root->fd);
}
