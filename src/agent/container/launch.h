/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DOC: How a process gets into a container
 *
 * Private to src/agent/container. Everything that can be decided, checked or opened before the fork
 * is put into a struct launch_plan by the agent; clone3(2) copies it into the child, which only carries
 * it out. There is no helper program.
 *
 *	agent (container_create.c)                child (init.c)
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
 * An exec (container_exec.c) is the same without the middle: clone3 into the cgroup, setns, user,
 * capabilities, filter; its program runs in a child that is forked into the PID namespace last
 * (birth.c). The child reports failures as ERROR with errno and text. When the agent
 * dies the child sees the end of the socket.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "agent/container/attr/capability.h"
#include "agent/container/attr/label.h"
#include "agent/container/attr/limits.h"
#include "agent/container/attr/seccomp.h"
#include "agent/container/container.h"
#include "agent/container/memory.h"
#include "agent/container/namespace.h"
#include "agent/container/rootfs/plan.h"
#include "common/arena.h"
#include "common/err.h"
#include "oci/oci_spec.h"

struct launch_plan {
	struct arena *arena; /* of the plan; released after the fork */
	struct container *container;
	const struct container_create_args *args; /* NULL for an exec */
	const struct oci_spec *spec;		  /* NULL for an exec */
	const struct oci_process *process;
	const struct oci_linux *linux_; /* NULL for an exec */
	bool is_init;

	struct ns_plan ns[CONTAINER_NS_NR];
	bool joined;		     /* an intermediate process has joined what is NS_MODE_JOIN */
	bool userns;		     /* in another user namespace than the agent */
	int init_pidfd;		     /* exec: whose namespaces to join */
	int join_flags;		     /* exec: CLONE_NEW* for setns(2) */
	struct birth *birth;	     /* where its child is noted; NULL: it is the program itself */
	struct memory_ranges memory; /* what that child does not get */

	struct capability_sets caps;
	const struct seccomp_prog *seccomp; /* NULL: none */
	struct limits_plan limits;
	struct label_plan label;
	struct rootfs_plan root; /* of an init */

	bool no_input; /* stdin is /dev/null: no pipe that ends */
	int stdio[3];  /* the child's ends; -1 with a terminal */
	int sync_fd;   /* the child's end */
	int cgroup_fd; /* -1: none */
};

#define LAUNCH_PLAN_NULL                  \
	((struct launch_plan){            \
		.label = { .fd = -1 },    \
		.root = ROOTFS_PLAN_NULL, \
		.stdio = { -1, -1, -1 },  \
		.sync_fd = -1,            \
		.init_pidfd = -1,         \
		.cgroup_fd = -1,          \
	})
