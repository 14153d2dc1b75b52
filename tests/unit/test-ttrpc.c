/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unit tests of the ttrpc server. Its peer is either our own client or a mock that writes frames
 * byte by byte over a socketpair; the client against mock servers is in test-ttrpc-client.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/log.h"
#include "common/str.h"
#include "rpc/pb/agent_msg.h"
#include "rpc/pb/pb_bridge.h"
#include "rpc/ttrpc/rpc.h"
#include "rpc/ttrpc/status.h"
#include "rpc/ttrpc/ttrpc_frame.h"
#include "rpc/pb/ttrpc_msg.h"

/* What the handlers of one test share. */
struct world {
	struct rpc_server *server;
	struct rpc_client *client;
	int peer; /* the mock's end of a second connection */
	struct fiber_cond released;
	bool release;
	int nr_waiting, nr_cancelled, nr_finished, nr_disconnects;
	char metadata[64];
};

static int handle_check(void *ctx, struct rpc_request *call, const void *request, void *response,
			struct err *err)
{
	struct world *w = ctx;
	const struct health_check_request *req = request;
	struct health_check_response *resp = response;

	for (size_t i = 0; i < call->nr_metadata; i++)
		(void)snprintf(w->metadata, sizeof(w->metadata), "%s=%s", call->metadata[i].key,
			       call->metadata[i].value);
	if (str_eq(req->service, "missing"))
		return err_set(err, ENOENT, "no service \"\xff%s\"", req->service);
	if (str_eq(req->service, "silent"))
		return -EBUSY;
	resp->status = HEALTH_SERVING;
	return 0;
}

/* Waits until the test releases it or the server cancels it. */
static int handle_wait(void *ctx, struct rpc_request *call, const void *request, void *response,
		       struct err *err)
{
	struct world *w = ctx;
	struct agent_wait_process_response *resp = response;
	int r = 0;

	(void)call;
	(void)request;
	w->nr_waiting++;
	while (!w->release && r >= 0)
		r = fiber_cond_wait(&w->released, LOOP_FOREVER);
	w->nr_waiting--;
	if (r < 0) {
		w->nr_cancelled++;
		return err_set_errno(err, r, "wait");
	}
	w->nr_finished++;
	resp->status = 7;
	return 0;
}

static int handle_pause(void *ctx, struct rpc_request *call, const void *request, void *response,
			struct err *err)
{
	struct agent_wait_process_response ignored;

	(void)response;
	return handle_wait(ctx, call, request, &ignored, err);
}

static int handle_signal(void *ctx, struct rpc_request *call, const void *request, void *response,
			 struct err *err)
{
	struct world *w = ctx;

	(void)call;
	(void)request;
	(void)response;
	(void)err;
	w->release = true;
	fiber_cond_broadcast(&w->released);
	return 0;
}

static int handle_write(void *ctx, struct rpc_request *call, const void *request, void *response,
			struct err *err)
{
	const struct agent_write_stream_request *req = request;

	(void)ctx;
	(void)call;
	(void)err;
	((struct agent_write_stream_response *)response)->len = (uint32_t)req->data_len;
	return 0;
}

static int handle_read(void *ctx, struct rpc_request *call, const void *request, void *response,
		       struct err *err)
{
	struct agent_read_stream_response *resp = response;

	(void)ctx;
	resp->data_len = ((const struct agent_read_stream_request *)request)->len;
	resp->data = arena_alloc(call->arena, resp->data_len + 1);
	return resp->data ? 0 : err_set(err, ENOMEM, "out of memory");
}

static const struct rpc_handler handlers[] = {
	{ &health_check, handle_check, 0 },
	{ &agent_wait_process, handle_wait, RPC_HANDLER_CANCELABLE },
	{ &agent_pause_container, handle_pause, 0 },
	{ &agent_signal_process, handle_signal, 0 },
	{ &agent_write_stdin, handle_write, 0 },
	{ &agent_read_stdout, handle_read, 0 },
};

