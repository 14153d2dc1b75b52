/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A user for a VM of its own: numbers of a range, each given to one VM at a time.
 */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "common/err.h"
#include "common/macros.h"

struct user_range {
	uint32_t first;
	uint32_t nr;
};

/* Return: a descriptor; the number is taken until it, and all its duplicates, are closed. */
int user_claim(const char *dir, const struct user_range *range, uid_t *ret_uid,
	       struct err *err) must_check;
