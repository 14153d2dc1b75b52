/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The admin service: what kata-runtime asks beyond the Task service.
 */
#pragma once

#include "rpc/ttrpc/rpc.h"

extern const struct rpc_handler admin_handlers[];
extern const size_t nr_admin_handlers;
