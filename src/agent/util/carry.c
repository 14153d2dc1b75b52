/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes both ways, each way at the pace of its reader and to its own end.
 */
#include "agent/util/carry.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "common/fiber.h"

#define CARRY_BUFFER (16UL * 1024)

struct way {
	int from, to;
};

static void copy(void *arg)
{
	const struct way *way = arg;
	cleanup_free char *buf = malloc(CARRY_BUFFER);
	ssize_t n = buf ? 1 : -ENOMEM;
	int r = 0;

	while (n > 0 && r >= 0) {
		n = fiber_read(way->from, buf, CARRY_BUFFER, LOOP_FOREVER);
		if (n > 0)
			r = fiber_write_full(way->to, buf, (size_t)n, LOOP_FOREVER);
	}
	/* After an error nothing can follow in the other direction either. */
	(void)shutdown(way->to, n == 0 ? SHUT_WR : SHUT_RDWR);
	if (n != 0)
		(void)shutdown(way->from, SHUT_RDWR);
}

/**
 * carry() - carry bytes between two sockets
 * @a: one
 * @b: the other
 *
 * What one side ends, ends for the other side; then the other direction goes on.
 *
 * Return: 0 when both directions have ended, or -errno.
 */
int carry(int a, int b)
{
	struct way there = { a, b }, back = { b, a };
	struct fiber *fiber;
	int r = fiber_spawn(fiber_loop(), "carry back", copy, &back, &fiber);

	if (r < 0)
		return r;
	copy(&there);
	return fiber_join(fiber, LOOP_FOREVER);
}
