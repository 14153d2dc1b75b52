/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Programs that take the output of a process: "binary:///path?key=value". See containerd's runtime
 * v2 documentation, "Logging".
 */
#pragma once

#include <stdbool.h>

#include "common/err.h"

struct shim;
struct stdio_request;

bool stdio_logger_is(const char *uri);
/* In a fiber. fds[1] and, without a terminal, fds[2] receive our ends. */
int stdio_logger_start(struct shim *shim, const struct stdio_request *req, int *fds,
		       struct err *err) must_check;
