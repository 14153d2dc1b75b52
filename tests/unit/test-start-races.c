/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unit tests of calls that meet a Start on its way: each call inside each wait of it, against a
 * guest that is played. Whatever happens, the client's streams end, a process that has ended never
 * runs again, and its end is told once. Needs root for nothing; no VM.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/fiber.h"
#include "kata/guest.h"
#include "mock-agent.h"
#include "rpc/pb/agent_msg.h"
#include "rpc/ttrpc/rpc.h"
#include "sandbox/core/container.h"
#include "sandbox/core/sandbox.h"
#include "sandbox/lifecycle/container_exec.h"
#include "sandbox/lifecycle/container_verbs.h"
#include "sandbox/lifecycle/process_follow.h"
#include "sandbox/lifecycle/process_verbs.h"

#define EXEC_JSON "{\"cwd\":\"/\",\"args\":[\"cat\"]}"

/* Where a Start waits. */
enum wait_point { IN_DIAL, IN_SECOND_DIAL, IN_AGENT, WAIT_POINTS };

/* What meets it. */
enum meeting {
	MEET_CLOSE_STDIN,
	MEET_TERM,
	MEET_KILL,
	MEET_RESIZE,
	MEET_NO_AGENT,
	MEET_SHUTDOWN,
	MEETINGS
};

struct world {
	struct sandbox *sb;
	struct sb_container *ctr;
	struct sb_process *process; /* that is started */
	struct rpc_server *server;
	struct fiber *streams, *meeter;
	enum wait_point point;
	enum meeting meeting;
	unsigned dials, started, exited, signals, ports;
	bool refuses; /* the agent fails the start */
	bool met, ended;
	struct fiber_cond end;
	int guest_stdin; /* what the guest reads */
	bool run_after_end;
	char path[64];
};

static void meeter_main(void *arg)
{
	struct world *w = arg;
	struct err err = ERR_NULL;

	switch (w->meeting) {
	case MEET_CLOSE_STDIN:
		assert_int_equal(sb_process_close_stdin(w->process, &err), 0);
		break;
	case MEET_TERM:
	case MEET_KILL:
		(void)sb_process_signal(w->process, w->meeting == MEET_TERM ? SIGTERM : SIGKILL,
					false, &err);
		break;
	case MEET_RESIZE:
		(void)sb_process_resize(w->process, 20, 30, &err);
		break;
	case MEET_NO_AGENT:
		w->sb->agent = rpc_client_free(w->sb->agent);
		break;
	case MEET_SHUTDOWN: /* as sandbox_shut_down() does it */
		sb_process_exited(w->process, 128 + SIGKILL);
		w->sb->agent = rpc_client_free(w->sb->agent);
		break;
	case MEETINGS:
		break;
	}
}

/* A wait of the Start has been reached: the call comes now, and what it does at once is done. */
static void meet(struct world *w, enum wait_point point)
{
	if (w->point != point || w->met)
		return;
	w->met = true;
	assert_int_equal(fiber_spawn(fiber_loop(), "meeter", meeter_main, w, &w->meeter), 0);
	(void)fiber_sleep_until(loop_deadline_ms(20));
}

static int answer_start(struct world *w, struct err *err)
{
	meet(w, IN_AGENT);
	return w->refuses ? err_set(err, ENOENT, "no such program") : 0;
}

static int agent_exec(void *ctx, struct rpc_request *call, const void *request, void *resp,
		      struct err *err)
{
	const struct agent_exec_process_request *req = request;
	struct world *w = ctx;

	(void)call;
	(void)resp;
	w->ports = (req->stdin_port > 5000 && req->stdin_port < 6000) +
		   (req->stdout_port > 5000 && req->stdout_port < 6000);
	return answer_start(w, err);
}

static int agent_start(void *ctx, struct rpc_request *call, const void *request, void *resp,
		       struct err *err)
{
	(void)call;
	(void)request;
	(void)resp;
	return answer_start(ctx, err);
}

static int agent_signal(void *ctx, struct rpc_request *call, const void *request, void *resp,
			struct err *err)
{
	struct world *w = ctx;

	(void)call;
	(void)request;
	(void)resp;
	(void)err;
	w->signals++;
	w->ended = true;
	fiber_cond_broadcast(&w->end);
	return 0;
}

static int agent_wait(void *ctx, struct rpc_request *call, const void *request, void *response,
		      struct err *err)
{
	struct agent_wait_process_response *resp = response;
	struct world *w = ctx;

	(void)call;
	(void)request;
	(void)err;
	while (!w->ended) {
		int r = fiber_cond_wait(&w->end, LOOP_FOREVER);

		if (r < 0)
			return r;
	}
	resp->status = 143;
	return 0;
}

static const struct rpc_handler handlers[] = {
	{ &agent_exec_process, agent_exec, 0 },
	{ &agent_start_container, agent_start, 0 },
	{ &agent_signal_process, agent_signal, 0 },
	{ &agent_tty_win_resize, mock_answer, 0 },
	{ &agent_wait_process, agent_wait, RPC_HANDLER_CANCELABLE },
};

