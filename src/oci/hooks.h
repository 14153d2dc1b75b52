/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs OCI hooks: programs that get the container's state on their stdin and must succeed within
 * their time. See the runtime specification, "POSIX-platform Hooks".
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "common/err.h"
#include "common/proc.h"
#include "oci/oci_spec.h"

struct hooks_place {
	const char *cwd;  /* NULL: the caller's */
	int netns_fd;	  /* -1: the caller's network */
	char *const *env; /* of hooks that name none; NULL: an empty one */
	/*
	 * The caller has no loop and may block; it ignores SIGPIPE. Otherwise it is a fiber.
	 */
	bool blocking;
	const struct proc_watch *watch; /* told of each hook's process; NULL: nobody */
};

int hooks_run(const char *kind, const struct oci_hook *hooks, size_t nr,
	      const struct oci_state *state, const struct hooks_place *place,
	      struct err *err) must_check;
