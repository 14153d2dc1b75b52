/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The shim as the command line starts it: descriptors inherited, no containerd.
 */
#pragma once

#include "common/macros.h"
#include "shim/core/options.h"

/* Cleans up after a standalone shim that was killed. */
int standalone_delete(const struct shim_options *options) must_check;
int standalone_run(const struct shim_options *options) must_check;
