/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Listening sockets of the agent, on vsock or, for tests, on unix sockets.
 */
#pragma once

#include <stdint.h>

#include "agent/util/cmdline.h"
#include "common/loop.h"

/* Takes the non-blocking connection over. @peer_port is how the dialler knows it. */
typedef void (*listener_fn)(void *arg, int fd_consume, uint32_t peer_port);

struct listener {
	int fd;
	struct loop_source *source;
	listener_fn fn;
	void *arg;
};

#define LISTENER_NULL ((struct listener){ .fd = -1 })

int listener_open(struct listener *listener, struct loop *loop, const struct agent_addr *addr,
		  listener_fn fn, void *arg) must_check;
void listener_close(struct listener *listener);
