/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Private to src/agent/container. The nodes below /dev.
 */
#pragma once

#include "common/err.h"

struct rootfs_plan;

int device_plans_init(struct rootfs_plan *root, struct err *err) must_check;
void device_plans_deinit(struct rootfs_plan *root);
int device_make_all(const struct rootfs_plan *root, int root_fd, struct err *err) must_check;
