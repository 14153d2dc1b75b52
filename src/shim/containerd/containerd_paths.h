/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a containerd shim keeps its state and its socket.
 */
#pragma once

#include <stddef.h>

#include "common/macros.h"
#include "shim/core/options.h"

/*
 * State directories of containerd's sandboxes; a level below the command line's, so that its list
 * skips them.
 */
#define CONTAINERD_STATE_ROOT "/run/kata/ns"
#define CONTAINERD_SOCKET_DIR "/run/containerd/s"

int containerd_state_dir(const char *namespace, const char *id, char *buf, size_t size) must_check;
int containerd_socket_path(const struct shim_options *options, const char *id, char *buf,
			   size_t size) must_check;
