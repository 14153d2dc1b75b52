/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A shell in the guest, outside of all containers, when the host asks for one on the kernel command
 * line.
 */
#pragma once

#include "common/err.h"
#include "common/macros.h"

struct agent;

int debug_console_serve(struct agent *agent, int conn_consume, struct err *err) must_check;
int debug_console_run(struct agent *agent, struct err *err) must_check;
