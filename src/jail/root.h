/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A root directory of its own for a process: an empty file system, or a directory, in a mount
 * namespace that is the process's alone. It goes with the namespace; nothing is left on the host.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "common/err.h"
#include "common/macros.h"

enum root_entry_kind {
	ROOT_ENTRY_DIR,	   /* a directory of data: read-only, nothing is executed */
	ROOT_ENTRY_FILE,   /* a file of data */
	ROOT_ENTRY_CODE,   /* a program, library or module */
	ROOT_ENTRY_DEVICE, /* a node of its own like that one, for the owner only */
	ROOT_ENTRY_PROC,   /* a proc(5) of its own pid namespace, processes only */
	ROOT_ENTRY_TREE,   /* as it is, with what is mounted below now and later */
};

/* One thing of the host's that is in the root, at the same path. */
struct root_entry {
	enum root_entry_kind kind;
	const char *path; /* absolute; links are followed */
};

struct root_plan {
	const struct root_entry *entries; /* directories before what is in them */
	size_t nr;
	uid_t owner; /* must be able to read all of it */
	gid_t group;
};

int root_empty(bool writable) must_check;
int root_enter(int mount_fd) must_check;
int root_build(const struct root_plan *plan, struct err *err) must_check;
