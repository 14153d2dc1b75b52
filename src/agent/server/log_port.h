/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The log as a stream to the host, on the vsock port agent.log_vport names.
 */
#pragma once

#include "common/log.h"

struct agent;
struct loop_source;

struct log_port {
	int fd; /* the peer, -1: none */
	struct loop_source *source;
	int console_fd; /* where the log goes without a peer, borrowed */
	enum log_level level;
};

#define LOG_PORT_NULL ((struct log_port){ .fd = -1 })

void log_port_serve(struct log_port *port, const struct agent *agent, int fd_consume);
void log_port_deinit(struct log_port *port);
