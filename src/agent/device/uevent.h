/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Waiting for devices: the kernel announces every change in sysfs, and whoever waits looks again
 * then.
 */
#pragma once

#include <stdint.h>

#include "common/err.h"
#include "common/fiber.h"
#include "common/list.h"

struct uevents {
	int fd; /* -1 when the kernel gives no such socket (tests) */
	struct loop_source *source;
	struct fiber_cond changed;
	struct list listeners;
};

/* Is called in the loop after a change, and may stop listening then. */
struct uevent_listener {
	struct list node;
	void (*fn)(void *arg);
	void *arg;
};

/* Return: 1 when what is waited for is there, 0 when not yet, -errno when it never will be. */
typedef int (*uevent_ready_fn)(void *arg);

int uevents_init(struct uevents *uevents, struct loop *loop) must_check;
void uevents_deinit(struct uevents *uevents);
void uevents_listen(struct uevents *uevents, struct uevent_listener *listener,
		    void (*fn)(void *arg), void *arg);
void uevents_unlisten(struct uevent_listener *listener); /* may be done twice, or never listened */
int uevents_wait(struct uevents *uevents, uevent_ready_fn ready, void *arg,
		 uint64_t deadline_ns) must_check;
