/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unit tests of the one executor of hooks, from a fiber and from a process without a loop: what
 * hooks get, how they fail, and what they cannot do to us.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/fiber.h"
#include "common/io.h"
#include "common/str.h"
#include "host/hooks.h"
#include "oci/hooks.h"

static char dir[] = "/tmp/test-hooks-XXXXXX";
static struct err err;

static const struct oci_state state_of = {
	.oci_version = (char *)"1.2.0",
	.id = (char *)"box",
	.status = (char *)"creating",
	.pid = 42,
	.bundle = (char *)"/b",
};

struct run {
	struct oci_hook hooks[3];
	size_t nr;
	const struct oci_state *state;
	struct hooks_place place;
	int result;
};

static int run_main(void *arg)
{
	struct run *run = arg;

	return hooks_run("some", run->hooks, run->nr, run->state ? run->state : &state_of,
			 &run->place, &err);
}

/* Runs shell scripts as hooks, until the first NULL. */
static int run_scripts(bool blocking, const struct oci_state *state, int32_t timeout_s,
		       const struct proc_watch *watch, const char *const *scripts)
{
	struct run run = { .state = state };
	char *args[3][4];

	run.place = (struct hooks_place){
		.cwd = dir, .netns_fd = -1, .blocking = blocking, .watch = watch
	};
	for (; scripts[run.nr]; run.nr++) {
		char **a = args[run.nr];

		a[0] = (char *)"hook";
		a[1] = (char *)"-c";
		a[2] = (char *)(uintptr_t)scripts[run.nr];
		a[3] = NULL;
		run.hooks[run.nr] = (struct oci_hook){ .path = (char *)"/bin/sh",
						       .args = { a, 3 },
						       .timeout = timeout_s ? &timeout_s : NULL };
	}
	err = ERR_NULL;
	return blocking ? run_main(&run) : fiber_run_main(run_main, &run);
}

#define SCRIPTS(...) ((const char *const[]){ __VA_ARGS__, NULL })

static char *contents(const char *name)
{
	char path[100], *text = NULL;

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	assert_true(io_read_file_at(AT_FDCWD, path, 1 << 20, &text) >= 0);
	return text;
}

static void each_hook_reads_the_state_in_its_order(void **state)
{
	(void)state;
	for (int blocking = 0; blocking < 2; blocking++) {
		cleanup_free char *said = NULL, *env = NULL;

		assert_int_equal(run_scripts(blocking, NULL, 10, NULL,
					     SCRIPTS("cat > said; /usr/bin/env > env",
						     "echo; echo second >> said")),
				 0);
		said = contents("said");
		env = contents("env");
		assert_string_equal(said, "{\"ociVersion\":\"1.2.0\",\"id\":\"box\","
					  "\"status\":\"creating\",\"pid\":42,\"bundle\":\"/b\"}"
					  "second\n");
		assert_null(strstr(env, "HOME=")); /* nothing of ours */
	}
}

static void the_first_failure_ends_it_in_the_hooks_words(void **state)
{
	(void)state;
	for (int blocking = 0; blocking < 2; blocking++) {
		assert_int_equal(run_scripts(blocking, NULL, 0, NULL,
					     SCRIPTS("echo lost; echo 'the words ' >&2; exit 3",
						     "echo > never")),
				 -EIO);
		assert_string_equal(err.text,
				    "some hook /bin/sh exited with status 3: lost the words");
		assert_int_equal(faccessat(AT_FDCWD, "never", F_OK, 0), -1);
		assert_int_equal(run_scripts(blocking, NULL, 0, NULL, SCRIPTS("kill -9 $$")), -EIO);
		assert_string_equal(err.text, "some hook /bin/sh was killed by signal 9");
		/* Of much output the end is kept. */
		assert_int_equal(run_scripts(blocking, NULL, 0, NULL,
					     SCRIPTS("head -c 300000 /dev/zero | tr '\\0' x; "
						     "echo end; exit 1")),
				 -EIO);
		assert_non_null(strstr(err.text, "xxxend"));
	}
}

static void what_cannot_be_run_is_refused(void **state)
{
	struct run run = { .nr = 1, .place = { .netns_fd = -1 } };
	int32_t zero = 0;

	(void)state;
	for (int blocking = 0; blocking < 2; blocking++) {
		run.place.blocking = blocking;
		run.hooks[0] = (struct oci_hook){ .path = (char *)"bin/sh" };
		assert_int_equal(blocking ? run_main(&run) : fiber_run_main(run_main, &run),
				 -EINVAL);
		assert_string_equal(err.text, "some hook path \"bin/sh\" is not absolute");
		run.hooks[0] = (struct oci_hook){ .path = (char *)"/bin/sh", .timeout = &zero };
		assert_int_equal(blocking ? run_main(&run) : fiber_run_main(run_main, &run),
				 -EINVAL);
		run.hooks[0] = (struct oci_hook){ .path = (char *)"/nonexistent" };
		assert_int_equal(blocking ? run_main(&run) : fiber_run_main(run_main, &run),
				 -ENOENT);
		assert_non_null(strstr(err.text, "some hook /nonexistent"));
	}
}

