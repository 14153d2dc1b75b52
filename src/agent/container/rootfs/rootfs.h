/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Private to src/agent/container. The root of a container, in the child, in this order.
 */
#pragma once

#include "common/err.h"

struct launch;

int rootfs_attach(const struct launch *launch, struct err *err) must_check;
int rootfs_prepare(const struct launch *launch, struct err *err) must_check;
int rootfs_protect(const struct launch *launch, struct err *err) must_check;
int rootfs_enter(const struct launch *launch, struct err *err) must_check;
