/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unit tests of src/common: errors, strings, arena, descriptors, files, loop, fibers, processes.
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
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/arena.h"
#include "common/argv.h"
#include "common/err.h"
#include "common/fd.h"
#include "common/fiber.h"
#include "common/io.h"
#include "common/log.h"
#include "common/proc.h"
#include "common/str.h"
#include "common/utf8.h"

static void wrapping_puts_context_in_front(void **state)
{
	struct err err = ERR_NULL;

	(void)state;
	assert_int_equal(err_set_errno(&err, -ENOENT, "open %s", "x"), -ENOENT);
	assert_int_equal(err_wrap(&err, "container %d", 7), -ENOENT);
	assert_string_equal(err.text, "container 7: open x: No such file or directory");
}

static void numbers_are_parsed_strictly(void **state)
{
	uint64_t u = 1;
	int64_t i;
	uint32_t u32;

	(void)state;
	assert_int_equal(str_to_u64("18446744073709551615", &u), 0);
	assert_true(u == UINT64_MAX);
	assert_int_equal(str_to_u64("18446744073709551616", &u), -ERANGE);
	assert_int_equal(str_to_u64("", &u), -EINVAL);
	assert_int_equal(str_to_u64(" 1", &u), -EINVAL);
	assert_int_equal(str_to_u64("1x", &u), -EINVAL);
	assert_int_equal(str_to_i64("-9223372036854775808", &i), 0);
	assert_true(i == INT64_MIN);
	assert_int_equal(str_to_i64("9223372036854775808", &i), -ERANGE);
	assert_int_equal(str_to_u32("4294967296", &u32), -ERANGE);
}

static void ids_cannot_leave_their_directory(void **state)
{
	(void)state;
	assert_true(str_is_valid_id("a.b-c_d+1"));
	assert_false(str_is_valid_id(".."));
	assert_false(str_is_valid_id("a/b"));
	assert_false(str_is_valid_id(""));
	assert_false(str_is_valid_id(NULL));
	assert_false(str_is_valid_id("-a"));
	char longest[130];
	memset(longest, 'a', 129);
	longest[129] = '\0';
	assert_false(str_is_valid_id(longest));
	longest[128] = '\0';
	assert_true(str_is_valid_id(longest));
}

static void arena_lists_stay_terminated(void **state)
{
	cleanup_arena struct arena *arena = NULL;
	struct strv strv = { 0 };

	(void)state;
	assert_int_equal(arena_new(&arena), 0);
	for (int i = 0; i < 100; i++) {
		char text[16];
		(void)snprintf(text, sizeof(text), "%d", i);
		assert_int_equal(arena_strv_add(arena, &strv, text), 0);
		assert_null(strv.v[strv.nr]);
	}
	assert_int_equal(strv.nr, 100);
	assert_string_equal(strv.v[99], "99");
	assert_non_null(arena_alloc(arena, 100000));
	assert_null(arena_calloc(arena, SIZE_MAX / 2, 4));
}

static void descriptors_travel_with_a_message(void **state)
{
	int sv[2], pipefd[2], got[2];
	size_t nr;
	char c;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv), 0);
	assert_int_equal(pipe2(pipefd, O_CLOEXEC), 0);
	assert_int_equal(fd_send_msg(sv[0], "x", 1, pipefd, 2), 1);
	assert_int_equal(fd_recv_msg(sv[1], &c, 1, got, 2, &nr), 1);
	assert_int_equal(nr, 2);
	assert_int_equal(write(got[1], "y", 1), 1);
	assert_int_equal(read(pipefd[0], &c, 1), 1);
	assert_int_equal(c, 'y');
	/* One more than wanted is closed, not leaked into our table. */
	assert_int_equal(fd_send_msg(sv[0], "x", 1, pipefd, 2), 1);
	int lowest_before = dup(0);
	(void)close(lowest_before);
	assert_int_equal(fd_recv_msg(sv[1], &c, 1, got + 1, 1, &nr), 1);
	assert_int_equal(nr, 1);
	int fds[] = { sv[0], sv[1], pipefd[0], pipefd[1], got[0], got[1] };
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		(void)close(fds[i]);
}

