/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The service grpc.Health.
 */
#include "agent/rpc/service.h"
#include "agent/util/version.h"
#include "rpc/pb/agent_msg.h"

/**
 * health_rpc_check() - Check: who can ask is answered
 * @ctx: agent
 * @call: request
 * @request: struct health_check_request
 * @response: struct health_check_response
 * @err: not used
 *
 * Return: 0.
 */
RPC_FN(health_rpc_check)
{
	struct health_check_response *resp = response;

	(void)ctx;
	(void)call;
	(void)request;
	(void)err;
	resp->status = HEALTH_SERVING;
	return 0;
}

/**
 * health_rpc_version() - Version: of the protocol and of the agent
 * @ctx: agent
 * @call: request
 * @request: struct health_check_request
 * @response: struct health_version_check_response
 * @err: not used
 *
 * Return: 0.
 */
RPC_FN(health_rpc_version)
{
	struct health_version_check_response *resp = response;

	(void)ctx;
	(void)call;
	(void)request;
	(void)err;
	resp->grpc_version = AGENT_PROTOCOL_VERSION;
	resp->agent_version = AGENT_VERSION;
	return 0;
}
