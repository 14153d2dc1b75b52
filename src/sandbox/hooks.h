/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs OCI hooks on the host. See the runtime specification, "POSIX-platform Hooks".
 */
#pragma once

#include "common/err.h"
#include "oci_spec.h"

struct hook_env {
	const struct oci_state *state; /* written to each hook's stdin */
	const char *cwd;	       /* the bundle */
	const int *netns_fd;	       /* NULL: the caller's network */
};

/*
 * In a fiber; one after the other, stops at the first failure. @kind names them in errors:
 * "prestart".
 */
int hooks_run(const char *kind, const struct oci_hook *hooks, size_t nr_hooks,
	      const struct hook_env *env, struct err *err) must_check;