static void replaced_files_are_whole(void **state)
{
	char dir[] = "/tmp/kata-test-XXXXXX";
	cleanup_free char *data = NULL;

	(void)state;
	assert_non_null(mkdtemp(dir));
	cleanup_close int fd = open(dir, O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(io_replace_file_at(fd, "f", "hello", 5, 0600), 0);
	assert_int_equal(io_read_file_at(fd, "f", 100, &data), 5);
	assert_string_equal(data, "hello");
	char *more = NULL;
	assert_int_equal(io_read_file_at(fd, "f", 4, &more), -EFBIG);
	assert_int_equal(symlinkat("/", fd, "link"), 0);
	assert_int_equal(io_rm_tree_at(AT_FDCWD, dir), 0);
	assert_int_equal(access(dir, F_OK), -1);
	assert_int_equal(access("/etc", F_OK), 0);
}

struct ping {
	int fds[2];
	struct fiber_cond cond;
	struct fiber_mutex mutex;
	int turns;
	char trace[32];
};

static void reader(void *arg)
{
	struct ping *p = arg;
	char c;

	while (fiber_read(p->fds[0], &c, 1, LOOP_FOREVER) == 1)
		p->trace[p->turns++] = c;
	fiber_cond_broadcast(&p->cond);
}

static int fibers_main(void *arg)
{
	struct ping *p = arg;
	struct fiber *fiber;

	assert_int_equal(fiber_spawn(fiber_loop(), "reader", reader, p, &fiber), 0);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(fiber_write_full(p->fds[1], "abc" + i, 1, LOOP_FOREVER), 0);
		fiber_yield();
	}
	uint64_t before = loop_now_ns();
	assert_int_equal(fiber_cond_wait(&p->cond, loop_deadline_ms(20)), -ETIMEDOUT);
	assert_true(loop_now_ns() - before >= 20000000ULL);
	(void)close(p->fds[1]);
	assert_int_equal(fiber_join(fiber, loop_deadline_ms(5000)), 0);
	return 42;
}

/* A container can make one in a volume, and have it mounted where the host reads a file. */
static void a_fifo_is_not_read(void **state)
{
	char path[] = "/tmp/test-common-XXXXXX", fifo[40];
	char *data = NULL;

	(void)state;
	assert_non_null(mkdtemp(path));
	(void)snprintf(fifo, sizeof(fifo), "%s/fifo", path);
	assert_int_equal(mkfifo(fifo, 0600), 0);
	assert_int_equal(io_read_regular_at(AT_FDCWD, fifo, 100, &data), -EINVAL);
	assert_null(data);
	assert_int_equal(unlink(fifo), 0);
	assert_int_equal(rmdir(path), 0);
	assert_int_equal(io_read_regular_at(AT_FDCWD, "/dev/null", 100, &data), -EINVAL);
	assert_true(io_read_regular_at(AT_FDCWD, "/proc/self/comm", 100, &data) >
		    0); /* has no size */
	free(data);
}

static void fibers_wait_without_stalling_each_other(void **state)
{
	struct ping p = { .turns = 0 };

	(void)state;
	fiber_cond_init(&p.cond);
	assert_int_equal(pipe2(p.fds, O_CLOEXEC | O_NONBLOCK), 0);
	assert_int_equal(fiber_run_main(fibers_main, &p), 42);
	assert_string_equal(p.trace, "abc");
	(void)close(p.fds[0]);
}

static void cancelled_reader(void *arg)
{
	struct ping *p = arg;
	char c;

	p->turns = (int)fiber_read(p->fds[0], &c, 1, LOOP_FOREVER);
	assert_int_equal(fiber_sleep_until(loop_deadline_ms(1)), -ECANCELED);
	bool old = fiber_mask_cancel(true);
	assert_int_equal(fiber_sleep_until(loop_deadline_ms(1)), 0);
	(void)fiber_mask_cancel(old);
}

