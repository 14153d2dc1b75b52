/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The envelope of ttrpc: tables only (rpc/pb/pb_table.h says how to read them).
 */
#include "rpc/pb/ttrpc_msg.h"

#include "rpc/pb/pb_table.h"
#include "status.pb-c.h"
#include "ttrpc.pb-c.h"

/* clang-format off */

PB_STATIC(rpc_status, google__rpc__status__descriptor,
	PB_FIELD(rpc_status, code, 1),
	PB_FIELD(rpc_status, message, 2),
	PB_MESSAGES(rpc_status, details, 3, pb_any_type));

static const struct pb_type t_key_value = PB_TYPE_KV(ttrpc__key_value__descriptor);

const struct pb_type ttrpc_request_type = PB_TYPE(ttrpc_request, ttrpc__request__descriptor,
	PB_FIELD(ttrpc_request, service, 1),
	PB_FIELD(ttrpc_request, method, 2),
	PB_BYTES(ttrpc_request, payload, 3),
	PB_FIELD(ttrpc_request, timeout_nano, 4),
	PB_MESSAGES(ttrpc_request, metadata, 5, t_key_value));

const struct pb_type ttrpc_response_type = PB_TYPE(ttrpc_response, ttrpc__response__descriptor,
	PB_MESSAGE(ttrpc_response, status, 1, t_rpc_status),
	PB_BYTES(ttrpc_response, payload, 2));
