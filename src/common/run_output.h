/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One short run of a helper program: input from memory, output to memory, bounded in time and size.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"
#include "common/proc.h"
#include "common/str.h"

struct run_output {
	char *const *argv; /* absolute path and arguments, NULL-terminated */
	const void *input; /* its stdin; NULL: empty */
	size_t input_len;
	bool with_stderr; /* takes what it writes there, too */
	size_t max;	  /* bytes of output */
	bool cut;	  /* what is more than @max is thrown away; otherwise it is an error */
	uint64_t deadline_ns;
	const struct proc_watch *watch; /* NULL: nobody */
};

/* In a fiber. */
int run_output(const struct run_output *run, struct strbuf *out, int *ret_code,
	       struct err *err) must_check;
int run_output_of(const char *path, const char *arg, size_t max, uint64_t deadline_ns,
		  struct strbuf *out, struct err *err) must_check;
