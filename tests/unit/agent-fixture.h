/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A real agent for tests: a child process in mount, network, IPC, UTS and cgroup namespaces of its
 * own, served over a unix socket, and a client of it. Needs root and container-fixture.h's rootfs.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/arena.h"
#include "common/err.h"
#include "rpc/pb/agent_msg.h"
#include "rpc/ttrpc/rpc.h"

struct agent_world {
	pid_t pid;
	char path[96];
	char cgroup[96]; /* of the agent, "" when there is no cgroup2 */
	struct rpc_client *client;
	struct arena *arena; /* of answers and specs */
	struct err err;	     /* of the last call */
};

/* In a fiber. */
void agent_start(struct agent_world *w);
void agent_stop(struct agent_world *w); /* DestroySandbox, and the process has to end well */
uint64_t agent_soon(void);

int agent_call(struct agent_world *w, const struct rpc_method *method, const void *req, void *resp);
void agent_create_pod(struct agent_world *w);
/* A spec that runs a script with sh -c; @process and @linux_ as in struct fixture_run. */
struct oci_spec *agent_spec(struct agent_world *w, const char *script, const char *process);
struct oci_process *agent_process(struct agent_world *w, const char *script, const char *process);
int agent_create(struct agent_world *w, const char *id, struct oci_spec *spec,
		 const uint32_t ports[3]);
int agent_start_container_id(struct agent_world *w, const char *id);
int agent_wait(struct agent_world *w, const char *id, const char *exec_id, int *ret_status);
int agent_remove(struct agent_world *w, const char *id);
/* All of a stream by RPC; the result lives in the arena. */
const char *agent_read_all(struct agent_world *w, const char *id, const char *exec_id,
			   bool err_stream);
/* A direct stream's connection, in one step or two. */
int agent_bind_stream(uint32_t *ret_port);
void agent_connect_stream(struct agent_world *w, int fd);
int agent_dial_stream(struct agent_world *w, uint32_t *ret_port);
const char *agent_drain(struct agent_world *w, int fd, size_t max);
