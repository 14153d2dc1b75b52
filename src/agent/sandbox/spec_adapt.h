/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a container of this guest has in common with its pod: namespaces, cgroup, guest hooks.
 */
#pragma once

#include <stdbool.h>

#include "agent/container/container.h"
#include "common/err.h"
#include "oci/oci_spec.h"

struct guest_sandbox;

/* Changes @spec and fills args->ns; both live in @arena or are borrowed from the sandbox. */
int spec_adapt(const struct guest_sandbox *sandbox, const char *id, bool sandbox_pidns,
	       struct oci_spec *spec, struct arena *arena, struct container_create_args *args,
	       struct err *err) must_check;
