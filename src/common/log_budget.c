/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A bucket of lines, filled by time: each line costs some.
 */
#include "common/log_budget.h"

#include "common/macros.h"

/* A whole boot with its debug messages, and then 20 lines in a second. */
#define LINE_NS 50000000ULL
#define BURST_NS (2000 * LINE_NS)

/**
 * log_budget_take() - may one more line be written?
 * @budget: of who says it
 * @now_ns: monotonic time
 * @ret_left_out: receives how many lines before this one were not, if this one may
 *
 * Return: whether it may.
 */
bool log_budget_take(struct log_budget *budget, uint64_t now_ns, unsigned *ret_left_out)
{
	uint64_t passed_ns = budget->since_ns ? now_ns - budget->since_ns : BURST_NS;

	budget->credit_ns = MIN(budget->credit_ns + passed_ns, BURST_NS);
	budget->since_ns = now_ns;
	if (budget->credit_ns < LINE_NS) {
		budget->left_out++;
		return false;
	}
	budget->credit_ns -= LINE_NS;
	*ret_left_out = budget->left_out;
	budget->left_out = 0;
	return true;
}
