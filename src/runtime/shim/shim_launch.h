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

/* A shim that was just started. SHIM_LAUNCH_NULL is the start state. */
struct shim_launch {
	struct proc proc;
	int stderr_fd;		   /* non-blocking read end of its stderr */
	struct loop_source *relay; /* passes it on to our own */
	bool raw_terminal;	   /* ours is a terminal that does not return the carriage */
};

#define SHIM_LAUNCH_NULL ((struct shim_launch){ .proc = PROC_NULL, .stderr_fd = -1 })

int shim_launch_start(const struct cli *cli, const struct record *record, struct shim_launch *ret,
		      struct err *err) must_check;
int shim_launch_delete(const struct cli *cli, const struct record *record, int sandbox_fd,
		       struct err *err) must_check;
void shim_launch_explain(const struct shim_launch *launch, struct err *err);
int shim_launch_relay(struct shim_launch *launch, bool raw_terminal, struct err *err) must_check;
void shim_launch_relay_end(struct shim_launch *launch, bool lost);
void shim_launch_deinit(struct shim_launch *launch);

#define cleanup_shim_launch cleanup_with(shim_launch_deinit)
