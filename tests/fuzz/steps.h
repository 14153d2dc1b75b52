/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For fuzzers whose input is a list of steps: taking it apart, and what they do between steps.
 */
#pragma once

#include <dirent.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "common/fiber.h"
#include "common/macros.h"

struct input {
	const uint8_t *p;
	size_t left;
};

/* 0 once there is nothing left. */
static inline uint8_t u8(struct input *in)
{
	if (!in->left)
		return 0;
	in->left--;
	return *in->p++;
}

static inline void put(int fd, const void *data, size_t len)
{
	(void)send(fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* As many bytes of the input as its next one says. */
static inline void send_bytes(struct input *in, int fd)
{
	size_t wanted = u8(in), n = MIN(wanted, in->left);

	put(fd, in->p, n);
	in->p += n;
	in->left -= n;
}

/* Lets the other fibers run. */
static inline void turns(unsigned n)
{
	while (n--)
		(void)fiber_sleep_until(loop_deadline_ms(0));
}

static inline unsigned nr_fds(void)
{
	unsigned n = 0;
	DIR *dir = opendir("/proc/self/fd");

	if (!dir)
		abort();
	while (readdir(dir))
		n++;
	(void)closedir(dir);
	return n;
}
