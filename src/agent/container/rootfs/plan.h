/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Private to src/agent/container. What the root of a container is made of: filled by the agent
 * (mount_plans_init(), device_plans_init()), carried out by the child (rootfs.h).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "agent/container/rootfs/mount_options.h"
#include "common/arena.h"
#include "oci/oci_spec.h"

/* One mount of the spec. */
struct mount_plan {
	const struct oci_mount *oci;
	struct mount_options options;
	const char *type; /* of the file system; NULL: @tree_fd is it, or it is a remount */
	int tree_fd; /* a detached mount, made by the agent; -1: the child makes a file system */
	bool is_dir;
};

struct device_plan {
	const char *path; /* in the container */
	mode_t mode;	  /* with the S_IF bits */
	dev_t rdev;
	uid_t uid;
	gid_t gid;
	/* A detached mount of such a node, for those who may not make it; -1: make it. */
	int tree_fd;
};

struct rootfs_plan {
	/* What the caller says; borrowed. */
	struct arena *arena;
	const struct oci_spec *spec; /* with process and linux_ */
	const char *source;	     /* of the root: a directory, mounted already */
	const char *bundle;
	const char *cgroup_path;	/* the container's own; NULL: cgroups are off */
	bool is_joined;			/* another's mount namespace: nothing is mounted there */
	bool userns;			/* in another user namespace than the agent */
	bool has_cgroup_ns, has_ipc_ns; /* new ones of its own */
	int ipc_ns_fd;			/* of the IPC namespace that it joins, -1: none */
	bool no_pivot;			/* move the root and chroot instead */

	/* What the plan consists of. */
	int fd; /* of the root, a detached tree; -1 when the mount namespace is joined */
	struct mount_plan *mounts;
	size_t nr_mounts;
	struct device_plan *devices;
	size_t nr_devices;
	bool has_dev_mount;		      /* somebody else's /dev is bound: leave it alone */
	bool dev_read_only;		      /* once there is everything in it */
	struct mount_propagation propagation; /* of the root; flag 0: the default */
};

#define ROOTFS_PLAN_NULL ((struct rootfs_plan){ .ipc_ns_fd = -1, .fd = -1 })
