/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Private to src/agent/container. The socket between the agent and a process that is being made;
 * launch.h shows the exchange.
 */
#pragma once

#include <stdint.h>

#include "common/err.h"

enum sync_type { SYNC_GO = 1, SYNC_HOOKS, SYNC_RESUME, SYNC_READY, SYNC_START, SYNC_ERROR };

int sync_send(int sock, enum sync_type type, int fd) must_check;
void sync_send_error(int sock, const struct err *err);
int sync_wait_child(int sock, enum sync_type want, struct err *err) must_check;
int sync_recv_fiber(int sock, enum sync_type *ret_type, int *ret_fd, uint64_t deadline_ns,
		    struct err *err) must_check;
