/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Telling the host that the agent listens.
 */
#pragma once

#include "agent/device/uevent.h"
#include "kata/guest.h"

/* The virtio-serial port that gets the line, if there is one of this name. */
#define READY_PORT "agent.ready"
#define READY_LINE KATA_READY_LINE "\n"

struct agent;
struct loop_source;

struct ready {
	struct agent *agent;
	int fd; /* of the virtio-serial port, -1: not there (yet) */
	struct loop_source *source;
	struct uevent_listener listener; /* until the port is there */
};

#define READY_NULL ((struct ready){ .fd = -1 })

void ready_announce(struct ready *ready, struct agent *agent);
void ready_deinit(struct ready *ready);
