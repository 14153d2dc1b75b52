/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Private to src/agent/container. Kernel parameters.
 */
#pragma once

#include <stddef.h>

#include "common/arena.h"
#include "common/err.h"

int sysctl_apply(const struct kv *sysctl, size_t nr, struct err *err) must_check;
