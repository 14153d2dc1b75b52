/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Private to src/agent/container. The root of a container, in the child, in this order.
 */
#pragma once

#include "common/err.h"

struct rootfs_plan;

int rootfs_attach(const struct rootfs_plan *root, struct err *err) must_check;
int rootfs_prepare(const struct rootfs_plan *root, struct err *err) must_check;
int rootfs_protect(const struct rootfs_plan *root, struct err *err) must_check;
int rootfs_enter(const struct rootfs_plan *root, struct err *err) must_check;

/*
 * For PID 1, once, before anything else is mounted: puts a bind of "/" over the initial root file
 * system, which cannot be pivoted away from, so that containers can use pivot_root(2).
 */
int rootfs_make_pivotable(struct err *err) must_check;