static void on_disconnect(void *ctx, struct rpc_conn *conn)
{
	struct world *w = ctx;

	(void)conn;
	assert_null(fiber_self());
	w->nr_disconnects++;
}

static void let_others_run(int rounds)
{
	while (rounds-- > 0)
		fiber_yield();
}

static void set_up(struct world *w)
{
	int a[2], b[2];

	*w = (struct world){ .peer = -1 };
	fiber_cond_init(&w->released);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, a), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, b), 0);
	assert_int_equal(fd_set_nonblock(b[0], true), 0);
	assert_int_equal(
		rpc_server_new(fiber_loop(), handlers, ARRAY_SIZE(handlers), w, &w->server), 0);
	rpc_server_on_disconnect(w->server, on_disconnect);
	assert_int_equal(rpc_server_add_connection(w->server, a[1]), 0);
	assert_int_equal(rpc_server_add_connection(w->server, b[1]), 0);
	assert_int_equal(rpc_client_new(fiber_loop(), a[0], &w->client), 0);
	w->peer = b[0];
}

static void tear_down(struct world *w)
{
	w->client = rpc_client_free(w->client);
	if (w->peer >= 0)
		(void)close(w->peer);
	let_others_run(5);
	w->release = true;
	fiber_cond_broadcast(&w->released);
	let_others_run(5);
	assert_int_equal(rpc_server_active_requests_for_test(w->server), 0);
	w->server = rpc_server_free(w->server);
}

static uint64_t soon(void)
{
	return loop_deadline_ms(10000);
}

/* --- the mock peer --- */

static void put_frame(int fd, uint32_t id, int type, int flags, const void *data, size_t len)
{
	uint8_t header[TTRPC_HEADER_LEN];

	ttrpc_frame_put_header(header, id, (enum ttrpc_type)type, len);
	header[9] = (uint8_t)flags;
	assert_int_equal(fiber_write_full(fd, header, sizeof(header), soon()), 0);
	if (len)
		assert_int_equal(fiber_write_full(fd, data, len, soon()), 0);
}

static void put_request(int fd, uint32_t id, int flags, const struct rpc_method *method,
			const void *req, int64_t timeout_nano)
{
	cleanup_arena struct arena *arena = NULL;
	struct ttrpc_request envelope = { .service = method->service,
					  .method = method->name,
					  .timeout_nano = timeout_nano };
	uint8_t *data;
	size_t len;

	assert_int_equal(arena_new(&arena), 0);
	assert_int_equal(pb_encode(method->request, req, arena, &data, &envelope.payload_len), 0);
	envelope.payload = data;
	assert_int_equal(pb_encode(&ttrpc_request_type, &envelope, arena, &data, &len), 0);
	put_frame(fd, id, TTRPC_REQUEST, flags, data, len);
}

struct answer {
	uint32_t id;
	int code;
	char message[256];
	size_t payload_len;
};

static struct answer get_answer(int fd)
{
	cleanup_arena struct arena *arena = NULL;
	struct err err = ERR_NULL;
	uint8_t header[TTRPC_HEADER_LEN];
	struct ttrpc_response response = { 0 };

	assert_int_equal(arena_new(&arena), 0);
	assert_int_equal(fiber_read_full(fd, header, sizeof(header), soon()), 0);
	size_t len = (size_t)header[0] << 24 | (size_t)header[1] << 16 | (size_t)header[2] << 8 |
		     header[3];
	assert_int_equal(header[8], TTRPC_RESPONSE);
	assert_true(len <= RPC_MESSAGE_MAX);
	uint8_t *data = arena_alloc(arena, len + 1);
	assert_int_equal(fiber_read_full(fd, data, len, soon()), 0);
	assert_int_equal(pb_decode(&ttrpc_response_type, data, len, arena, &response, &err), 0);
	assert_non_null(response.status);
	struct answer answer = { .id = (uint32_t)header[4] << 24 | (uint32_t)header[5] << 16 |
				       (uint32_t)header[6] << 8 | header[7],
				 .code = response.status->code,
				 .payload_len = response.payload_len };
	(void)snprintf(answer.message, sizeof(answer.message), "%s", response.status->message);
	return answer;
}

