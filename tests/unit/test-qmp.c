/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unit tests of the QMP client. QEMU is a forked child on the other end of a socketpair that plays
 * a short script: send this line, expect a line that contains that.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/fiber.h"
#include "common/io.h"
#include "common/str.h"
#include "sandbox/hypervisor/qmp.h"

#define GREETING                                                                            \
	"{\"QMP\": {\"version\": {\"qemu\": {\"micro\": 22, \"minor\": 2, \"major\": 7}}, " \
	"\"capabilities\": [\"oob\"]}}\r\n"
#define HELLO \
	SEND(GREETING), EXPECT("\"qmp_capabilities\""), SEND("{\"return\": {}, \"id\": 1}\r\n")
#define SEND(text)             \
	{                      \
		.send = (text) \
	}
#define EXPECT(text)             \
	{                        \
		.expect = (text) \
	}
#define EXPECT_FD(text)                           \
	{                                         \
		.expect = (text), .with_fd = true \
	}
#define STALL                 \
	{                     \
		.stall = true \
	}

/* One step of the mock; the last one is all zero. */
struct step {
	const char *send, *expect;
	bool with_fd, stall;
};

struct test {
	const struct step *steps;
	int (*client)(struct test *test);
	struct qmp *qmp;
	struct loop *loop;
	unsigned nr_events, nr_lost;
	char last_event[64];
	int result; /* of a helper fiber */
	bool helper_done;
};

static void attr_noreturn mock_fail(const char *what, const char *line)
{
	(void)fprintf(stderr, "mock QEMU: %s: %s\n", what, line);
	_exit(1);
}

/* Reads one line and writes "passed" into the descriptor that came with it. */
static void mock_expect(int sock, const struct step *step)
{
	char line[1024];
	size_t len = 0;
	int fd = -1;

	while (len < sizeof(line) - 1) {
		size_t nr = 0;
		int one = -1;

		if (fd_recv_msg(sock, line + len, 1, &one, 1, &nr) != 1)
			mock_fail("no line, wanted", step->expect);
		if (nr)
			fd = one;
		if (line[len++] == '\n')
			break;
	}
	line[len] = '\0';
	if (!strstr(line, step->expect))
		mock_fail("unexpected line", line);
	if (step->with_fd != (fd >= 0))
		mock_fail("descriptor missing or too many", line);
	if (fd >= 0 && write(fd, "passed", 6) != 6)
		mock_fail("descriptor not writable", line);
	(void)fd_close(fd);
}

static pid_t mock_start(int sock, const struct step *step)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid)
		return pid;
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (; step->send || step->expect || step->stall; step++) {
		if (step->stall)
			(void)pause(); /* killed by the parent */
		if (step->expect)
			mock_expect(sock, step);
		if (step->send && io_write_full(sock, step->send, strlen(step->send)) < 0)
			_exit(1);
	}
	_exit(0);
}

static void on_event(void *arg, const char *name, const struct json *data)
{
	struct test *test = arg;

	test->nr_events++;
	test->nr_lost += str_eq(name, "SHUTDOWN") && !data;
	(void)snprintf(test->last_event, sizeof(test->last_event), "%s", name);
}

static int in_fiber(void *arg)
{
	struct test *test = arg;
	int pair[2], r, wstatus = 0;
	pid_t pid;

	test->loop = fiber_loop();
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	pid = mock_start(pair[1], test->steps);
	(void)close(pair[1]);
	assert_int_equal(qmp_new(test->loop, pair[0], on_event, test, &test->qmp), 0);
	r = test->client(test);
	test->qmp = qmp_free(test->qmp);
	for (const struct step *step = test->steps; step->send || step->expect || step->stall;
	     step++)
		if (step->stall)
			(void)kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, &wstatus, 0), pid);
	assert_false(WIFEXITED(wstatus) && WEXITSTATUS(wstatus) != 0);
	return r;
}

static int play(struct test *test)
{
	return fiber_run_main(in_fiber, test);
}

static uint64_t soon(void)
{
	return loop_deadline_ms(5000);
}

