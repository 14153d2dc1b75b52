/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Output of a guest console or a daemon: drained at once, the tail kept in a ring, lines handed on.
 * It is not a log file; who wants more than the ring holds listens to the lines.
 */
#include "sandbox/hypervisor/output_ring.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/fd.h"

/* Work per wake-up is bounded, so that a guest that only prints cannot hold the loop. */
#define READ_MAX 4096
#define LINE_MAX_LEN 1000

struct output_ring {
	struct loop_source *source;
	int fd;
	output_ring_line_fn fn;
	void *arg;
	size_t size, head, len; /* of the ring; @head is the oldest byte */
	char line[LINE_MAX_LEN + 1];
	size_t line_len;
	char ring[];
};

static void ring_add(struct output_ring *ring, const char *data, size_t len)
{
	if (len > ring->size) {
		data += len - ring->size;
		len = ring->size;
	}
	for (size_t i = 0; i < len; i++)
		ring->ring[(ring->head + ring->len + i) % ring->size] = data[i];
	ring->len += len;
	if (ring->len > ring->size) {
		ring->head = (ring->head + ring->len - ring->size) % ring->size;
		ring->len = ring->size;
	}
}

static void line_end(struct output_ring *ring)
{
	ring->line[ring->line_len] = '\0';
	if (ring->fn && ring->line_len)
		ring->fn(ring->arg, ring->line);
	ring->line_len = 0;
}

static void line_add(struct output_ring *ring, const char *data, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)data[i];

		if (c == '\n')
			line_end(ring);
		else if (c != '\r' && ring->line_len < LINE_MAX_LEN)
			ring->line[ring->line_len++] =
				(c < 0x20 && c != '\t') || c == 0x7f ? '?' : (char)c;
	}
}

/* Return: whether more may be there to read. */
static bool read_some(struct output_ring *ring)
{
	char buf[READ_MAX];
	ssize_t n = read(ring->fd, buf, sizeof(buf));

	if (n > 0) {
		ring_add(ring, buf, (size_t)n);
		line_add(ring, buf, (size_t)n);
		return true;
	}
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	ring->source = loop_source_free(ring->source);
	ring->fd = fd_close(ring->fd);
	line_end(ring);
	return false;
}

static void on_readable(void *arg, unsigned events)
{
	(void)events;
	(void)read_some(arg); /* level triggered: the rest comes with the next round */
}

/**
 * output_ring_new() - keep what arrives on a descriptor
 * @loop: loop that drains it
 * @fd_consume: pipe, socket or terminal; made non-blocking; closed also on failure
 * @size: bytes to keep
 * @ret: receives the output ring
 *
 * Return: 0 or -errno.
 */
int output_ring_new(struct loop *loop, int fd_consume, size_t size, struct output_ring **ret)
{
	cleanup_close int fd = fd_consume;
	cleanup_free struct output_ring *ring = NULL;
	int r;

	ring = calloc(1, sizeof(*ring) + size);
	if (!ring || !size)
		return -ENOMEM;
	ring->size = size;
	r = fd_set_nonblock(fd, true);
	if (r < 0)
		return r;
	r = loop_add_io(loop, fd, LOOP_READ, on_readable, ring, &ring->source);
	if (r < 0)
		return r;
	ring->fd = TAKE_FD(fd);
	*ret = TAKE_PTR(ring);
	return 0;
}

/**
 * output_ring_free() - stop reading and release
 * @ring: output ring or NULL
 *
 * Return: NULL.
 */
struct output_ring *output_ring_free(struct output_ring *ring)
{
	if (!ring)
		return NULL;
	(void)loop_source_free(ring->source);
	if (ring->fd >= 0)
		(void)fd_close(ring->fd);
	free(ring);
	return NULL;
}

/**
 * output_ring_on_line() - hand on complete lines
 * @ring: output ring
 * @fn: gets each line without its end, other control characters replaced by '?'; NULL: nobody any
 * more
 * @arg: its argument
 */
void output_ring_on_line(struct output_ring *ring, output_ring_line_fn fn, void *arg)
{
	ring->fn = fn;
	ring->arg = arg;
}

/**
 * output_ring_drain() - take what is already there, now
 * @ring: output ring
 *
 * For a writer that has just died: its last words may not have come through the loop yet.
 */
void output_ring_drain(struct output_ring *ring)
{
	/*
	 * A pipe or socket buffer holds less than this many reads; a writer that still lives cannot
	 * keep us.
	 */
	for (int i = 0; i < 64 && ring->fd >= 0 && read_some(ring); i++)
		;
}

/**
 * output_ring_copy() - the last bytes
 * @ring: output ring; NULL counts as empty
 * @buf: receives at most @len bytes, not terminated
 * @len: size of @buf
 *
 * Return: the number of bytes copied.
 */
size_t output_ring_copy(const struct output_ring *ring, char *buf, size_t len)
{
	size_t n = ring ? MIN(len, ring->len) : 0;

	for (size_t i = 0; i < n; i++)
		buf[i] = ring->ring[(ring->head + ring->len - n + i) % ring->size];
	return n;
}

/**
 * output_ring_last_line() - the last line that is not blank
 * @ring: output ring; NULL counts as empty
 * @buf: receives a string, "" when there is none; control characters become '?'
 * @len: size of @buf, at least 1
 */
void output_ring_last_line(const struct output_ring *ring, char *buf, size_t len)
{
	char tail[LINE_MAX_LEN];
	size_t end = output_ring_copy(ring, tail, sizeof(tail));
	size_t begin, n = 0;

	while (end && (unsigned char)tail[end - 1] <= ' ')
		end--;
	for (begin = end; begin && tail[begin - 1] != '\n'; begin--)
		;
	for (; begin < end && n + 1 < len; begin++)
		if (tail[begin] != '\r')
			buf[n++] = (unsigned char)tail[begin] < 0x20 || tail[begin] == 0x7f
					   ? '?'
					   : tail[begin];
	buf[n] = '\0';
}
