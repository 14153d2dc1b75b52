/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The host's end of the agent connection.
 */
#pragma once

#include <stdint.h>

#include "common/err.h"
#include "common/macros.h"

struct sandbox;

/* All in fibers. */
int agent_client_connect(struct sandbox *sb, uint64_t deadline_ns, struct err *err) must_check;
int agent_client_create_sandbox(struct sandbox *sb, uint64_t deadline_ns,
				struct err *err) must_check;
/* Follows the guest's out-of-memory events in a fiber of its own until the connection ends. */
int agent_client_watch_oom(struct sandbox *sb) must_check;
void agent_client_destroy_sandbox(struct sandbox *sb, uint64_t deadline_ns);