static int handshake(struct test *test)
{
	struct err err = ERR_NULL;

	return qmp_handshake(test->qmp, soon(), &err);
}

static int value_client(struct test *test)
{
	const struct qmp_command command = { .name = "query-x", .arguments = "{\"a\":1}" };
	const struct json *value = NULL;
	cleanup_arena struct arena *arena = NULL;
	struct err err = ERR_NULL;
	uint64_t n = 0;

	assert_int_equal(qmp_execute(test->qmp, &command, NULL, NULL, soon(), &err), -ENOTCONN);
	assert_int_equal(handshake(test), 0);
	assert_int_equal(handshake(test), 0); /* once more changes nothing */
	assert_int_equal(arena_new(&arena), 0);
	assert_int_equal(qmp_execute(test->qmp, &command, arena, &value, soon(), &err), 0);
	assert_int_equal(json_get_u64(value, "n", &n, &err), 0);
	assert_int_equal(n, 42);
	return 0;
}

static void value_comes_back_into_the_callers_arena(void **state)
{
	static const struct step steps[] = {
		HELLO,
		EXPECT("{\"execute\":\"query-x\",\"id\":2,\"arguments\":{\"a\":1}}"),
		SEND("{\"return\": {\"n\": 42}, \"id\": 2}\r\n"),
		{ 0 },
	};
	struct test test = { .steps = steps, .client = value_client };

	(void)state;
	assert_int_equal(play(&test), 0);
	assert_int_equal(test.nr_events, 0);
}

static int error_client(struct test *test)
{
	const struct qmp_command command = { .name = "device_del" };
	struct err err = ERR_NULL;

	assert_int_equal(handshake(test), 0);
	assert_int_equal(qmp_execute(test->qmp, &command, NULL, NULL, soon(), &err), -ENODEV);
	assert_string_equal(err.text, "QEMU: Device 'x' not found");
	assert_int_equal(qmp_execute(test->qmp, &command, NULL, NULL, soon(), &err), -EIO);
	return 0;
}

static void error_answer_becomes_errno_and_words(void **state)
{
	static const struct step steps[] = {
		HELLO,
		EXPECT("device_del"),
		SEND("{\"id\": 2, \"error\": {\"class\": \"DeviceNotFound\", \"desc\": \"Device "
		     "'x' not found\"}}\r\n"),
		EXPECT("device_del"),
		SEND("{\"id\": 3, \"error\": {\"class\": \"GenericError\", \"desc\": \"no\"}}\r\n"),
		{ 0 },
	};
	struct test test = { .steps = steps, .client = error_client };

	(void)state;
	assert_int_equal(play(&test), 0);
}

static void helper_fiber(void *arg)
{
	const struct qmp_command command = { .name = "first" };
	struct test *test = arg;
	struct err err = ERR_NULL;

	test->result = qmp_execute(test->qmp, &command, NULL, NULL, soon(), &err);
	test->helper_done = true;
}

static int pipelined_client(struct test *test)
{
	const struct qmp_command command = { .name = "second" };
	struct fiber *helper;
	struct err err = ERR_NULL;

	assert_int_equal(handshake(test), 0);
	assert_int_equal(fiber_spawn(test->loop, "helper", helper_fiber, test, &helper), 0);
	fiber_yield(); /* lets it send */
	assert_int_equal(qmp_execute(test->qmp, &command, NULL, NULL, soon(), &err), 0);
	assert_false(test->helper_done);
	assert_int_equal(fiber_join(helper, soon()), 0);
	return test->result;
}

static void answers_may_come_in_any_order(void **state)
{
	static const struct step steps[] = {
		HELLO,
		EXPECT("first"),
		EXPECT("second"),
		SEND("{\"return\": {}, \"id\": 3}\r\n"),
		/* A line in two pieces, and events around it. */
		SEND("{\"timestamp\": {}, \"event\": \"RESUME\"}\n{\"return\": {}"),
		SEND(", \"id\": 2}\r\n"),
		{ 0 },
	};
	struct test test = { .steps = steps, .client = pipelined_client };

	(void)state;
	assert_int_equal(play(&test), 0);
	assert_string_equal(test.last_event, "RESUME");
}