static int cancel_main(void *arg)
{
	struct ping *p = arg;
	struct fiber *fiber;

	assert_int_equal(fiber_spawn(fiber_loop(), "reader", cancelled_reader, p, &fiber), 0);
	fiber_yield();
	fiber_cancel(fiber);
	return fiber_join(fiber, loop_deadline_ms(5000));
}

static void cancelling_ends_every_wait(void **state)
{
	struct ping p = { .turns = 0 };

	(void)state;
	assert_int_equal(pipe2(p.fds, O_CLOEXEC | O_NONBLOCK), 0);
	assert_int_equal(fiber_run_main(cancel_main, &p), 0);
	assert_int_equal(p.turns, -ECANCELED);
	(void)close(p.fds[0]);
	(void)close(p.fds[1]);
}

static void locker(void *arg)
{
	struct ping *p = arg;

	assert_int_equal(fiber_lock(&p->mutex, LOOP_FOREVER), 0);
	int turn = p->turns;
	fiber_yield();
	p->turns = turn + 1;
	fiber_unlock(&p->mutex);
}

static int mutex_main(void *arg)
{
	struct ping *p = arg;
	struct fiber *fibers[10];

	for (size_t i = 0; i < ARRAY_SIZE(fibers); i++)
		assert_int_equal(fiber_spawn(fiber_loop(), "locker", locker, p, &fibers[i]), 0);
	for (size_t i = 0; i < ARRAY_SIZE(fibers); i++)
		assert_int_equal(fiber_join(fibers[i], loop_deadline_ms(5000)), 0);
	return p->turns;
}

static void mutex_holds_across_waits(void **state)
{
	struct ping p = { .turns = 0 };

	(void)state;
	fiber_mutex_init(&p.mutex);
	assert_int_equal(fiber_run_main(mutex_main, &p), 10);
}

static int say_open_descriptors(void *arg)
{
	char nr = '0';

	for (int fd = 0; fd < 1024; fd++)
		if (fcntl(fd, F_GETFD) >= 0)
			nr++;
	return write(3, arg, 3) == 3 && write(3, &nr, 1) == 1 ? 5 : 6;
}

static int proc_main(void *arg)
{
	int pipefd[2];
	char buf[16] = "";
	struct err err = ERR_NULL;
	struct proc proc = PROC_NULL;
	int wstatus = 0;

	(void)arg;
	assert_int_equal(pipe2(pipefd, O_CLOEXEC), 0);
	struct proc_fd fds[] = { { .fd = pipefd[1], .target = 7 } };
	char *argv[] = { (char *)"sh", (char *)"-c",
			 (char *)"echo out >&7; ls /proc/self/fd | wc -l >&7; exit 3", NULL };
	struct proc_spec spec = {
		.path = "/bin/sh",
		.argv = argv,
		.fds = fds,
		.nr_fds = 1,
		.netns_fd = -1,
		.die_with_parent = true,
	};
	assert_int_equal(proc_spawn(&spec, &proc, &err), 0);
	(void)close(pipefd[1]);
	assert_int_equal(proc_wait_fiber(&proc, loop_deadline_ms(5000), &wstatus), 0);
	assert_int_equal(proc_exit_code(wstatus), 3);
	assert_true(read(pipefd[0], buf, sizeof(buf) - 1) > 0);
	assert_string_equal(buf, "out\n5\n"); /* 0-2, 7, and ls's own directory */
	(void)close(pipefd[0]);
	assert_int_equal(pipe2(pipefd, O_CLOEXEC), 0);
	fds[0] = (struct proc_fd){ .fd = pipefd[1], .target = 3 };
	spec.run = say_open_descriptors;
	spec.run_arg = (void *)(uintptr_t) "arg";
	assert_int_equal(proc_spawn(&spec, &proc, &err), 0);
	assert_int_equal(proc_wait_fiber(&proc, loop_deadline_ms(5000), &wstatus), 0);
	assert_int_equal(proc_exit_code(wstatus), 5);
	assert_int_equal(read(pipefd[0], buf, sizeof(buf)), 4);
	assert_memory_equal(buf, "arg4", 4);
	(void)close(pipefd[0]);
	(void)close(pipefd[1]);
	spec.run = NULL;
	spec.path = "/nonexistent/program";
	spec.nr_fds = 0;
	assert_int_equal(proc_spawn(&spec, &proc, &err), -ENOENT);
	assert_string_equal(err.text, "/nonexistent/program: exec: No such file or directory");
	return 0;
}

