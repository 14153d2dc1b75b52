/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guest's clock follows the host's: set once before anything runs there, then looked at from
 * time to time, and at once after the VM was stopped or the host's clock was set.
 */
#pragma once

#include <sys/types.h>

#include "common/err.h"
#include "common/loop.h"

struct clock_sync;
struct rpc_client;

/* In fibers. */
int clock_sync_new(struct loop *loop, struct rpc_client *agent, pid_t vmm_pid, uint64_t deadline_ns,
		   struct clock_sync **ret, struct err *err) must_check;
struct clock_sync *clock_sync_free(struct clock_sync *sync);

void clock_sync_now(struct clock_sync *sync);
