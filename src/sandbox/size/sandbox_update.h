/* SPDX-License-Identifier: Apache-2.0 */
/*
 * New limits for a running container: its guest cgroup and, when the VM is its own, the VM and the
 * host's cgroup.
 */
#pragma once

#include "common/err.h"
#include "oci/oci_spec.h"

struct sb_container;

/* In a fiber, under the container's lock. */
int sandbox_update_limits(struct sb_container *ctr, const struct oci_resources *resources,
			  struct err *err) must_check;
