/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DOC: The serving side of a connection
 *
 * Frames arrive in the loop. A good request gets an arena and a fiber; a bad one is answered at
 * once with the status that says why, and only what cannot be ttrpc at all ends the connection.
 * Every request is answered exactly once: by its handler's result, or by its deadline, and then the
 * result is dropped.
 *
 * A request, and through it the connection and the server, stay in memory until its handler has
 * returned, also when the peer is gone: then handlers marked RPC_HANDLER_CANCELABLE are cancelled
 * and the others run to their end.
 *
 * This file does not listen and does not own the handler table: rpc/ttrpc/ttrpc_server.c does.
 */
#include "rpc/ttrpc/ttrpc_conn.h"

#include <errno.h>
#include <string.h>

#include "common/fd.h"
#include "common/log.h"
#include "common/str.h"
#include "common/utf8.h"
#include "rpc/pb/pb_bridge.h"
#include "rpc/ttrpc/status.h"
#include "rpc/pb/ttrpc_msg.h"

struct request {
	struct list node;
	struct rpc_conn *conn;
	const struct rpc_handler *handler;
	struct ttrpc_request envelope; /* in the arena */
	struct rpc_request call;
	uint32_t stream_id;
	size_t bytes;		   /* counted against the connection */
	struct loop_source *timer; /* of the deadline; NULL when none */
	struct fiber *fiber;	   /* once it runs */
	bool answered;
	bool cancelled; /* before its fiber ran */
};

static void conn_unref(struct rpc_conn *conn)
{
	if (--conn->refs > 0)
		return;
	rpc_server_unref(conn->server);
	free(conn);
}

/*
 * When an answer cannot be sent, the peer would wait for it for ever: the connection is ended
 * instead.
 */
static void send_response(struct rpc_conn *conn, uint32_t stream_id,
			  const struct ttrpc_response *response, struct arena *arena)
{
	uint8_t *data;
	size_t len;
	int r = pb_encode(&ttrpc_response_type, response, arena, &data, &len);

	if (r >= 0)
		r = ttrpc_stream_send(&conn->stream, stream_id, TTRPC_RESPONSE, data, len);
	if (r < 0)
		ttrpc_stream_fail(&conn->stream, r);
}

/*
 * Error texts quote names that need not be UTF-8; many protobuf decoders refuse a string that is
 * not.
 */
static void make_utf8(char *s)
{
	for (size_t len = strlen(s); len > 0;) {
		size_t good = utf8_valid_prefix(s, len);

		s += good;
		len -= good;
		if (len > 0) {
			*s++ = '?';
			len--;
		}
	}
}

static void send_status(struct rpc_conn *conn, uint32_t stream_id, int code, const char *message)
{
	cleanup_arena struct arena *arena = NULL;

	int r = arena_new(&arena);
	char *text = r < 0 ? NULL : arena_strdup(arena, message);
	if (!text) {
		ttrpc_stream_fail(&conn->stream, -ENOMEM);
		return;
	}
	make_utf8(text);
	struct rpc_status status = { .code = code, .message = text };
	send_response(conn, stream_id, &(struct ttrpc_response){ .status = &status }, arena);
}

static void request_answer_error(struct request *req, int code, const char *message)
{
	if (req->answered)
		return;
	req->answered = true;
	if (!req->conn->stream.failed)
		send_status(req->conn, req->stream_id, code, message);
}

static void request_cancel(struct request *req)
{
	if (!(req->handler->flags & RPC_HANDLER_CANCELABLE))
		return;
	req->cancelled = true;
	if (req->fiber)
		fiber_cancel(req->fiber);
}

static void request_free(struct request *req)
{
	struct rpc_conn *conn = req->conn;

	list_del(&req->node);
	conn->nr_requests--;
	conn->request_bytes -= req->bytes;
	if (--conn->server->nr_requests == 0)
		fiber_cond_broadcast(&conn->server->idle);
	(void)loop_source_free(req->timer);
	(void)arena_free(req->call.arena);
	free(req);
	conn_unref(conn);
}

static void on_deadline(void *arg)
{
	struct request *req = arg;

	request_answer_error(req, RPC_STATUS_DEADLINE_EXCEEDED,
			     "the deadline of the request has passed");
	request_cancel(req);
}

