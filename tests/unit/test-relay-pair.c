/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unit tests of one connection made of two sockets: both directions, their ends, and what becomes
 * of an answer to a request that was not read to its end.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/fiber.h"
#include "common/relay_pair.h"

#define BIG (3UL << 20)

/* client <-> near | relay_pair() | far <-> server */
struct world {
	int client, near, far, server, result;
	bool ended;
	struct fiber *fiber;
};

static void carry_main(void *arg)
{
	struct world *w = arg;

	w->result = relay_pair("back", w->near, w->far);
	w->ended = true;
}

static void world_open(struct world *w)
{
	const int type = SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK;
	int pair[2];

	*w = (struct world){ .result = 1 };
	assert_int_equal(socketpair(AF_UNIX, type, 0, pair), 0);
	w->client = pair[0];
	w->near = pair[1];
	assert_int_equal(socketpair(AF_UNIX, type, 0, pair), 0);
	w->far = pair[0];
	w->server = pair[1];
	assert_int_equal(fiber_spawn(fiber_loop(), "carry", carry_main, w, &w->fiber), 0);
}

/* Waits for the end of the relay; it must have left both sockets to their owner. */
static int world_close(struct world *w)
{
	assert_int_equal(fiber_join(w->fiber, loop_deadline_ms(10000)), 0);
	assert_int_equal(close(w->near), 0);
	assert_int_equal(close(w->far), 0);
	(void)fd_close(w->client);
	(void)fd_close(w->server);
	return w->result;
}

static unsigned char pattern(size_t i)
{
	return (unsigned char)(i * 31 + (i >> 11));
}

/* Sends BIG bytes and ends this direction. */
static void feeder(void *arg)
{
	const int *fd = arg;
	unsigned char *data = malloc(BIG);

	assert_non_null(data);
	for (size_t i = 0; i < BIG; i++)
		data[i] = pattern(i);
	assert_int_equal(fiber_write_full(*fd, data, BIG, LOOP_FOREVER), 0);
	free(data);
	assert_int_equal(shutdown(*fd, SHUT_WR), 0);
}

static void read_pattern(int fd)
{
	unsigned char buf[10000];
	size_t done = 0;
	ssize_t n;

	while ((n = fiber_read(fd, buf, sizeof(buf), loop_deadline_ms(10000))) > 0)
		for (ssize_t i = 0; i < n; i++, done++)
			if (buf[i] != pattern(done))
				fail_msg("byte %zu differs", done);
	assert_int_equal(n, 0);
	assert_int_equal(done, BIG);
}

static void assert_reads(int fd, const char *want)
{
	char buf[16] = "";
	ssize_t n = fiber_read(fd, buf, sizeof(buf) - 1, loop_deadline_ms(10000));

	assert_int_equal(n, strlen(want));
	assert_string_equal(buf, want);
}

static int both_ways_main(void *arg)
{
	struct world w;

	(void)arg;
	world_open(&w);
	assert_int_equal(fiber_spawn(fiber_loop(), "feeder", feeder, &w.client, NULL), 0);
	read_pattern(w.server);
	/* The other direction goes on. */
	assert_false(w.ended);
	assert_int_equal(fiber_spawn(fiber_loop(), "feeder", feeder, &w.server, NULL), 0);
	read_pattern(w.client);
	assert_int_equal(world_close(&w), 0);
	return 0;
}

static void both_directions_are_carried_to_their_own_end(void **state)
{
	(void)state;
	assert_int_equal(fiber_run_main(both_ways_main, NULL), 0);
}

static int early_answer_main(void *arg)
{
	struct world w;
	char c;

	(void)arg;
	world_open(&w);
	/* The server answers and goes; then the client's next words find nobody. */
	assert_int_equal(shutdown(w.server, SHUT_RD), 0);
	assert_int_equal(write(w.client, "more", 4), 4);
	fiber_yield();
	fiber_yield();
	assert_int_equal(write(w.server, "answer", 6), 6);
	w.server = fd_close(w.server);
	assert_reads(w.client, "answer");
	assert_int_equal(fiber_read(w.client, &c, 1, loop_deadline_ms(10000)), 0);
	/* The client learns that nobody reads, as it would without a relay. */
	assert_int_equal(write(w.client, "x", 1), -1);
	assert_int_equal(errno, EPIPE);
	assert_int_equal(world_close(&w), -EPIPE);
	return 0;
}

static void an_answer_arrives_although_nobody_reads_the_request(void **state)
{
	(void)state;
	assert_int_equal(fiber_run_main(early_answer_main, NULL), 0);
}

static int reset_main(void *arg)
{
	struct world w;
	char c;

	(void)arg;
	world_open(&w);
	/* A unix socket that is closed with unread bytes in it resets its peer; see unix(7). */
	assert_int_equal(write(w.near, "unread", 6), 6);
	w.client = fd_close(w.client);
	assert_int_equal(fiber_read(w.server, &c, 1, loop_deadline_ms(10000)), 0);
	assert_int_equal(write(w.server, "x", 1), -1);
	assert_int_equal(errno, EPIPE);
	assert_int_equal(world_close(&w), -ECONNRESET);
	return 0;
}

static void a_reset_ends_both_directions(void **state)
{
	(void)state;
	assert_int_equal(fiber_run_main(reset_main, NULL), 0);
}

static int cancel_main(void *arg)
{
	struct world w;
	char c;

	(void)arg;
	for (int started = 0; started < 2; started++) {
		world_open(&w);
		if (started) {
			assert_int_equal(write(w.client, "hello", 5), 5);
			assert_reads(w.server, "hello");
		}
		fiber_cancel(w.fiber);
		assert_int_equal(fiber_read(w.client, &c, 1, loop_deadline_ms(10000)), 0);
		assert_int_equal(fiber_read(w.server, &c, 1, loop_deadline_ms(10000)), 0);
		assert_int_equal(world_close(&w), -ECANCELED);
	}
	return 0;
}

static void a_cancelled_pair_ends_both_directions(void **state)
{
	(void)state;
	assert_int_equal(fiber_run_main(cancel_main, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_directions_are_carried_to_their_own_end),
		cmocka_unit_test(an_answer_arrives_although_nobody_reads_the_request),
		cmocka_unit_test(a_reset_ends_both_directions),
		cmocka_unit_test(a_cancelled_pair_ends_both_directions),
	};

	(void)signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
