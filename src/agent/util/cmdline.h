/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The agent's settings: from the kernel command line, the environment and, outside a guest, its own
 * options.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/util/policy.h"
#include "common/err.h"
#include "common/log.h"

#define AGENT_ADDR_MAX 108 /* as sun_path */

enum agent_addr_type { AGENT_ADDR_VSOCK, AGENT_ADDR_UNIX };

/* Where to listen: "vsock://-1:1024" (any CID) or "unix:///run/agent.sock". */
struct agent_addr {
	enum agent_addr_type type;
	uint32_t port;		   /* vsock */
	char path[AGENT_ADDR_MAX]; /* unix */
};

struct agent_config {
	enum log_level log_level;
	uint32_t log_vport; /* 0: none */
	bool debug_console;
	uint32_t debug_console_vport; /* 0: none */
	struct agent_addr server;
	uint32_t passfd_port; /* a further port for streams besides KATA_PORT_STREAM; 0: none */
	uint64_t hotplug_timeout_ms;
	bool asks_secret; /* on the console, before it listens */
	bool sleeps;	  /* waits to be saved, until it is woken as a new guest */
	size_t pipe_size; /* of container streams, 0: the agent's choice */
	struct policy policy;
};

void agent_config_init(struct agent_config *config);
int agent_config_set(struct agent_config *config, const char *key, const char *value,
		     struct err *err) must_check;
void agent_config_read_cmdline(struct agent_config *config, const char *cmdline);
int agent_addr_parse(const char *text, struct agent_addr *ret) must_check;
