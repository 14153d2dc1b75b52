/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unit tests of logger programs ("binary:///path?key=value"): what they are given, what they are
 * refused for, and that nothing of them stays. The programs are shell scripts.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/fiber.h"
#include "common/io.h"
#include "common/log.h"
#include "common/str.h"
#include "shim/containerd/stdio_logger.h"
#include "shim/core/shim.h"

/* Says what it was given, then that it is ready, then collects both streams. */
#define COLLECTOR                                                                              \
	"#!/bin/sh\n"                                                                          \
	"cd \"$(dirname \"$0\")\" || exit 9\n"                                                 \
	"{ env | grep ^CONTAINER | sort; for x; do echo \"arg:$x\"; done; ls /proc/self/fd | " \
	"tr '\\n' ' '; } > given\n"                                                            \
	"echo >&5\n"                                                                           \
	"cat <&4 > err &\n"                                                                    \
	"cat <&3 > out\n"                                                                      \
	"wait\n"                                                                               \
	"mv given given.done\n"

static char dir[64];

static void write_program(const char *name, const char *text)
{
	cleanup_close int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	assert_int_equal(io_replace_file_at(fd, name, text, strlen(text), 0700), 0);
}

static const char *content(const char *name)
{
	static char text[4096];
	cleanup_close int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cleanup_free char *data = NULL;
	ssize_t n = io_read_file_at(fd, name, sizeof(text) - 1, &data);

	if (n < 0)
		fail_msg("%s: %s", name, strerror((int)-n));
	memcpy(text, data, (size_t)n + 1);
	return text;
}

/* All children have been reaped, by whom it is up to. */
static void wait_childless(void)
{
	siginfo_t info;
	uint64_t deadline = loop_deadline_ms(20000);

	while (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0) {
		assert_true(loop_now_ns() < deadline);
		assert_int_equal(fiber_sleep_until(loop_deadline_ms(5)), 0);
	}
	assert_int_equal(errno, ECHILD);
}

static int start(const char *uri, bool terminal, int *fds, struct err *err)
{
	struct shim shim = { .loop = fiber_loop(), .namespace = "ns" };
	struct stdio_request req = { "c1", "", uri, uri, terminal };

	*err = ERR_NULL;
	return stdio_logger_start(&shim, &req, fds, err);
}

static int whole_main(void *arg)
{
	int fds[3] = { -1, -1, -1 };
	char uri[200];
	struct err err;

	(void)arg;
	write_program("a logger", COLLECTOR);
	(void)snprintf(uri, sizeof(uri), "binary://%s/a%%20logger?key=va+l%%26ue&flag&k2=", dir);
	assert_true(stdio_logger_is(uri));
	if (start(uri, false, fds, &err) < 0)
		fail_msg("%s", err.text);
	/* It is ready: what it was given is written. */
	assert_string_equal(content("given"), "CONTAINER_ID=c1\nCONTAINER_NAMESPACE=ns\n"
					      "arg:key\narg:va l&ue\narg:flag\narg:\narg:k2\narg:\n"
					      "0 1 2 3 4 5 6 "); /* 6: ls's own */
	assert_int_equal(fds[0], -1);
	assert_int_equal(fiber_write_full(fds[1], "to out", 6, LOOP_FOREVER), 0);
	assert_int_equal(fiber_write_full(fds[2], "to err", 6, LOOP_FOREVER), 0);
	(void)close(fds[1]);
	(void)close(fds[2]);
	wait_childless();
	assert_string_equal(content("out"), "to out");
	assert_string_equal(content("err"), "to err");
	(void)content("given.done"); /* it ended by itself, not by a signal */
	return 0;
}

static void a_logger_gets_all_and_ends_by_itself(void **state)
{
	(void)state;
	assert_int_equal(fiber_run_main(whole_main, NULL), 0);
}

