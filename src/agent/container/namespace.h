/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Private to src/agent/container. Namespaces: where each comes from, joining, names. @ns always is
 * the array of struct launch_plan.
 */
#pragma once

#include <stdbool.h>

#include "agent/container/container.h"
#include "common/err.h"
#include "oci/oci_spec.h"

enum ns_mode {
	NS_MODE_OWN, /* the agent's */
	NS_MODE_NEW,
	NS_MODE_JOIN, /* by descriptor */
};

struct ns_plan {
	enum ns_mode mode;
	int fd;	       /* to join, -1 otherwise */
	bool fd_owned; /* opened by us */
};

int namespace_plans_init(const struct container_create_args *args, struct ns_plan *ns,
			 struct err *err) must_check;
void namespace_plans_deinit(struct ns_plan *ns);
int namespace_clone_flag(enum container_ns type);
int namespace_join_all(const struct ns_plan *ns, bool user, struct err *err) must_check;
int namespace_unshare_late(const struct ns_plan *ns, const struct oci_linux *linux_,
			   struct err *err) must_check;
int namespace_set_names(const struct oci_spec *spec, const struct ns_plan *uts,
			struct err *err) must_check;
int namespace_run_inside(int pidfd, int flags, int (*fn)(void *arg, struct err *err), void *arg,
			 struct err *err) must_check;
