/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Task.Pids: the host's numbers of a container's processes.
 */
#pragma once

#include "rpc/ttrpc/rpc.h"

struct sb_container;
struct sb_process;

/* Which process of ours is the one that the guest lists under this id? NULL: none. */
struct sb_process *task_pids_find(struct sb_container *ctr, const char *exec_id);
int task_handle_pids(void *ctx, struct rpc_request *call, const void *request, void *response,
		     struct err *err) must_check;
