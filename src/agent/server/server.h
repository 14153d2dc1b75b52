/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Everything the host can connect to: RPC, the streams of processes, and the ports for names,
 * forwarded connections, sockets, the log and the debug console.
 */
#pragma once

#include <stddef.h>

#include "agent/core/agent.h"
#include "agent/server/dns_port.h"
#include "agent/server/forward_port.h"
#include "agent/server/listener.h"
#include "agent/server/log_port.h"
#include "agent/server/ready.h"
#include "agent/server/reaper.h"
#include "common/err.h"

struct rpc_server;

/* RPC, two for streams, log, debug console, names, ports, sockets. */
#define SERVER_LISTENERS_MAX 9

struct server {
	struct agent agent;
	struct rpc_server *rpc;
	struct kata_secret secret;
	bool has_secret; /* the host has one for this sandbox */
	size_t nr_conns; /* of RPC */
	struct listener listeners[SERVER_LISTENERS_MAX];
	size_t nr_listeners;
	struct dns_port dns;
	struct forward_port forward;
	struct log_port log;
	struct ready ready;
	struct reaper reaper;
};

int server_init(struct server *server, struct loop *loop, const struct agent_config *config,
		int console_fd, const struct kata_secret *secret, struct err *err) must_check;
void server_deinit(struct server *server);
