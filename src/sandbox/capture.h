/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keeps the last bytes that arrive on a descriptor: the guest console, the stderr of a daemon.
 * Bounded, and drained all the time so that the writer never blocks.
 */
#pragma once

#include <stddef.h>

#include "common/loop.h"
#include "common/macros.h"

struct capture;

/* Gets complete lines (without the newline, control characters replaced) as they arrive. */
typedef void (*capture_line_fn)(void *arg, const char *line);

int capture_new(struct loop *loop, int fd_consume, size_t size, struct capture **ret) must_check;
struct capture *capture_free(struct capture *cap);
void capture_on_line(struct capture *cap, capture_line_fn fn, void *arg);
void capture_drain(struct capture *cap);
size_t capture_copy(const struct capture *cap, char *buf, size_t len);
void capture_last_line(const struct capture *cap, char *buf, size_t len);
