/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unit tests of events at the end of a shim: a containerd that is played takes them slowly, not at
 * all, or is not there. Each test is a whole event loop, which the shim ends.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/fiber.h"
#include "common/io.h"
#include "common/str.h"
#include "rpc/pb/events_msg.h"
#include "rpc/pb/pb_bridge.h"
#include "rpc/pb/task_msg.h"
#include "shim/containerd/containerd_frontend.h"
#include "shim/containerd/events.h"
#include "shim/task/task_service.h"

#define NR_EVENTS 6
/* Each takes that long: too long for all of them to be delivered before the shim is asked to end. */
#define SLOW_MS 100
/* The longest that a shim may stay after its last answer. */
#define END_MAX_MS 4000

enum containerd {
	CONTAINERD_SLOW,   /* takes every event, one after the other */
	CONTAINERD_SILENT, /* accepts connections and reads nothing */
	CONTAINERD_GONE,   /* its socket is not there */
};

struct world {
	struct loop *loop;
	struct containerd_shim ctd;
	struct rpc_server *events_server;
	struct rpc_client *client; /* containerd's, of the Task service */
	char address[100];
	char taken[NR_EVENTS][16]; /* container ids */
	size_t nr_taken;
	uint64_t answered_ns; /* when Shutdown was answered */
};

static char dir[64];

static int handle_forward(void *ctx, struct rpc_request *call, const void *request, void *response,
			  struct err *err)
{
	const struct events_forward_request *req = request;
	struct event_task_oom oom = { 0 };
	struct world *w = ctx;

	(void)response;
	(void)fiber_sleep_until(loop_deadline_ms(SLOW_MS));
	int r = pb_decode(&event_task_oom_type, req->envelope->event.value,
			  req->envelope->event.value_len, call->arena, &oom, err);
	if (r < 0)
		return r;
	assert_string_equal(req->envelope->topic, "/tasks/oom");
	assert_string_equal(req->envelope->namespace, "k8s.io");
	assert_true(w->nr_taken < NR_EVENTS);
	(void)snprintf(w->taken[w->nr_taken++], sizeof(w->taken[0]), "%s", oom.container_id);
	return 0;
}

static const struct rpc_handler events_handlers[] = { { &events_forward, handle_forward, 0 } };

static void play_containerd(struct world *w, enum containerd kind)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };

	(void)snprintf(w->address, sizeof(w->address), "unix://%s/ttrpc-%d", dir, (int)kind);
	if (kind == CONTAINERD_GONE)
		return;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	(void)snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", w->address + strlen("unix://"));
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(listen(fd, 16), 0);
	if (kind == CONTAINERD_SILENT)
		return; /* the kernel connects its callers; nobody accepts */
	assert_int_equal(rpc_server_new(w->loop, events_handlers, ARRAY_SIZE(events_handlers), w,
					&w->events_server),
			 0);
	assert_int_equal(rpc_server_listen(w->events_server, fd), 0);
}

static void begin_shim(struct world *w)
{
	struct shim *shim = &w->ctd.shim;
	int pair[2];

	*shim = (struct shim){ .ops = &containerd_frontend_ops,
			       .loop = w->loop,
			       .id = "pod1",
			       .namespace = "k8s.io",
			       .state_dir = dir };
	assert_int_equal(sandbox_new(w->loop, &shim_sandbox_events, shim, &shim->sandbox), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair),
			 0);
	assert_int_equal(
		rpc_server_new(w->loop, task_handlers, nr_task_handlers, shim, &shim->task_server),
		0);
	assert_int_equal(rpc_server_add_connection(shim->task_server, pair[1]), 0);
	assert_int_equal(rpc_client_new(w->loop, pair[0], &w->client), 0);
	assert_int_equal(events_new(w->loop, w->address, shim->namespace, &w->ctd.events), 0);
}

/* Things happen, and at once containerd asks the shim to end. */
static void manager_main(void *arg)
{
	struct task_shutdown_request req = { .id = "pod1" };
	struct world *w = arg;
	struct err err = ERR_NULL;

	for (int i = 0; i < NR_EVENTS; i++) {
		char id[16];
		struct sb_container ctr = { .id = id };
		struct sb_process init = { .container = &ctr, .exec_id = "" };

		(void)snprintf(id, sizeof(id), "c%d", i);
		w->ctd.shim.ops->event(&w->ctd.shim, SHIM_EVENT_OOM, id, &init);
	}
	if (rpc_call(w->client, &task_v2_shutdown, &req, NULL, NULL, loop_deadline_ms(5000), &err) <
	    0)
		fail_msg("%s", err.text);
	w->answered_ns = loop_now_ns();
}

/* Returns how long the shim stayed after it had answered Shutdown. */
static unsigned run(struct world *w, enum containerd kind)
{
	*w = (struct world){ 0 };
	assert_int_equal(loop_new(&w->loop), 0);
	play_containerd(w, kind);
	begin_shim(w);
	assert_int_equal(fiber_spawn(w->loop, "manager", manager_main, w, NULL), 0);
	uint64_t begin = loop_now_ns();
	assert_int_equal(loop_run(w->loop), 0);
	uint64_t end = loop_now_ns();
	assert_true(w->ctd.shim.ending);
	/* An answer that the loop's end overtook is in its socket. */
	if (!w->answered_ns)
		w->answered_ns = end;
	/* Whatever becomes of the events, the answer does not wait for them. */
	assert_true(w->answered_ns - begin < 1000000000ULL);
	return (unsigned)((end - w->answered_ns) / 1000000);
}

static void what_is_queued_at_shutdown_still_reaches_containerd(void **state)
{
	struct world w;

	(void)state;
	(void)run(&w, CONTAINERD_SLOW);
	assert_int_equal(w.nr_taken, NR_EVENTS);
	for (int i = 0; i < NR_EVENTS; i++) {
		char id[16];

		(void)snprintf(id, sizeof(id), "c%d", i);
		assert_string_equal(w.taken[i], id);
	}
}

static void a_containerd_that_does_not_read_holds_nobody_up(void **state)
{
	struct world w;

	(void)state;
	unsigned ms = run(&w, CONTAINERD_SILENT);
	assert_int_equal(w.nr_taken, 0);
	assert_true(ms >= 500); /* it got its chance */
	assert_true(ms <= END_MAX_MS);
}

static void a_containerd_that_has_gone_holds_nobody_up(void **state)
{
	struct world w;

	(void)state;
	assert_true(run(&w, CONTAINERD_GONE) <= END_MAX_MS);
	assert_int_equal(w.nr_taken, 0);
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
		cmocka_unit_test(what_is_queued_at_shutdown_still_reaches_containerd),
		cmocka_unit_test(a_containerd_that_does_not_read_holds_nobody_up),
		cmocka_unit_test(a_containerd_that_has_gone_holds_nobody_up),
	};

	return cmocka_run_group_tests(tests, set_up_group, tear_down_group);
}
