/* SPDX-License-Identifier: Apache-2.0 */
/*
 * containerd's sandbox API: a pod whose VM is started by calls of its own instead of a pause
 * container.
 */
#pragma once

#include "rpc/ttrpc/rpc.h"
#include "rpc/pb/shim_msg.h"

#define SANDBOX_API_HANDLER(name)                                                        \
	int sandbox_api_##name(void *ctx, struct rpc_request *call, const void *request, \
			       void *response, struct err *err)

SANDBOX_API_HANDLER(create) must_check;
SANDBOX_API_HANDLER(start) must_check;
SANDBOX_API_HANDLER(platform) must_check;
SANDBOX_API_HANDLER(stop) must_check;
SANDBOX_API_HANDLER(wait) must_check;
SANDBOX_API_HANDLER(status) must_check;
SANDBOX_API_HANDLER(ping) must_check;
SANDBOX_API_HANDLER(shutdown) must_check;
SANDBOX_API_HANDLER(metrics) must_check;

#define SANDBOX_API_HANDLERS                                                            \
	{ &sandboxapi_create_sandbox, sandbox_api_create, 0 },                          \
		{ &sandboxapi_start_sandbox, sandbox_api_start, 0 },                    \
		{ &sandboxapi_platform, sandbox_api_platform, 0 },                      \
		{ &sandboxapi_stop_sandbox, sandbox_api_stop, 0 },                      \
		{ &sandboxapi_wait_sandbox, sandbox_api_wait, RPC_HANDLER_CANCELABLE }, \
		{ &sandboxapi_sandbox_status, sandbox_api_status, 0 },                  \
		{ &sandboxapi_ping_sandbox, sandbox_api_ping, 0 },                      \
		{ &sandboxapi_shutdown_sandbox, sandbox_api_shutdown, 0 },              \
	{                                                                               \
		&sandboxapi_sandbox_metrics, sandbox_api_metrics, 0                     \
	}