static void expect_answer(int fd, uint32_t id, int code)
{
	struct answer answer = get_answer(fd);

	if (answer.id != id || answer.code != code)
		fail_msg("stream %u: code %d \"%s\", expected stream %u code %d", answer.id,
			 answer.code, answer.message, id, code);
}

static void expect_closed(int fd)
{
	char byte;

	assert_true(fiber_read(fd, &byte, 1, soon()) <= 0);
}

static void expect_silence(int fd)
{
	let_others_run(10);
	assert_int_equal(fiber_wait_fd(fd, LOOP_READ, loop_deadline_ms(20)), -ETIMEDOUT);
}

static const struct health_check_request check = { .service = "x" };
static const struct agent_wait_process_request wait_req = { .container_id = "c" };

/* --- calls of our own client --- */

static int check_with(struct world *w, const char *service, struct err *err)
{
	cleanup_arena struct arena *arena = NULL;
	struct health_check_request req = { .service = service };
	struct health_check_response resp = { 0 };

	assert_int_equal(arena_new(&arena), 0);
	int r = rpc_call(w->client, &health_check, &req, &resp, arena, soon(), err);
	if (r >= 0)
		assert_int_equal(resp.status, HEALTH_SERVING);
	return r;
}

static int run_errors(void *arg)
{
	struct world w;
	struct err err = ERR_NULL;

	(void)arg;
	set_up(&w);
	assert_int_equal(check_with(&w, "fine", &err), 0);
	assert_int_equal(check_with(&w, "missing", &err), -ENOENT);
	assert_string_equal(err.text, "no service \"?missing\""); /* made UTF-8 */
	err = ERR_NULL;
	assert_int_equal(check_with(&w, "silent", &err), -EBUSY);
	assert_non_null(strstr(err.text, "Check"));
	err = ERR_NULL;
	assert_int_equal(rpc_call(w.client, &agent_list_routes, NULL, NULL, NULL, soon(), &err),
			 -EOPNOTSUPP);
	assert_non_null(strstr(err.text, "ListRoutes"));
	tear_down(&w);
	return 0;
}

static void errors_carry_code_and_words(void **state)
{
	(void)state;
	assert_int_equal(fiber_run_main(run_errors, NULL), 0);
}

struct waiter {
	struct world *w;
	int r, status;
	bool done;
	uint64_t deadline_ns;
};

static void waiter_run(void *arg)
{
	struct waiter *waiter = arg;
	struct agent_wait_process_response resp = { 0 };
	struct err err = ERR_NULL;
	cleanup_arena struct arena *arena = NULL;

	assert_int_equal(arena_new(&arena), 0);
	waiter->r = rpc_call(waiter->w->client, &agent_wait_process, &wait_req, &resp, arena,
			     waiter->deadline_ns, &err);
	waiter->status = resp.status;
	waiter->done = true;
}

