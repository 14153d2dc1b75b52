/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unit tests of the ttrpc client against mock servers: what they see, and what happens when they
 * answer late, wrongly or not at all.
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
#include <unistd.h>

#include "common/fd.h"
#include "rpc/pb/agent_msg.h"
#include "rpc/pb/pb_bridge.h"
#include "rpc/ttrpc/rpc.h"
#include "rpc/ttrpc/status.h"
#include "rpc/ttrpc/ttrpc_frame.h"
#include "rpc/pb/ttrpc_msg.h"

struct world {
	struct rpc_client *client;
	int server; /* the mock's end */
};

static uint64_t soon(void)
{
	return loop_deadline_ms(10000);
}

static void set_up(struct world *w)
{
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	assert_int_equal(fd_set_nonblock(fds[1], true), 0);
	assert_int_equal(rpc_client_new(fiber_loop(), fds[0], &w->client), 0);
	w->server = fds[1];
}

static void tear_down(struct world *w)
{
	w->client = rpc_client_free(w->client);
	if (w->server >= 0)
		(void)close(w->server);
}

/* A call in a fiber of its own. */
struct caller {
	struct world *w;
	struct fiber *fiber;
	uint64_t deadline_ns;
	int r;
	struct err err;
	int32_t status;
};

static void caller_run(void *arg)
{
	struct caller *c = arg;
	struct health_check_request req = { .service = "s" };
	struct health_check_response resp = { 0 };
	cleanup_arena struct arena *arena = NULL;

	assert_int_equal(arena_new(&arena), 0);
	c->r = rpc_call(c->w->client, &health_check, &req, &resp, arena, c->deadline_ns, &c->err);
	c->status = resp.status;
}

static void call(struct world *w, struct caller *c, uint64_t deadline_ns)
{
	*c = (struct caller){ .w = w, .deadline_ns = deadline_ns };
	assert_int_equal(fiber_spawn(fiber_loop(), "caller", caller_run, c, &c->fiber), 0);
}

static int call_result(struct caller *c)
{
	assert_int_equal(fiber_join(c->fiber, soon()), 0);
	return c->r;
}

/* Reads one request; returns its stream id. */
static uint32_t get_request(struct world *w, int64_t *ret_timeout)
{
	cleanup_arena struct arena *arena = NULL;
	struct err err = ERR_NULL;
	uint8_t header[TTRPC_HEADER_LEN], data[256];
	struct ttrpc_request envelope = { 0 };

	assert_int_equal(arena_new(&arena), 0);
	assert_int_equal(fiber_read_full(w->server, header, sizeof(header), soon()), 0);
	assert_int_equal(header[8], TTRPC_REQUEST);
	assert_int_equal(header[9], 0);
	assert_int_equal(header[0] | header[1] | header[2], 0);
	assert_int_equal(fiber_read_full(w->server, data, header[3], soon()), 0);
	assert_int_equal(pb_decode(&ttrpc_request_type, data, header[3], arena, &envelope, &err),
			 0);
	assert_string_equal(envelope.service, "grpc.Health");
	assert_string_equal(envelope.method, "Check");
	if (ret_timeout)
		*ret_timeout = envelope.timeout_nano;
	return (uint32_t)header[6] << 8 | header[7];
}

static void put_frame(struct world *w, uint32_t id, int type, const void *data, size_t len)
{
	uint8_t header[TTRPC_HEADER_LEN];

	ttrpc_frame_put_header(header, id, (enum ttrpc_type)type, len);
	assert_int_equal(fiber_write_full(w->server, header, sizeof(header), soon()), 0);
	if (data && len)
		assert_int_equal(fiber_write_full(w->server, data, len, soon()), 0);
}

/* Response { payload: HealthCheckResponse { status: SERVING } }, without a status as some servers
 * send it. */
static void put_good(struct world *w, uint32_t id)
{
	put_frame(w, id, TTRPC_RESPONSE, "\x12\x02\x08\x01", 4);
}

static int run_matching(void *arg)
{
	struct world w;
	struct caller a, b;
	int64_t timeout_a, timeout_b;

	(void)arg;
	set_up(&w);
	call(&w, &a, LOOP_FOREVER);
	uint32_t id_a = get_request(&w, &timeout_a);
	call(&w, &b, soon());
	uint32_t id_b = get_request(&w, &timeout_b);
	assert_int_equal(id_a, 1);
	assert_int_equal(id_b, 3);
	assert_int_equal(timeout_a, 0);
	assert_in_range(timeout_b, 1000000000, 10000000000);
	put_good(&w, 77); /* nobody asked */
	put_good(&w, id_b);
	assert_int_equal(call_result(&b), 0);
	assert_int_equal(b.status, HEALTH_SERVING);
	/* Response { status { code: 5, message: "gone" } } */
	put_frame(&w, id_a, TTRPC_RESPONSE, "\x0a\x08\x08\x05\x12\x04gone", 10);
	assert_int_equal(call_result(&a), -ENOENT);
	assert_string_equal(a.err.text, "gone");
	tear_down(&w);
	return 0;
}

