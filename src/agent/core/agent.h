/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the parts of the agent share: the one struct agent and what is registered in it. Everything
 * runs on one thread; what may change while a fiber waits is looked up again or pinned by a
 * reference.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "agent/util/cmdline.h"
#include "agent/stream/streams.h"
#include "agent/device/uevent.h"
#include "common/err.h"
#include "common/fiber.h"
#include "common/list.h"
#include "rpc/pb/agent_msg.h"
#include "rpc/ttrpc/rpc.h"

/* Containers of one sandbox, and execs of one container, are the peer's to make: bounded. */
#define AGENT_CONTAINERS_MAX 1024
#define AGENT_PROCESSES_MAX 4096
#define AGENT_OOM_EVENTS_MAX 256

struct container;
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
	bool is_init; /* PID 1: owns the guest */
	struct guest_sandbox sandbox;
	struct list containers; /* struct agent_container.node */
	size_t nr_containers;
	struct uevents uevents;
	struct streams streams;
	struct oom_queue oom;
	struct socket_port *sockets;   /* of the host */
	int console_fd;		       /* -1: none */
	struct loop_source *end_timer; /* armed by DestroySandbox */
	bool ending;
};

int agent_init(struct agent *agent, struct loop *loop, const struct agent_config *config,
	       int console_fd, struct err *err) must_check;
void agent_deinit(struct agent *agent);
/* The sandbox is gone: end the guest (or the process) once its peers have their answers. */
void agent_end(struct agent *agent);

/* A container as the peer knows it. */
struct agent_container {
	struct list node; /* in agent.containers while it can be found */
	unsigned refs;	  /* one of the list, one per running request */
	struct agent *agent;
	struct arena *arena;
	const char *id;
	struct container
		*c; /* NULL while it is made and once it is gone; under @lock for changes */
	struct fiber_mutex lock;
	bool removing;
	struct list processes; /* struct agent_process.node */
	size_t nr_processes;
	unsigned nr_waiters; /* fibers inside process_wait(): @c must not go before they left */
	struct fiber_cond no_waiters;
	struct strv storages; /* mount points this container holds a count of */
	const char *rootfs;
	const char *termination_log; /* guest path, NULL: none */
	int32_t oom_score_adj;	     /* of processes whose spec says nothing */
	int oom_fd;
	struct loop_source *oom_source;
	uint64_t oom_kills;
};

struct agent_container *agent_container_find(struct agent *agent, const char *id);
int agent_container_get(struct agent *agent, const char *id, int code, struct agent_container **ret,
			struct err *err) must_check;
int agent_container_new(struct agent *agent, const char *id, struct agent_container **ret,
			struct err *err) must_check;
struct agent_container *agent_container_ref(struct agent_container *gc);
struct agent_container *agent_container_unref(struct agent_container *gc);
DEFINE_CLEANUP(struct agent_container, agent_container_unref)
#define cleanup_container cleanup_with(cleanup_agent_container_unref)
int agent_container_lock(struct agent_container *gc, struct rpc_request *call,
			 struct err *err) must_check;
/* Kills and forgets it, in a fiber, with the lock held. */
int agent_container_destroy(struct agent_container *gc, uint64_t deadline_ns,
			    struct err *err) must_check;
