/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Private to src/agent/container. The nodes below /dev.
 */
#pragma once

#include "common/err.h"

struct launch;

int device_plans_init(struct launch *launch, struct err *err) must_check;
void device_plans_deinit(struct launch *launch);
int device_make_all(const struct launch *launch, int root_fd, struct err *err) must_check;
