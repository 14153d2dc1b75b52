/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keeps the last bytes that arrive on a descriptor: the guest console, the stderr of a daemon.
 * Bounded, and drained all the time so that the writer never blocks.
 */
#pragma once

#include <stddef.h>

#include "common/loop.h"
#include "common/macros.h"

struct output_ring;

/* Gets complete lines (without the newline, control characters replaced) as they arrive. */
typedef void (*output_ring_line_fn)(void *arg, const char *line);

int output_ring_new(struct loop *loop, int fd_consume, size_t size,
		    struct output_ring **ret) must_check;
struct output_ring *output_ring_free(struct output_ring *ring);
void output_ring_on_line(struct output_ring *ring, output_ring_line_fn fn, void *arg);
void output_ring_drain(struct output_ring *ring);
size_t output_ring_copy(const struct output_ring *ring, char *buf, size_t len);
void output_ring_last_line(const struct output_ring *ring, char *buf, size_t len);
