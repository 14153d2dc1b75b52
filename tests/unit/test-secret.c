/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unit tests of the secret that the agent is told on its console, and of a listener that serves
 * nobody who does not know it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/server/listener.h"
#include "agent/server/secret.h"
#include "common/fd.h"
#include "common/fiber.h"
#include "common/io.h"

#define A32 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define B32 "00000000000000000000000000000000000000000000000000000000000000ff"

static uint64_t soon(void)
{
	return loop_deadline_ms(5000);
}

/* The agent's end asks, with this answer waiting. Return: what asking gave. */
static int ask(const char *answer, struct kata_secret *ret)
{
	struct err err = ERR_NULL;
	char said[64] = "";
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(fd_set_nonblock(pair[0], true), 0);
	assert_int_equal(io_write_full(pair[1], answer, strlen(answer)), 0);
	(void)shutdown(pair[1], SHUT_WR);
	int r = secret_ask(pair[0], ret, &err);
	assert_true(read(pair[1], said, sizeof(said) - 1) > 0);
	assert_string_equal(said, KATA_SECRET_ASK "\n");
	if (r < 0)
		assert_non_null(strstr(err.text, "ask the host for the sandbox's secret: "));
	(void)close(pair[0]);
	(void)close(pair[1]);
	return r;
}

static void the_console_tells_the_secret(void **state)
{
	static const uint8_t first[] = { 0x01, 0x23, 0x45 };
	struct kata_secret secret = { 0 };
	struct err err = ERR_NULL;

	(void)state;
	assert_int_equal(ask(A32 B32 "\n", &secret), 0);
	assert_memory_equal(secret.dialler, first, sizeof(first));
	assert_int_equal(secret.agent[KATA_SECRET_LEN - 1], 0xff);
	assert_int_equal(secret.agent[0], 0);
	assert_int_equal(ask("\n", &secret), -EBADMSG);
	assert_int_equal(ask(A32 "\n", &secret), -EBADMSG);
	assert_int_equal(ask(A32 B32 "0\n", &secret), -EBADMSG);
	assert_int_equal(ask(A32 "x" B32, &secret), -EBADMSG);
	assert_int_equal(ask("A" A32 B32, &secret), -EBADMSG);
	assert_int_equal(ask(A32 B32, &secret), -EPIPE);
	assert_int_equal(ask("", &secret), -EPIPE);
	assert_int_equal(secret_ask(-1, &secret, &err), -ENODEV);
}

static struct {
	struct kata_secret secret;
	struct agent_addr addr;
	int served[4];
	size_t nr_served;
} t;

static void serve(void *arg, int fd_consume, uint32_t port)
{
	(void)arg;
	(void)port;
	assert_true(t.nr_served < ARRAY_SIZE(t.served));
	t.served[t.nr_served++] = fd_consume;
}

static int dial(void)
{
	int fd = fiber_connect_unix(t.addr.path, soon());

	assert_true(fd >= 0);
	return fd;
}

/* Nothing comes but the end. */
static void assert_turned_away(int fd)
{
	char c;

	assert_true(fiber_read(fd, &c, 1, soon()) <= 0);
	(void)close(fd);
	assert_int_equal(t.nr_served, 0);
}

static void assert_served(int fd)
{
	uint8_t answer[KATA_SECRET_LEN];
	char word[6] = "";

	assert_int_equal(fiber_read_full(fd, answer, sizeof(answer), soon()), 0);
	assert_memory_equal(answer, t.secret.agent, sizeof(answer));
	assert_int_equal(t.nr_served, 1);
	assert_int_equal(fiber_read_full(t.served[0], word, 5, soon()), 0);
	assert_string_equal(word, "hello");
	(void)close(fd);
	(void)close(t.served[0]);
	t.nr_served = 0;
}

static void say(int fd, const void *data, size_t len)
{
	assert_int_equal(fiber_write_full(fd, data, len, soon()), 0);
}

static int clients(void *arg)
{
	uint8_t wrong[KATA_SECRET_LEN], all[KATA_SECRET_LEN + 5];
	struct listener *l = arg;
	int strangers[70];

	assert_int_equal(listener_open(l, fiber_loop(), &t.addr, &t.secret, serve, NULL), 0);
	memcpy(all, t.secret.dialler, KATA_SECRET_LEN);
	memcpy(all + KATA_SECRET_LEN, "hello", 5);
	int fd = dial();
	say(fd, all, sizeof(all));
	assert_served(fd);
	fd = dial();
	say(fd, all, 7);
	(void)fiber_sleep_until(loop_deadline_ms(20));
	assert_int_equal(t.nr_served, 0);
	say(fd, all + 7, sizeof(all) - 7);
	assert_served(fd);
	/* The agent's own part, and one that differs in its last bit. */
	fd = dial();
	say(fd, t.secret.agent, KATA_SECRET_LEN);
	assert_turned_away(fd);
	memcpy(wrong, t.secret.dialler, sizeof(wrong));
	wrong[sizeof(wrong) - 1] ^= 1;
	fd = dial();
	say(fd, wrong, sizeof(wrong));
	assert_turned_away(fd);
	fd = dial();
	say(fd, all, 7);
	(void)close(fd);
	/* Those that say nothing keep nobody out. */
	for (size_t i = 0; i < ARRAY_SIZE(strangers); i++)
		strangers[i] = dial();
	fd = dial();
	say(fd, all, sizeof(all));
	assert_served(fd);
	assert_turned_away(strangers[0]);
	for (size_t i = 1; i < ARRAY_SIZE(strangers); i++)
		(void)close(strangers[i]);
	listener_close(l);
	return 0;
}

static void who_does_not_know_the_secret_is_not_served(void **state)
{
	struct listener listener = LISTENER_NULL;

	(void)state;
	t.addr.type = AGENT_ADDR_UNIX;
	(void)snprintf(t.addr.path, sizeof(t.addr.path), "/tmp/test-secret-%d", (int)getpid());
	memset(t.secret.dialler, 0x5a, KATA_SECRET_LEN);
	memset(t.secret.agent, 0xa5, KATA_SECRET_LEN);
	assert_int_equal(fiber_run_main(clients, &listener), 0);
	(void)unlink(t.addr.path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_console_tells_the_secret),
		cmocka_unit_test(who_does_not_know_the_secret_is_not_served),
	};

	(void)signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests_name("secret", tests, NULL, NULL);
}
