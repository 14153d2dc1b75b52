/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes that tell their own place, for tests of streams: written by a fiber, checked by the reader.
 */
#pragma once

#include <stddef.h>

struct feed {
	int fd;
	size_t len;
};

unsigned char feed_byte(size_t i);
/* A fiber: writes all of @arg, a struct feed, and closes. */
void feeder(void *arg);
/* In a fiber. Fails the test unless @len bytes come and then the end. */
void read_pattern(int fd, size_t len);
