/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The shim process: one sandbox, its front end, its end.
 */
#pragma once

#include <stdbool.h>

#include "common/err.h"
#include "common/loop.h"
#include "rpc/ttrpc/rpc.h"
#include "sandbox/core/container.h"
#include "sandbox/core/sandbox.h"
#include "shim/core/frontend.h"

struct event_ring;

/* A Create call under way; it is its handler's. */
struct shim_creation {
	struct shim_creation *next;
	const struct rpc_conn *conn; /* of the client that asked */
	const char *id;
	bool lost;  /* the client has gone and takes no answer */
	bool known; /* another one was told that there is such a container */
};

/* What every shim has; the first member of struct containerd_shim and of struct cli_shim. */
struct shim {
	const struct shim_frontend_ops *ops;
	struct loop *loop;
	struct sandbox *sandbox;
	struct rpc_server *task_server, *admin_server;
	struct event_ring *event_ring;
	const char *id, *namespace, *state_dir, *config_path;
	/* Calls of their own make and end the sandbox, not its first and its last container. */
	bool explicit_sandbox;
	bool shutting_down, ending;
	struct shim_creation *creations;
};

struct shim_creation *shim_find_creation(const struct shim *shim, const char *id);
extern const struct sandbox_events shim_sandbox_events;
void shim_maybe_end(struct shim *shim);
void shim_end_soon(struct shim *shim);