static void a_hook_has_its_time_and_no_more(void **state)
{
	(void)state;
	for (int blocking = 0; blocking < 2; blocking++) {
		assert_int_equal(run_scripts(blocking, NULL, 1, NULL, SCRIPTS("exec sleep 100")),
				 -ETIMEDOUT);
		assert_string_equal(err.text, "some hook /bin/sh did not end within 1 s");
		/* One that writes for ever has no more. */
		assert_int_equal(run_scripts(blocking, NULL, 1, NULL, SCRIPTS("exec yes")),
				 -ETIMEDOUT);
		assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
		assert_int_equal(errno, ECHILD);
	}
}

/* More than a pipe holds. */
static void a_hook_need_not_read_its_input(void **state)
{
	static char long_id[300000];
	struct oci_state large = state_of;

	(void)state;
	(void)memset(long_id, 'x', sizeof(long_id) - 1);
	large.id = long_id;
	for (int blocking = 0; blocking < 2; blocking++) {
		assert_int_equal(run_scripts(blocking, &large, 10, NULL, SCRIPTS("exec <&-")), 0);
		/* Nor before it writes. */
		assert_int_equal(run_scripts(blocking, &large, 10, NULL,
					     SCRIPTS("head -c 300000 /dev/zero; wc -c > size")),
				 0);
		cleanup_free char *size = contents("size");
		assert_true(atol(size) > 300000);
	}
}

static void a_process_left_behind_stops_nobody(void **state)
{
	(void)state;
	for (int blocking = 0; blocking < 2; blocking++) {
		cleanup_free char *pid = NULL;

		/* It keeps the hook's output open. */
		assert_int_equal(
			run_scripts(blocking, NULL, 10, NULL, SCRIPTS("sleep 100 & echo $! > pid")),
			0);
		pid = contents("pid");
		assert_int_equal(kill(atoi(pid), SIGKILL), 0);
	}
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
}

static void on_reaped(void *arg)
{
	struct told *told = arg;

	told->nr_reaped++;
	assert_int_equal(kill(told->pid, 0), -1);
}

static void who_watches_is_told_of_each(void **state)
{
	struct told told = { 0 };
	const struct proc_watch watch = { on_spawned, on_reaped, &told };

	(void)state;
	assert_int_equal(run_scripts(false, NULL, 10, &watch, SCRIPTS("true", "false", "true")),
			 -EIO);
	assert_int_equal(told.nr_spawned, 2);
	assert_int_equal(told.nr_reaped, 2);
	assert_int_equal(run_scripts(false, NULL, 1, &watch, SCRIPTS("exec sleep 100")),
			 -ETIMEDOUT);
	assert_int_equal(told.nr_spawned, 3);
	assert_int_equal(told.nr_reaped, 3);
}

static int late_main(void *arg)
{
	char *args[][4] = {
		{ (char *)"sh", (char *)"-c", (char *)"exit 3", NULL },
		{ (char *)"sh", (char *)"-c", (char *)"/usr/bin/env > late", NULL },
	};
	char *own[] = { (char *)"OWN=1", NULL };
	struct oci_hook hooks[] = {
		{ .path = (char *)"/bin/sh", .args = { args[0], 3 } },
		{ .path = (char *)"/bin/sh", .args = { args[1], 3 } },
	};
	struct oci_hooks all = { .poststop = hooks, .nr_poststop = 2 };
	const struct oci_spec spec = { .oci_version = (char *)"1.2.0", .hooks = &all };
	const struct hook_owner owner = { .spec = &spec, .id = "c", .bundle = dir, .state_fd = -1 };
	cleanup_free char *inherited = NULL, *named = NULL;

	(void)arg;
	assert_int_equal(setenv("OF_THE_RUNTIME", "yes", 1), 0);
	hooks_run_poststop(&owner);
	inherited = contents("late");
	assert_non_null(strstr(inherited, "OF_THE_RUNTIME=yes\n"));
	hooks[1].env = (struct strv){ own, 1 };
	all = (struct oci_hooks){ .poststart = hooks, .nr_poststart = 2 };
	hooks_run_poststart(&owner);
	named = contents("late");
	assert_non_null(strstr(named, "OWN=1\n"));
	assert_null(strstr(named, "OF_THE_RUNTIME"));
	return 0;
}

static void late_hooks_go_on_and_have_the_runtimes_environment(void **state)
{
	(void)state;
	assert_int_equal(fiber_run_main(late_main, NULL), 0);
}

static int set_up(void **state)
{
	(void)state;
	return mkdtemp(dir) ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	return io_rm_tree_at(AT_FDCWD, dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_hook_reads_the_state_in_its_order),
		cmocka_unit_test(the_first_failure_ends_it_in_the_hooks_words),
		cmocka_unit_test(what_cannot_be_run_is_refused),
		cmocka_unit_test(a_hook_has_its_time_and_no_more),
		cmocka_unit_test(a_hook_need_not_read_its_input),
		cmocka_unit_test(a_process_left_behind_stops_nobody),
		cmocka_unit_test(who_watches_is_told_of_each),
		cmocka_unit_test(late_hooks_go_on_and_have_the_runtimes_environment),
	};

	(void)signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
