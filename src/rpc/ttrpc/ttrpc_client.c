/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DOC: The calling side of a connection
 *
 * A call is a record on the stack of the calling fiber, linked to the client while the fiber waits.
 * A response is matched by its stream id; one that nobody waits for any more is dropped. When the
 * connection ends every waiting call gets the reason. The client stays in memory until the last of
 * its calls has returned.
 */
#include <errno.h>
#include <string.h>

#include "common/fd.h"
#include "common/log.h"
#include "rpc/pb/pb_bridge.h"
#include "rpc/ttrpc/rpc.h"
#include "rpc/ttrpc/status.h"
#include "rpc/pb/ttrpc_msg.h"
#include "rpc/ttrpc/ttrpc_stream.h"

struct rpc_client {
	struct loop *loop;
	struct ttrpc_stream stream;
	struct list calls;
	uint32_t next_id; /* odd */
	uint32_t max_fields;
	unsigned refs; /* the owner's and one per call */
};

struct call {
	struct list node;
	uint32_t stream_id;
	struct fiber_cond answered;
	bool done;
	int r; /* 0: the response's envelope is in data */
	uint8_t *data;
	size_t len;
};

static void client_unref(struct rpc_client *client)
{
	if (--client->refs > 0)
		return;
	ttrpc_stream_deinit(&client->stream);
	free(client);
}

static void call_finish(struct call *call, int r)
{
	call->done = true;
	call->r = r;
	fiber_cond_broadcast(&call->answered);
}

static struct call *find_call(const struct rpc_client *client, uint32_t stream_id)
{
	list_for_each(pos, &client->calls) {
		struct call *call = list_entry(pos, struct call, node);

		if (call->stream_id == stream_id)
			return call;
	}
	return NULL;
}

static void on_frame(void *owner, const struct ttrpc_frame *frame)
{
	struct rpc_client *client = owner;
	struct call *call = find_call(client, frame->stream_id);

	if (!call || call->done) {
		log_debug("ttrpc: answer %u came too late", frame->stream_id);
		return;
	}
	if (frame->type != TTRPC_RESPONSE) {
		call_finish(call, -EPROTO);
		return;
	}
	if (frame->oversize) {
		call_finish(call, -EMSGSIZE);
		return;
	}
	call->data = malloc(frame->len ? frame->len : 1);
	if (call->data && frame->len)
		memcpy(call->data, frame->data, frame->len);
	call->len = frame->len;
	call_finish(call, call->data ? 0 : -ENOMEM);
}

static void fail_calls(struct rpc_client *client, int r)
{
	list_for_each(pos, &client->calls) {
		struct call *call = list_entry(pos, struct call, node);

		if (!call->done)
			call_finish(call, r);
	}
}

static void on_closed(void *owner, int r)
{
	struct rpc_client *client = owner;

	log_debug("ttrpc: the server hung up (%d)", r);
	ttrpc_stream_deinit(&client->stream);
	fail_calls(client, -ECONNRESET);
}

static const struct ttrpc_stream_ops client_ops = { .frame = on_frame, .closed = on_closed };

/**
 * rpc_client_new() - call methods over a connection
 * @loop: loop
 * @fd_consume: connected stream socket (unix or vsock), closed even on failure
 * @ret: receives the client; released with rpc_client_free()
 *
 * Return: 0, -ENOMEM, or an error of the descriptor.
 */
int rpc_client_new(struct loop *loop, int fd_consume, struct rpc_client **ret)
{
	struct rpc_client *client = calloc(1, sizeof(*client));

	if (!client) {
		(void)close(fd_consume); /* nothing can be done about a failed close */
		return -ENOMEM;
	}
	client->loop = loop;
	client->next_id = 1;
	client->max_fields = RPC_FIELDS_MAX;
	client->refs = 1;
	list_init(&client->calls);
	int r = ttrpc_stream_init(&client->stream, loop, fd_consume, &client_ops, client);
	if (r < 0) {
		free(client);
		return r;
	}
	*ret = client;
	return 0;
}

