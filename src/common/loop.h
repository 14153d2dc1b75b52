/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Event loop: one per process, one thread, over libevent. Sources are owned by the struct that
 * needs them and end with it, before their fd closes. A callback may remove any source, its own
 * included. Code that is a sequence of steps does not use these callbacks but runs in a fiber
 * (common/fiber.h).
 */
#pragma once

#include <stdint.h>
#include <time.h>

#include "common/macros.h"

struct loop;
struct loop_source;

enum loop_events { LOOP_READ = 1, LOOP_WRITE = 2 };

typedef void (*loop_io_fn)(void *arg, unsigned events);
typedef void (*loop_fn)(void *arg);

/* No deadline. */
#define LOOP_FOREVER UINT64_MAX

int loop_new(struct loop **ret) must_check;
struct loop *loop_free(struct loop *loop);
int loop_run(struct loop *loop) must_check;
void loop_exit(struct loop *loop, int code);
int64_t loop_clock_ns(clockid_t id);
uint64_t loop_now_ns(void);
uint64_t loop_deadline_ms(uint64_t ms);

int loop_add_io(struct loop *loop, int fd, unsigned events, loop_io_fn fn, void *arg,
		struct loop_source **ret) must_check;
int loop_io_set_events(struct loop_source *src, unsigned events) must_check;
int loop_add_timer(struct loop *loop, uint64_t deadline_ns, loop_fn fn, void *arg,
		   struct loop_source **ret) must_check;
int loop_timer_set(struct loop_source *src, uint64_t deadline_ns) must_check;
int loop_add_signal(struct loop *loop, int signo, loop_fn fn, void *arg,
		    struct loop_source **ret) must_check;
int loop_add_trigger(struct loop *loop, loop_fn fn, void *arg, struct loop_source **ret) must_check;
void loop_trigger(struct loop_source *src);
struct loop_source *loop_source_free(struct loop_source *src);
DEFINE_CLEANUP(struct loop_source, loop_source_free)
