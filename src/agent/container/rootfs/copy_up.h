/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Private to src/agent/container. Copying a directory tree.
 */
#pragma once

#include "common/err.h"

int copy_up_tree(int source_fd, int target_fd, struct err *err) must_check;