static void on_started(void *arg, struct sb_process *process)
{
	struct world *w = arg;

	(void)process;
	w->started++;
	if (w->exited)
		w->run_after_end = true;
}

static void on_exited(void *arg, struct sb_process *process)
{
	struct world *w = arg;

	if (process == w->process)
		w->exited++;
}

static const struct sandbox_events events = { on_started, on_exited, mock_on_oom, mock_on_gone };

/* The played VM's vsock. The first stream is stdin, which is kept. */
static void streams_main(void *arg)
{
	struct world *w = arg;
	cleanup_close int listen_fd = mock_hybrid_listen(w->path);
	char line[32];
	int fd;

	while ((fd = mock_hybrid_accept(listen_fd, line, sizeof(line))) >= 0) {
		meet(w, w->dials++ ? IN_SECOND_DIAL : IN_DIAL);
		mock_hybrid_connected(fd, 5000 + w->dials);
		if (w->dials == 1)
			w->guest_stdin = fd;
		else
			(void)close(fd);
	}
	(void)unlink(w->path);
}

static void set_up(struct world *w, int in, int out, bool exec)
{
	const struct sb_process_io io = { .fds = { in, out, -1 }, .exclusive = true };
	struct err err = ERR_NULL;

	fiber_cond_init(&w->end);
	w->guest_stdin = -1;
	(void)snprintf(w->path, sizeof(w->path), "/tmp/test-start-races.%d", getpid());
	assert_int_equal(sandbox_new(fiber_loop(), &events, w, &w->sb), 0);
	w->sb->id = "sb";
	assert_int_equal(config_parse_for_test("", 0, "t", w->sb->arena, &w->sb->config, &err), 0);
	w->sb->config->agent.request_timeout_ms = 2000;
	w->sb->vsock.addr = (struct vsock_addr){ .kind = VSOCK_HYBRID, .path = w->path };
	w->server = mock_agent_connect(handlers, ARRAY_SIZE(handlers), w, &w->sb->agent);
	assert_int_equal(fiber_spawn(fiber_loop(), "streams", streams_main, w, &w->streams), 0);
	sandbox_set_state(w->sb, SANDBOX_STATE_RUNNING);
	assert_int_equal(sb_container_new(w->sb, NULL, "c", "/bundle", &w->ctr), 0);
	sb_container_unlock(w->ctr);
	list_add_tail(&w->sb->containers, &w->ctr->node);
	w->ctr->in_guest = true;
	assert_non_null(w->ctr->spec = arena_alloc(w->ctr->arena, sizeof(*w->ctr->spec)));
	if (exec) {
		sb_process_set_state(w->ctr->init, SB_PROCESS_STATE_RUNNING);
		assert_int_equal(sb_container_add_exec(w->ctr, "e", EXEC_JSON, strlen(EXEC_JSON),
						       io, &w->process, &err),
				 0);
	} else {
		w->process = w->ctr->init;
		w->process->io = io;
	}
	w->process = sb_process_ref(w->process);
	fiber_yield(); /* the played VM listens */
}

static void tear_down(struct world *w)
{
	fiber_cancel(w->streams);
	assert_int_equal(fiber_join(w->streams, loop_deadline_ms(5000)), 0);
	if (w->meeter)
		assert_int_equal(fiber_join(w->meeter, loop_deadline_ms(5000)), 0);
	w->sb->agent = rpc_client_free(w->sb->agent);
	fiber_yield();
	assert_null(rpc_server_free(w->server));
	(void)fiber_sleep_until(loop_deadline_ms(20)); /* fibers of the server end */
	sb_container_free(w->ctr);
	(void)sb_process_unref(w->process);
	(void)fd_close(w->guest_stdin);
	sandbox_set_state(w->sb, SANDBOX_STATE_STOPPED);
	assert_null(sandbox_free_for_test(w->sb));
}

/* Has the other end of the client's fifo been closed? */
static void assert_hung_up(int fd, const struct world *w)
{
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };

	for (int i = 0; i < 100 && !(poll_fd.revents & POLLHUP); i++) {
		(void)fiber_sleep_until(loop_deadline_ms(10));
		assert_true(poll(&poll_fd, 1, 0) >= 0);
	}
	if (!(poll_fd.revents & POLLHUP))
		fail_msg("call %d in wait %d: the output stays open", w->meeting, w->point);
}

static void check_guest_input(const struct world *w)
{
	char buf[16] = "";

	assert_int_equal(w->ports, 2);
	assert_int_equal(fiber_read_full(w->guest_stdin, buf, 5, loop_deadline_ms(2000)), 0);
	assert_string_equal(buf, "input");
	if (w->meeting == MEET_CLOSE_STDIN)
		assert_int_equal(fiber_read(w->guest_stdin, buf, 1, loop_deadline_ms(2000)), 0);
}

