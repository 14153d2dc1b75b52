/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Giving up rights, in stages; each is called once, in order, by main().
 */
#pragma once

#include <stddef.h>
#include <sys/types.h>

#include "common/err.h"
#include "common/macros.h"

struct isolation {
	uid_t uid; /* what root becomes */
	gid_t gid;
	const char *ports_dir; /* the only directory that stays reachable; NULL: none */
	const int *keep_fds;   /* in ascending order */
	size_t nr_keep_fds;
	unsigned max_files;
};

int isolate_descriptors(const struct isolation *iso, struct err *err) must_check;
int isolate_namespaces(const struct isolation *iso, struct err *err) must_check;
int isolate_identity(const struct isolation *iso, struct err *err) must_check;
int isolate_syscalls(struct err *err) must_check;
