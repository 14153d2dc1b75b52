/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes on their way to a slow reader. Who may put how much into it is decided by the credit of its
 * connection.
 */
#include "proxy/vsock/fifo.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void append_piece(struct fifo *fifo, const uint8_t *from, size_t len)
{
	while (len) {
		uint32_t tail = (uint32_t)(((uint64_t)fifo->head + fifo->len) % fifo->cap);
		size_t n = MIN(len, (size_t)(fifo->cap - tail));

		memcpy(fifo->data + tail, from, n);
		fifo->len += (uint32_t)n;
		from += n;
		len -= n;
	}
}

/**
 * fifo_append() - copy bytes to the end
 * @fifo: queue
 * @cap: its bound, the same in every call until it is empty again
 * @iov: bytes
 * @nr: number of pieces
 *
 * Return: 0, -ENOBUFS when they do not fit, -ENOMEM. All or nothing.
 */
int fifo_append(struct fifo *fifo, uint32_t cap, const struct iovec *iov, unsigned nr)
{
	size_t total = 0;

	for (unsigned i = 0; i < nr; i++)
		total += iov[i].iov_len;
	if (!total)
		return 0;
	if (!fifo->data) {
		if (total > cap)
			return -ENOBUFS;
		fifo->data = malloc(cap);
		if (!fifo->data)
			return -ENOMEM;
		fifo->cap = cap;
		fifo->head = fifo->len = 0;
	}
	if (total > fifo->cap - fifo->len)
		return -ENOBUFS;
	for (unsigned i = 0; i < nr; i++)
		append_piece(fifo, iov[i].iov_base, iov[i].iov_len);
	return 0;
}

/**
 * fifo_peek() - the bytes at the front
 * @fifo: queue
 * @iov: receives them, in order
 *
 * Return: number of pieces, 0 when the queue is empty.
 */
unsigned fifo_peek(const struct fifo *fifo, struct iovec iov[2])
{
	if (!fifo->len)
		return 0;
	uint32_t first = MIN(fifo->len, fifo->cap - fifo->head);
	iov[0] = (struct iovec){ .iov_base = fifo->data + fifo->head, .iov_len = first };
	if (first == fifo->len)
		return 1;
	iov[1] = (struct iovec){ .iov_base = fifo->data, .iov_len = fifo->len - first };
	return 2;
}

/**
 * fifo_consume() - drop bytes from the front
 * @fifo: queue
 * @len: at most what it holds
 */
void fifo_consume(struct fifo *fifo, size_t len)
{
	if (len >= fifo->len) {
		fifo_clear(fifo);
		return;
	}
	fifo->head = (uint32_t)((fifo->head + len) % fifo->cap);
	fifo->len -= (uint32_t)len;
}

/**
 * fifo_clear() - drop everything and the memory
 * @fifo: queue
 */
void fifo_clear(struct fifo *fifo)
{
	free(fifo->data);
	*fifo = FIFO_NULL;
}