static int terminal_main(void *arg)
{
	int fds[3] = { -1, -1, -1 };
	char uri[200];
	struct err err;

	(void)arg;
	write_program("logger", COLLECTOR);
	(void)snprintf(uri, sizeof(uri), "binary://%s/logger", dir);
	if (start(uri, true, fds, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(fds[2], -1);
	assert_int_equal(fiber_write_full(fds[1], "screen", 6, LOOP_FOREVER), 0);
	(void)close(fds[1]);
	wait_childless();
	assert_string_equal(content("out"), "screen");
	assert_string_equal(content("err"), "");
	return 0;
}

static void a_terminal_has_one_stream(void **state)
{
	(void)state;
	assert_int_equal(fiber_run_main(terminal_main, NULL), 0);
}

static int early_main(void *arg)
{
	int fds[3] = { -1, -1, -1 };
	char uri[200];
	struct err err;

	(void)arg;
	write_program("early", "#!/bin/sh\nexit 3\n");
	(void)snprintf(uri, sizeof(uri), "binary://%s/early", dir);
	/* Its end is the end of its readiness pipe, which is how a logger may say it, too. */
	assert_int_equal(start(uri, false, fds, &err), 0);
	wait_childless();
	assert_int_equal(fiber_write_full(fds[1], "lost", 4, LOOP_FOREVER), -EPIPE);
	(void)close(fds[1]);
	(void)close(fds[2]);
	return 0;
}

static void a_logger_that_ends_at_once_breaks_nothing_else(void **state)
{
	(void)state;
	assert_int_equal(fiber_run_main(early_main, NULL), 0);
}

static void refused(const char *uri, int code, const char *words)
{
	int fds[3] = { -1, -1, -1 };
	int before = fcntl(0, F_DUPFD_CLOEXEC, 3), after;
	struct err err;

	(void)close(before);
	assert_int_equal(start(uri, false, fds, &err), code);
	if (!strstr(err.text, words))
		fail_msg("'%s' lacks '%s'", err.text, words);
	assert_int_equal(fds[1], -1);
	assert_int_equal(fds[2], -1);
	after = fcntl(0, F_DUPFD_CLOEXEC, 3);
	assert_int_equal(before, after); /* no descriptor stays */
	(void)close(after);
}

static int refused_main(void *arg)
{
	cleanup_arena struct arena *arena = NULL;
	struct strbuf many = STRBUF_NULL;
	char uri[200];

	(void)arg;
	assert_int_equal(arena_new(&arena), 0);
	refused("binary://relative/path", -EINVAL, "not a program's absolute path");
	refused("binary://", -EINVAL, "not a program's absolute path");
	refused("binary:///bin/t%zzrue", -EINVAL, "not a program's absolute path");
	refused("binary:///bin/true%00x", -EINVAL, "not a program's absolute path");
	refused("binary:///bin/true%2", -EINVAL, "not a program's absolute path");
	refused("binary:///bin/true?a=%f", -EINVAL, "bad query");
	refused("binary:///bin/true?%=1", -EINVAL, "bad query");
	(void)snprintf(uri, sizeof(uri), "binary://%s/none", dir);
	refused(uri, -ENOENT, "/none");
	(void)snprintf(uri, sizeof(uri), "binary://%s", dir);
	refused(uri, -EACCES, dir);
	assert_int_equal(strbuf_printf(&many, "binary:///bin/true?"), 0);
	for (int i = 0; i < 100; i++)
		assert_int_equal(strbuf_printf(&many, "k%d=v&", i), 0);
	refused(many.data, -EINVAL, "bad query");
	strbuf_deinit(&many);
	wait_childless();
	return 0;
}

static void what_is_no_logger_is_refused_with_its_name(void **state)
{
	(void)state;
	assert_false(stdio_logger_is(NULL));
	assert_false(stdio_logger_is(""));
	assert_false(stdio_logger_is("/a/fifo"));
	assert_false(stdio_logger_is("file:///binary://x"));
	assert_int_equal(fiber_run_main(refused_main, NULL), 0);
}

static int set_up_group(void **state)
{
	(void)state;
	(void)signal(SIGPIPE, SIG_IGN);
	(void)snprintf(dir, sizeof(dir), "/tmp/kata-test-XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static int tear_down_group(void **state)
{
	(void)state;
	return io_rm_tree_at(AT_FDCWD, dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_logger_gets_all_and_ends_by_itself),
		cmocka_unit_test(a_terminal_has_one_stream),
		cmocka_unit_test(a_logger_that_ends_at_once_breaks_nothing_else),
		cmocka_unit_test(what_is_no_logger_is_refused_with_its_name),
	};

	return cmocka_run_group_tests(tests, set_up_group, tear_down_group);
}