static void answers_are_matched_by_stream_id(void **state)
{
	(void)state;
	assert_int_equal(fiber_run_main(run_matching, NULL), 0);
}

static int run_late(void *arg)
{
	struct world w;
	struct caller a, b;

	(void)arg;
	set_up(&w);
	call(&w, &a, loop_deadline_ms(20));
	uint32_t id = get_request(&w, NULL);
	assert_int_equal(call_result(&a), -ETIMEDOUT);
	assert_non_null(strstr(a.err.text, "Check"));
	call(&w, &b, soon());
	uint32_t id_b = get_request(&w, NULL);
	put_good(&w, id); /* too late */
	put_good(&w, id_b);
	assert_int_equal(call_result(&b), 0);
	call(&w, &a, 1); /* a deadline in the past sends nothing */
	assert_int_equal(call_result(&a), -ETIMEDOUT);
	assert_int_equal(fiber_wait_fd(w.server, LOOP_READ, loop_deadline_ms(20)), -ETIMEDOUT);
	tear_down(&w);
	return 0;
}

static void a_late_answer_is_dropped(void **state)
{
	(void)state;
	assert_int_equal(fiber_run_main(run_late, NULL), 0);
}

static int run_cancel(void *arg)
{
	struct world w;
	struct caller a, b;

	(void)arg;
	set_up(&w);
	call(&w, &a, LOOP_FOREVER);
	uint32_t id = get_request(&w, NULL);
	fiber_cancel(a.fiber);
	assert_int_equal(call_result(&a), -ECANCELED);
	put_good(&w, id);
	call(&w, &b, soon());
	put_good(&w, get_request(&w, NULL));
	assert_int_equal(call_result(&b), 0);
	tear_down(&w);
	return 0;
}

static void a_cancelled_caller_returns_and_the_connection_lives(void **state)
{
	(void)state;
	assert_int_equal(fiber_run_main(run_cancel, NULL), 0);
}

static int run_loss(void *arg)
{
	struct world w;
	struct caller callers[5], late;

	(void)arg;
	set_up(&w);
	for (size_t i = 0; i < ARRAY_SIZE(callers); i++) {
		call(&w, &callers[i], LOOP_FOREVER);
		(void)get_request(&w, NULL);
	}
	assert_true(rpc_client_is_connected(w.client));
	(void)close(w.server);
	w.server = -1;
	for (size_t i = 0; i < ARRAY_SIZE(callers); i++)
		assert_int_equal(call_result(&callers[i]), -ECONNRESET);
	assert_false(rpc_client_is_connected(w.client));
	call(&w, &late, LOOP_FOREVER);
	assert_int_equal(call_result(&late), -ECONNRESET);
	assert_non_null(strstr(late.err.text, "Check"));
	tear_down(&w);
	return 0;
}

static void a_lost_connection_fails_every_call(void **state)
{
	(void)state;
	assert_int_equal(fiber_run_main(run_loss, NULL), 0);
}

static int run_free(void *arg)
{
	struct world w;
	struct caller a, b;

	(void)arg;
	set_up(&w);
	call(&w, &a, LOOP_FOREVER);
	call(&w, &b, LOOP_FOREVER);
	(void)get_request(&w, NULL);
	w.client = rpc_client_free(w.client);
	assert_int_equal(call_result(&a), -ECONNRESET);
	assert_int_equal(call_result(&b), -ECONNRESET);
	tear_down(&w);
	return 0;
}

static void freeing_a_client_ends_its_calls(void **state)
{
	(void)state;
	assert_int_equal(fiber_run_main(run_free, NULL), 0);
}