static void start_and_meet(enum wait_point point, enum meeting meeting, bool exec, bool refuses)
{
	struct world w = { .point = point, .meeting = meeting, .refuses = refuses };
	struct sb_process_ports ports;
	struct err err = ERR_NULL;
	int in[2], out[2];

	assert_int_equal(pipe2(in, O_CLOEXEC | O_NONBLOCK), 0);
	assert_int_equal(pipe2(out, O_CLOEXEC | O_NONBLOCK), 0);
	assert_int_equal(write(in[1], "input", 5), 5);
	set_up(&w, in[0], out[1], exec);
	if (!exec && sb_process_connect_streams(w.process, LOOP_FOREVER, &ports, &err) < 0)
		fail_msg("%s", err.text);
	int r = exec ? sb_container_start_exec(w.ctr, w.process, &err)
		     : sb_container_start(w.ctr, &err);

	if (r >= 0 && (meeting == MEET_CLOSE_STDIN || meeting == MEET_RESIZE) && exec)
		check_guest_input(&w);
	if (meeting == MEET_CLOSE_STDIN || meeting == MEET_RESIZE)
		assert_int_equal(r, refuses ? -ENOENT : 0);
	if (meeting == MEET_SHUTDOWN || meeting == MEET_NO_AGENT)
		assert_true(r < 0);
	if (r >= 0 && meeting != MEET_TERM && meeting != MEET_KILL)
		(void)sb_process_signal(w.process, SIGTERM, false, &err);
	assert_int_equal(sb_process_wait(w.process, loop_deadline_ms(5000)), 0);
	assert_hung_up(out[0], &w);
	assert_int_equal(w.exited, 1);
	assert_false(w.run_after_end);
	assert_int_equal(w.started, r >= 0 ? 1 : 0);
	tear_down(&w);
	(void)close(in[1]);
	(void)close(out[0]);
}

static int exec_main(void *arg)
{
	(void)arg;
	for (int point = 0; point < WAIT_POINTS; point++)
		for (int meeting = 0; meeting <= MEETINGS; meeting++) /* the last one: none */
			start_and_meet((enum wait_point)point, (enum meeting)meeting, true, false);
	return 0;
}

static int refused_main(void *arg)
{
	(void)arg;
	for (int meeting = 0; meeting <= MEETINGS; meeting++)
		start_and_meet(IN_AGENT, (enum meeting)meeting, true, true);
	return 0;
}

static int init_main(void *arg)
{
	(void)arg;
	for (int meeting = 0; meeting <= MEETINGS; meeting++)
		for (int refuses = 0; refuses < 2; refuses++)
			start_and_meet(IN_AGENT, (enum meeting)meeting, false, refuses);
	return 0;
}

static int null_main(void *arg)
{
	struct world w = { .point = WAIT_POINTS };
	struct sb_process_ports ports;
	struct err err = ERR_NULL;
	int out[2];

	(void)arg;
	assert_int_equal(pipe2(out, O_CLOEXEC | O_NONBLOCK), 0);
	set_up(&w, open("/dev/null", O_RDONLY | O_CLOEXEC), out[1], true);
	assert_int_equal(sb_process_connect_streams(w.process, LOOP_FOREVER, &ports, &err), 0);
	assert_int_equal(ports.port[0], KATA_STREAM_NONE);
	assert_int_equal(ports.port[1], 5001);
	tear_down(&w);
	(void)close(out[0]);
	return 0;
}

static int created_main(void *arg)
{
	struct world w = { .point = WAIT_POINTS };
	const struct sb_process_io io = SB_PROCESS_IO_NULL;
	struct sb_process *exec;
	struct err err = ERR_NULL;

	(void)arg;
	set_up(&w, -1, -1, false);
	if (sb_container_add_exec(w.ctr, "e", EXEC_JSON, strlen(EXEC_JSON), io, &exec, &err) < 0 ||
	    sb_container_start_exec(w.ctr, exec, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(w.started, 1);
	assert_int_equal(sb_process_signal(exec, SIGTERM, false, &err), 0);
	assert_int_equal(sb_process_wait(exec, loop_deadline_ms(5000)), 0);
	sb_process_exited(w.ctr->init, 0);
	assert_int_equal(
		sb_container_add_exec(w.ctr, "f", EXEC_JSON, strlen(EXEC_JSON), io, &exec, &err),
		-ENOENT);
	tear_down(&w);
	return 0;
}

static void a_created_container_takes_execs(void **state)
{
	(void)state;
	assert_int_equal(fiber_run_main(created_main, NULL), 0);
}

static void the_null_device_is_no_input(void **state)
{
	(void)state;
	assert_int_equal(fiber_run_main(null_main, NULL), 0);
}

static void every_call_may_meet_every_wait_of_an_exec(void **state)
{
	(void)state;
	assert_int_equal(fiber_run_main(exec_main, NULL), 0);
}

static void every_call_may_meet_an_exec_that_is_refused(void **state)
{
	(void)state;
	assert_int_equal(fiber_run_main(refused_main, NULL), 0);
}

static void every_call_may_meet_the_start_of_a_container(void **state)
{
	(void)state;
	assert_int_equal(fiber_run_main(init_main, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_null_device_is_no_input),
		cmocka_unit_test(a_created_container_takes_execs),
		cmocka_unit_test(every_call_may_meet_every_wait_of_an_exec),
		cmocka_unit_test(every_call_may_meet_an_exec_that_is_refused),
		cmocka_unit_test(every_call_may_meet_the_start_of_a_container),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
