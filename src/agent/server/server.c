/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DOC: Theory of operation
 *
 * One thread, one loop. The RPC server runs every request in a fiber of its own
 * (rpc/ttrpc/rpc.h); the handlers are listed in agent/rpc/service.c. What they share is struct
 * agent: the sandbox, its containers, the connections that wait to become streams. A container is
 * changed under its own lock only; signals, statistics and waiting take none, so a kill never
 * queues behind what it is to end. What the kernel does for a container is in agent/container/,
 * which knows nothing of RPC.
 */
#include "agent/server/server.h"

#include <errno.h>
#include <stdio.h>

#include "agent/core/agent.h"
#include "agent/rpc/service.h"
#include "agent/server/debug_console.h"
#include "agent/server/secret.h"
#include "agent/storage/socket_port.h"
#include "common/fd.h"
#include "common/log.h"
#include "kata/guest.h"

static void on_rpc(void *arg, int fd_consume, uint32_t port)
{
	struct server *server = arg;
	int r = rpc_server_add_connection(server->rpc, fd_consume);

	(void)port;
	if (r < 0)
		log_warn_errno(r, "connection dropped");
	else
		server->nr_conns++;
}

/* The context of the RPC server is the agent, which the handlers need: it is part of the server. */
static void on_rpc_disconnect(void *arg, struct rpc_conn *conn)
{
	struct agent *agent = arg;
	struct server *server = container_of(agent, struct server, agent);

	(void)conn;
	server->nr_conns--;
	if (agent->ending && agent->end_timer && !server->nr_conns)
		loop_exit(agent->loop, 0);
}

static void on_stream(void *arg, int fd_consume, uint32_t port)
{
	struct server *server = arg;
	struct agent *agent = &server->agent;
	int r = agent->ending ? -ESHUTDOWN : streams_park(&agent->streams, fd_consume, port);

	if (r == -ESHUTDOWN)
		(void)fd_close(fd_consume);
	else if (r < 0)
		log_warn_errno(r, "stream dropped");
}

static void on_dns(void *arg, int fd_consume, uint32_t port)
{
	struct server *server = arg;
	int r = dns_port_serve(&server->dns, server->agent.loop, fd_consume);

	(void)port;
	if (r < 0 && r != -EBUSY)
		log_warn_errno(r, "serve names");
}

static void on_forward(void *arg, int fd_consume, uint32_t port)
{
	struct server *server = arg;
	int r = forward_port_serve(&server->forward, server->agent.loop, fd_consume);

	(void)port;
	if (r < 0)
		log_warn_errno(r, "forward a port");
}

static void on_socket(void *arg, int fd_consume, uint32_t port)
{
	struct server *server = arg;
	int r = socket_port_serve(server->agent.sockets, fd_consume);

	(void)port;
	if (r < 0)
		log_warn_errno(r, "sockets of the host");
}

static void on_log(void *arg, int fd_consume, uint32_t port)
{
	struct server *server = arg;

	(void)port;
	log_port_serve(&server->log, &server->agent, fd_consume);
}

static void on_debug_console(void *arg, int fd_consume, uint32_t port)
{
	struct server *server = arg;
	struct err err = ERR_NULL;

	(void)port;
	if (debug_console_serve(&server->agent, fd_consume, &err) < 0)
		log_warn("debug console: %s", err.text);
}

/* A port that is not used today must not be free for a container to take: the host may dial it. */
static void on_nobody(void *arg, int fd_consume, uint32_t port)
{
	(void)arg;
	(void)port;
	(void)fd_close(fd_consume);
}

static int listen_at(struct server *server, const struct agent_addr *addr, listener_fn fn,
		     struct err *err)
{
	int r = server->nr_listeners == SERVER_LISTENERS_MAX ? -ENOSPC : 0;

	if (r >= 0)
		r = listener_open(&server->listeners[server->nr_listeners], server->agent.loop,
				  addr, server->has_secret ? &server->secret : NULL, fn, server);
	if (r < 0 && addr->type == AGENT_ADDR_UNIX)
		return err_set_errno(err, r, "listen on %s", addr->path);
	if (r < 0)
		return err_set_errno(err, r, "listen on vsock port %u", addr->port);
	server->nr_listeners++;
	return 0;
}

static int listen_vsock(struct server *server, uint32_t port, listener_fn fn, struct err *err)
{
	struct agent_addr addr = { .type = AGENT_ADDR_VSOCK, .port = port };

	return listen_at(server, &addr, fn, err);
}

/* On unix sockets, where there are no ports, the streams have the server's path and ".streams". */
static int listen_unix(struct server *server, struct err *err)
{
	const struct agent_config *config = &server->agent.config;
	struct agent_addr addr = { .type = AGENT_ADDR_UNIX };

	if ((size_t)snprintf(addr.path, sizeof(addr.path), "%s.streams", config->server.path) >=
	    sizeof(addr.path))
		return err_set(err, ENAMETOOLONG, "%s is too long", config->server.path);
	return listen_at(server, &addr, on_stream, err);
}

