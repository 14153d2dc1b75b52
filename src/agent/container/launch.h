/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DOC: How a process gets into a container
 *
 * Private to src/agent/container. Everything that can be decided, checked or opened before the fork
 * is put into a struct launch by the agent; clone3(2) copies it into the child, which only carries
 * it out. There is no helper program and one fork per process.
 *
 *	agent (create.c)                          child (init.c)
 *	  open mount sources, compile seccomp,
 *	  make cgroup, pipes, sync socket
 *	  clone3(new namespaces, into cgroup) ->  wait for GO
 *	  uid_map, oom_score_adj, sysctls
 *	  GO ---------------------------------->  join namespaces, mounts
 *	  prestart hooks      <--------- HOOKS    (only when there are such hooks)
 *	  RESUME ------------------------------>  pivot_root, user, capabilities, find the program
 *	  rlimits, devices    <--------- READY    with the pty master; everything else is closed
 *	  container_create() returns
 *	  container_start(): START ------------>  startContainer hooks, seccomp, execve
 *	  end of file on the socket means that the execve succeeded; an ERROR says why not
 *
 * An exec (exec.c) is the same without the middle: clone3 into the cgroup, setns, user,
 * capabilities, execve. The child reports failures as ERROR with errno and text. When the agent
 * dies the child sees the end of the socket.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "agent/container/attr/capability.h"
#include "agent/container/container.h"
#include "agent/container/rootfs/mount_options.h"
#include "agent/container/attr/seccomp.h"
#include "common/arena.h"
#include "common/err.h"
#include "oci/oci_spec.h"

enum ns_mode {
	NS_MODE_OWN, /* the agent's */
	NS_MODE_NEW,
	NS_MODE_JOIN, /* by descriptor */
};

struct ns_plan {
	enum ns_mode mode;
	int fd;	       /* to join, -1 otherwise */
	bool fd_owned; /* opened by us */
};

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
	int tree_fd; /* a detached mount of such a node, for those who may not make it; -1: make it
		      */
};

struct rlimit_plan {
	int resource;
	uint64_t soft, hard;
};

struct launch {
	struct arena *arena; /* of the plan; released after the fork */
	struct container *container;
	const struct container_create_args *args; /* NULL for an exec */
	const struct oci_spec *spec;		  /* NULL for an exec */
	const struct oci_process *process;
	const struct oci_linux *linux_; /* NULL for an exec */
	bool is_init;

	struct ns_plan ns[CONTAINER_NS_NR];
	bool joined;	/* an intermediate process has joined what is NS_MODE_JOIN */
	bool userns;	/* in another user namespace than the agent */
	int init_pidfd; /* exec: whose namespaces to join */
	int join_flags; /* exec: CLONE_NEW* for setns(2) */

	struct capability_sets caps;
	const struct seccomp_prog *seccomp; /* NULL: none */
	struct rlimit_plan *rlimits;
	size_t nr_rlimits;
	const char *apparmor_profile, *selinux_label; /* NULL: none */
	int label_fd; /* child: /proc/thread-self/attr/..., opened before the root changes; -1 */

	int rootfs_fd; /* detached tree; -1 when the mount namespace is joined */
	struct mount_plan *mounts;
	size_t nr_mounts;
	struct device_plan *devices;
	size_t nr_devices;
	bool has_dev_mount; /* somebody else's /dev is bound: leave it alone */
	struct mount_propagation root_propagation; /* flag 0: the default */

	int stdio[3];  /* the child's ends; -1 with a terminal */
	int sync_fd;   /* the child's end */
	int cgroup_fd; /* -1: none */
};
