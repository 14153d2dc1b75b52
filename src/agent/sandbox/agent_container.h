/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A container as the peer knows it: the kernel's part (agent/container/container.h) with its
 * processes, its storages and what requests that run at the same time need.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/device/uevent.h"
#include "common/arena.h"
#include "common/err.h"
#include "common/fiber.h"
#include "common/list.h"

struct agent;
struct container;

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
	struct strv storages; /* mount points of the storages that this container uses */
	const char *rootfs;
	const char *termination_log; /* guest path, NULL: none */
	int32_t oom_score_adj;	     /* for execs whose spec gives none */
	int oom_fd;
	struct loop_source *oom_source;
	uint64_t oom_kills;
	struct uevent_listener devices; /* of a privileged one, see late_devices.h */
};

struct agent_container *agent_container_find(struct agent *agent, const char *id);
int agent_container_get(struct agent *agent, const char *id, int code, struct agent_container **ret,
			struct err *err) must_check;
int agent_container_new(struct agent *agent, const char *id, struct agent_container **ret,
			struct err *err) must_check;
struct agent_container *agent_container_ref(struct agent_container *ctr);
struct agent_container *agent_container_unref(struct agent_container *ctr);
DEFINE_CLEANUP(struct agent_container, agent_container_unref)
#define cleanup_container cleanup_with(cleanup_agent_container_unref)
int agent_container_lock(struct agent_container *ctr, uint64_t deadline_ns,
			 struct err *err) must_check;
/* Kills and forgets it, in a fiber, with the lock held. */
int agent_container_destroy(struct agent_container *ctr, uint64_t deadline_ns,
			    struct err *err) must_check;
