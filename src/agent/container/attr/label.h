/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Private to src/agent/container. Labels of Linux security modules.
 */
#pragma once

#include "common/err.h"

struct label_plan {
	const char *apparmor_profile, *selinux_label; /* NULL: none */
	int fd; /* /proc/thread-self/attr/..., in the child, -1 when there is nothing to set */
};

int label_plan_check(struct label_plan *plan, struct err *err) must_check;
int label_open(struct label_plan *plan, struct err *err) must_check;
int label_apply(const struct label_plan *plan, struct err *err) must_check;
