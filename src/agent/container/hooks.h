/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Private to src/agent/container. OCI hooks.
 */
#pragma once

#include <stddef.h>
#include <sys/types.h>

#include "common/err.h"
#include "oci/oci_spec.h"

struct hook_state {
	const char *oci_version, *id, *status, *bundle;
	pid_t pid;
	const struct kv *annotations;
	size_t nr_annotations;
};
int hooks_run_fiber(const struct oci_hook *hooks, size_t nr, const struct hook_state *state,
		    struct err *err) must_check;
int hooks_run_child(const struct oci_hook *hooks, size_t nr, const struct hook_state *state,
		    struct err *err) must_check;
