/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the parts of the agent share: the one struct agent and what is registered in it. Everything
 * runs on one thread; what may change while a fiber waits is looked up again or pinned by a
 * reference.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "agent/device/hotplug.h"
#include "agent/device/uevent.h"
#include "agent/stream/streams.h"
#include "agent/util/child.h"
#include "agent/util/clock.h"
#include "agent/util/cmdline.h"
#include "common/err.h"
#include "common/fiber.h"
#include "common/list.h"
#include "rpc/pb/agent_msg.h"

/* Containers of one sandbox, and execs of one container, are the peer's to make: bounded. */
#define AGENT_CONTAINERS_MAX 1024
#define AGENT_PROCESSES_MAX 4096
#define AGENT_OOM_EVENTS_MAX 256

struct socket_port;

/* The pod. */
struct guest_sandbox {
	bool exists;	     /* between CreateSandbox and DestroySandbox */
	struct arena *arena; /* of the strings below */
	const char *id;
	const char *hostname;
	const char *hook_path;	    /* guest hooks, NULL: none */
	int ipc_fd, uts_fd, pid_fd; /* namespaces the containers share, -1: none */
	int pid_thread_fd;	    /* pidfd of the first process in pid_fd's, -1: not ours */
	struct list storages;	    /* struct storage.node, all of the sandbox and its containers */
};

/* Containers whose processes were killed for want of memory, oldest first. */
struct oom_queue {
	struct list events;
	size_t nr;
	struct fiber_cond cond;
};

struct agent {
	struct loop *loop;
	struct agent_config config;
	struct children children; /* that somebody waits for */
	bool is_init;		  /* PID 1: owns the guest */
	struct guest_sandbox sandbox;
	struct list containers; /* struct agent_container.node */
	size_t nr_containers;
	struct uevents uevents;
	struct hotplug hotplug; /* by @uevents */
	struct streams streams;
	struct oom_queue oom;
	struct socket_port *sockets; /* of the host */
	struct guest_clock clock;
	int console_fd;		       /* -1: none */
	struct loop_source *end_timer; /* armed by DestroySandbox */
	bool ending;
};

int agent_init(struct agent *agent, struct loop *loop, const struct agent_config *config,
	       int console_fd, struct err *err) must_check;
void agent_deinit(struct agent *agent);
/* The sandbox is gone: end the guest (or the process) once its peers have their answers. */
void agent_end(struct agent *agent);