static int run_interleaved(void *arg)
{
	struct world w;
	struct err err = ERR_NULL;
	struct waiter waiters[20];
	struct fiber *fibers[ARRAY_SIZE(waiters)];
	struct agent_signal_process_request sig = { .signal = 9 };

	(void)arg;
	set_up(&w);
	for (size_t i = 0; i < ARRAY_SIZE(waiters); i++) {
		waiters[i] = (struct waiter){ .w = &w, .deadline_ns = LOOP_FOREVER };
		assert_int_equal(
			fiber_spawn(fiber_loop(), "waiter", waiter_run, &waiters[i], &fibers[i]),
			0);
	}
	while (w.nr_waiting < (int)ARRAY_SIZE(waiters))
		fiber_yield();
	assert_int_equal(rpc_server_active_requests_for_test(w.server), ARRAY_SIZE(waiters));
	assert_int_equal(check_with(&w, "fine", &err), 0); /* overtakes all of them */
	assert_false(waiters[0].done);
	assert_int_equal(rpc_call(w.client, &agent_signal_process, &sig, NULL, NULL, soon(), &err),
			 0);
	for (size_t i = 0; i < ARRAY_SIZE(waiters); i++) {
		assert_int_equal(fiber_join(fibers[i], soon()), 0);
		assert_int_equal(waiters[i].r, 0);
		assert_int_equal(waiters[i].status, 7);
	}
	tear_down(&w);
	return 0;
}

static void answers_come_in_the_order_handlers_finish(void **state)
{
	(void)state;
	assert_int_equal(fiber_run_main(run_interleaved, NULL), 0);
}

static int write_bytes(struct world *w, size_t len, uint32_t *ret_len, struct err *err)
{
	cleanup_arena struct arena *arena = NULL;
	struct agent_write_stream_response resp = { 0 };

	assert_int_equal(arena_new(&arena), 0);
	uint8_t *data = arena_alloc(arena, len);
	memset(data, 'x', len);
	struct agent_write_stream_request req = { .container_id = "c",
						  .data = data,
						  .data_len = len };
	int r = rpc_call(w->client, &agent_write_stdin, &req, &resp, arena, soon(), err);
	*ret_len = resp.len;
	return r;
}

static int read_bytes(struct world *w, uint32_t len, size_t *ret_len, struct err *err)
{
	cleanup_arena struct arena *arena = NULL;
	struct agent_read_stream_request req = { .container_id = "c", .len = len };
	struct agent_read_stream_response resp = { 0 };

	assert_int_equal(arena_new(&arena), 0);
	int r = rpc_call(w->client, &agent_read_stdout, &req, &resp, arena, soon(), err);
	*ret_len = resp.data_len;
	return r;
}

static int run_big(void *arg)
{
	struct world w;
	struct err err = ERR_NULL;
	uint32_t written;
	size_t got;

	(void)arg;
	set_up(&w);
	assert_int_equal(write_bytes(&w, RPC_MESSAGE_MAX - 64, &written, &err), 0);
	assert_int_equal(written, RPC_MESSAGE_MAX - 64);
	assert_int_equal(read_bytes(&w, RPC_MESSAGE_MAX - 128, &got, &err), 0);
	assert_int_equal(got, RPC_MESSAGE_MAX - 128);
	/* Too long to send, and too long to answer; the connection stays good. */
	assert_int_equal(write_bytes(&w, RPC_MESSAGE_MAX - 8, &written, &err), -EMSGSIZE);
	assert_int_equal(read_bytes(&w, RPC_MESSAGE_MAX, &got, &err), -ENOSPC);
	assert_int_equal(check_with(&w, "fine", &err), 0);
	tear_down(&w);
	return 0;
}

static void messages_up_to_the_limit_pass_and_no_longer_ones(void **state)
{
	(void)state;
	assert_int_equal(fiber_run_main(run_big, NULL), 0);
}

static int run_metadata(void *arg)
{
	struct world w;
	struct err err = ERR_NULL;
	struct kv pair = { .key = (char *)"containerd-namespace-ttrpc", .value = (char *)"k8s.io" };

	(void)arg;
	set_up(&w);
	assert_int_equal(rpc_call_metadata(w.client, &health_check, &pair, 1, &check, NULL, NULL,
					   soon(), &err),
			 0);
	assert_string_equal(w.metadata, "containerd-namespace-ttrpc=k8s.io");
	tear_down(&w);
	return 0;
}

static void metadata_reaches_the_handler(void **state)
{
	(void)state;
	assert_int_equal(fiber_run_main(run_metadata, NULL), 0);
}

