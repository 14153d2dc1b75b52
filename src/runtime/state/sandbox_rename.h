/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Making room for a container whose id is still the name of somebody else's sandbox.
 */
#pragma once

#include "common/err.h"
#include "common/macros.h"

int sandbox_rename(int root_fd, const char *root, const char *id, struct err *err) must_check;
