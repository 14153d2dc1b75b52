/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which sandbox does a new container belong to, and in which network namespace does its stand-in
 * live?
 */
#pragma once

#include "common/arena.h"
#include "oci/grouping.h"
#include "runtime/cli/cli.h"
#include "runtime/standin/standin.h"

struct pod {
	const char *sandbox_id;
	bool exists; /* it has a shim already */
	bool in_pod; /* it exists or is said to be a pod's: others may join */
	enum standin_netns netns;
	int netns_fd; /* for STANDIN_NETNS_JOIN */
};

#define POD_NULL ((struct pod){ .netns_fd = -1 })

int pod_find(const struct cli *cli, const char *id, const struct oci_spec *spec,
	     struct arena *arena, struct pod *ret, struct err *err) must_check;
void pod_deinit(struct pod *pod);

#define cleanup_pod cleanup_with(pod_deinit)