/* --- the mock against our server --- */

static int run_oversize(void *arg)
{
	struct world w;
	uint8_t *data = calloc(1, RPC_MESSAGE_MAX + 1);

	(void)arg;
	assert_non_null(data);
	set_up(&w);
	put_frame(w.peer, 1, TTRPC_REQUEST, 0, data, RPC_MESSAGE_MAX + 1);
	put_request(w.peer, 3, 0, &health_check, &check, 0);
	expect_answer(w.peer, 1, RPC_STATUS_RESOURCE_EXHAUSTED);
	expect_answer(w.peer, 3, RPC_STATUS_OK);
	free(data);
	tear_down(&w);
	return 0;
}

static void an_oversize_frame_is_discarded_and_the_connection_lives(void **state)
{
	(void)state;
	assert_int_equal(fiber_run_main(run_oversize, NULL), 0);
}

static int run_refusals(void *arg)
{
	struct world w;

	(void)arg;
	set_up(&w);
	put_request(w.peer, 2, 0, &health_check, &check, 0);
	expect_answer(w.peer, 2, RPC_STATUS_INVALID_ARGUMENT); /* even */
	put_request(w.peer, 0, 0, &health_check, &check, 0);
	expect_answer(w.peer, 0, RPC_STATUS_INVALID_ARGUMENT);
	put_request(w.peer, 5, 0, &agent_wait_process, &wait_req, 0);
	put_request(w.peer, 5, 0, &health_check, &check, 0);
	expect_answer(w.peer, 5, RPC_STATUS_INVALID_ARGUMENT); /* in use */
	put_request(w.peer, 7, TTRPC_REMOTE_OPEN, &health_check, &check, 0);
	expect_answer(w.peer, 7, RPC_STATUS_UNIMPLEMENTED); /* wants to stream */
	put_frame(w.peer, 9, TTRPC_REQUEST, 0, "\x0a\x7f", 2);
	expect_answer(w.peer, 9, RPC_STATUS_INVALID_ARGUMENT); /* not an envelope */
	put_frame(w.peer, 11, TTRPC_DATA, 0, "x", 1);
	expect_answer(w.peer, 11, RPC_STATUS_INVALID_ARGUMENT); /* no such stream */
	put_frame(w.peer, 5, TTRPC_DATA, TTRPC_REMOTE_CLOSED | TTRPC_NO_DATA, NULL,
		  0); /* harmless */
	put_request(w.peer, 13, TTRPC_REMOTE_CLOSED, &health_check, &check, 0);
	expect_answer(w.peer, 13, RPC_STATUS_OK); /* as new clients send it */
	put_frame(w.peer, 5, TTRPC_DATA, 0, "x", 1);
	expect_answer(w.peer, 5, RPC_STATUS_INVALID_ARGUMENT); /* unary: ends the call, once */
	expect_silence(w.peer);
	assert_int_equal(w.nr_cancelled, 1);
	tear_down(&w);
	return 0;
}

static void what_is_not_a_proper_call_is_refused_by_status(void **state)
{
	(void)state;
	assert_int_equal(fiber_run_main(run_refusals, NULL), 0);
}

static int run_garbage(void *arg)
{
	struct world w;
	struct err err = ERR_NULL;

	(void)arg;
	set_up(&w);
	put_frame(w.peer, 1, 77, 0, NULL, 0);
	expect_closed(w.peer);
	assert_int_equal(w.nr_disconnects, 1);
	assert_int_equal(check_with(&w, "fine", &err), 0); /* the other connection */
	tear_down(&w);

	set_up(&w);
	put_frame(w.peer, 1, TTRPC_RESPONSE, 0, NULL, 0);
	expect_closed(w.peer);
	tear_down(&w);

	set_up(&w); /* an end inside a header, and inside a payload */
	assert_int_equal(fiber_write_full(w.peer, "\0\0\0", 3, soon()), 0);
	assert_int_equal(shutdown(w.peer, SHUT_WR), 0);
	expect_closed(w.peer);
	tear_down(&w);
	set_up(&w);
	assert_int_equal(fiber_write_full(w.peer, "\0\0\0\x20\0\0\0\x01\x01\0abc", 13, soon()), 0);
	assert_int_equal(shutdown(w.peer, SHUT_WR), 0);
	expect_closed(w.peer);
	assert_int_equal(check_with(&w, "fine", &err), 0);
	tear_down(&w);
	return 0;
}