static int fd_client(struct test *test)
{
	int pipe_fds[2];
	struct qmp_command command = { .name = "getfd",
				       .arguments = "{\"fdname\":\"x\"}",
				       .nr_fds = 1 };
	struct err err = ERR_NULL;
	char text[8] = "";

	assert_int_equal(handshake(test), 0);
	assert_int_equal(pipe(pipe_fds), 0);
	command.fds = &pipe_fds[1];
	assert_int_equal(qmp_execute(test->qmp, &command, NULL, NULL, soon(), &err), 0);
	assert_int_equal(read(pipe_fds[0], text, sizeof(text)), 6);
	assert_string_equal(text, "passed");
	(void)close(pipe_fds[1]);
	/* Neither the client nor the mock kept a duplicate. */
	assert_int_equal(read(pipe_fds[0], text, sizeof(text)), 0);
	(void)close(pipe_fds[0]);
	return 0;
}

static void descriptor_travels_with_its_command(void **state)
{
	static const struct step steps[] = {
		HELLO, EXPECT_FD("getfd"), SEND("{\"return\": {}, \"id\": 2}\r\n"), { 0 }
	};
	struct test test = { .steps = steps, .client = fd_client };

	(void)state;
	assert_int_equal(play(&test), 0);
}

static int lost_client(struct test *test)
{
	const struct qmp_command command = { .name = "quit" };
	struct err err = ERR_NULL;

	assert_int_equal(handshake(test), 0);
	assert_int_equal(qmp_execute(test->qmp, &command, NULL, NULL, soon(), &err), -ECONNRESET);
	assert_int_equal(qmp_execute(test->qmp, &command, NULL, NULL, soon(), &err), -ECONNRESET);
	assert_int_equal(qmp_state(test->qmp), QMP_STATE_CLOSED);
	return 0;
}

static void lost_connection_answers_every_call_and_shuts_down_once(void **state)
{
	static const struct step steps[] = { HELLO, EXPECT("quit"), { 0 } };
	struct test test = { .steps = steps, .client = lost_client };

	(void)state;
	assert_int_equal(play(&test), 0);
	assert_int_equal(test.nr_lost, 1);
}

static void broken_streams_are_dropped(void **state)
{
	static const struct step garbage[] = { HELLO, EXPECT("quit"), SEND("}}}\n"), STALL, { 0 } };
	static const struct step no_object[] = {
		HELLO, EXPECT("quit"), SEND("[]\n"), STALL, { 0 }
	};
	static const struct step future_id[] = {
		HELLO, EXPECT("quit"), SEND("{\"return\":{},\"id\":99}\n"), STALL, { 0 }
	};
	static const struct step no_id[] = {
		HELLO, EXPECT("quit"), SEND("{\"return\":{}}\n"), STALL, { 0 }
	};
	static const struct step no_value[] = {
		HELLO, EXPECT("quit"), SEND("{\"id\":2}\n"), STALL, { 0 }
	};
	const struct step *all[] = { garbage, no_object, future_id, no_id, no_value };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		struct test test = { .steps = all[i], .client = lost_client };

		assert_int_equal(play(&test), 0);
		assert_int_equal(test.nr_lost, 1);
	}
}

static int bad_greeting_client(struct test *test)
{
	assert_int_equal(handshake(test), -ECONNRESET);
	return 0;
}

static void greeting_must_be_one(void **state)
{
	static const struct step steps[] = { SEND("{\"HMP\": 1}\n"), STALL, { 0 } };
	static const struct step refused[] = { SEND(GREETING),
					       EXPECT("qmp_capabilities"),
					       SEND("{\"error\":{},\"id\":1}\n"),
					       STALL,
					       { 0 } };
	struct test test = { .steps = steps, .client = bad_greeting_client };

	(void)state;
	assert_int_equal(play(&test), 0);
	test.steps = refused;
	assert_int_equal(play(&test), 0);
}

