/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Relay: copies bytes from one descriptor to another in a fiber of its own, until the source ends
 * or the sink breaks. Back-pressure is inherent: nothing is read before the last piece has been
 * written.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/fiber.h"

struct relay;

enum relay_end {
	RELAY_CLOSE_SINK, /* at the source's end the sink is closed: host pipes */
	/* at the source's end the sink's sending half is shut down: guest streams */
	RELAY_SHUTDOWN_SINK,
};

/*
 * One end of a relay. Descriptors that others share with us must not become non-blocking, so they
 * are opened anew where that works and otherwise guarded by polling.
 */
int relay_prepare_fd(int fd_consume, bool for_writing) must_check;

int relay_start(struct loop *loop, const char *name, int source_consume, int sink_consume,
		enum relay_end end, struct relay **ret) must_check;
/* In a fiber: waits until everything has been copied. */
int relay_wait(struct relay *relay, uint64_t deadline_ns) must_check;
/* Ends it now if it still runs; with a NULL @relay nothing happens. */
struct relay *relay_free(struct relay *relay);
/* The source counts as ended once it runs dry, although its writer keeps it open. */
void relay_end_source(struct relay *relay);
uint64_t relay_bytes(const struct relay *relay);
