/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Output of a guest console or a daemon: drained at once, the tail kept in a ring, lines handed on.
 * It is not a log file; who wants more than the ring holds listens to the lines.
 */
#include "sandbox/capture.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/fd.h"

/* Work per wake-up is bounded, so that a guest that only prints cannot hold the loop. */
#define READ_MAX 4096
#define LINE_MAX_LEN 1000

struct capture {
	struct loop_source *source;
	int fd;
	capture_line_fn fn;
	void *arg;
	size_t size, head, len; /* of the ring; @head is the oldest byte */
	char line[LINE_MAX_LEN + 1];
	size_t line_len;
	char ring[];
};

static void ring_add(struct capture *cap, const char *data, size_t len)
{
	if (len > cap->size) {
		data += len - cap->size;
		len = cap->size;
	}
	for (size_t i = 0; i < len; i++)
		cap->ring[(cap->head + cap->len + i) % cap->size] = data[i];
	cap->len += len;
	if (cap->len > cap->size) {
		cap->head = (cap->head + cap->len - cap->size) % cap->size;
		cap->len = cap->size;
	}
}

static void line_end(struct capture *cap)
{
	cap->line[cap->line_len] = '\0';
	if (cap->fn && cap->line_len)
		cap->fn(cap->arg, cap->line);
	cap->line_len = 0;
}

static void line_add(struct capture *cap, const char *data, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)data[i];

		if (c == '\n')
			line_end(cap);
		else if (c != '\r' && cap->line_len < LINE_MAX_LEN)
			cap->line[cap->line_len++] = (c < 0x20 && c != '\t') || c == 0x7f ? '?'
											  : (char)c;
	}
}

/* Return: whether more may be there to read. */
static bool read_some(struct capture *cap)
{
	char buf[READ_MAX];
	ssize_t n = read(cap->fd, buf, sizeof(buf));

	if (n > 0) {
		ring_add(cap, buf, (size_t)n);
		line_add(cap, buf, (size_t)n);
		return true;
	}
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	cap->source = loop_source_free(cap->source);
	cap->fd = fd_close(cap->fd);
	line_end(cap);
	return false;
}

static void on_readable(void *arg, unsigned events)
{
	(void)events;
	(void)read_some(arg); /* level triggered: the rest comes with the next round */
}

/**
 * capture_new() - keep what arrives on a descriptor
 * @loop: loop that drains it
 * @fd_consume: pipe, socket or terminal; made non-blocking; closed also on failure
 * @size: bytes to keep
 * @ret: receives the capture
 *
 * Return: 0 or -errno.
 */
int capture_new(struct loop *loop, int fd_consume, size_t size, struct capture **ret)
{
	cleanup_close int fd = fd_consume;
	cleanup_free struct capture *cap = NULL;
	int r;

	cap = calloc(1, sizeof(*cap) + size);
	if (!cap || !size)
		return -ENOMEM;
	cap->size = size;
	r = fd_set_nonblock(fd, true);
	if (r < 0)
		return r;
	r = loop_add_io(loop, fd, LOOP_READ, on_readable, cap, &cap->source);
	if (r < 0)
		return r;
	cap->fd = TAKE_FD(fd);
	*ret = TAKE_PTR(cap);
	return 0;
}

/**
 * capture_free() - stop reading and release
 * @cap: capture or NULL
 *
 * Return: NULL.
 */
struct capture *capture_free(struct capture *cap)
{
	if (!cap)
		return NULL;
	(void)loop_source_free(cap->source);
	if (cap->fd >= 0)
		(void)fd_close(cap->fd);
	free(cap);
	return NULL;
}

/**
 * capture_on_line() - hand on complete lines
 * @cap: capture
 * @fn: gets each line without its end, other control characters replaced by '?'; NULL: nobody any
 * more
 * @arg: its argument
 */
void capture_on_line(struct capture *cap, capture_line_fn fn, void *arg)
{
	cap->fn = fn;
	cap->arg = arg;
}

/**
 * capture_drain() - take what is already there, now
 * @cap: capture
 *
 * For a writer that has just died: its last words may not have come through the loop yet.
 */
void capture_drain(struct capture *cap)
{
	/*
	 * A pipe or socket buffer holds less than this many reads; a writer that still lives cannot
	 * keep us.
	 */
	for (int i = 0; i < 64 && cap->fd >= 0 && read_some(cap); i++)
		;
}

/**
 * capture_copy() - the last bytes
 * @cap: capture; NULL counts as empty
 * @buf: receives at most @len bytes, not terminated
 * @len: size of @buf
 *
 * Return: the number of bytes copied.
 */
size_t capture_copy(const struct capture *cap, char *buf, size_t len)
{
	size_t n = cap ? MIN(len, cap->len) : 0;

	for (size_t i = 0; i < n; i++)
		buf[i] = cap->ring[(cap->head + cap->len - n + i) % cap->size];
	return n;
}

/**
 * capture_last_line() - the last line that is not blank
 * @cap: capture; NULL counts as empty
 * @buf: receives a string, "" when there is none; control characters become '?'
 * @len: size of @buf, at least 1
 */
void capture_last_line(const struct capture *cap, char *buf, size_t len)
{
	char tail[LINE_MAX_LEN];
	size_t end = capture_copy(cap, tail, sizeof(tail));
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