/* Decodes, runs the handler and encodes; the result is left in *ret_data when it returns 0. */
static int request_handle(struct request *req, uint8_t **ret_data, size_t *ret_len, struct err *err)
{
	const struct rpc_method *method = req->handler->method;
	void *plain = NULL, *response = NULL;

	if (method->request) {
		plain = arena_alloc(req->call.arena, pb_type_size(method->request));
		if (!plain)
			return err_set(err, ENOMEM, "out of memory");
		int r = pb_decode(method->request, req->envelope.payload, req->envelope.payload_len,
				  req->call.arena, plain, err);
		if (r < 0)
			return r;
	}
	if (method->response) {
		response = arena_alloc(req->call.arena, pb_type_size(method->response));
		if (!response)
			return err_set(err, ENOMEM, "out of memory");
	}
	const struct rpc_server *server = req->conn->server;
	int r = server->guard ? server->guard(server->ctx, method, plain, err) : 0;
	if (r >= 0)
		r = req->handler->fn(server->ctx, &req->call, plain, response, err);
	if (r < 0)
		return err->code ? r : err_set_errno(err, r, "%s", method->name);
	r = pb_encode(method->response, response, req->call.arena, ret_data, ret_len);
	if (r < 0)
		return err_set_errno(err, r, "answer of %s", method->name);
	return 0;
}

/* The body of a request's fiber. */
static void request_run(void *arg)
{
	struct request *req = arg;
	struct err err = ERR_NULL;
	struct rpc_status good = { .code = RPC_STATUS_OK };
	struct ttrpc_response response = { .status = &good };
	uint8_t *data = NULL;
	size_t len = 0;
	int r = -ECANCELED;

	req->fiber = fiber_self();
	if (!req->cancelled && !req->answered)
		r = request_handle(req, &data, &len, &err);
	/* A cancelled handler has an answer, too, and sending it may have to wait. */
	(void)fiber_mask_cancel(true);
	if (!req->answered)
		(void)ttrpc_stream_wait_room(
			&req->conn->stream,
			req->call.deadline_ns); /* the checks below see a failure */
	if (!req->answered && !req->conn->stream.failed) {
		/* An empty status beside the payload: the oldest clients want one. */
		response.payload = data;
		response.payload_len = len;
		if (r >= 0 && len + 64 > RPC_MESSAGE_MAX)
			r = err_set(&err, EMSGSIZE, "the answer of %s is too long",
				    req->handler->method->name);
		if (r < 0) {
			request_answer_error(req, rpc_status_from_errno(r),
					     err.code ? err.text : "cancelled");
		} else {
			req->answered = true;
			send_response(req->conn, req->stream_id, &response, req->call.arena);
		}
	}
	request_free(req);
}

static const struct rpc_handler *find_handler(const struct rpc_server *server,
					      const struct ttrpc_request *envelope)
{
	for (size_t i = 0; i < server->nr_handlers; i++) {
		const struct rpc_method *method = server->handlers[i].method;

		if (str_eq(method->name, envelope->method) &&
		    str_eq(method->service, envelope->service))
			return &server->handlers[i];
	}
	return NULL;
}

static struct request *find_request(const struct rpc_conn *conn, uint32_t stream_id)
{
	list_for_each(pos, &conn->requests) {
		struct request *req = list_entry(pos, struct request, node);

		if (req->stream_id == stream_id)
			return req;
	}
	return NULL;
}

static uint64_t deadline_from_timeout(int64_t timeout_nano)
{
	uint64_t deadline;

	if (timeout_nano <= 0 ||
	    __builtin_add_overflow(loop_now_ns(), (uint64_t)timeout_nano, &deadline))
		return LOOP_FOREVER;
	return deadline;
}

/* Links the request to its connection and starts its fiber. */
static int request_start(struct request *req)
{
	struct rpc_conn *conn = req->conn;

	req->call = (struct rpc_request){ .arena = req->call.arena,
					  .conn = conn,
					  .metadata = req->envelope.metadata,
					  .nr_metadata = req->envelope.nr_metadata,
					  .deadline_ns = deadline_from_timeout(
						  req->envelope.timeout_nano) };
	if (req->call.deadline_ns != LOOP_FOREVER) {
		int r = loop_add_timer(conn->server->loop, req->call.deadline_ns, on_deadline, req,
				       &req->timer);
		if (r < 0)
			return r;
	}
	return fiber_spawn(conn->server->loop, req->handler->method->name, request_run, req, NULL);
}

/* Everything about a request frame that can be refused without running anything. */
static int request_accept(struct request *req, const struct ttrpc_frame *frame, struct err *err)
{
	const struct rpc_conn *conn = req->conn;

	if (frame->stream_id % 2 == 0)
		return err_set(err, EINVAL, "stream id %u of a request is even", frame->stream_id);
	/*
	 * Ids need not grow: some clients give a call its number before they put it into their
	 * queue.
	 */
	if (find_request(conn, frame->stream_id))
		return err_set(err, EINVAL, "stream id %u is in use", frame->stream_id);
	if (conn->nr_requests >= RPC_CONN_REQUESTS_MAX ||
	    conn->request_bytes + frame->len > RPC_CONN_REQUEST_BYTES_MAX)
		return err_set(err, EDQUOT, "too many requests at once (%zu, %zu bytes)",
			       conn->nr_requests, conn->request_bytes);
	int r = arena_new(&req->call.arena);
	if (r < 0)
		return err_set_errno(err, r, "request");
	r = pb_decode(&ttrpc_request_type, frame->data, frame->len, req->call.arena, &req->envelope,
		      err);
	if (r < 0)
		return r;
	req->handler = find_handler(conn->server, &req->envelope);
	if (!req->handler)
		return err_set(err, ENOSYS, "%.128s/%.128s is not implemented",
			       req->envelope.service, req->envelope.method);
	if (frame->flags & TTRPC_REMOTE_OPEN)
		return err_set(err, ENOSYS, "%s does not take a stream",
			       req->handler->method->name);
	return 0;
}

