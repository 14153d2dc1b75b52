/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The last things that happened in the sandbox, numbered, for `kata-runtime events`.
 */
#pragma once

#include "common/fiber.h"
#include "rpc/pb/admin_msg.h"

struct event_ring;

int event_ring_new(struct event_ring **ret) must_check;
void event_ring_add(struct event_ring *ring, enum admin_event_type type, const char *id,
		    const char *exec_id, uint32_t exit_status, const char *text);
/* In a fiber: the first entry after @since about @id ("": any). Strings go into @arena. */
int event_ring_wait(struct event_ring *ring, uint64_t since, const char *id, uint64_t deadline_ns,
		    struct arena *arena, struct admin_wait_event_response *ret) must_check;
