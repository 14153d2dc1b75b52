/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The shim process: one sandbox, its front doors, its end.
 */
#pragma once

#include <stdbool.h>

#include "common/err.h"
#include "common/loop.h"
#include "rpc/ttrpc/rpc.h"
#include "sandbox/core/container.h"
#include "sandbox/core/sandbox.h"

struct standin_server;
struct events;
struct event_ring;
struct sandbox_api;

struct shim {
	struct loop *loop;
	struct sandbox *sandbox;
	struct rpc_server *task_server, *admin_server;
	struct standin_server *standins; /* NULL behind containerd */
	struct events *events;		 /* NULL behind the command line */
	struct event_ring *event_ring;
	struct sandbox_api *api; /* NULL: the sandbox belongs to its first container */
	const char *id, *namespace, *state_dir, *config_path;
	struct loop_source *launcher; /* watches who started us; standalone only */
	bool standalone; /* started by the command line; ends with its last container */
	bool single;	 /* the sandbox is its one container */
	bool shutting_down, ending;
	unsigned creating; /* Create calls under way */
};

/* shim.c */
extern const struct sandbox_events shim_sandbox_events;
void shim_maybe_end(struct shim *shim);
void shim_stop_sandbox(struct shim *shim);
void shim_end_soon(struct shim *shim);

/* task_service.c, admin_service.c */
int shim_task_status(const struct sb_process *process);
extern const struct rpc_handler task_handlers[];
extern const size_t nr_task_handlers;
extern const struct rpc_handler admin_handlers[];
extern const size_t nr_admin_handlers;
