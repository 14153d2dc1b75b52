/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The shim that serves one sandbox of containerd's.
 */
#pragma once

#include "common/macros.h"
#include "shim/core/options.h"

/* What `start` gives to the server. */
#define SHIM_LISTEN_FD 3
#define SHIM_READY_FD 4 /* a pipe: SHIM_READY, or why there will be no service */
#define SHIM_READY "ready"

int containerd_serve(const struct shim_options *options) must_check;