static int listen_all(struct server *server, struct err *err)
{
	static const struct {
		uint32_t port;
		listener_fn fn;
	} ports[] = { { KATA_PORT_STREAM, on_stream },
		      { KATA_PORT_DNS, on_dns },
		      { KATA_PORT_FORWARD, on_forward },
		      { KATA_PORT_SOCKET, on_socket } };
	const struct agent_config *config = &server->agent.config;
	int r = listen_at(server, &config->server, on_rpc, err);

	if (r < 0)
		return r;
	if (config->server.type == AGENT_ADDR_UNIX)
		return listen_unix(server, err);
	for (size_t i = 0; i < ARRAY_SIZE(ports) && r >= 0; i++)
		r = listen_vsock(server, ports[i].port, ports[i].fn, err);
	if (r >= 0 && config->passfd_port && config->passfd_port != KATA_PORT_STREAM)
		r = listen_vsock(server, config->passfd_port, on_stream, err);
	if (r >= 0 && config->log_vport)
		r = listen_vsock(server, config->log_vport, on_log, err);
	return r;
}

/* The ports that have not been opened above. */
static int reserve_ports(struct server *server, struct err *err)
{
	static const uint32_t ports[] = { KATA_PORT_LOG, KATA_PORT_DEBUG_CONSOLE };

	if (server->agent.config.server.type != AGENT_ADDR_VSOCK)
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(ports); i++) {
		int r = listen_vsock(server, ports[i], on_nobody, err);

		if (r < 0 && r != -EADDRINUSE) /* that is one of our own */
			return r;
		if (r < 0)
			*err = ERR_NULL;
	}
	return 0;
}

/* Without a port of its own there is one shell, on the guest's console. */
static int open_debug_console(struct server *server, struct err *err)
{
	uint32_t port = server->agent.config.debug_console_vport;

	return port ? listen_vsock(server, port, on_debug_console, err)
		    : debug_console_run(&server->agent, err);
}

/**
 * server_init() - bring the agent up, to where it answers
 * @server: receives it; must stay in place until the loop has ended
 * @loop: loop
 * @config: settings, copied
 * @console_fd: where "ready" is said, borrowed; -1: nowhere
 * @secret: of the sandbox, copied; NULL: the host is asked if it has one
 * @err: says what failed
 *
 * Return: 0 or -errno; server_deinit() is due in both cases.
 */
int server_init(struct server *server, struct loop *loop, const struct agent_config *config,
		int console_fd, const struct kata_secret *secret, struct err *err)
{
	struct err console_err = ERR_NULL;
	struct agent *agent = &server->agent;

	*server = (struct server){ .log = LOG_PORT_NULL, .ready = READY_NULL };
	int r = agent_init(agent, loop, config, console_fd, err);
	if (r < 0)
		return r;
	r = reaper_start(&server->reaper, loop, &agent->children);
	if (r < 0)
		return err_set_errno(err, r, "reap orphans");
	r = socket_port_new(loop, &agent->sockets);
	if (r < 0)
		return err_set_errno(err, r, "sockets of the host");
	r = rpc_server_new(loop, service_handlers, service_nr_handlers, agent, &server->rpc);
	if (r < 0)
		return err_set_errno(err, r, "RPC server");
	rpc_server_on_disconnect(server->rpc, on_rpc_disconnect);
	policy_guard_init(agent);
	rpc_server_set_guard(server->rpc, policy_guard);
	server->has_secret = secret || config->asks_secret;
	if (secret)
		server->secret = *secret;
	else if (config->asks_secret)
		r = secret_ask(console_fd, &server->secret, err);
	if (r >= 0)
		r = listen_all(server, err);
	if (r < 0)
		return r;
	if (config->debug_console && open_debug_console(server, &console_err) < 0)
		log_warn("debug console: %s", console_err.text);
	r = reserve_ports(server, err);
	if (r >= 0)
		ready_announce(&server->ready, agent);
	return r;
}

/**
 * server_deinit() - release what server_init() made
 * @server: server whose loop has ended
 */
void server_deinit(struct server *server)
{
	for (size_t i = 0; i < server->nr_listeners; i++)
		listener_close(&server->listeners[i]);
	server->nr_listeners = 0;
	server->rpc = rpc_server_free(server->rpc);
	ready_deinit(&server->ready);
	log_port_deinit(&server->log);
	reaper_stop(&server->reaper);
	server->agent.sockets = socket_port_free(server->agent.sockets);
	agent_deinit(&server->agent);
}
