/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Waiting for devices: the kernel announces every change in sysfs, and whoever waits looks again
 * then.
 */
#pragma once

#include <stdint.h>

#include "common/err.h"
#include "common/fiber.h"

struct uevents {
	int fd; /* -1 when the kernel gives no such socket (tests) */
	struct loop_source *source;
	struct fiber_cond changed;
	void (*fn)(void *arg); /* called in the loop after a change; may be NULL */
	void *arg;
};

/* Return: 1 when what is waited for is there, 0 when not yet, -errno when it never will be. */
typedef int (*uevent_ready_fn)(void *arg);

int uevents_init(struct uevents *uevents, struct loop *loop) must_check;
void uevents_deinit(struct uevents *uevents);
int uevents_wait(struct uevents *uevents, uevent_ready_fn ready, void *arg,
		 uint64_t deadline_ns) must_check;
