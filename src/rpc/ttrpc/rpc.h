/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DOC: ttrpc in fibers
 *
 * Requests and responses are plain structs (rpc/pb/agent_msg.h, rpc/pb/task_msg.h ...), converted
 * to and from protobuf by rpc/pb/pb_bridge.c. A method is described once, in a table, and both the
 * client and the server use that description.
 *
 * Server: every request runs in a fiber of its own, so handlers are straight-line code and may
 * wait; replies leave in whatever order handlers finish. A handler returns 0 and has filled its
 * response, or -errno with @err filled; the one table in rpc/ttrpc/status.c turns errno into a
 * ttrpc code and back.
 *
 * Client: rpc_call() suspends the calling fiber; any number of fibers may call over one connection.
 * When the connection ends every pending call returns -ECONNRESET.
 */
#pragma once

#include <stdint.h>

#include "common/arena.h"
#include "common/err.h"
#include "common/fiber.h"
#include "rpc/pb/rpc_method.h"

struct rpc_conn; /* one accepted connection of a server */
struct rpc_client;
struct rpc_server;

/* One running request, valid until its handler returns. */
struct rpc_request {
	struct arena *arena; /* holds the request; put the response's parts here too */
	struct rpc_conn *conn;
	const struct kv *metadata;
	size_t nr_metadata;
	uint64_t deadline_ns; /* from timeout_nano, LOOP_FOREVER when none */
};

/*
 * Runs in its own fiber. @ctx is what was given to rpc_server_new(). @req and @resp point to the
 * plain structs of the method's types (NULL for google.protobuf.Empty); @resp is zeroed.
 */
typedef int (*rpc_handler_fn)(void *ctx, struct rpc_request *call, const void *req, void *resp,
			      struct err *err);

enum rpc_handler_flags {
	/*
	 * Its fiber is cancelled when the peer goes or the deadline passes. Without it the handler
	 * runs to its end.
	 */
	RPC_HANDLER_CANCELABLE = 1,
};

struct rpc_handler {
	const struct rpc_method *method;
	rpc_handler_fn fn;
	unsigned flags;
};

int rpc_server_new(struct loop *loop, const struct rpc_handler *handlers, size_t nr_handlers,
		   void *ctx, struct rpc_server **ret) must_check;
struct rpc_server *rpc_server_free(struct rpc_server *server);
/* Listening sockets and single connections; both take the descriptor over even on failure. */
int rpc_server_listen(struct rpc_server *server, int fd_consume) must_check;
int rpc_server_add_connection(struct rpc_server *server, int fd_consume) must_check;
/*
 * Asked before each handler, with the decoded request; its failure is the answer. May be NULL.
 */
typedef int (*rpc_guard_fn)(void *ctx, const struct rpc_method *method, const void *req,
			    struct err *err);
void rpc_server_set_guard(struct rpc_server *server, rpc_guard_fn guard);
/* Called (in the loop, not in a fiber) when a connection ends; may be NULL. */
void rpc_server_on_disconnect(struct rpc_server *server,
			      void (*fn)(void *ctx, struct rpc_conn *conn));
size_t rpc_server_active_requests_for_test(const struct rpc_server *server);
int rpc_server_wait_idle(struct rpc_server *server, uint64_t deadline_ns) must_check;

int rpc_client_new(struct loop *loop, int fd_consume, struct rpc_client **ret) must_check;
void rpc_client_set_max_fields(struct rpc_client *client, uint32_t max);
void rpc_client_close(struct rpc_client *client);
struct rpc_client *rpc_client_free(struct rpc_client *client);
bool rpc_client_is_connected(const struct rpc_client *client);
/*
 * @arena receives the response's parts; may be NULL when @resp is NULL. @resp may be NULL to drop
 *	the answer.
 * Return: 0, or -errno with @err filled: the peer's status, -ETIMEDOUT, -ECONNRESET, -ECANCELED.
 */
int rpc_call(struct rpc_client *client, const struct rpc_method *method, const void *req,
	     void *resp, struct arena *arena, uint64_t deadline_ns, struct err *err) must_check;
/* As rpc_call(), with metadata pairs on the request. */
int rpc_call_metadata(struct rpc_client *client, const struct rpc_method *method,
		      const struct kv *metadata, size_t nr_metadata, const void *req, void *resp,
		      struct arena *arena, uint64_t deadline_ns, struct err *err) must_check;
