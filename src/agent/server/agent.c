/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DOC: Theory of operation
 *
 * One thread, one loop. The RPC server runs every request in a fiber of its own (rpc/ttrpc/rpc.h); the
 * handlers are listed in service.c. What they share is struct agent: the sandbox, its containers,
 * the connections that wait to become streams. A container is changed under its own lock only;
 * signals, statistics and waiting take none, so a kill never queues behind what it is to end. What
 * the kernel does for a container is in src/agent/container/, which knows nothing of RPC.
 */
#include "agent/core/agent.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "agent/server/debug_console.h"
#include "agent/server/dns_port.h"
#include "agent/server/forward_port.h"
#include "agent/server/log_port.h"
#include "agent/sandbox/oom.h"
#include "agent/server/ready.h"
#include "agent/rpc/service.h"
#include "agent/storage/socket_port.h"
#include "agent/stream/stdio_relay.h"
#include "common/fd.h"
#include "common/log.h"
#include "kata/guest.h"

/* How long the peers have to read their last answers. */
#define AGENT_END_MS 1000

static void on_end(void *arg)
{
	struct agent *agent = arg;

	loop_exit(agent->loop, 0);
}

/**
 * agent_end() - leave the loop once the peers have gone, or soon
 * @agent: agent whose sandbox has been destroyed
 */
void agent_end(struct agent *agent)
{
	if (loop_add_timer(agent->loop, loop_deadline_ms(AGENT_END_MS), on_end, agent,
			   &agent->end_timer) < 0)
		on_end(agent);
}

static void on_rpc_connection(void *arg, int fd_consume, uint32_t port)
{
	struct agent *agent = arg;
	int r = rpc_server_add_connection(agent->server, fd_consume);

	(void)port;
	if (r < 0)
		log_warn_errno(r, "connection dropped");
	else
		agent->nr_conns++;
}

static void on_rpc_disconnect(void *arg, struct rpc_conn *conn)
{
	struct agent *agent = arg;

	(void)conn;
	agent->nr_conns--;
	if (agent->ending && agent->end_timer && !agent->nr_conns)
		on_end(agent);
}

static void on_stream_connection(void *arg, int fd_consume, uint32_t port)
{
	struct agent *agent = arg;
	int r = agent->ending ? -ESHUTDOWN : streams_park(&agent->streams, fd_consume, port);

	if (r == -ESHUTDOWN)
		(void)fd_close(fd_consume);
	else if (r < 0)
		log_warn_errno(r, "stream dropped");
}

/**
 * agent_listen() - one more listening socket
 * @agent: agent
 * @addr: where
 * @fn: called with the agent for every connection
 * @err: filled on failure
 *
 * Return: 0 or -errno.
 */
int agent_listen(struct agent *agent, const struct agent_addr *addr, listener_fn fn,
		 struct err *err)
{
	int r = agent->nr_listeners == AGENT_LISTENERS_MAX ? -ENOSPC : 0;

	if (r >= 0)
		r = listener_open(&agent->listeners[agent->nr_listeners], agent->loop, addr, fn,
				  agent);
	if (r < 0 && addr->type == AGENT_ADDR_UNIX)
		return err_set_errno(err, r, "listen on %s", addr->path);
	if (r < 0)
		return err_set_errno(err, r, "listen on vsock port %u", addr->port);
	agent->nr_listeners++;
	return 0;
}

/* On unix sockets, where there are no ports, the streams have the server's path and ".streams". */
static int listen_streams(struct agent *agent, uint32_t port, struct err *err)
{
	struct agent_addr addr = { .type = agent->config.server.type, .port = port };

	if (addr.type == AGENT_ADDR_UNIX &&
	    (size_t)snprintf(addr.path, sizeof(addr.path), "%s.streams",
			     agent->config.server.path) >= sizeof(addr.path))
		return err_set(err, ENAMETOOLONG, "%s is too long", agent->config.server.path);
	return agent_listen(agent, &addr, on_stream_connection, err);
}

static int listen_all(struct agent *agent, struct err *err)
{
	const struct agent_config *config = &agent->config;
	bool vsock = config->server.type == AGENT_ADDR_VSOCK;
	int r = agent_listen(agent, &config->server, on_rpc_connection, err);

	if (r >= 0)
		r = listen_streams(agent, KATA_PORT_STREAM, err);
	if (r >= 0 && vsock && config->passfd_port && config->passfd_port != KATA_PORT_STREAM)
		r = listen_streams(agent, config->passfd_port, err);
	if (r >= 0 && vsock)
		r = dns_port_open(agent, err);
	if (r >= 0 && vsock)
		r = forward_port_open(agent, err);
	if (r >= 0 && vsock)
		r = socket_port_open(agent, err);
	if (r >= 0 && vsock && config->log_vport)
		r = log_port_open(agent, err);
	return r;
}

/**
 * agent_init() - bring the agent up, to where it answers
 * @agent: receives it; must stay in place
 * @loop: loop
 * @config: settings, copied
 * @console_fd: where "ready" is said, borrowed; -1: nowhere
 * @err: says what failed
 *
 * Return: 0 or -errno; agent_deinit() is due in both cases.
 */
int agent_init(struct agent *agent, struct loop *loop, const struct agent_config *config,
	       int console_fd, struct err *err)
{
	struct err console_err = ERR_NULL;

	*agent = (struct agent){
		.loop = loop,
		.config = *config,
		.is_init = getpid() == 1,
		.console_fd = console_fd,
		.ready_fd = -1,
		.sandbox = { .ipc_fd = -1, .uts_fd = -1, .pid_fd = -1, .pid_thread_fd = -1 },
	};
	list_init(&agent->containers);
	list_init(&agent->sandbox.storages);
	streams_init(&agent->streams);
	oom_init(&agent->oom);
	int r = uevents_init(&agent->uevents, loop);
	if (r < 0)
		return err_set_errno(err, r, "listen to uevents");
	r = socket_port_new(loop, &agent->sockets);
	if (r < 0)
		return err_set_errno(err, r, "sockets of the host");
	r = rpc_server_new(loop, service_handlers, service_nr_handlers, agent, &agent->server);
	if (r < 0)
		return err_set_errno(err, r, "RPC server");
	rpc_server_on_disconnect(agent->server, on_rpc_disconnect);
	r = listen_all(agent, err);
	if (r < 0)
		return r;
	if (config->debug_console && debug_console_open(agent, &console_err) < 0)
		log_warn("debug console: %s", console_err.text);
	ready_announce(agent);
	return 0;
}

/**
 * agent_deinit() - release what agent_init() made
 * @agent: agent whose loop has ended
 */
void agent_deinit(struct agent *agent)
{
	for (size_t i = 0; i < agent->nr_listeners; i++)
		listener_close(&agent->listeners[i]);
	agent->nr_listeners = 0;
	agent->server = rpc_server_free(agent->server);
	agent->end_timer = loop_source_free(agent->end_timer);
	agent->ready_source = loop_source_free(agent->ready_source);
	agent->ready_fd = fd_close(agent->ready_fd);
	streams_deinit(&agent->streams);
	agent->sockets = socket_port_free(agent->sockets);
	uevents_deinit(&agent->uevents);
}
