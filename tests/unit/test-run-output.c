/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unit tests of runs of helper programs: what comes back, what bounds them, who is told of them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "common/fiber.h"
#include "common/run_output.h"

#define SHELL(script) ((char *const[]){ "/bin/sh", "-c", script, NULL })

static int run(const struct run_output *what, struct strbuf *out, int *ret_code, struct err *err)
{
	struct run_output with = *what;

	*err = ERR_NULL;
	if (!with.max)
		with.max = 1000;
	if (!with.deadline_ns)
		with.deadline_ns = loop_deadline_ms(10000);
	strbuf_deinit(out);
	return run_output(&with, out, ret_code, err);
}

static int words_main(void *arg)
{
	cleanup_strbuf struct strbuf out = STRBUF_NULL;
	struct run_output what = { .argv = SHELL("cat; echo err >&2; exit 3"), .input = "in " };
	struct err err;
	int code = -1;

	(void)arg;
	what.input_len = strlen(what.input);
	assert_int_equal(run(&what, &out, &code, &err), 0);
	assert_string_equal(out.data, "in ");
	assert_int_equal(code, 3);
	what.with_stderr = true;
	assert_int_equal(run(&what, &out, &code, &err), 0);
	assert_string_equal(out.data, "in err\n");
	assert_int_equal(run(&what, &out, NULL, &err), -EIO);
	assert_string_equal(err.text, "/bin/sh -c ended with status 3");
	what = (struct run_output){ .argv = SHELL("cat; kill -9 $$") };
	assert_int_equal(run(&what, &out, &code, &err), 0);
	assert_string_equal(out.data, "");
	assert_int_equal(code, 128 + SIGKILL);
	what.argv = (char *const[]){ "/nonexistent", NULL };
	assert_int_equal(run(&what, &out, &code, &err), -ENOENT);
	assert_non_null(strstr(err.text, "/nonexistent: exec"));
	return 0;
}

static void output_and_status_come_back(void **state)
{
	(void)state;
	assert_int_equal(fiber_run_main(words_main, NULL), 0);
}

static int bounds_main(void *arg)
{
	cleanup_strbuf struct strbuf out = STRBUF_NULL;
	struct run_output what = { .argv = SHELL("printf 123456"), .max = 6 };
	struct err err;

	(void)arg;
	assert_int_equal(run(&what, &out, NULL, &err), 0);
	assert_string_equal(out.data, "123456");
	what.max = 5;
	assert_int_equal(run(&what, &out, NULL, &err), -EFBIG);
	what.cut = true;
	/* More than a pipe holds: what is thrown away must be read. */
	what.argv = SHELL("printf 123456; head -c 300000 /dev/zero");
	assert_int_equal(run(&what, &out, NULL, &err), 0);
	assert_string_equal(out.data, "12345");
	what.argv = SHELL("echo $$; exec sleep 100");
	what.deadline_ns = loop_deadline_ms(300);
	assert_int_equal(run(&what, &out, NULL, &err), -ETIMEDOUT);
	/* It was killed and reaped. */
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
	return 0;
}

static void size_and_time_are_bounded(void **state)
{
	(void)state;
	assert_int_equal(fiber_run_main(bounds_main, NULL), 0);
}

struct told {
	pid_t pid;
	unsigned nr_spawned, nr_reaped;
};

static void on_spawned(void *arg, pid_t pid)
{
	struct told *told = arg;

	told->pid = pid;
	told->nr_spawned++;
	assert_int_equal(kill(pid, 0), 0);
}

static void on_reaped(void *arg)
{
	struct told *told = arg;

	told->nr_reaped++;
	assert_int_equal(kill(told->pid, 0), -1);
}

static int watched_main(void *arg)
{
	static char *const scripts[] = { "true", "false", "exec sleep 100" };
	cleanup_strbuf struct strbuf out = STRBUF_NULL;
	struct told told = { 0 };
	const struct proc_watch watch = { on_spawned, on_reaped, &told };
	struct err err;

	(void)arg;
	for (unsigned i = 0; i < ARRAY_SIZE(scripts); i++) {
		const struct run_output what = { .argv = SHELL(scripts[i]),
						 .deadline_ns = loop_deadline_ms(500),
						 .watch = &watch };

		(void)run(&what, &out, NULL, &err); /* however it ends */
		assert_int_equal(told.nr_spawned, i + 1);
		assert_int_equal(told.nr_reaped, i + 1);
	}
	/* What never was there is not told of. */
	const struct run_output none = { .argv = (char *const[]){ "/nonexistent", NULL },
					 .watch = &watch };
	assert_int_equal(run(&none, &out, NULL, &err), -ENOENT);
	assert_int_equal(told.nr_spawned, ARRAY_SIZE(scripts));
	return 0;
}

static void who_watches_is_told_once_of_each(void **state)
{
	(void)state;
	assert_int_equal(fiber_run_main(watched_main, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(output_and_status_come_back),
		cmocka_unit_test(size_and_time_are_bounded),
		cmocka_unit_test(who_watches_is_told_once_of_each),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
