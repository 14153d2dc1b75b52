/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The actions that containerd runs beside a serving shim. See containerd's core/runtime/v2
 * documentation.
 */
#pragma once

#include "common/macros.h"
#include "shim/core/options.h"

int containerd_start(const struct shim_options *options) must_check;
int containerd_delete(const struct shim_options *options) must_check;
int containerd_info(const struct shim_options *options) must_check;
