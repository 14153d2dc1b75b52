/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unit tests of the agent's end of a stream: pipes that grow with what goes through them, order,
 * partial writes, half close.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/stream/stdio_relay.h"
#include "common/fd.h"
#include "common/fiber.h"
#include "feed-fixture.h"

#define BIG (3UL << 20)
#define DEADLINE_MS 10000

struct world {
	struct streams streams;
	int process[2]; /* the pipe: what the process has, what the relay has */
	int host[2];	/* the connection: what the test has, what the relay has */
};

static void start(struct world *w, enum stdio_direction direction)
{
	int fds[2];

	streams_init(&w->streams);
	assert_int_equal(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
	w->process[0] = direction == STDIO_OUT ? fds[1] : fds[0];
	w->process[1] = direction == STDIO_OUT ? fds[0] : fds[1];
	assert_int_equal(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, w->host), 0);
	assert_int_equal(stdio_relay_start(&w->streams, fiber_loop(), direction, w->host[1],
					   w->process[1], NULL),
			 0);
}

static int bulk_main(void *arg)
{
	enum stdio_direction direction = *(enum stdio_direction *)arg;
	struct feed feed = { .len = BIG + 12345 };
	struct world w;

	start(&w, direction);
	int from = direction == STDIO_OUT ? w.process[0] : w.host[0];
	int to = direction == STDIO_OUT ? w.host[0] : w.process[0];
	int pipe_end = fcntl(w.process[0], F_DUPFD_CLOEXEC, 0);
	int before = fcntl(pipe_end, F_GETPIPE_SZ);
	feed.fd = from;
	if (direction == STDIO_OUT) /* ours would keep the process's end open */
		(void)close(pipe_end);
	assert_int_equal(fiber_spawn(fiber_loop(), "feeder", feeder, &feed, NULL), 0);
	read_pattern(to, feed.len);
	if (direction == STDIO_IN) {
		assert_true(fcntl(pipe_end, F_GETPIPE_SZ) > before);
		(void)close(pipe_end);
	}
	(void)close(to);
	fiber_yield();
	return 0;
}

static void output_arrives_in_order_to_its_last_byte(void **state)
{
	enum stdio_direction direction = STDIO_OUT;

	(void)state;
	assert_int_equal(fiber_run_main(bulk_main, &direction), 0);
}

static void input_arrives_in_order_and_its_pipe_grows(void **state)
{
	enum stdio_direction direction = STDIO_IN;

	(void)state;
	assert_int_equal(fiber_run_main(bulk_main, &direction), 0);
}

static int grows_main(void *arg)
{
	char *data = calloc(1, 65536), buf[16];
	struct world w;

	(void)arg;
	assert_non_null(data);
	start(&w, STDIO_OUT);
	int before = fcntl(w.process[0], F_GETPIPE_SZ);
	for (int i = 0; i < 100; i++) {
		assert_int_equal(write(w.process[0], "a line\n", 7), 7);
		assert_int_equal(
			fiber_read(w.host[0], buf, sizeof(buf), loop_deadline_ms(DEADLINE_MS)), 7);
	}
	assert_int_equal(fcntl(w.process[0], F_GETPIPE_SZ), before);
	assert_int_equal(write(w.process[0], data, 65536), 65536);
	for (size_t got = 0; got < 65536;) {
		ssize_t n = fiber_read(w.host[0], data, 65536, loop_deadline_ms(DEADLINE_MS));

		assert_true(n > 0);
		got += (size_t)n;
	}
	assert_true(fcntl(w.process[0], F_GETPIPE_SZ) > before);
	(void)close(w.process[0]);
	assert_int_equal(fiber_read(w.host[0], buf, sizeof(buf), loop_deadline_ms(DEADLINE_MS)), 0);
	(void)close(w.host[0]);
	free(data);
	return 0;
}

static void only_a_process_that_moves_a_lot_gets_a_larger_pipe(void **state)
{
	(void)state;
	assert_int_equal(fiber_run_main(grows_main, NULL), 0);
}

static int bounded_main(void *arg)
{
	char *data = calloc(1, 65536);
	size_t sent = 0, in_pipe;
	struct world w;

	(void)arg;
	assert_non_null(data);
	start(&w, STDIO_OUT);
	for (unsigned full = 0; full < 50;) {
		ssize_t n = write(w.process[0], data, 65536);

		full = n < 0 ? full + 1 : 0;
		sent += n < 0 ? 0 : (size_t)n;
		(void)fiber_sleep_until(n < 0 ? loop_deadline_ms(1) : 0);
	}
	in_pipe = (size_t)fcntl(w.process[0], F_GETPIPE_SZ);
	assert_in_range(in_pipe, 65536, 1 << 20);
	/* Beside the pipe, what the connection's socket takes. */
	assert_true(sent <= in_pipe + (2 << 20));
	(void)close(w.host[0]);
	(void)close(w.process[0]);
	fiber_yield();
	free(data);
	return 0;
}

static void a_host_that_does_not_read_stops_the_process(void **state)
{
	(void)state;
	assert_int_equal(fiber_run_main(bounded_main, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(output_arrives_in_order_to_its_last_byte),
		cmocka_unit_test(input_arrives_in_order_and_its_pipe_grows),
		cmocka_unit_test(only_a_process_that_moves_a_lot_gets_a_larger_pipe),
		cmocka_unit_test(a_host_that_does_not_read_stops_the_process),
	};

	(void)signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
