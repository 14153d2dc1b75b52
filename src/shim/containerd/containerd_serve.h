/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The shim that serves one sandbox of containerd's.
 */
#pragma once

#include "common/macros.h"
#include "shim/core/options.h"

int containerd_serve(const struct shim_options *options) must_check;
