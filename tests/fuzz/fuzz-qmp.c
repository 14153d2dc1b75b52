/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Feeds the QMP client what a hostile QEMU might send. An even first byte: the rest is fed to the
 * reader, and the first byte says in what portions. An odd one: the rest is a list of steps, one
 * byte each with its arguments, of QEMU and of fibers that have commands under way.
 */
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/fiber.h"
#include "faults.h"
#include "sandbox/hypervisor/qmp.h"
#include "steps.h"

#define NR_CALLERS 8

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct world;

struct caller {
	struct world *w;
	struct fiber *fiber;
	uint8_t how;
};

struct world {
	struct input in;
	struct qmp *qmp;
	int qemu;
	struct caller callers[NR_CALLERS];
	unsigned nr_calls;
	bool lost;
};

static void on_event(void *arg, const char *name, const struct json *data)
{
	struct world *w = arg;

	if (data && data->type != JSON_OBJECT)
		abort();
	if (w && strcmp(name, "SHUTDOWN") == 0)
		w->lost = true;
}

static void feed(const uint8_t *data, size_t size)
{
	static const char greeting[] = "{\"QMP\":{}}\n{\"return\":{},\"id\":1}\n";
	static struct loop *loop;
	struct qmp *qmp;
	size_t step = 1 + (data[0] >> 1 & 63);
	int pair[2];

	if ((!loop && loop_new(&loop) < 0) ||
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return;
	if (qmp_new(loop, pair[0], on_event, NULL, &qmp) < 0) {
		(void)close(pair[1]);
		return;
	}
	/* Half of the inputs start behind the handshake. */
	int r = data[0] & 128 ? qmp_feed(qmp, greeting, sizeof(greeting) - 1) : 0;
	for (size_t pos = 1; pos < size && r >= 0; pos += step)
		r = qmp_feed(qmp, (const char *)data + pos, MIN(size - pos, step));
	(void)qmp_free(qmp);
	(void)close(pair[1]);
}

static void execute(struct caller *c)
{
	static char longest[QMP_LINE_MAX];
	const int fds[FD_PASS_MAX + 1] = { STDERR_FILENO, STDERR_FILENO, STDERR_FILENO };
	uint64_t deadline_ns = c->how & 64 ? loop_deadline_ms(0) : LOOP_FOREVER;
	struct qmp_command command = { .name = "query-status", .fds = fds };
	cleanup_arena struct arena *arena = NULL;
	const struct json *value = NULL;
	struct err err = ERR_NULL;

	command.nr_fds = c->how >> 2 & 3;
	if (command.nr_fds == 3)
		command.nr_fds = FD_PASS_MAX + 1;
	command.arguments = c->how & 1 ? "{\"name\": \"value\"}" : NULL;
	if (c->how == 0xff) {
		memset(longest, ' ', sizeof(longest) - 1);
		command.arguments = longest;
	}
	if ((c->how & 2) && arena_new(&arena) < 0)
		return;
	int r = qmp_execute(c->w->qmp, &command, arena, &value, deadline_ns, &err);
	if (r >= 0 ? arena && !value : !*err.text || r != -err.code)
		abort();
}

static void caller_main(void *arg)
{
	struct caller *c = arg;
	struct err err = ERR_NULL;

	if (c->how & 0x80 && c->how != 0xff) {
		int r = qmp_handshake(c->w->qmp, c->how & 64 ? loop_deadline_ms(0) : LOOP_FOREVER,
				      &err);

		if (r < 0 && r != -err.code)
			abort();
	} else {
		execute(c);
	}
}

static void join(struct caller *c)
{
	if (c->fiber && fiber_join(c->fiber, LOOP_FOREVER) < 0)
		abort();
	c->fiber = NULL;
}

static void begin(struct world *w)
{
	struct caller *c = &w->callers[w->nr_calls++ % NR_CALLERS];

	if (c->fiber)
		fiber_cancel(c->fiber);
	join(c);
	*c = (struct caller){ .w = w, .how = u8(&w->in) };
	if (fiber_spawn(fiber_loop(), "caller", caller_main, c, &c->fiber) < 0)
		c->fiber = NULL;
}

/* What QEMU says, of an id that is known, mostly. */
static void say(struct world *w)
{
	static const char *const words[] = {
		"{\"QMP\":{}}",
		"{\"return\":{},\"id\":%u}",
		"{\"return\":[{\"a\":1}],\"id\":%u}",
		"{\"event\":\"STOP\",\"data\":{\"id\":%u}}",
		"{\"event\":\"RESUME\"}",
		"{\"error\":{\"class\":\"CommandNotFound\",\"desc\":\"no\"},\"id\":%u}",
		"{\"error\":{\"class\":\"GenericError\",\"desc\":\"no\"},\"id\":%u}",
		"{\"error\":{\"class\":1},\"id\":%u}",
		"{\"id\":%u}",
		"{\"return\":{},\"id\":\"%u\"}",
		"{\"return\":{}}",
		"{\"event\":\"STOP\",\"data\":%u}",
		"{\"event\":%u}",
		"[%u]",
	};
	uint8_t which = u8(&w->in);
	unsigned id = u8(&w->in);
	char text[128];

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	int len = snprintf(text, sizeof(text), words[which % ARRAY_SIZE(words)], id);
#pragma GCC diagnostic pop
	put(w->qemu, text, (size_t)len);
	if (which & 0x80)
		put(w->qemu, "\r", 1);
	put(w->qemu, "\n", 1);
}

static void flood(struct world *w)
{
	static char much[1 << 16];

	memset(much, ' ', sizeof(much));
	for (int i = 0; i < 20; i++) {
		put(w->qemu, much, sizeof(much));
		turns(5);
	}
}

static void step(struct world *w)
{
	uint8_t what = u8(&w->in);
	char sink[4096];

	switch (what & 7) {
	case 0:
	case 1:
		say(w);
		break;
	case 2:
	case 3:
		begin(w);
		break;
	case 4:
		send_bytes(&w->in, w->qemu);
		break;
	case 5:
		(void)recv(w->qemu, sink, sizeof(sink), MSG_DONTWAIT);
		break;
	case 6:
		faults_arm(u8(&w->in));
		break;
	default:
		if (what & 8)
			(void)shutdown(w->qemu, what & 16 ? SHUT_RDWR : SHUT_WR);
		else if (what & 16)
			flood(w);
		else
			qmp_drain(w->qmp);
		break;
	}
	turns(what & 0x80 ? 2 : 0);
}

static int run(void *arg)
{
	struct world *w = arg;
	int pair[2], small = 1;

	turns(1);
	unsigned before = nr_fds();
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0 ||
	    setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)) < 0 ||
	    qmp_new(fiber_loop(), pair[0], on_event, w, &w->qmp) < 0)
		abort();
	w->qemu = pair[1];
	while (w->in.left)
		step(w);
	faults_arm(0);
	turns(1);
	if (w->lost != (qmp_state(w->qmp) == QMP_STATE_CLOSED))
		abort();
	w->qmp = qmp_free(w->qmp);
	for (unsigned i = 0; i < NR_CALLERS; i++)
		join(&w->callers[i]);
	(void)close(w->qemu);
	if (nr_fds() != before)
		abort();
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	(void)signal(SIGPIPE, SIG_IGN);
	if (!size)
		return 0;
	if (!(data[0] & 1)) {
		faults_each(feed, data, size);
		return 0;
	}
	struct world w = { .in = { data + 1, size - 1 } };
	if (fiber_run_main(run, &w) < 0)
		abort();
	return 0;
}