static int run_wrong(void *arg)
{
	struct world w;
	struct caller c;

	(void)arg;
	set_up(&w);
	call(&w, &c, soon());
	put_frame(&w, get_request(&w, NULL), TTRPC_DATA, "x", 1);
	assert_int_equal(call_result(&c), -EPROTO);
	call(&w, &c, soon());
	put_frame(&w, get_request(&w, NULL), TTRPC_RESPONSE, "\x0a\x7f", 2);
	assert_int_equal(call_result(&c), -EBADMSG);
	call(&w, &c, soon());
	put_frame(&w, get_request(&w, NULL), TTRPC_RESPONSE, "\x12\x02\x0a\x7f", 4);
	assert_int_equal(call_result(&c), -EBADMSG);
	call(&w, &c, soon()); /* only the header of a message beyond the limit */
	put_frame(&w, get_request(&w, NULL), TTRPC_RESPONSE, NULL, RPC_MESSAGE_MAX + 1);
	assert_int_equal(call_result(&c), -EMSGSIZE);
	tear_down(&w);

	set_up(&w);
	call(&w, &c, soon());
	put_frame(&w, get_request(&w, NULL), 99, NULL, 0);
	assert_int_equal(call_result(&c), -ECONNRESET);
	tear_down(&w);
	return 0;
}

static void wrong_answers_fail_their_call(void **state)
{
	(void)state;
	assert_int_equal(fiber_run_main(run_wrong, NULL), 0);
}

/* An answer with so many fields that nobody knows. */
static int call_with_fields(struct world *w, unsigned nr)
{
	struct caller c;
	uint8_t answer[64] = { 0x12, (uint8_t)(2 * nr) };

	for (unsigned i = 0; i < nr; i++)
		memcpy(answer + 2 + 2 * i, "\x78\x01", 2);
	call(w, &c, soon());
	put_frame(w, get_request(w, NULL), TTRPC_RESPONSE, answer, 2 + 2 * nr);
	return call_result(&c);
}

static int run_fields(void *arg)
{
	struct world w;

	(void)arg;
	set_up(&w);
	assert_int_equal(call_with_fields(&w, 9), 0);
	rpc_client_set_max_fields(w.client, 8);
	assert_int_equal(call_with_fields(&w, 8), 0);
	assert_int_equal(call_with_fields(&w, 9), -EMSGSIZE);
	assert_true(rpc_client_is_connected(w.client));
	tear_down(&w);
	return 0;
}

static void an_answer_with_more_fields_than_the_client_takes_is_refused(void **state)
{
	(void)state;
	assert_int_equal(fiber_run_main(run_fields, NULL), 0);
}

static int run_full(void *arg)
{
	struct world w;
	struct err err = ERR_NULL;
	struct agent_write_stream_request req = { .container_id = "c", .data_len = 1 << 20 };
	int r = 0;

	(void)arg;
	set_up(&w);
	uint8_t *data = calloc(1, req.data_len);
	assert_non_null(data);
	req.data = data;
	/* Nobody reads: after some calls the queue is full, and waiting for room ends with the
	 * deadline as well. */
	for (int i = 0; i < 8; i++) {
		err = ERR_NULL;
		r = rpc_call(w.client, &agent_write_stdin, &req, NULL, NULL, loop_deadline_ms(10),
			     &err);
		assert_int_equal(r, -ETIMEDOUT);
	}
	assert_true(rpc_client_is_connected(w.client));
	free(data);
	tear_down(&w);
	return 0;
}

static void a_server_that_does_not_read_costs_only_time(void **state)
{
	(void)state;
	assert_int_equal(fiber_run_main(run_full, NULL), 0);
}

static void a_call_outside_of_a_fiber_is_refused(void **state)
{
	struct loop *loop;
	struct rpc_client *client;
	struct err err = ERR_NULL;
	int fds[2];

	(void)state;
	assert_int_equal(loop_new(&loop), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	assert_int_equal(rpc_client_new(loop, fds[0], &client), 0);
	assert_int_equal(rpc_call(client, &agent_get_metrics, NULL, NULL, NULL, soon(), &err),
			 -EDEADLK);
	(void)rpc_client_free(client);
	(void)loop_free(loop);
	(void)close(fds[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers_are_matched_by_stream_id),
		cmocka_unit_test(a_late_answer_is_dropped),
		cmocka_unit_test(a_cancelled_caller_returns_and_the_connection_lives),
		cmocka_unit_test(a_lost_connection_fails_every_call),
		cmocka_unit_test(freeing_a_client_ends_its_calls),
		cmocka_unit_test(wrong_answers_fail_their_call),
		cmocka_unit_test(an_answer_with_more_fields_than_the_client_takes_is_refused),
		cmocka_unit_test(a_server_that_does_not_read_costs_only_time),
		cmocka_unit_test(a_call_outside_of_a_fiber_is_refused),
	};

	(void)signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