/**
 * rpc_client_set_max_fields() - bound what an answer may cost
 * @client: client
 * @max: most fields an answer may have, with those of messages in it; one with more fails the call
 *	with -EMSGSIZE
 */
void rpc_client_set_max_fields(struct rpc_client *client, uint32_t max)
{
	client->max_fields = max;
}

/**
 * rpc_client_close() - close the connection; who waits for an answer, or asks later, gets -ECONNRESET
 * @client: client or NULL; stays valid
 */
void rpc_client_close(struct rpc_client *client)
{
	if (!client)
		return;
	ttrpc_stream_deinit(&client->stream);
	fail_calls(client, -ECONNRESET);
}

/**
 * rpc_client_free() - close the connection
 * @client: client or NULL; its waiting calls return -ECONNRESET
 *
 * Return: NULL.
 */
struct rpc_client *rpc_client_free(struct rpc_client *client)
{
	if (!client)
		return NULL;
	rpc_client_close(client);
	client_unref(client);
	return NULL;
}

/**
 * rpc_client_is_connected() - may a call still succeed
 * @client: client
 *
 * Return: false once the connection has ended.
 */
bool rpc_client_is_connected(const struct rpc_client *client)
{
	return client->stream.failed == 0;
}

/*
 * Ids of a client are odd and grow, as peers expect. After 2^31 calls they start again; those that
 * are still in use are skipped.
 */
static uint32_t take_stream_id(struct rpc_client *client)
{
	do {
		client->next_id += 2;
	} while (find_call(client, client->next_id - 2));
	return client->next_id - 2;
}

static int64_t timeout_from_deadline(uint64_t deadline_ns)
{
	uint64_t now = loop_now_ns();

	if (deadline_ns == LOOP_FOREVER)
		return 0;
	/* 0 would mean that there is no deadline. */
	return deadline_ns <= now ? 1 : (int64_t)MIN(deadline_ns - now, (uint64_t)INT64_MAX);
}

/* A call on its way: what rpc_call() was given, so that its steps need few arguments. */
struct calling {
	struct rpc_client *client;
	const struct rpc_method *method;
	uint64_t deadline_ns;
	uint32_t max_fields;
	struct arena *scratch;
	struct call call;
};

static int describe(const struct calling *c, int r, struct err *err)
{
	const char *what = r == -ECONNRESET  ? "the connection is lost"
			   : r == -ETIMEDOUT ? "no answer in time"
			   : r == -ECANCELED ? "cancelled"
			   : r == -EMSGSIZE  ? "the message is longer than the limit of 4 MiB"
			   : r == -EPROTO ? "the peer answered with something else than a response"
					  : NULL;

	if (what)
		return err_set(err, -r, "%s: %s", c->method->name, what);
	return err_set_errno(err, r, "%s", c->method->name);
}

static int call_send(struct calling *c, struct ttrpc_request *envelope, const void *req)
{
	uint8_t *payload, *data;
	size_t len;

	if (c->deadline_ns <= loop_now_ns())
		return -ETIMEDOUT; /* nothing is sent: it would come too late */
	int r = pb_encode(c->method->request, req, c->scratch, &payload, &envelope->payload_len);

	if (r < 0)
		return r;
	r = ttrpc_stream_wait_room(&c->client->stream, c->deadline_ns);
	if (r < 0)
		return r == -ETIMEDOUT || r == -ECANCELED ? r : -ECONNRESET;
	envelope->payload = payload;
	envelope->timeout_nano = timeout_from_deadline(c->deadline_ns);
	r = pb_encode(&ttrpc_request_type, envelope, c->scratch, &data, &len);
	if (r < 0)
		return r;
	c->call.stream_id = take_stream_id(c->client);
	r = ttrpc_stream_send(&c->client->stream, c->call.stream_id, TTRPC_REQUEST, data, len);
	return r < 0 && r != -ENOMEM && r != -EMSGSIZE ? -ECONNRESET : r;
}

