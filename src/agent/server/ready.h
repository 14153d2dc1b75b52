/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Telling the host that the agent listens.
 */
#pragma once

/* The virtio-serial port that gets the line, if there is one of this name. */
#define READY_PORT "agent.ready"
#define READY_LINE "kata-agent: ready\n"

struct agent;

void ready_announce(struct agent *agent);