static void garbage_closes_its_own_connection_only(void **state)
{
	(void)state;
	assert_int_equal(fiber_run_main(run_garbage, NULL), 0);
}

static int run_dribble(void *arg)
{
	struct world w;
	uint8_t frame[] = {
		0,    0,   0,	20,   0,   0,	0,   1,	  1,   0, /* then: grpc.Health / Check */
		0x0a, 11,  'g', 'r',  'p', 'c', '.', 'H', 'e', 'a',
		'l',  't', 'h', 0x12, 5,   'C', 'h', 'e', 'c', 'k'
	};

	(void)arg;
	set_up(&w);
	for (size_t i = 0; i < sizeof(frame); i++) {
		assert_int_equal(fiber_write_full(w.peer, &frame[i], 1, soon()), 0);
		let_others_run(2);
	}
	expect_answer(w.peer, 1, RPC_STATUS_OK);
	tear_down(&w);
	return 0;
}

static void frames_may_arrive_byte_by_byte(void **state)
{
	(void)state;
	assert_int_equal(fiber_run_main(run_dribble, NULL), 0);
}

static int run_deadline(void *arg)
{
	struct world w;

	(void)arg;
	set_up(&w);
	put_request(w.peer, 1, 0, &agent_wait_process, &wait_req, 20000000);
	put_request(w.peer, 3, 0, &agent_pause_container, &wait_req, 40000000);
	expect_answer(w.peer, 1, RPC_STATUS_DEADLINE_EXCEEDED);
	expect_answer(w.peer, 3, RPC_STATUS_DEADLINE_EXCEEDED);
	let_others_run(5);
	assert_int_equal(w.nr_cancelled,
			 1); /* the first; the second is not cancelable and still waits */
	assert_int_equal(w.nr_waiting, 1);
	w.release = true;
	fiber_cond_broadcast(&w.released);
	expect_silence(w.peer); /* its late result is dropped */
	assert_int_equal(w.nr_finished, 1);
	put_request(w.peer, 5, 0, &health_check, &check, 0);
	expect_answer(w.peer, 5, RPC_STATUS_OK);
	tear_down(&w);
	return 0;
}

static void a_passed_deadline_is_answered_exactly_once(void **state)
{
	(void)state;
	assert_int_equal(fiber_run_main(run_deadline, NULL), 0);
}

static int run_disconnect(void *arg)
{
	struct world w;

	(void)arg;
	set_up(&w);
	put_request(w.peer, 1, 0, &agent_wait_process, &wait_req, 0);
	put_request(w.peer, 3, 0, &agent_pause_container, &wait_req, 0);
	while (w.nr_waiting < 2)
		fiber_yield();
	(void)close(w.peer);
	w.peer = -1;
	while (w.nr_disconnects == 0)
		fiber_yield();
	let_others_run(5);
	assert_int_equal(w.nr_cancelled, 1);
	assert_int_equal(w.nr_waiting, 1);
	assert_int_equal(rpc_server_active_requests_for_test(w.server), 1);
	assert_int_equal(rpc_server_wait_idle(w.server, loop_now_ns()), -ETIMEDOUT);
	w.release = true;
	fiber_cond_broadcast(&w.released);
	assert_int_equal(rpc_server_wait_idle(w.server, soon()), 0);
	assert_int_equal(w.nr_finished, 1);
	assert_int_equal(rpc_server_active_requests_for_test(w.server), 0);
	tear_down(&w);
	return 0;
}

