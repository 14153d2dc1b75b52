/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Task.Create: the one call that may have to bring a whole VM up.
 */
#pragma once

#include "rpc/ttrpc/rpc.h"

int task_handle_create(void *ctx, struct rpc_request *call, const void *request, void *response,
		       struct err *err) must_check;