static void on_request(struct rpc_conn *conn, const struct ttrpc_frame *frame)
{
	struct err err = ERR_NULL;
	struct request *req = calloc(1, sizeof(*req));

	if (!req) {
		ttrpc_stream_fail(&conn->stream, -ENOMEM);
		return;
	}
	req->conn = conn;
	req->stream_id = frame->stream_id;
	req->bytes = frame->len;
	list_init(&req->node);
	int r = request_accept(req, frame, &err);
	if (r >= 0) {
		r = request_start(req);
		if (r < 0)
			(void)err_set_errno(&err, r, "start of %s", req->handler->method->name);
	}
	if (r < 0) {
		send_status(conn, frame->stream_id, rpc_status_from_errno(r), err.text);
		(void)loop_source_free(req->timer);
		(void)arena_free(req->call.arena);
		free(req);
		return;
	}
	list_add_tail(&conn->requests, &req->node);
	conn->nr_requests++;
	conn->request_bytes += req->bytes;
	conn->server->nr_requests++;
	conn->refs++;
}

/*
 * No method here takes a stream. An empty last frame is accepted: it only says that the peer sends
 * no more.
 */
static void on_data(struct rpc_conn *conn, const struct ttrpc_frame *frame)
{
	struct request *req = find_request(conn, frame->stream_id);

	if (frame->len == 0 && (frame->flags & (TTRPC_REMOTE_CLOSED | TTRPC_NO_DATA)))
		return;
	if (!req) {
		send_status(conn, frame->stream_id, RPC_STATUS_INVALID_ARGUMENT, "no such stream");
		return;
	}
	request_answer_error(req, RPC_STATUS_INVALID_ARGUMENT, "the method does not take a stream");
	request_cancel(req);
}

static void on_frame(void *owner, const struct ttrpc_frame *frame)
{
	struct rpc_conn *conn = owner;

	if (frame->type == TTRPC_RESPONSE)
		ttrpc_stream_fail(&conn->stream, -EBADMSG); /* a server asks nothing */
	else if (frame->oversize)
		send_status(conn, frame->stream_id, RPC_STATUS_RESOURCE_EXHAUSTED,
			    "the message is longer than the limit of 4 MiB");
	else if (frame->type == TTRPC_REQUEST)
		on_request(conn, frame);
	else
		on_data(conn, frame);
}

static void on_closed(void *owner, int r)
{
	struct rpc_conn *conn = owner;
	struct rpc_server *server = conn->server;

	if (r == -ECONNRESET)
		log_debug("ttrpc: a client hung up");
	else
		log_warn_errno(r, "ttrpc: closing the connection of a client");
	conn->refs++;
	rpc_conn_close(conn);
	if (server->on_disconnect)
		server->on_disconnect(server->ctx, conn);
	conn_unref(conn);
}

static const struct ttrpc_stream_ops conn_ops = { .frame = on_frame, .closed = on_closed };

/**
 * rpc_conn_new() - serve a connection
 * @server: server
 * @fd_consume: connected socket, closed even on failure
 *
 * Return: 0, -ENOMEM, or an error of the descriptor.
 */
int rpc_conn_new(struct rpc_server *server, int fd_consume)
{
	struct rpc_conn *conn = calloc(1, sizeof(*conn));

	if (!conn) {
		(void)close(fd_consume); /* nothing can be done about a failed close */
		return -ENOMEM;
	}
	int r = ttrpc_stream_init(&conn->stream, server->loop, fd_consume, &conn_ops, conn);
	if (r < 0) {
		free(conn);
		return r;
	}
	conn->server = server;
	conn->refs = 1;
	server->refs++;
	list_init(&conn->requests);
	list_add_tail(&server->conns, &conn->node);
	server->nr_conns++;
	return 0;
}

/**
 * rpc_conn_close() - end a connection and cancel what may be cancelled
 * @conn: connection still in its server's list; freed when none of its handlers runs
 */
void rpc_conn_close(struct rpc_conn *conn)
{
	ttrpc_stream_deinit(&conn->stream);
	list_del(&conn->node);
	conn->server->nr_conns--;
	list_for_each(pos, &conn->requests)
		request_cancel(list_entry(pos, struct request, node));
	conn_unref(conn);
}
