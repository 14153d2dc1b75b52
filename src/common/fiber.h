/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DOC: Fibers
 *
 * A fiber is a stackful coroutine on the event loop: straight-line code that may wait without
 * stalling anybody. Exactly one fiber (or loop callback) runs at a time and it is never preempted:
 * between two waits a fiber may touch any state. Every function named fiber_wait_*, fiber_sleep_*,
 * fiber_read*, fiber_write*, fiber_*_wait, fiber_lock and fiber_join suspends; after it, pointers
 * into shared state must be looked up again or be pinned by a reference.
 *
 * Deadlines are absolute CLOCK_MONOTONIC nanoseconds (loop_deadline_ms()), LOOP_FOREVER means none.
 * A wait returns -ETIMEDOUT when its deadline passes and -ECANCELED when fiber_cancel() was called
 * on the fiber; a cancelled fiber gets -ECANCELED from every later wait too, unless it calls
 * fiber_mask_cancel(true) for its clean-up.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/list.h"
#include "common/loop.h"

struct fiber;

typedef void (*fiber_fn)(void *arg);

/* Waiters of one condition. Zero-cost to keep around; must have no waiters when it is dropped. */
struct fiber_cond {
	struct list waiters;
};

/* Fair lock between fibers; not recursive. */
struct fiber_mutex {
	struct fiber *owner;
	struct fiber_cond cond;
};

/*
 * ret_fiber may be NULL: the fiber then frees itself when it ends. Otherwise the caller must
 * fiber_join() it.
 */
int fiber_spawn(struct loop *loop, const char *name, fiber_fn fn, void *arg,
		struct fiber **ret_fiber) must_check;
struct fiber *fiber_self(void);
struct loop *fiber_loop(void);
void fiber_cancel(struct fiber *fiber);
void fiber_interrupt(struct fiber *fiber);
bool fiber_mask_cancel(bool mask);
int fiber_join(struct fiber *fiber, uint64_t deadline_ns) must_check;
void fiber_yield(void);

int fiber_wait_fd(int fd, unsigned events, uint64_t deadline_ns) must_check;
int fiber_sleep_until(uint64_t deadline_ns);
int fiber_wait_pidfd(int pidfd, uint64_t deadline_ns, int *ret_wstatus) must_check;

void fiber_cond_init(struct fiber_cond *cond);
int fiber_cond_wait(struct fiber_cond *cond, uint64_t deadline_ns) must_check;
void fiber_cond_broadcast(struct fiber_cond *cond);

void fiber_mutex_init(struct fiber_mutex *mutex);
int fiber_lock(struct fiber_mutex *mutex, uint64_t deadline_ns) must_check;
void fiber_unlock(struct fiber_mutex *mutex);

/*
 * On non-blocking descriptors (regular files count as always ready). fiber_read returns 0 at end of
 * file.
 */
ssize_t fiber_read(int fd, void *buf, size_t len, uint64_t deadline_ns) must_check;
int fiber_read_full(int fd, void *buf, size_t len, uint64_t deadline_ns) must_check;
int fiber_write_full(int fd, const void *buf, size_t len, uint64_t deadline_ns) must_check;
int fiber_connect_unix(const char *path, uint64_t deadline_ns) must_check;

void fiber_watch_for_test(void (*fn)(bool begins));

/*
 * Runs @fn as the first fiber of a fresh loop until it returns; for command-line tools. Returns
 * @fn's result.
 */
int fiber_run_main(int (*fn)(void *arg), void *arg) must_check;
