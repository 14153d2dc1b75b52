/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Copies between two sockets in both directions, each direction at the pace of its reader and to
 * its own end. A direction has a buffer only while bytes flow, so an idle pair costs a few pages of
 * fiber stack.
 */
#include "common/relay_pair.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "common/fiber.h"

#define RELAY_PAIR_BUFFER (64UL * 1024)
#define RELAY_PAIR_BURST 16

struct way {
	int from, to;
	int result; /* 0: everything up to the end of @from was copied */
};

/*
 * A reader that has gone may have sent an answer before: the other direction goes on. A socket that
 * cannot be read any more has broken in both directions.
 */
static void end_way(const struct way *way, bool broken)
{
	/* Peers that have gone already need not be told. */
	if (way->result == 0) {
		(void)shutdown(way->to, SHUT_WR);
	} else if (!broken) {
		(void)shutdown(way->from, SHUT_RD);
	} else {
		(void)shutdown(way->from, SHUT_RDWR);
		(void)shutdown(way->to, SHUT_RDWR);
	}
}

/*
 * Copies what is there now, within a bound: a cancellation is seen between the bursts.
 * Return: 1 when the source ran dry or may have more, 0 at its end, or -errno.
 */
static int copy_burst(const struct way *way, char *buf, bool *ret_broken)
{
	for (int i = 0; i < RELAY_PAIR_BURST; i++) {
		ssize_t n = recv(way->from, buf, RELAY_PAIR_BUFFER, MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return 1;
		if (n <= 0) {
			*ret_broken = n < 0;
			return n < 0 ? -errno : 0;
		}
		int r = fiber_write_full(way->to, buf, (size_t)n, LOOP_FOREVER);
		if (r < 0)
			return r;
		fiber_yield(); /* a source that never runs dry must not starve the rest */
	}
	return 1;
}

static void copy(void *arg)
{
	struct way *way = arg;
	bool broken = false;
	int r;

	do {
		r = fiber_wait_fd(way->from, LOOP_READ, LOOP_FOREVER);
		char *buf = r < 0 ? NULL : malloc(RELAY_PAIR_BUFFER);
		if (r >= 0)
			r = buf ? copy_burst(way, buf, &broken) : -ENOMEM;
		free(buf);
	} while (r > 0);
	way->result = r;
	end_way(way, broken || r == -ECANCELED || r == -ENOMEM);
}

/**
 * relay_pair() - carry bytes between two sockets
 * @name: of the second direction's fiber, for debugging
 * @a: one
 * @b: the other
 *
 * What one side ends, ends for the other side; then the other direction goes on. A cancellation of
 * the calling fiber ends both directions.
 *
 * Return: 0 when both directions have ended with everything copied, or -errno.
 */
int relay_pair(const char *name, int a, int b)
{
	struct way there = { .from = a, .to = b }, back = { .from = b, .to = a };
	struct fiber *fiber;
	int r = fiber_spawn(fiber_loop(), name, copy, &back, &fiber);

	if (r < 0)
		return r;
	copy(&there);
	r = fiber_join(fiber, LOOP_FOREVER);
	if (r < 0) {
		bool mask = fiber_mask_cancel(true);

		fiber_cancel(fiber);
		/* Every wait of it ends at once now. */
		(void)fiber_join(fiber, LOOP_FOREVER);
		(void)fiber_mask_cancel(mask);
		return r;
	}
	return there.result < 0 ? there.result : back.result;
}
