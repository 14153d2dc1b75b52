/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Carries bytes between a process's pipe or terminal and the host's connection. A relay is on its
 * own once started: it outlives the container, until everything has been delivered or one side has
 * gone.
 */
#pragma once

#include "agent/stream/streams.h"
#include "common/macros.h"

struct stdio_relay;

enum stdio_direction {
	STDIO_IN, /* connection -> process; its end closes the process's input */
	/* process -> connection; its end shuts the connection down after the last byte */
	STDIO_OUT,
};

int stdio_relay_start(struct streams *streams, struct loop *loop, enum stdio_direction direction,
		      int conn_consume, int local_consume, struct stdio_relay **ret) must_check;
/* The terminal's two directions end together: when @out has delivered all, @in stops. */
void stdio_relay_link(struct stdio_relay *out, struct stdio_relay *in);
void stdio_relay_cancel_all(struct streams *streams);
