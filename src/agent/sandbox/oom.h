/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Telling the host which containers had processes killed for want of memory.
 */
#pragma once

#include <stdint.h>

#include "common/err.h"
#include "common/macros.h"

struct agent;
struct agent_container;
struct arena;

/* The sandbox goes: whoever waits is told so. */
void oom_end(struct agent *agent);
int oom_watch(struct agent_container *ctr, struct err *err) must_check;
void oom_check(struct agent_container *ctr);
void oom_unwatch(struct agent_container *ctr);
int oom_take(struct agent *agent, uint64_t deadline_ns, struct arena *arena, const char **ret_id,
	     struct err *err) must_check;
