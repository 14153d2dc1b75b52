/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Private to src/agent/container. Mounts: planned by the agent (mount.c), put in place by the child
 * (mount_apply.c), by the same steps (mount_fs.c).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "agent/container/rootfs/mount_options.h"
#include "common/err.h"

struct rootfs_plan;

int mount_plans_init(struct rootfs_plan *root, struct err *err) must_check;
void mount_plans_deinit(struct rootfs_plan *root);
int mount_apply_all(const struct rootfs_plan *root, int root_fd, struct err *err) must_check;
int mount_apply_propagation(int fd, const struct mount_options *options) must_check;
int mount_setattr_fd(int fd, bool recursive, uint64_t set, uint64_t clear) must_check;
int mount_move_to(int tree_fd, int target_fd) must_check;
int mount_new_fs(const char *type, const char *source, const struct mount_options *options,
		 const char *label, int *ret_fd, struct err *err) must_check;
