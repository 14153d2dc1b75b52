/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The stdin, stdout and stderr fields of Create and Exec: fifos, files, loggers.
 */
#pragma once

#include "common/err.h"
#include "sandbox/core/process.h"
#include "shim/core/frontend.h"

int stdio_open(struct shim *shim, const struct stdio_request *req, struct sb_process_io *ret,
	       struct err *err) must_check;
