/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DOC: Creating a container
 *
 * What "create" and "run" share, as three steps the reader can follow in creation.c:
 *
 *   creation_prepare()  before there is a loop: fork the stand-in, read and judge the bundle
 *   creation_make()     in a fiber: claim the id, find or start the shim, Task.Create
 *   creation_undo()     in a fiber: after a failure of what came so far, leave nothing behind
 */
#pragma once

#include "runtime/dial.h"
#include "runtime/launch.h"
#include "runtime/pod.h"
#include "runtime/standin.h"
#include "runtime/terminal.h"

struct creation {
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
	struct launch launch;
	struct terminal_pty pty;
	bool claimed;
};

#define CREATION_NULL                                     \
	((struct creation){ .session = SESSION_NULL,      \
			    .standin = STANDIN_PROC_NULL, \
			    .pod = POD_NULL,              \
			    .launch = LAUNCH_NULL,        \
			    .pty = TERMINAL_PTY_NULL })

int creation_prepare(struct creation *c, struct err *err) must_check;
int creation_make(struct creation *c, struct err *err) must_check;
int creation_commit(struct creation *c, struct err *err) must_check;
int creation_commit_started(struct creation *c, struct err *err) must_check;
void creation_undo(struct creation *c);
void creation_deinit(struct creation *c);

int creation_write_pid_file(const char *path, pid_t pid, struct err *err) must_check;
void creation_warn_fds(uint64_t preserve_fds);

#define cleanup_creation cleanup_with(creation_deinit)
