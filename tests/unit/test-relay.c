/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unit tests of the stream relays: nothing lost, back-pressure, half close, ends declared from
 * outside.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/fiber.h"
#include "feed-fixture.h"
#include "sandbox/vsock/relay.h"

#define BIG (3UL << 20)

static void make_pipe(int *fds)
{
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
}

static void make_pair(int *fds)
{
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds),
			 0);
}

static int carry_main(void *arg)
{
	int in[2], pair[2];
	struct relay *relay = NULL;
	struct feed feed = { .len = BIG };

	(void)arg;
	make_pipe(in);
	make_pair(pair);
	feed.fd = in[1];
	assert_int_equal(fd_set_nonblock(in[1], true), 0);
	assert_int_equal(fiber_spawn(fiber_loop(), "feeder", feeder, &feed, NULL), 0);
	int source = relay_prepare_fd(in[0], false);
	assert_true(source >= 0);
	assert_int_equal(
		relay_start(fiber_loop(), "t", source, pair[0], RELAY_SHUTDOWN_SINK, &relay), 0);
	read_pattern(pair[1], BIG);
	assert_int_equal(relay_wait(relay, loop_deadline_ms(5000)), 0);
	assert_true(relay_bytes_for_test(relay) == BIG);
	/* Half closed only: the other direction still works. */
	assert_int_equal(write(pair[1], "x", 1), 1);
	assert_null(relay_free(relay));
	(void)close(pair[1]);
	return 0;
}

static void carries_megabytes_in_order_and_half_closes(void **state)
{
	(void)state;
	assert_int_equal(fiber_run_main(carry_main, NULL), 0);
}

/* What a slow reader takes from a pipe, a few odd bytes at a time, and the writes it makes partial. */
static int drain_main(void *arg)
{
	int pair[2], out[2];
	struct relay *relay = NULL;
	struct feed feed = { .len = BIG + 12345 };

	(void)arg;
	make_pair(pair);
	make_pipe(out);
	assert_int_equal(fd_set_nonblock(out[0], true), 0);
	feed.fd = pair[1];
	assert_int_equal(fiber_spawn(fiber_loop(), "feeder", feeder, &feed, NULL), 0);
	assert_int_equal(relay_start(fiber_loop(), "t", pair[0], relay_prepare_fd(out[1], true),
				     RELAY_CLOSE_SINK, &relay),
			 0);
	read_pattern(out[0], feed.len);
	assert_int_equal(relay_wait(relay, loop_deadline_ms(5000)), 0);
	assert_true(relay_bytes_for_test(relay) == feed.len);
	assert_null(relay_free(relay));
	(void)close(out[0]);
	return 0;
}

static void carries_megabytes_into_a_pipe(void **state)
{
	(void)state;
	assert_int_equal(fiber_run_main(drain_main, NULL), 0);
}

/* Without a reader: how much is taken from the source. */
static size_t taken_without_reader(size_t piece)
{
	int pair[2], out[2];
	struct relay *relay = NULL;
	char *data = calloc(1, piece);
	size_t sent = 0;
	unsigned full = 0;
	int waiting = 0;

	assert_non_null(data);
	make_pair(pair);
	make_pipe(out);
	assert_int_equal(relay_start(fiber_loop(), "t", pair[0], relay_prepare_fd(out[1], true),
				     RELAY_CLOSE_SINK, &relay),
			 0);
	while (full < 50) {
		ssize_t n = send(pair[1], data, piece, MSG_DONTWAIT | MSG_NOSIGNAL);

		full = n < 0 ? full + 1 : 0;
		sent += n < 0 ? 0 : (size_t)n;
		(void)fiber_sleep_until(n < 0 ? loop_deadline_ms(1) : 0); /* lets the relay run */
	}
	assert_int_equal(ioctl(pair[0], FIONREAD, &waiting), 0);
	assert_true((size_t)waiting <= sent);
	assert_null(relay_free(relay));
	fiber_yield();
	(void)close(pair[1]);
	(void)close(out[0]);
	free(data);
	return sent - (size_t)waiting;
}

static int bounded_main(void *arg)
{
	(void)arg;
	/* The larger pipe, and a buffer on its way. */
	assert_in_range(taken_without_reader(60000), 128 << 10, (256 << 10) + (64 << 10));
	/* Lines share pages: a pipe full of them is not full after some dozens. */
	assert_in_range(taken_without_reader(50), 128 << 10, (256 << 10) + (64 << 10));
	return 0;
}

