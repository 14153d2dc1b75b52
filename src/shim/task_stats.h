/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Task.Stats: the guest's counters in the form that clients on this host expect.
 */
#pragma once

#include "rpc/rpc.h"

int task_handle_stats(void *ctx, struct rpc_request *call, const void *request, void *response,
		      struct err *err) must_check;
