/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Task.Pids: the host's numbers of a container's processes.
 */
#pragma once

#include "rpc/ttrpc/rpc.h"

struct sb_container;
struct sb_process;
struct task_pids_response;

/* Which process of ours is the one that the guest lists under this id? NULL: none. */
struct sb_process *task_pids_find(struct sb_container *ctr, const char *exec_id);
int task_pids_add(struct task_pids_response *resp, struct arena *arena, uint32_t pid) must_check;
int task_pids_add_own(struct sb_container *ctr, struct task_pids_response *resp,
		      struct arena *arena) must_check;
int task_handle_pids(void *ctx, struct rpc_request *call, const void *request, void *response,
		     struct err *err) must_check;
