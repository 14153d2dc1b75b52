/* SPDX-License-Identifier: Apache-2.0 */
#include "feed-fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <unistd.h>

#include "common/fiber.h"

unsigned char feed_byte(size_t i)
{
	return (unsigned char)(i * 31 + (i >> 11));
}

void feeder(void *arg)
{
	struct feed *feed = arg;
	unsigned char *data = malloc(feed->len);

	assert_non_null(data);
	for (size_t i = 0; i < feed->len; i++)
		data[i] = feed_byte(i);
	assert_int_equal(fiber_write_full(feed->fd, data, feed->len, LOOP_FOREVER), 0);
	free(data);
	(void)close(feed->fd);
}

void read_pattern(int fd, size_t len)
{
	unsigned char buf[10000];
	size_t done = 0;
	ssize_t n;

	while ((n = fiber_read(fd, buf, sizeof(buf), loop_deadline_ms(10000))) > 0)
		for (ssize_t i = 0; i < n; i++, done++)
			if (buf[i] != feed_byte(done))
				fail_msg("byte %zu differs", done);
	assert_int_equal(n, 0);
	assert_int_equal(done, len);
}
