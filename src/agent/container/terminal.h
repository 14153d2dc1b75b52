/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Private to src/agent/container. Terminals of processes.
 */
#pragma once

#include "common/err.h"

struct launch_plan;

int terminal_open(const struct launch_plan *launch, int root_fd, int *ret_master,
		  struct err *err) must_check;
