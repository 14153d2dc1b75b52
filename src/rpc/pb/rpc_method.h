/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a method of a service is: two types of messages and its names on the wire. Written down in
 * the tables of rpc/pb, used by client and server.
 */
#pragma once

/* Largest message either side sends or accepts (ttrpc's own limit). */
#define RPC_MESSAGE_MAX (4U << 20)
/* Most fields in one, with those of messages inside. */
#define RPC_FIELDS_MAX (1U << 18)

struct pb_type; /* how a plain struct maps to a protobuf message: rpc/pb/pb_bridge.h */

struct rpc_method {
	const char *service; /* as on the wire: "grpc.AgentService" */
	const char *name;
	const struct pb_type *request;
	const struct pb_type *response;
};