static void a_lost_peer_cancels_only_what_may_be_cancelled(void **state)
{
	(void)state;
	assert_int_equal(fiber_run_main(run_disconnect, NULL), 0);
}

static int run_server_free(void *arg)
{
	struct world w;

	(void)arg;
	set_up(&w);
	put_request(w.peer, 1, 0, &agent_pause_container, &wait_req, 0);
	put_request(w.peer, 3, 0, &agent_wait_process, &wait_req, 0);
	while (w.nr_waiting < 2)
		fiber_yield();
	w.server = rpc_server_free(w.server);
	expect_closed(w.peer);
	w.release = true;
	fiber_cond_broadcast(&w.released);
	let_others_run(5);
	assert_int_equal(w.nr_finished, 1);
	assert_int_equal(w.nr_cancelled, 1);
	assert_int_equal(w.nr_disconnects, 0);
	w.client = rpc_client_free(w.client);
	(void)close(w.peer);
	return 0;
}

static void a_server_may_go_before_its_handlers(void **state)
{
	(void)state;
	assert_int_equal(fiber_run_main(run_server_free, NULL), 0);
}

#define NR_FLOOD 200
#define FLOOD_ANSWER (256 * 1024)

struct flood {
	int fd;
	int nr_sent;
};

static void flood_run(void *arg)
{
	struct flood *flood = arg;
	struct agent_read_stream_request req = { .container_id = "c", .len = FLOOD_ANSWER };

	for (; flood->nr_sent < NR_FLOOD; flood->nr_sent++)
		put_request(flood->fd, (uint32_t)flood->nr_sent * 2 + 1, 0, &agent_read_stdout,
			    &req, 0);
}

static int run_back_pressure(void *arg)
{
	struct world w;
	struct flood flood;
	struct fiber *fiber;
	struct err err = ERR_NULL;
	int small = 4096;

	(void)arg;
	set_up(&w);
	/* With a small pipe towards the server the mock notices soon that it is not read. */
	assert_int_equal(setsockopt(w.peer, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)), 0);
	flood = (struct flood){ .fd = w.peer };
	assert_int_equal(fiber_spawn(fiber_loop(), "flood", flood_run, &flood, &fiber), 0);
	let_others_run(2000);
	assert_true(flood.nr_sent > 0);
	assert_true(flood.nr_sent < NR_FLOOD); /* it is held back */
	size_t active = rpc_server_active_requests_for_test(w.server);
	assert_true(active < NR_FLOOD);
	assert_int_equal(check_with(&w, "fine", &err),
			 0); /* the other connection does not suffer */
	for (int i = 0; i < NR_FLOOD; i++) {
		struct answer answer = get_answer(w.peer);

		assert_int_equal(answer.code, RPC_STATUS_OK);
		assert_true(answer.payload_len >= FLOOD_ANSWER);
	}
	assert_int_equal(fiber_join(fiber, soon()), 0);
	tear_down(&w);
	return 0;
}

static void a_peer_that_does_not_read_is_not_read_from(void **state)
{
	(void)state;
	assert_int_equal(fiber_run_main(run_back_pressure, NULL), 0);
}

static int run_quota(void *arg)
{
	struct world w;

	(void)arg;
	set_up(&w);
	for (uint32_t i = 0; i < 1025; i++)
		put_request(w.peer, i * 2 + 1, 0, &agent_wait_process, &wait_req, 0);
	expect_answer(w.peer, 2049, RPC_STATUS_RESOURCE_EXHAUSTED);
	w.release = true;
	fiber_cond_broadcast(&w.released);
	for (int i = 0; i < 1024; i++)
		assert_int_equal(get_answer(w.peer).code, RPC_STATUS_OK);
	put_request(w.peer, 2051, 0, &health_check, &check, 0);
	expect_answer(w.peer, 2051, RPC_STATUS_OK);
	tear_down(&w);
	return 0;
}

