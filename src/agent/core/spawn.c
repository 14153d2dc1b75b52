/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Helper programs of the guest, known to the reaper of orphans as long as they run.
 */
#include "agent/core/spawn.h"

#include "agent/core/agent.h"
#include "agent/util/child.h"
#include "common/fiber.h"
#include "common/run_output.h"

#define SPAWN_TIMEOUT_MS 10000
#define SPAWN_OUTPUT_MAX (3U << 20)

/**
 * spawn_run() - run a program to its end
 * @agent: agent
 * @argv: absolute path and arguments, NULL-terminated
 * @input: its stdin; NULL: empty
 * @input_len: length of it
 * @ret: receives exit status and output; released with spawn_result_deinit() also after a failure
 * @err: filled on failure
 *
 * Return: 0 or -errno (-ENOENT when there is no such program).
 */
int spawn_run(struct agent *agent, char *const *argv, const void *input, size_t input_len,
	      struct spawn_result *ret, struct err *err)
{
	struct child child;
	const struct proc_watch watch = child_watch(&agent->children, &child);
	const struct run_output run = {
		.argv = argv,
		.input = input,
		.input_len = input_len,
		.max = SPAWN_OUTPUT_MAX,
		.deadline_ns = loop_deadline_ms(SPAWN_TIMEOUT_MS),
		.watch = &watch,
	};

	bool old = fiber_mask_cancel(true); /* it ends by itself, and that is bounded */
	int r = run_output(&run, &ret->output, &ret->code, err);
	(void)fiber_mask_cancel(old);
	return r;
}

/**
 * spawn_result_deinit() - release a result
 * @result: result or SPAWN_RESULT_NULL
 */
void spawn_result_deinit(struct spawn_result *result)
{
	strbuf_deinit(&result->output);
}
