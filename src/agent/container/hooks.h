/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Private to src/agent/container. OCI hooks in the guest. Two ways to run them: from a fiber of the
 * agent, and from the process that is becoming the container, in its namespaces.
 */
#pragma once

#include <stddef.h>
#include <sys/types.h>

#include "agent/container/container.h"
#include "common/err.h"
#include "oci/oci_spec.h"

int hooks_run_fiber(const struct container *c, const char *kind, const struct oci_hook *hooks,
		    size_t nr, const char *status, struct err *err) must_check;
void hooks_run_late(const struct container *c, const char *kind, const struct oci_hook *hooks,
		    size_t nr, const char *status);
int hooks_run_child(const struct container *c, const char *kind, const struct oci_hook *hooks,
		    size_t nr, const char *status, char *const *env, struct err *err) must_check;
