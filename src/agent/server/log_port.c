/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One peer at a time gets the log as JSON lines; without a peer it goes to the console. A peer that
 * does not read loses lines: the log must not stop the agent.
 */
#include "agent/server/log_port.h"

#include <errno.h>
#include <unistd.h>

#include "agent/core/agent.h"
#include "common/fd.h"
#include "common/log.h"

#define LOG_NAME "kata-agent"

static void on_peer(void *arg, unsigned events)
{
	struct log_port *port = arg;
	char drop[64];
	ssize_t n = read(port->fd, drop, sizeof(drop));

	(void)events;
	if (n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR)))
		return;
	log_init(LOG_NAME, port->console_fd, LOG_FORMAT_PLAIN, port->level);
	port->source = loop_source_free(port->source);
	port->fd = fd_close(port->fd);
}

/**
 * log_port_serve() - write the log to a peer from now on
 * @port: port
 * @agent: agent whose console takes the log again when the peer goes
 * @fd_consume: connection; closed at once while another peer has the log
 */
void log_port_serve(struct log_port *port, const struct agent *agent, int fd_consume)
{
	if (port->fd >= 0 ||
	    loop_add_io(agent->loop, fd_consume, LOOP_READ, on_peer, port, &port->source) < 0) {
		(void)fd_close(fd_consume);
		return;
	}
	port->fd = fd_consume;
	port->console_fd = agent->console_fd;
	port->level = agent->config.log_level;
	log_init(LOG_NAME, port->fd, LOG_FORMAT_JSON, port->level);
}

/**
 * log_port_deinit() - let the peer go; the log goes to the console
 * @port: port; may be done twice
 */
void log_port_deinit(struct log_port *port)
{
	if (port->fd >= 0)
		log_init(LOG_NAME, port->console_fd, LOG_FORMAT_PLAIN, port->level);
	port->source = loop_source_free(port->source);
	port->fd = fd_close(port->fd);
}
