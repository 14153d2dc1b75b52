/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DOC: Creating a container
 *
 * What "create" and "run" share, as three steps the reader can follow in container_create.c:
 *
 *   container_create_prepare()  before there is a loop: fork the stand-in, read and judge the bundle
 *   container_create_make()     in a fiber: claim the id, find or start the shim, Task.Create
 *   container_create_undo()     in a fiber: after a failure of what came so far, leave nothing behind
 */
#pragma once

#include "runtime/cli/terminal.h"
#include "runtime/container/pod.h"
#include "runtime/shim/session.h"
#include "runtime/shim/shim_launch.h"
#include "runtime/standin/standin.h"

struct container_create {
	/* Set by the verb. */
	const struct cli *cli;
	const char *id;
	const char *bundle;		       /* NULL: the working directory */
	const char *console_socket, *pid_file; /* may be NULL */
	uint64_t preserve_fds;
	bool attached; /* the process gets this program's own terminal */

	/* Owned. */
	struct arena *arena;
	struct oci_spec *spec;
	const char *rootfs;	/* absolute */
	struct session session; /* holds the record */
	struct standin_proc standin;
	struct pod pod;
	struct shim_launch launch;
	struct terminal_pty pty;
	bool interrupted; /* by a signal */
	bool claimed;
};

#define CONTAINER_CREATE_NULL                                     \
	((struct container_create){ .session = SESSION_NULL,      \
				    .standin = STANDIN_PROC_NULL, \
				    .pod = POD_NULL,              \
				    .launch = SHIM_LAUNCH_NULL,   \
				    .pty = TERMINAL_PTY_NULL })

int container_create_prepare(struct container_create *c, struct err *err) must_check;
int container_create_make(struct container_create *c, struct err *err) must_check;
int container_create_commit(struct container_create *c, struct err *err) must_check;
int container_create_commit_started(struct container_create *c, struct err *err) must_check;
void container_create_undo(struct container_create *c);
void container_create_deinit(struct container_create *c);

int container_create_write_pid_file(const char *path, pid_t pid, struct err *err) must_check;
void container_create_warn_fds(uint64_t preserve_fds);

#define cleanup_container_create cleanup_with(container_create_deinit)
