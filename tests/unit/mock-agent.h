/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the agents that tests play have in common: answers that say nothing, a connection to them, a
 * sandbox's listener that takes no notice, the hybrid vsock's socket.
 */
#pragma once

#include <stddef.h>

#include "common/err.h"
#include "rpc/ttrpc/rpc.h"
#include "sandbox/core/sandbox.h"

/* Handlers: one that is content with everything, one that never answers. */
int mock_answer(void *ctx, struct rpc_request *call, const void *req, void *resp, struct err *err);
int mock_answer_never(void *ctx, struct rpc_request *call, const void *req, void *resp,
		      struct err *err);

/* A server of these handlers, and a client of it in *ret. In a fiber. */
struct rpc_server *mock_agent_connect(const struct rpc_handler *handlers, size_t nr, void *ctx,
				      struct rpc_client **ret);

/* Listeners that take no notice, for struct sandbox_events. */
void mock_on_process(void *arg, struct sb_process *process);
void mock_on_oom(void *arg, struct sb_container *ctr);
void mock_on_gone(void *arg, const char *reason);

/* A socket that listens below this path, as the hybrid vsock's. */
int mock_hybrid_listen(const char *path);
/* The next that dials: its line, "CONNECT 1024" for the agent, is read into @line. <0: nobody does any more. */
int mock_hybrid_accept(int listen_fd, char *line, size_t size);
/* Says that its port is that one; whoever dialled may be gone. */
void mock_hybrid_connected(int fd, unsigned port);
