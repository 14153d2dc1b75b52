/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How much of what somebody else says is written to our log: all of what is usual, little of a
 * flood.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Zeroed: a full one. */
struct log_budget {
	uint64_t since_ns;  /* when it was looked at last; 0: never */
	uint64_t credit_ns; /* what it held then */
	unsigned left_out;  /* lines since the last that was written */
};

bool log_budget_take(struct log_budget *budget, uint64_t now_ns, unsigned *ret_left_out);
