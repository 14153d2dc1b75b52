/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Task events for containerd, in the order they happened. A NULL publisher is the one of the
 * command line, where nobody listens.
 */
#pragma once

#include "sandbox/core/container.h"

struct events;
struct pb_type;
struct task_create_request;

int events_new(struct loop *loop, const char *ttrpc_address, const char *namespace,
	       struct events **ret) must_check;
/* In a fiber: sends what is queued, until the deadline. */
struct events *events_free(struct events *events, uint64_t deadline_ns);

void events_created(struct events *events, const struct task_create_request *req, uint32_t pid);
void events_started(struct events *events, const struct sb_process *process);
void events_deleted(struct events *events, const char *container_id,
		    const struct sb_process *process);
void events_exec_added(struct events *events, const struct sb_process *exec);
void events_paused(struct events *events, const struct sb_container *ctr);
void events_process_exited(struct events *events, const struct sb_process *process);
void events_oom(struct events *events, const struct sb_container *ctr);