static void children_get_exactly_their_descriptors(void **state)
{
	(void)state;
	assert_int_equal(fiber_run_main(proc_main, NULL), 0);
}

/* A pipe that is full holds up whoever writes to it, as a frozen cgroup does who joins it. */
static int open_full_pipe(int pair[2])
{
	static const char page[4096];
	int r = pipe2(pair, O_CLOEXEC | O_NONBLOCK);

	while (r == 0 && write(pair[1], page, sizeof(page)) > 0)
		;
	return r < 0 ? r : fcntl(pair[1], F_SETFL, 0);
}

static void spawn_stuck(void *arg)
{
	int pair[2], *ret = arg;
	struct err err = ERR_NULL;
	struct proc proc = PROC_NULL;
	char *argv[] = { (char *)"true", NULL };

	assert_int_equal(open_full_pipe(pair), 0);
	const struct proc_spec spec = {
		.path = "/bin/true",
		.argv = argv,
		.netns_fd = -1,
		.cgroup_fds = &pair[1],
		.nr_cgroup_fds = 1,
	};
	*ret = proc_spawn(&spec, &proc, &err);
	(void)close(pair[0]);
	(void)close(pair[1]);
}

static int cancel_stuck_main(void *arg)
{
	struct fiber *fiber = NULL;
	int r = 0;

	(void)arg;
	assert_int_equal(fiber_spawn(fiber_loop(), "spawn", spawn_stuck, &r, &fiber), 0);
	assert_int_equal(fiber_sleep_until(loop_deadline_ms(50)), 0);
	assert_int_equal(r, 0); /* and the loop has run */
	fiber_cancel(fiber);
	assert_int_equal(fiber_join(fiber, loop_deadline_ms(5000)), 0);
	return r;
}

static void a_child_that_cannot_join_its_cgroup_holds_up_nobody(void **state)
{
	(void)state;
	assert_int_equal(fiber_run_main(cancel_stuck_main, NULL), -ECANCELED);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* no child is left */
}

static void start_time_tells_processes_apart(void **state)
{
	uint64_t ticks = 0;

	(void)state;
	assert_int_equal(proc_start_time(getpid(), &ticks), 0);
	assert_true(ticks > 0);
	assert_int_equal(proc_start_time(0x3fffffff, &ticks), -ESRCH);
}

static void command_lines_keep_their_first_failure(void **state)
{
	cleanup_arena struct arena *arena = NULL;
	struct strv words = { 0 };
	struct argv argv = { .words = &words };

	(void)state;
	assert_int_equal(arena_new(&arena), 0);
	argv.arena = arena;
	argv_add(&argv, "program");
	argv_add2(&argv, "-o", "a b");
	argv_addf(&argv, "n=%d", 7);
	argv_fail(&argv, 0);
	assert_int_equal(argv.r, 0);
	assert_int_equal(words.nr, 4);
	assert_string_equal(words.v[2], "a b");
	assert_string_equal(words.v[3], "n=7");
	assert_null(words.v[4]);
	argv_fail(&argv, -E2BIG);
	argv_fail(&argv, -EBADF);
	argv_add(&argv, "more");
	assert_int_equal(argv.r, -E2BIG);
	assert_int_equal(words.nr, 4);
}

static const char *take(int fd, char *buf, size_t size)
{
	ssize_t n = read(fd, buf, size - 1);

	buf[n > 0 ? n : 0] = '\0';
	return buf;
}

