/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Listening sockets of the agent, on vsock or, for tests, on unix sockets.
 */
#pragma once

#include <stdint.h>

#include "agent/util/cmdline.h"
#include "common/list.h"
#include "common/loop.h"
#include "kata/guest.h"

/* Takes the non-blocking connection over. @peer_port is how the dialler knows it. */
typedef void (*listener_fn)(void *arg, int fd_consume, uint32_t peer_port);

struct listener {
	struct loop *loop;
	int fd;
	struct loop_source *source;
	listener_fn fn;
	void *arg;
	const struct kata_secret *secret; /* who dials must know it; NULL: there is none */
	struct list strangers;		  /* have not said it yet, the oldest first */
	size_t nr_strangers;
};

#define LISTENER_NULL ((struct listener){ .fd = -1 })

int listener_open(struct listener *listener, struct loop *loop, const struct agent_addr *addr,
		  const struct kata_secret *secret, listener_fn fn, void *arg) must_check;
void listener_close(struct listener *listener);