static int long_line_client(struct test *test)
{
	cleanup_free char *line = malloc(QMP_LINE_MAX);
	int r = 0;

	assert_non_null(line);
	memset(line, ' ', QMP_LINE_MAX);
	assert_int_equal(qmp_feed(test->qmp, line, QMP_LINE_MAX), 0);
	r = qmp_feed(test->qmp, line, 1);
	return r;
}

static void endless_line_is_cut_off(void **state)
{
	static const struct step steps[] = { STALL, { 0 } };
	struct test test = { .steps = steps, .client = long_line_client };

	(void)state;
	assert_int_equal(play(&test), -EMSGSIZE);
}

static int late_client(struct test *test)
{
	const struct qmp_command slow = { .name = "slow" }, quick = { .name = "quick" };
	struct err err = ERR_NULL;

	assert_int_equal(handshake(test), 0);
	assert_int_equal(qmp_execute(test->qmp, &slow, NULL, NULL, loop_deadline_ms(10), &err),
			 -ETIMEDOUT);
	assert_int_equal(qmp_execute(test->qmp, &quick, NULL, NULL, soon(), &err), 0);
	assert_int_equal(qmp_state(test->qmp), QMP_STATE_RUNNING);
	return 0;
}

static void late_answer_finds_no_taker_and_does_no_harm(void **state)
{
	static const struct step steps[] = {
		HELLO,
		EXPECT("slow"),
		EXPECT("quick"),
		SEND("{\"return\": {}, \"id\": 2}\r\n"),
		SEND("{\"return\": {}, \"id\": 3}\r\n"),
		{ 0 },
	};
	struct test test = { .steps = steps, .client = late_client };

	(void)state;
	assert_int_equal(play(&test), 0);
}

static int free_client(struct test *test)
{
	struct fiber *helper;

	assert_int_equal(handshake(test), 0);
	assert_int_equal(fiber_spawn(test->loop, "helper", helper_fiber, test, &helper), 0);
	fiber_yield();
	test->qmp = qmp_free(test->qmp);
	assert_int_equal(fiber_join(helper, soon()), 0);
	return test->result;
}

static void freeing_the_client_cancels_calls_under_way(void **state)
{
	static const struct step steps[] = { HELLO, STALL, { 0 } };
	struct test test = { .steps = steps, .client = free_client };

	(void)state;
	assert_int_equal(play(&test), -ECANCELED);
	assert_int_equal(test.nr_events, 0);
}

static int full_client(struct test *test)
{
	cleanup_free char *argument = malloc(400000);
	struct qmp_command command = { .name = "big", .arguments = argument };
	struct err err = ERR_NULL;

	assert_non_null(argument);
	memset(argument, ' ', 399999);
	argument[0] = '{';
	argument[399998] = '}';
	argument[399999] = '\0';
	assert_int_equal(handshake(test), 0);
	/*
	 * More than a socket buffer, to somebody who does not read: the deadline must still hold.
	 */
	assert_int_equal(qmp_execute(test->qmp, &command, NULL, NULL, loop_deadline_ms(20), &err),
			 -ETIMEDOUT);
	return 0;
}

static void peer_that_does_not_read_cannot_hold_the_caller(void **state)
{
	static const struct step steps[] = { HELLO, STALL, { 0 } };
	struct test test = { .steps = steps, .client = full_client };

	(void)state;
	assert_int_equal(play(&test), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(value_comes_back_into_the_callers_arena),
		cmocka_unit_test(error_answer_becomes_errno_and_words),
		cmocka_unit_test(answers_may_come_in_any_order),
		cmocka_unit_test(descriptor_travels_with_its_command),
		cmocka_unit_test(lost_connection_answers_every_call_and_shuts_down_once),
		cmocka_unit_test(broken_streams_are_dropped),
		cmocka_unit_test(greeting_must_be_one),
		cmocka_unit_test(endless_line_is_cut_off),
		cmocka_unit_test(late_answer_finds_no_taker_and_does_no_harm),
		cmocka_unit_test(freeing_the_client_cancels_calls_under_way),
		cmocka_unit_test(peer_that_does_not_read_cannot_hold_the_caller),
	};

	(void)signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
