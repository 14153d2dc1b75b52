/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A bounded byte queue whose memory exists only while it holds something. FIFO_NULL is empty.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "common/macros.h"

struct fifo {
	uint8_t *data;
	uint32_t cap, head, len;
};

#define FIFO_NULL ((struct fifo){ 0 })

int fifo_append(struct fifo *fifo, uint32_t cap, const struct iovec *iov, unsigned nr) must_check;
unsigned fifo_peek(const struct fifo *fifo, struct iovec iov[2]);
void fifo_consume(struct fifo *fifo, size_t len);
void fifo_clear(struct fifo *fifo);