static void requests_in_flight_are_limited(void **state)
{
	(void)state;
	assert_int_equal(fiber_run_main(run_quota, NULL), 0);
}

static int run_listen(void *arg)
{
	struct world w;
	struct err err = ERR_NULL;
	char dir[] = "/tmp/test-ttrpc.XXXXXX";
	struct sockaddr_un addr = { .sun_family = AF_UNIX };

	(void)arg;
	set_up(&w);
	assert_non_null(mkdtemp(dir));
	(void)snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/s", dir);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fd, (const struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(listen(fd, 8), 0);
	assert_int_equal(rpc_server_listen(w.server, fd), 0);
	for (int i = 0; i < 3; i++) {
		int conn = fiber_connect_unix(addr.sun_path, soon());
		assert_true(conn >= 0);
		(void)rpc_client_free(w.client);
		assert_int_equal(rpc_client_new(fiber_loop(), conn, &w.client), 0);
		assert_int_equal(check_with(&w, "fine", &err), 0);
	}
	assert_int_equal(unlink(addr.sun_path), 0);
	assert_int_equal(rmdir(dir), 0);
	tear_down(&w);
	return 0;
}

static void a_listening_socket_takes_one_client_after_the_other(void **state)
{
	(void)state;
	assert_int_equal(fiber_run_main(run_listen, NULL), 0);
}

static void errno_and_status_are_one_table(void **state)
{
	static const int stable[] = { ECANCELED,  EINVAL, ETIMEDOUT, ENOENT, EEXIST,
				      EPERM,	  ENOSPC, EBUSY,     ESTALE, ERANGE,
				      EOPNOTSUPP, EIO,	  EAGAIN };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(stable); i++)
		assert_int_equal(rpc_status_to_errno(rpc_status_from_errno(-stable[i])), stable[i]);
	assert_int_equal(rpc_status_from_errno(0), RPC_STATUS_OK);
	assert_int_equal(rpc_status_to_errno(0), 0);
	assert_int_equal(rpc_status_from_errno(ENOSYS), RPC_STATUS_UNIMPLEMENTED);
	assert_int_equal(rpc_status_from_errno(-ESRCH), RPC_STATUS_NOT_FOUND);
	assert_int_equal(rpc_status_from_errno(ELOOP), RPC_STATUS_INTERNAL);
	for (int status = 1; status <= RPC_STATUS_UNAUTHENTICATED; status++)
		assert_true(rpc_status_to_errno(status) > 0);
	assert_int_equal(rpc_status_to_errno(9999), EIO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(errors_carry_code_and_words),
		cmocka_unit_test(answers_come_in_the_order_handlers_finish),
		cmocka_unit_test(messages_up_to_the_limit_pass_and_no_longer_ones),
		cmocka_unit_test(metadata_reaches_the_handler),
		cmocka_unit_test(an_oversize_frame_is_discarded_and_the_connection_lives),
		cmocka_unit_test(what_is_not_a_proper_call_is_refused_by_status),
		cmocka_unit_test(garbage_closes_its_own_connection_only),
		cmocka_unit_test(frames_may_arrive_byte_by_byte),
		cmocka_unit_test(a_passed_deadline_is_answered_exactly_once),
		cmocka_unit_test(a_lost_peer_cancels_only_what_may_be_cancelled),
		cmocka_unit_test(a_server_may_go_before_its_handlers),
		cmocka_unit_test(a_peer_that_does_not_read_is_not_read_from),
		cmocka_unit_test(requests_in_flight_are_limited),
		cmocka_unit_test(a_listening_socket_takes_one_client_after_the_other),
		cmocka_unit_test(errno_and_status_are_one_table),
	};

	(void)signal(SIGPIPE, SIG_IGN);
	log_init("test-ttrpc", STDERR_FILENO, LOG_FORMAT_PLAIN, LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