static int call_wait(struct calling *c)
{
	int r = 0;

	list_add_tail(&c->client->calls, &c->call.node);
	while (!c->call.done && r >= 0)
		r = fiber_cond_wait(&c->call.answered, c->deadline_ns);
	list_del(&c->call.node);
	return c->call.done ? c->call.r : r;
}

static int call_read(struct calling *c, void *resp, struct arena *arena, struct err *err)
{
	struct ttrpc_response envelope = { 0 };
	int r = pb_decode_within(&ttrpc_response_type, c->call.data, c->call.len, c->max_fields,
				 c->scratch, &envelope, err);

	if (r < 0)
		return r;
	if (envelope.status && envelope.status->code != RPC_STATUS_OK)
		return err_set(err, rpc_status_to_errno(envelope.status->code), "%s",
			       envelope.status->message);
	if (!resp)
		return 0;
	return pb_decode_within(c->method->response, envelope.payload, envelope.payload_len,
				c->max_fields, arena, resp, err);
}

/**
 * rpc_call_metadata() - call a method with metadata
 * @client: client; NULL: the connection has ended, while the caller waited for something else
 * @method: method
 * @metadata: pairs, may be NULL when @nr_metadata is 0
 * @nr_metadata: their number
 * @req: plain struct of the method's request; NULL for a message without fields
 * @resp: zeroed plain struct of its response; NULL to drop the answer
 * @arena: receives the response's parts; may be NULL when @resp is NULL
 * @deadline_ns: how long to wait; the peer is told, too
 * @err: filled on failure
 *
 * Suspends the calling fiber. @client may be freed meanwhile.
 *
 * Return: 0, the errno of the peer's status, -ETIMEDOUT, -ECONNRESET, -ECANCELED, -EMSGSIZE,
 * -ENOMEM.
 */
int rpc_call_metadata(struct rpc_client *client, const struct rpc_method *method,
		      const struct kv *metadata, size_t nr_metadata, const void *req, void *resp,
		      struct arena *arena, uint64_t deadline_ns, struct err *err)
{
	cleanup_arena struct arena *scratch = NULL;
	struct ttrpc_request envelope = { .service = method->service,
					  .method = method->name,
					  .metadata = (struct kv *)metadata,
					  .nr_metadata = nr_metadata };
	struct calling c = { .client = client, .method = method, .deadline_ns = deadline_ns };

	if (!fiber_self())
		return err_set(err, EDEADLK, "%s: called outside of a fiber", method->name);
	if (!client)
		return describe(&c, -ECONNRESET, err);
	int r = arena_new(&scratch);
	if (r < 0)
		return describe(&c, r, err);
	c.scratch = scratch;
	list_init(&c.call.node);
	fiber_cond_init(&c.call.answered);
	c.max_fields = client->max_fields;
	client->refs++;
	r = client->stream.failed ? -ECONNRESET : call_send(&c, &envelope, req);
	if (r >= 0)
		r = call_wait(&c);
	client_unref(client);
	r = r < 0 ? describe(&c, r, err) : call_read(&c, resp, arena, err);
	free(c.call.data);
	return r;
}

/**
 * rpc_call() - call a method
 * @client: client, or NULL
 * @method: method
 * @req: plain struct of the method's request; NULL for a message without fields
 * @resp: zeroed plain struct of its response; NULL to drop the answer
 * @arena: receives the response's parts; may be NULL when @resp is NULL
 * @deadline_ns: how long to wait; the peer is told, too
 * @err: filled on failure
 *
 * Return: as rpc_call_metadata().
 */
int rpc_call(struct rpc_client *client, const struct rpc_method *method, const void *req,
	     void *resp, struct arena *arena, uint64_t deadline_ns, struct err *err)
{
	return rpc_call_metadata(client, method, NULL, 0, req, resp, arena, deadline_ns, err);
}
