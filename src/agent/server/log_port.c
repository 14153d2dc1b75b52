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

static struct {
	int fd; /* the peer, -1: none */
	struct loop_source *source;
} peer = { .fd = -1 }; /* the log is the process's */

static void on_peer(void *arg, unsigned events)
{
	struct agent *agent = arg;
	char drop[64];
	ssize_t n = read(peer.fd, drop, sizeof(drop));

	(void)events;
	if (n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR)))
		return;
	log_init(LOG_NAME, agent->console_fd, LOG_FORMAT_PLAIN, agent->config.log_level);
	peer.source = loop_source_free(peer.source);
	peer.fd = fd_close(peer.fd);
}

static void on_connection(void *arg, int fd_consume, uint32_t port)
{
	struct agent *agent = arg;

	(void)port;
	if (peer.fd >= 0 ||
	    loop_add_io(agent->loop, fd_consume, LOOP_READ, on_peer, agent, &peer.source) < 0) {
		(void)fd_close(fd_consume);
		return;
	}
	peer.fd = fd_consume;
	log_init(LOG_NAME, peer.fd, LOG_FORMAT_JSON, agent->config.log_level);
}

/**
 * log_port_open() - listen on agent.log_vport
 * @agent: agent
 * @err: filled on failure
 *
 * Return: 0 or -errno.
 */
int log_port_open(struct agent *agent, struct err *err)
{
	struct agent_addr addr = { .type = AGENT_ADDR_VSOCK, .port = agent->config.log_vport };

	return agent_listen(agent, &addr, on_connection, err);
}
