/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The process that "exec" asks for: read from a file, or made from the container's own process and
 * the options.
 */
#pragma once

#include "common/arena.h"
#include "common/err.h"
#include "oci/oci_spec.h"

struct process_options {
	const char *file; /* --process; of the others only tty counts then */
	struct strv env, caps;
	const char *cwd, *user, *apparmor, *label;
	struct strv additional_gids;
	bool tty, no_new_privs;
	char **args;
	int nr_args;
};

int process_spec_load(const char *bundle, const struct process_options *options,
		      struct arena *arena, struct oci_process **ret, struct err *err) must_check;
