/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The run of a process, from the connection of its streams to its exit status.
 */
#pragma once

#include <stdint.h>

#include "common/err.h"

struct sb_process;

/* The ports by which the guest knows the streams; they go into CreateContainer or ExecProcess. */
struct sb_process_ports {
	uint32_t port[3]; /* KATA_STREAM_NONE: no such stream */
};

/* In fibers. */
int sb_process_connect_streams(struct sb_process *process, uint64_t deadline_ns,
			       struct sb_process_ports *ret, struct err *err) must_check;
/* The process runs now: follow it to its end. */
int sb_process_follow(struct sb_process *process, struct err *err) must_check;
