/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Builds the command line of a child process. The builder keeps the first failure and turns into a
 * no-op after it, so that a command line can be read from top to bottom where it is made.
 */
#pragma once

#include "common/arena.h"
#include "common/macros.h"

struct argv {
	struct arena *arena; /* holds the words */
	struct strv *words;
	int r; /* 0, or -errno of what failed first */
};

void argv_add(struct argv *argv, const char *word);
void argv_add2(struct argv *argv, const char *option, const char *value);
void argv_addf(struct argv *argv, const char *fmt, ...) printf_format(2, 3);
void argv_fail(struct argv *argv, int r);
