/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Feeds the ring what a hostile guest may write to its console. The first byte chooses the size of
 * the ring, the second how the rest is cut into writes.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sandbox/hypervisor/output_ring.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Nothing that a terminal would obey gets out. */
static void check_text(const char *text)
{
	for (; *text; text++)
		if (((unsigned char)*text < 0x20 && *text != '\t') || *text == 0x7f)
			abort();
}

static void on_line(void *arg, const char *line)
{
	(void)arg;
	check_text(line);
}

static void look(const struct output_ring *ring, size_t size)
{
	char all[600], last[40];

	if (output_ring_copy(ring, all, sizeof(all)) > size)
		abort();
	output_ring_last_line(ring, last, sizeof(last));
	for (const char *p = last; *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct loop *loop;
	struct output_ring *ring;
	int pair[2];

	if ((!loop && loop_new(&loop) < 0) || size < 2 ||
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0)
		return 0;
	size_t ring_size = 1 + 2 * (size_t)data[0], step = 1 + 8 * (size_t)data[1];
	if (output_ring_new(loop, pair[0], ring_size, &ring) < 0)
		abort();
	look(NULL, 0);
	output_ring_on_line(ring, on_line, NULL);
	for (size_t at = 2; at < size; at += step) {
		if (write(pair[1], data + at, MIN(step, size - at)) < 0)
			break;
		output_ring_drain(ring);
		look(ring, ring_size);
	}
	(void)close(pair[1]);
	output_ring_drain(ring);
	look(ring, ring_size);
	(void)output_ring_free(ring);
	return 0;
}
