/* SPDX-License-Identifier: Apache-2.0 */
/*
 * More and less of CPUs and memory for the VM of a sandbox.
 */
#pragma once

#include "common/err.h"
#include "oci/oci_spec.h"

struct sandbox;
struct sb_container;
struct vm_size;

/* In a fiber. */
int sandbox_resize(struct sandbox *sb, const struct vm_size *want, struct err *err) must_check;
/* In a fiber. The VM of a pod grows and shrinks with what its containers may use together. */
int sandbox_fit_members(struct sandbox *sb, struct err *err) must_check;
void sb_limits_change(struct sb_container *ctr, const struct oci_resources *resources);
