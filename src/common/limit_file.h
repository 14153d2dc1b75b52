/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A file of a cgroup that holds limits, as it was before a change that may fail.
 */
#pragma once

#include "common/arena.h"
#include "common/err.h"
#include "common/macros.h"

struct limit_file {
	const char *name;
	char *text; /* ends without a newline */
};

int limit_file_save(int dirfd, const char *name, struct arena *arena,
		    struct limit_file *ret) must_check;
int limit_file_restore(int dirfd, const struct limit_file *file, struct err *err) must_check;
