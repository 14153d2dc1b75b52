/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Task.Stats and SandboxMetrics: the guest's counters in the form that clients on this host expect.
 */
#pragma once

#include "rpc/pb/common_msg.h"
#include "rpc/ttrpc/rpc.h"

struct agent_cgroup_stats;
struct sandbox;

int task_handle_stats(void *ctx, struct rpc_request *call, const void *request, void *response,
		      struct err *err) must_check;
int task_stats_check(const struct agent_cgroup_stats *cg, struct err *err) must_check;
/* In a fiber. The containers of a sandbox together. */
int task_stats_of_sandbox(struct sandbox *sb, struct arena *arena, struct pb_any *ret,
			  struct err *err) must_check;
