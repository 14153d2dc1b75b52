/* SPDX-License-Identifier: Apache-2.0 */
/*
 * New limits for a running container: its guest cgroup and, when the VM is its own, the VM and the
 * host's cgroup.
 */
#pragma once

#include "common/err.h"
#include "oci/oci_spec.h"

struct sandbox;
struct sb_container;

/* In a fiber, under the container's lock. */
int sandbox_update_limits(struct sb_container *ctr, const struct oci_resources *resources,
			  struct err *err) must_check;
/* In a fiber. The VM of a pod grows and shrinks with what its containers may use together. */
int sandbox_fit_members(struct sandbox *sb, struct err *err) must_check;
void sb_limits_change(struct sb_container *ctr, const struct oci_resources *resources);