static void errors_are_copied_in_plain_words(void **state)
{
	int log[2], copy[2];
	char buf[512];

	(void)state;
	assert_int_equal(pipe2(log, O_CLOEXEC | O_NONBLOCK), 0);
	assert_int_equal(pipe2(copy, O_CLOEXEC | O_NONBLOCK), 0);
	log_init("test", log[1], LOG_FORMAT_JSON, LOG_LEVEL_INFO);
	log_copy_errors(copy[1]);
	log_warn("half \"bad\"");
	assert_non_null(strstr(take(log[0], buf, sizeof(buf)), "\"msg\":\"half \\\"bad\\\"\""));
	assert_string_equal(take(copy[0], buf, sizeof(buf)), "");
	log_error_errno(-ENOENT, "all \"bad\"");
	assert_non_null(strstr(take(log[0], buf, sizeof(buf)), "\"level\":\"error\""));
	assert_string_equal(take(copy[0], buf, sizeof(buf)),
			    "all \"bad\": No such file or directory\n");
	log_copy_errors(-1);
	log_error("alone");
	assert_string_equal(take(copy[0], buf, sizeof(buf)), "");
	log_init("test", STDERR_FILENO, LOG_FORMAT_PLAIN, LOG_LEVEL_INFO);
	for (size_t i = 0; i < 2; i++) {
		(void)close(log[i]);
		(void)close(copy[i]);
	}
}

static void no_text_speaks_to_a_terminal(void **state)
{
	static const struct {
		const char *text, *keep, *expected;
	} cases[] = {
		{ "", "", "" },
		{ "caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80", "",
		  "caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80" },
		{ "a\x1b[2Jb\x07\x7f", "", "a?[2Jb??" },
		{ "one\ntwo\tthree\r", "", "one two three " },
		{ "one\ntwo\tthree\r", "\n\t", "one\ntwo\tthree " },
		{ "\xc2\x9b"
		  "31m\xc2\xa0",
		  "", "??31m\xc2\xa0" },		      /* CSI as one character */
		{ "\x9b\xff\xc0\xaf\xe2\x82", "", "??????" }, /* no UTF-8 */
	};
	struct err err = ERR_NULL;
	char buf[512];
	int log[2];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		snprintf(buf, sizeof(buf), "%s", cases[i].text);
		utf8_make_printable(buf, strlen(buf), cases[i].keep);
		assert_string_equal(buf, cases[i].expected);
	}
	assert_int_equal(err_set(&err, EIO, "guest: %s", "\033]0;x\007\nok"), -EIO);
	assert_string_equal(err.text, "guest: ?]0;x? ok");
	assert_int_equal(pipe2(log, O_CLOEXEC | O_NONBLOCK), 0);
	for (int format = LOG_FORMAT_TEXT; format <= LOG_FORMAT_KMSG; format++) {
		log_init("test", log[1], (enum log_format)format, LOG_LEVEL_INFO);
		log_warn("a\033b\nlevel=error c");
		(void)take(log[0], buf, sizeof(buf));
		assert_ptr_equal(strchr(buf, '\n'), buf + strlen(buf) - 1);
		assert_null(strchr(buf, '\033'));
	}
	log_init("test", STDERR_FILENO, LOG_FORMAT_PLAIN, LOG_LEVEL_INFO);
	(void)close(log[0]);
	(void)close(log[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_text_speaks_to_a_terminal),
		cmocka_unit_test(wrapping_puts_context_in_front),
		cmocka_unit_test(numbers_are_parsed_strictly),
		cmocka_unit_test(ids_cannot_leave_their_directory),
		cmocka_unit_test(arena_lists_stay_terminated),
		cmocka_unit_test(descriptors_travel_with_a_message),
		cmocka_unit_test(replaced_files_are_whole),
		cmocka_unit_test(a_fifo_is_not_read),
		cmocka_unit_test(fibers_wait_without_stalling_each_other),
		cmocka_unit_test(cancelling_ends_every_wait),
		cmocka_unit_test(mutex_holds_across_waits),
		cmocka_unit_test(children_get_exactly_their_descriptors),
		cmocka_unit_test(a_child_that_cannot_join_its_cgroup_holds_up_nobody),
		cmocka_unit_test(start_time_tells_processes_apart),
		cmocka_unit_test(command_lines_keep_their_first_failure),
		cmocka_unit_test(errors_are_copied_in_plain_words),
	};

	(void)signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
