/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Asking a program what it is: runs "<path> <arg>" and gives back what it printed. Not for work of
 * any length.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/err.h"
#include "common/macros.h"

/* In a fiber. @buf gets stdout and stderr, cut to its size and terminated. */
int tool_output(const char *path, const char *arg, char *buf, size_t len, uint64_t deadline_ns,
		struct err *err) must_check;
