/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One accepted connection of a ttrpc server and the requests that run on it. Private to
 * rpc/ttrpc/ttrpc_conn.c and rpc/ttrpc/ttrpc_server.c.
 */
#pragma once

#include "common/list.h"
#include "rpc/ttrpc/rpc.h"
#include "rpc/ttrpc/ttrpc_stream.h"

/* Quotas of one connection. */
#define RPC_CONN_REQUESTS_MAX 1024
#define RPC_CONN_REQUEST_BYTES_MAX ((size_t)64 << 20)

struct rpc_server {
	struct loop *loop;
	const struct rpc_handler *handlers;
	size_t nr_handlers;
	void *ctx;
	rpc_guard_fn guard;
	void (*on_disconnect)(void *ctx, struct rpc_conn *conn);
	struct list listeners;
	struct list conns;
	size_t nr_conns;
	size_t nr_requests;	/* whose handlers run, of lost connections too */
	struct fiber_cond idle; /* broadcast when the last of them has returned */
	unsigned refs;		/* the owner's and one per connection */
};

/* Kept by the server while connected and by each request while its handler runs. */
struct rpc_conn {
	struct list node;
	struct rpc_server *server;
	struct ttrpc_stream stream;
	struct list requests;
	size_t nr_requests, request_bytes;
	unsigned refs;
};

int rpc_conn_new(struct rpc_server *server, int fd_consume) must_check;
void rpc_conn_close(struct rpc_conn *conn);
void rpc_server_unref(struct rpc_server *server);
