/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Task service of containerd, which the command line uses too.
 */
#pragma once

#include "rpc/ttrpc/rpc.h"

struct sb_process;

extern const struct rpc_handler task_handlers[];
extern const size_t nr_task_handlers;
int task_service_status(const struct sb_process *process);
