/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The hooks of a container that run on the host. See the runtime specification, "POSIX-platform
 * Hooks".
 */
#pragma once

#include <stdint.h>

#include "common/err.h"
#include "oci/oci_spec.h"

/* Whose hooks run, and what they are told of it on their stdin. */
struct hook_owner {
	const struct oci_spec *spec;
	const char *id, *bundle;
	uint32_t pid; /* on the host */
	int state_fd; /* directory in which it is noted that poststop's are due; -1: nowhere */
};

/*
 * All in fibers; one hook after the other, the first failure ends it and names the hook. Hooks that
 * name no environment have the caller's.
 */
int hooks_run_early(const struct hook_owner *owner, struct err *err) must_check;
int hooks_run_create_container(const struct hook_owner *owner, int netns_fd,
			       struct err *err) must_check;
/* The specification: failures of these are logged and change nothing; the next one runs. */
void hooks_run_poststart(const struct hook_owner *owner);
void hooks_run_poststop(const struct hook_owner *owner);
/* For who cleans up after a shim that was killed; @id NULL: those of all its containers. */
void hooks_run_due(int state_fd, const char *id);
