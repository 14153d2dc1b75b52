/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The envelope of ttrpc requests and responses, as plain structs (rules: rpc/pb/agent_msg.h).
 */
#pragma once

#include "rpc/pb/common_msg.h"

struct pb_type;

struct rpc_status {
	int32_t code; /* google.rpc.Code */
	const char *message;
	struct pb_any *details;
	size_t nr_details;
};

struct ttrpc_request {
	const char *service, *method;
	const uint8_t *payload;
	size_t payload_len;
	int64_t timeout_nano;
	struct kv *metadata;
	size_t nr_metadata;
};

struct ttrpc_response {
	struct rpc_status *status; /* NULL: good */
	const uint8_t *payload;
	size_t payload_len;
};

extern const struct pb_type ttrpc_request_type;
extern const struct pb_type ttrpc_response_type;
