/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Running a program of the guest's image for its output.
 */
#pragma once

#include <stddef.h>

#include "common/err.h"
#include "common/str.h"

struct agent;

struct spawn_result {
	int code;	      /* exit status, 128 + signal */
	struct strbuf output; /* stdout */
};

#define SPAWN_RESULT_NULL ((struct spawn_result){ .output = STRBUF_NULL })

/* In a fiber. @argv[0] is the path. */
int spawn_run(struct agent *agent, char *const *argv, const void *input, size_t input_len,
	      struct spawn_result *ret, struct err *err) must_check;
void spawn_result_deinit(struct spawn_result *result);
