/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Direct streams: connections the host opened for the stdio of a process it is about to ask for.
 * They wait here, found by the host's port, until CreateContainer or ExecProcess names that port.
 */
#pragma once

#include <stdint.h>

#include "common/fiber.h"
#include "common/list.h"

/* Connections nobody has asked for; when there are more the oldest is closed. */
#define STREAMS_PARKED_MAX 512

struct streams {
	struct list parked; /* struct parked_stream.node, oldest first */
	size_t nr_parked;
	struct fiber_cond arrived;
	struct list relays; /* struct stdio_relay.node */
};

void streams_init(struct streams *streams);
void streams_deinit(struct streams *streams);
int streams_park(struct streams *streams, int fd_consume, uint32_t port) must_check;
/* In a fiber: the connection may arrive after the request that names it. */
int streams_take(struct streams *streams, uint32_t port, uint64_t deadline_ns) must_check;
