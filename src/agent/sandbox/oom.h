/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Telling the host which containers had processes killed for want of memory.
 */
#pragma once

#include "agent/core/agent.h"

/* The sandbox goes: whoever waits is told so. */
void oom_end(struct agent *agent);
int oom_watch(struct agent_container *gc, struct err *err) must_check;
void oom_check(struct agent_container *gc);
void oom_unwatch(struct agent_container *gc);

int oom_rpc_get_event(void *ctx, struct rpc_request *call, const void *req, void *resp,
		      struct err *err);
