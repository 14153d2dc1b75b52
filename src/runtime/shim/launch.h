/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Starting a shim: its sockets are bound and listening before it runs, so nobody waits for it to be
 * ready.
 */
#pragma once

#include "common/loop.h"
#include "common/proc.h"
#include "runtime/cli/cli.h"
#include "runtime/state/record.h"

/* A shim that was just started. LAUNCH_NULL is the start state. */
struct launch {
	struct proc proc;
	int stderr_fd;		   /* non-blocking read end of its stderr */
	struct loop_source *relay; /* passes it on to our own */
	bool raw_terminal;	   /* ours is a terminal that does not return the carriage */
};

#define LAUNCH_NULL ((struct launch){ .proc = PROC_NULL, .stderr_fd = -1 })

int launch_find_shim(char *path, size_t len, struct err *err) must_check;
int launch_shim(const struct cli *cli, const struct record *record, struct launch *ret,
		struct err *err) must_check;
int launch_run_delete(const struct cli *cli, const struct record *record, int sandbox_fd,
		      struct err *err) must_check;
void launch_explain(const struct launch *launch, struct err *err);
int launch_relay(struct launch *launch, bool raw_terminal, struct err *err) must_check;
void launch_relay_end(struct launch *launch, bool lost);
void launch_deinit(struct launch *launch);

#define cleanup_launch cleanup_with(launch_deinit)
