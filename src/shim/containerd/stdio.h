/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The stdin, stdout and stderr fields of Create and Exec: stand-ins, fifos, files, loggers.
 */
#pragma once

#include "common/err.h"
#include "sandbox/core/process.h"

struct shim;
struct standin;

/* What a call says of the streams of a process; URIs may be empty. */
struct stdio_request {
	const char *id; /* for loggers */
	const char *in, *out, *err;
	bool terminal;
};

/*
 * In a fiber. @ret_netns_fd may be NULL. *ret_standin is the stand-in the descriptors came from, or
 * NULL.
 */
int stdio_open(struct shim *shim, const struct stdio_request *req, struct sb_process_io *ret,
	       int *ret_netns_fd, struct standin **ret_standin, struct err *err) must_check;
/* So that State can tell a manager that was started anew. Without memory for it, it cannot. */
void stdio_note(struct sb_process *process, const struct stdio_request *req);
/* The key in a stand-in's URI, or "". */
const char *stdio_standin_key(const char *uri);
