/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whose cgroup on the host the sandbox lives in.
 */
#pragma once

#include "common/err.h"
#include "common/macros.h"

struct host_cgroup;
struct oci_spec;
struct sandbox;
struct sb_container;

void sandbox_cgroup_restrict(struct sandbox *sb);
int sandbox_cgroup_plan(struct sandbox *sb, const char *id, const struct oci_spec *spec,
			struct host_cgroup *ret, struct err *err) must_check;
/* In a fiber. */
void sandbox_cgroup_leave(struct sb_container *ctr);