static void a_reader_that_does_not_read_costs_a_bounded_amount(void **state)
{
	(void)state;
	assert_int_equal(fiber_run_main(bounded_main, NULL), 0);
}

static int close_main(void *arg)
{
	int pair[2], out[2];
	struct relay *relay = NULL;
	char buf[8];

	(void)arg;
	make_pair(pair);
	make_pipe(out);
	assert_int_equal(relay_start(fiber_loop(), "t", pair[0], relay_prepare_fd(out[1], true),
				     RELAY_CLOSE_SINK, &relay),
			 0);
	assert_int_equal(write(pair[1], "last", 4), 4);
	(void)close(pair[1]);
	assert_int_equal(relay_wait(relay, loop_deadline_ms(5000)), 0);
	assert_int_equal(read(out[0], buf, sizeof(buf)), 4);
	assert_int_equal(read(out[0], buf, sizeof(buf)), 0);
	assert_null(relay_free(relay));
	(void)close(out[0]);
	return 0;
}

static void closes_the_sink_after_the_last_byte(void **state)
{
	(void)state;
	assert_int_equal(fiber_run_main(close_main, NULL), 0);
}

static int ended_main(void *arg)
{
	int in[2], pair[2];
	struct relay *relay = NULL;
	char buf[8];

	(void)arg;
	make_pipe(in);
	make_pair(pair);
	assert_int_equal(relay_start(fiber_loop(), "t", relay_prepare_fd(in[0], false), pair[0],
				     RELAY_SHUTDOWN_SINK, &relay),
			 0);
	fiber_yield();
	assert_int_equal(write(in[1], "rest", 4), 4);
	relay_end_source(relay); /* although in[1] stays open */
	assert_int_equal(relay_wait(relay, loop_deadline_ms(5000)), 0);
	assert_int_equal(read(pair[1], buf, sizeof(buf)), 4);
	assert_int_equal(read(pair[1], buf, sizeof(buf)), 0);
	assert_null(relay_free(relay));
	(void)close(in[1]);
	(void)close(pair[1]);
	return 0;
}

static void a_declared_end_loses_nothing(void **state)
{
	(void)state;
	assert_int_equal(fiber_run_main(ended_main, NULL), 0);
}

static int broken_main(void *arg)
{
	int pair[2], out[2];
	struct relay *relay = NULL;
	char buf[8];

	(void)arg;
	make_pair(pair);
	make_pipe(out);
	int sink = relay_prepare_fd(out[1], true);
	(void)close(out[0]);
	assert_int_equal(relay_start(fiber_loop(), "t", pair[0], sink, RELAY_CLOSE_SINK, &relay),
			 0);
	assert_int_equal(write(pair[1], "x", 1), 1);
	assert_int_equal(relay_wait(relay, loop_deadline_ms(5000)), 0);
	/* The writer learns of it, as a process whose reader went away would. */
	assert_int_equal(fiber_read(pair[1], buf, sizeof(buf), loop_deadline_ms(5000)), 0);
	assert_null(relay_free(relay));
	(void)close(pair[1]);
	return 0;
}

static void a_broken_sink_is_told_to_the_source(void **state)
{
	(void)state;
	assert_int_equal(fiber_run_main(broken_main, NULL), 0);
}

static int early_free_main(void *arg)
{
	int in[2], pair[2];
	struct relay *relay = NULL;
	char c;

	(void)arg;
	for (int started = 0; started < 2; started++) {
		make_pipe(in);
		make_pair(pair);
		assert_int_equal(
			relay_start(fiber_loop(), "t", in[0], pair[0], RELAY_SHUTDOWN_SINK, &relay),
			0);
		if (started)
			fiber_yield();
		relay = relay_free(relay);
		assert_int_equal(fiber_read(pair[1], &c, 1, loop_deadline_ms(5000)), 0);
		(void)close(in[1]);
		(void)close(pair[1]);
	}
	return 0;
}

static void freeing_a_running_relay_closes_both_ends(void **state)
{
	(void)state;
	assert_int_equal(fiber_run_main(early_free_main, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(carries_megabytes_in_order_and_half_closes),
		cmocka_unit_test(carries_megabytes_into_a_pipe),
		cmocka_unit_test(a_reader_that_does_not_read_costs_a_bounded_amount),
		cmocka_unit_test(closes_the_sink_after_the_last_byte),
		cmocka_unit_test(a_declared_end_loses_nothing),
		cmocka_unit_test(a_broken_sink_is_told_to_the_source),
		cmocka_unit_test(freeing_a_running_relay_closes_both_ends),
	};

	(void)signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
