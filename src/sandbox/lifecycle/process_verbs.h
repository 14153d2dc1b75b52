/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a manager may do with a process.
 */
#pragma once

#include <stdbool.h>

#include "common/err.h"

struct sb_process;

/* All in fibers. */
int sb_process_signal(struct sb_process *process, int signo, bool all, struct err *err) must_check;
int sb_process_resize(struct sb_process *process, unsigned rows, unsigned columns,
		      struct err *err) must_check;
int sb_process_close_stdin(struct sb_process *process, struct err *err) must_check;
