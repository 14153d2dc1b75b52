/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unit tests of containers and processes on the host's side, against an agent that is played: it
 * answers by a script, or not at all. Needs root for the shared tree's mounts; no VM.
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
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/fiber.h"
#include "common/io.h"
#include "common/log.h"
#include "kata/standin.h"
#include "mock-agent.h"
#include "oci/spec.h"
#include "rpc/pb/agent_msg.h"
#include "rpc/pb/task_msg.h"
#include "rpc/ttrpc/rpc.h"
#include "sandbox/core/container.h"
#include "sandbox/core/sandbox.h"
#include "sandbox/lifecycle/container_create.h"
#include "sandbox/lifecycle/container_delete.h"
#include "sandbox/lifecycle/container_exec.h"
#include "sandbox/lifecycle/container_verbs.h"
#include "sandbox/lifecycle/process_follow.h"
#include "sandbox/lifecycle/process_verbs.h"
#include "shim/cli/cli_frontend.h"
#include "shim/cli/standin_server.h"
#include "shim/task/task_create.h"
#include "shim/task/task_service.h"

#define BUNDLE_JSON                                                                                     \
	"{\"ociVersion\":\"1.0.2\",\"process\":{\"cwd\":\"/\",\"args\":[\"true\"]},\"root\":{\"path\":" \
	"\"rootfs\"},\"linux\":{\"namespaces\":[{\"type\":\"pid\"},{\"type\":\"network\"},{\"type\":\"mount\"}]}}"

/* The played agent and what it saw. */
static struct {
	bool silent;	  /* answers nothing */
	bool ends_silent; /* a signal ends the process and is not answered */
	void (*during_create)(void *arg);
	void *during_create_arg;
	int create_error; /* errno of CreateContainer */
	int exit_status;
	int signal; /* last one seen */
	struct fiber_cond exit_now;
	bool exited;
	unsigned created, started, removed;
	uint32_t stdout_port;
	bool had_network_ns;
	char program[32]; /* of the last container made */
} agent;

static struct {
	unsigned started, exited;
	int status;
} seen;

static char dir[64];

static int agent_create(void *ctx, struct rpc_request *call, const void *request, void *resp,
			struct err *err)
{
	const struct agent_create_container_request *req = request;

	(void)ctx;
	(void)call;
	(void)resp;
	if (agent.silent)
		return fiber_sleep_until(LOOP_FOREVER);
	if (agent.during_create)
		agent.during_create(agent.during_create_arg);
	if (agent.create_error)
		return err_set(err, agent.create_error,
			       "exec: \"true\": executable file not found in $PATH");
	agent.created++;
	(void)snprintf(agent.program, sizeof(agent.program), "%s", req->oci->process->args.v[0]);
	agent.stdout_port = req->stdout_port;
	for (size_t i = 0; i < req->oci->linux_->nr_namespaces; i++)
		agent.had_network_ns |= strcmp(req->oci->linux_->namespaces[i].type, "network") ==
					0;
	return 0;
}

static int agent_start(void *ctx, struct rpc_request *call, const void *req, void *resp,
		       struct err *err)
{
	agent.started++;
	return mock_answer(ctx, call, req, resp, err);
}

static int agent_wait(void *ctx, struct rpc_request *call, const void *req, void *response,
		      struct err *err)
{
	struct agent_wait_process_response *resp = response;

	(void)ctx;
	(void)call;
	(void)req;
	(void)err;
	while (!agent.exited) {
		int r = fiber_cond_wait(&agent.exit_now, LOOP_FOREVER);
		if (r < 0)
			return r;
	}
	resp->status = agent.exit_status;
	return 0;
}

static int agent_signal(void *ctx, struct rpc_request *call, const void *request, void *resp,
			struct err *err)
{
	const struct agent_signal_process_request *req = request;

	(void)ctx;
	(void)call;
	(void)resp;
	(void)err;
	if (agent.silent)
		return fiber_sleep_until(LOOP_FOREVER);
	agent.signal = (int)req->signal;
	if (agent.ends_silent) {
		agent.exited = true;
		fiber_cond_broadcast(&agent.exit_now);
		return fiber_sleep_until(LOOP_FOREVER);
	}
	return 0;
}

static int agent_remove(void *ctx, struct rpc_request *call, const void *req, void *resp,
			struct err *err)
{
	agent.removed++;
	return mock_answer(ctx, call, req, resp, err);
}

static const struct rpc_handler handlers[] = {
	{ &agent_create_container, agent_create, RPC_HANDLER_CANCELABLE },
	{ &agent_start_container, agent_start, 0 },
	{ &agent_wait_process, agent_wait, RPC_HANDLER_CANCELABLE },
	{ &agent_signal_process, agent_signal, RPC_HANDLER_CANCELABLE },
	{ &agent_remove_container, agent_remove, 0 },
};

static void on_started(void *arg, struct sb_process *process)
{
	(void)arg;
	(void)process;
	seen.started++;
}

static void on_exited(void *arg, struct sb_process *process)
{
	(void)arg;
	seen.exited++;
	seen.status = process->exit_status;
}

static const struct sandbox_events events = { on_started, on_exited, mock_on_oom, mock_on_gone };

/* The hybrid vsock of the played VM: every stream gets a port and says "hello" to the host. */
static void stream_main(void *arg)
{
	int listen_fd = (int)(intptr_t)arg;
	unsigned port = 5000;

	char line[32];
	int fd;

	while ((fd = mock_hybrid_accept(listen_fd, line, sizeof(line))) >= 0) {
		mock_hybrid_connected(fd, ++port);
		assert_int_equal(fiber_write_full(fd, "hello", 5, LOOP_FOREVER), 0);
		(void)close(fd);
	}
	(void)close(listen_fd);
}

struct world {
	struct sandbox *sb;
	struct rpc_server *server;
	struct fiber *streams;
};

static void set_up(struct world *w)
{
	char path[100];
	struct err err = ERR_NULL;

	memset(&agent, 0, sizeof(agent));
	memset(&seen, 0, sizeof(seen));
	fiber_cond_init(&agent.exit_now);
	assert_int_equal(sandbox_new(fiber_loop(), &events, NULL, &w->sb), 0);
	w->sb->id = "sb";
	assert_int_equal(config_parse_for_test("", 0, "t", w->sb->arena, &w->sb->config, &err), 0);
	w->sb->config->agent.request_timeout_ms = 200;
	w->sb->config->agent.create_container_timeout_ms = 200;
	if (share_init(&w->sb->storage.share, dir, &err) < 0)
		fail_msg("%s", err.text);
	w->server = mock_agent_connect(handlers, ARRAY_SIZE(handlers), NULL, &w->sb->agent);
	(void)snprintf(path, sizeof(path), "%s/vsock", dir);
	int fd = mock_hybrid_listen(path);
	w->sb->vsock.addr = (struct vsock_addr){ .kind = VSOCK_HYBRID,
						 .path = arena_strdup(w->sb->arena, path) };
	assert_int_equal(fiber_spawn(fiber_loop(), "streams", stream_main, (void *)(intptr_t)fd,
				     &w->streams),
			 0);
	sandbox_set_state(w->sb, SANDBOX_STATE_RUNNING);
}

static void tear_down(struct world *w)
{
	fiber_cancel(w->streams);
	assert_int_equal(fiber_join(w->streams, loop_deadline_ms(5000)), 0);
	w->sb->agent = rpc_client_free(w->sb->agent);
	fiber_yield();
	assert_null(rpc_server_free(w->server));
	(void)fiber_sleep_until(loop_deadline_ms(20)); /* fibers of the server end */
	sandbox_set_state(w->sb, SANDBOX_STATE_STOPPED);
	assert_null(sandbox_free_for_test(w->sb));
	char path[100];
	(void)snprintf(path, sizeof(path), "%s/vsock", dir);
	(void)unlink(path);
}

static int create(struct world *w, int out_fd, struct sb_container **ret, struct err *err)
{
	struct sb_container_params params = { .id = "c", .io = { { -1, out_fd, -1 }, false } };
	char bundle[100];

	struct oci_spec *spec;

	(void)snprintf(bundle, sizeof(bundle), "%s/bundle", dir);
	params.bundle = bundle;
	assert_int_equal(arena_new(&params.arena), 0);
	assert_int_equal(oci_spec_load(bundle, params.arena, &spec, err), 0);
	params.spec = spec;
	return sb_container_create(w->sb, &params, ret, err);
}

static int life_main(void *arg)
{
	struct world w;
	struct err err = ERR_NULL;
	struct sb_container *ctr;
	char buf[16] = "";
	int out[2];

	(void)arg;
	set_up(&w);
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	if (create(&w, out[1], &ctr, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(agent.created, 1);
	assert_int_equal(agent.stdout_port, 5001);
	assert_false(agent.had_network_ns);
	assert_int_equal(create(&w, -1, &(struct sb_container *){ NULL }, &err), -EEXIST);
	assert_int_equal(sb_container_start(ctr, &err), 0);
	assert_int_equal(seen.started, 1);
	assert_int_equal(sb_container_start(ctr, &err), -EBUSY);
	assert_int_equal(sb_container_delete(ctr, &err), -EBUSY);
	assert_int_equal(sb_process_signal(ctr->init, SIGUSR1, false, &err), 0);
	assert_int_equal(agent.signal, SIGUSR1);
	agent.exited = true;
	agent.exit_status = 42;
	fiber_cond_broadcast(&agent.exit_now);
	assert_int_equal(sb_process_wait(ctr->init, loop_deadline_ms(5000)), 0);
	assert_int_equal(seen.exited, 1);
	assert_int_equal(seen.status, 42);
	/* What the guest wrote before its end has arrived before the news of it. */
	assert_int_equal(read(out[0], buf, sizeof(buf)), 5);
	assert_string_equal(buf, "hello");
	assert_int_equal(sb_process_signal(ctr->init, SIGKILL, false, &err), 0);
	assert_int_equal(sb_process_signal(ctr->init, SIGUSR1, false, &err), -ESRCH);
	assert_int_equal(sb_container_delete(ctr, &err), 0);
	assert_int_equal(agent.removed, 1);
	assert_null(sb_container_find(w.sb, "c"));
	(void)close(out[0]);
	tear_down(&w);
	return 0;
}

static void a_container_lives_and_ends_once(void **state)
{
	(void)state;
	assert_int_equal(fiber_run_main(life_main, NULL), 0);
}

static int killed_early_main(void *arg)
{
	struct world w;
	struct err err = ERR_NULL;
	struct sb_container *ctr;

	(void)arg;
	set_up(&w);
	if (create(&w, -1, &ctr, &err) < 0)
		fail_msg("%s", err.text);
	sb_container_unlock(ctr);
	assert_int_equal(sb_process_signal(ctr->init, SIGTERM, false, &err), 0);
	assert_int_equal(seen.exited, 0);
	assert_int_equal(sb_process_signal(ctr->init, SIGKILL, false, &err), 0);
	assert_int_equal(agent.signal, SIGKILL);
	assert_int_equal(sb_process_wait(ctr->init, loop_deadline_ms(5000)), 0);
	assert_int_equal(seen.exited, 1);
	assert_int_equal(seen.status, 137);
	assert_int_equal(sb_container_start(ctr, &err), -EBUSY);
	assert_int_equal(sb_container_delete(ctr, &err), 0);
	tear_down(&w);
	return 0;
}

static void a_container_killed_before_its_start_has_stopped(void **state)
{
	(void)state;
	assert_int_equal(fiber_run_main(killed_early_main, NULL), 0);
}

static int refused_main(void *arg)
{
	struct world w;
	struct err err = ERR_NULL;
	struct sb_container *ctr;

	(void)arg;
	set_up(&w);
	agent.create_error = ENOENT;
	assert_true(create(&w, -1, &ctr, &err) < 0);
	assert_non_null(strstr(err.text, "executable file not found in $PATH"));
	assert_null(sb_container_find(w.sb, "c"));
	/* Nothing of it is left: the same id can be used at once. */
	agent.create_error = 0;
	assert_int_equal(create(&w, -1, &ctr, &err), 0);
	assert_int_equal(sb_container_delete(ctr, &err), 0);
	tear_down(&w);
	return 0;
}

static void a_refused_create_keeps_the_words_and_leaves_nothing(void **state)
{
	(void)state;
	assert_int_equal(fiber_run_main(refused_main, NULL), 0);
}

static int second_life_main(void *arg)
{
	struct world w;
	struct err err = ERR_NULL;
	struct sb_container *ctr;

	(void)arg;
	set_up(&w);
	w.sb->first.id = "c";
	agent.create_error = ENOENT;
	assert_true(create(&w, -1, &ctr, &err) < 0);
	agent.create_error = 0;
	assert_int_equal(create(&w, -1, &ctr, &err), 0);
	assert_true(ctr->is_first);
	assert_int_equal(sb_container_delete(ctr, &err), 0);
	assert_int_equal(create(&w, -1, &ctr, &err), 0);
	assert_false(ctr->is_first);
	assert_int_equal(sb_container_delete(ctr, &err), 0);
	tear_down(&w);
	return 0;
}

static void an_id_that_comes_back_is_not_the_container_the_vm_was_made_for(void **state)
{
	(void)state;
	assert_int_equal(fiber_run_main(second_life_main, NULL), 0);
}

struct locking {
	struct sandbox *sb;
	struct sb_container *ctr;
	struct fiber *fiber;
	int r;
	struct err err;
};

static void lock_main(void *arg)
{
	struct locking *locking = arg;

	locking->r = sb_container_lock(locking->sb, "c", &locking->ctr, &locking->err);
	if (locking->r == 0)
		sb_container_unlock(locking->ctr);
}

static void begin_lock(struct locking *locking, struct sandbox *sb)
{
	*locking = (struct locking){ .sb = sb, .r = 1, .err = ERR_NULL };
	assert_int_equal(fiber_spawn(fiber_loop(), "lock", lock_main, locking, &locking->fiber), 0);
	fiber_yield();
}

static void expect_lock(struct locking *locking, int r)
{
	assert_int_equal(fiber_join(locking->fiber, loop_deadline_ms(5000)), 0);
	assert_int_equal(locking->r, r);
}

static int locks_main(void *arg)
{
	struct world w;
	struct err err = ERR_NULL;
	struct sb_container *ctr, *again;
	struct locking one, two;

	(void)arg;
	set_up(&w);
	assert_int_equal(sb_container_lock(w.sb, "c", &ctr, &err), -ENOENT);
	assert_string_equal(err.text, "container c does not exist");
	if (create(&w, -1, &ctr, &err) < 0)
		fail_msg("%s", err.text);
	begin_lock(&one, w.sb);
	begin_lock(&two, w.sb);
	assert_int_equal(one.r, 1);
	sb_container_unlock(ctr);
	expect_lock(&one, 0);
	expect_lock(&two, 0);
	/* It goes while two wait for it. */
	assert_int_equal(sb_container_lock(w.sb, "c", &ctr, &err), 0);
	begin_lock(&one, w.sb);
	begin_lock(&two, w.sb);
	assert_int_equal(sb_container_delete(ctr, &err), 0);
	expect_lock(&one, -ENOENT);
	expect_lock(&two, -ENOENT);
	if (create(&w, -1, &again, &err) < 0)
		fail_msg("%s", err.text);
	begin_lock(&one, w.sb);
	sb_container_unlock(again);
	expect_lock(&one, 0);
	assert_ptr_equal(one.ctr, again);
	assert_int_equal(sb_container_delete(again, &err), 0);
	tear_down(&w);
	return 0;
}

static void who_waits_for_a_containers_lock_finds_out_that_it_is_gone(void **state)
{
	(void)state;
	assert_int_equal(fiber_run_main(locks_main, NULL), 0);
}

struct waiting {
	struct sandbox *sb;
	struct sb_process *process;
	struct fiber *fiber;
	int r;
};

static void wait_main(void *arg)
{
	struct waiting *waiting = arg;

	waiting->r = sb_process_wait(waiting->process, loop_deadline_ms(5000));
}

static void begin_wait(void *arg)
{
	struct waiting *waiting = arg;

	waiting->process = sb_process_ref(sb_container_find(waiting->sb, "c")->init);
	assert_int_equal(fiber_spawn(fiber_loop(), "wait", wait_main, waiting, &waiting->fiber), 0);
	fiber_yield();
}

static int refused_wait_main(void *arg)
{
	struct world w;
	struct err err = ERR_NULL;
	struct sb_container *ctr;
	struct waiting waiting = { .r = 1 };

	(void)arg;
	set_up(&w);
	waiting.sb = w.sb;
	agent.during_create = begin_wait;
	agent.during_create_arg = &waiting;
	agent.create_error = ENOENT;
	assert_true(create(&w, -1, &ctr, &err) < 0);
	assert_int_equal(fiber_join(waiting.fiber, loop_deadline_ms(10000)), 0);
	assert_int_equal(waiting.r, 0);
	assert_int_equal(waiting.process->exit_status, 137);
	/* Nobody was told of a container that never was. */
	assert_int_equal(seen.exited, 0);
	(void)sb_process_unref(waiting.process);
	tear_down(&w);
	return 0;
}

static void who_waits_for_a_refused_container_is_told(void **state)
{
	(void)state;
	assert_int_equal(fiber_run_main(refused_wait_main, NULL), 0);
}

/* The hook writes the state it is told, which is how the test knows that it ran. */
static void write_bundle_with_poststop(char *state_path, size_t size)
{
	char path[100], text[1024];

	(void)snprintf(state_path, size, "%s/poststop.state", dir);
	(void)snprintf(path, sizeof(path), "%s/bundle/config.json", dir);
	(void)snprintf(
		text, sizeof(text),
		"%.*s,\"hooks\":{\"poststop\":[{\"path\":\"/bin/sh\",\"args\":[\"sh\",\"-c\","
		"\"cat > %s\"]}]}}",
		(int)sizeof(BUNDLE_JSON) - 2, BUNDLE_JSON, state_path);
	assert_int_equal(io_replace_file_at(AT_FDCWD, path, text, strlen(text), 0644), 0);
}

static void expect_poststop(const char *state_path)
{
	cleanup_free char *text = NULL;

	assert_true(io_read_file_at(AT_FDCWD, state_path, 4096, &text) > 0);
	assert_non_null(strstr(text, "\"status\":\"stopped\""));
	assert_int_equal(unlink(state_path), 0);
}

static void restore_bundle(void)
{
	char path[100];

	(void)snprintf(path, sizeof(path), "%s/bundle/config.json", dir);
	assert_int_equal(io_replace_file_at(AT_FDCWD, path, BUNDLE_JSON, strlen(BUNDLE_JSON), 0644),
			 0);
}

static int poststop_main(void *arg)
{
	struct world w;
	struct err err = ERR_NULL;
	struct sb_container *ctr;
	char state[100];

	(void)arg;
	set_up(&w);
	write_bundle_with_poststop(state, sizeof(state));
	agent.create_error = ENOENT;
	assert_true(create(&w, -1, &ctr, &err) < 0);
	assert_non_null(strstr(err.text, "executable file not found in $PATH"));
	expect_poststop(state);
	agent.create_error = 0;
	assert_int_equal(create(&w, -1, &ctr, &err), 0);
	assert_int_equal(access(state, F_OK), -1);
	assert_int_equal(sb_container_delete(ctr, &err), 0);
	expect_poststop(state);
	restore_bundle();
	tear_down(&w);
	return 0;
}

static void poststop_hooks_run_after_a_refused_create(void **state)
{
	(void)state;
	assert_int_equal(fiber_run_main(poststop_main, NULL), 0);
}

/* A shim around the sandbox, and the connection of a stand-in "c" to it. */
struct standin_world {
	struct world w;
	struct cli_shim cli;
	int standin_fd;
	const char *netns; /* that the stand-in is in; NULL: the sandbox's */
};

static void connect_standin(struct standin_world *s)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct standin_msg hello = { .type = STANDIN_HELLO, .key = "c" }, ready;
	int listen_fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	int netns = open(s->netns ? s->netns : "/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	int fds[] = { null, null, null, netns };
	size_t nr_fds;

	(void)snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/standin", dir);
	assert_int_equal(bind(listen_fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(listen(listen_fd, 1), 0);
	assert_int_equal(standin_server_new(fiber_loop(), listen_fd, &s->cli.standins), 0);
	s->standin_fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	assert_int_equal(connect(s->standin_fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(fd_send_msg(s->standin_fd, &hello, sizeof(hello), fds, ARRAY_SIZE(fds)),
			 sizeof(hello));
	assert_true(fiber_wait_fd(s->standin_fd, LOOP_READ, loop_deadline_ms(5000)) > 0);
	assert_int_equal(fd_recv_msg(s->standin_fd, &ready, sizeof(ready), NULL, 0, &nr_fds),
			 sizeof(ready));
	assert_int_equal(ready.type, STANDIN_READY);
	(void)close(null);
	(void)close(netns);
	(void)unlink(addr.sun_path);
}

static void begin_shim(struct standin_world *s)
{
	s->cli.shim = (struct shim){
		.ops = &cli_frontend_ops,
		.loop = fiber_loop(),
		.sandbox = s->w.sb,
		.id = "sb",
		.shutting_down = true, /* the sandbox is the test's to end */
	};
	s->w.sb->net.netns_fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	connect_standin(s);
}

static int create_with_standin(struct standin_world *s, struct err *err)
{
	char bundle[100];
	struct rpc_request call = { .deadline_ns = LOOP_FOREVER };
	struct task_create_request req = { .id = "c",
					   .bundle = bundle,
					   .checkpoint = "",
					   .stdin = "standin:c",
					   .stdout = "standin:c",
					   .stderr = "standin:c" };
	struct task_create_response resp = { 0 };

	(void)snprintf(bundle, sizeof(bundle), "%s/bundle", dir);
	assert_int_equal(arena_new(&call.arena), 0);
	int r = task_handle_create(&s->cli.shim, &call, &req, &resp, err);
	if (r == 0)
		assert_int_equal(resp.pid, getpid());
	call.arena = arena_free(call.arena);
	return r;
}

static void end_standin(void *arg)
{
	struct standin_world *s = arg;

	(void)close(s->standin_fd);
	while (standin_server_find(s->cli.standins, "c"))
		(void)fiber_sleep_until(loop_deadline_ms(1));
}

static int lost_standin_main(void *arg)
{
	struct standin_world s = { .standin_fd = -1 };
	struct err err = ERR_NULL;
	char state[100];

	(void)arg;
	set_up(&s.w);
	s.w.sb->config->agent.create_container_timeout_ms = 5000;
	begin_shim(&s);
	write_bundle_with_poststop(state, sizeof(state));
	agent.during_create = end_standin;
	agent.during_create_arg = &s;
	if (create_with_standin(&s, &err) != -ESRCH)
		fail_msg("%s", err.text);
	assert_non_null(strstr(err.text, "container c ended while the container was created"));
	/* The guest had made it. Nothing is left there, nor here. */
	assert_int_equal(agent.created, 1);
	assert_int_equal(agent.removed, 1);
	assert_null(sb_container_find(s.w.sb, "c"));
	expect_poststop(state);
	restore_bundle();
	s.cli.standins = standin_server_free(s.cli.standins);
	tear_down(&s.w);
	return 0;
}

static void a_create_whose_stand_in_ends_fails_and_leaves_nothing(void **state)
{
	(void)state;
	assert_int_equal(fiber_run_main(lost_standin_main, NULL), 0);
}

static int kept_standin_main(void *arg)
{
	struct standin_world s = { .standin_fd = -1 };
	struct err err = ERR_NULL;

	(void)arg;
	set_up(&s.w);
	begin_shim(&s);
	if (create_with_standin(&s, &err) < 0)
		fail_msg("%s", err.text);
	struct sb_container *ctr = sb_container_find(s.w.sb, "c");
	assert_non_null(ctr);
	assert_non_null(ctr->init->user);
	assert_int_equal(sb_container_lock(s.w.sb, "c", &ctr, &err), 0); /* Create gave it back */
	assert_int_equal(sb_container_delete(ctr, &err), 0);
	(void)close(s.standin_fd);
	s.cli.standins = standin_server_free(s.cli.standins);
	tear_down(&s.w);
	return 0;
}

static void a_create_with_a_stand_in_is_bound_to_it(void **state)
{
	(void)state;
	assert_int_equal(fiber_run_main(kept_standin_main, NULL), 0);
}

/* What a tenant would do who can write to the bundle: the judged file is replaced at once. */
static int validate_and_replace(const struct oci_spec *spec, const struct oci_vm_policy *policy,
				struct err *err)
{
	char path[100];
	const char *other = "{\"ociVersion\":\"1.0.2\",\"process\":{\"cwd\":\"/\",\"args\":"
			    "[\"other\"]},\"root\":{\"path\":\"rootfs\"}}";

	(void)policy;
	(void)err;
	assert_string_equal(spec->process->args.v[0], "true");
	(void)snprintf(path, sizeof(path), "%s/bundle/config.json", dir);
	assert_int_equal(io_replace_file_at(AT_FDCWD, path, other, strlen(other), 0644), 0);
	return 0;
}

static int replaced_spec_main(void *arg)
{
	struct standin_world s = { .standin_fd = -1 };
	struct shim_frontend_ops ops = cli_frontend_ops;
	struct err err = ERR_NULL;

	(void)arg;
	set_up(&s.w);
	begin_shim(&s);
	ops.validate = validate_and_replace;
	s.cli.shim.ops = &ops;
	if (create_with_standin(&s, &err) < 0)
		fail_msg("%s", err.text);
	assert_string_equal(agent.program, "true");
	assert_int_equal(sb_container_delete(sb_container_find(s.w.sb, "c"), &err), 0);
	restore_bundle();
	(void)close(s.standin_fd);
	s.cli.standins = standin_server_free(s.cli.standins);
	tear_down(&s.w);
	return 0;
}

static void the_spec_that_was_judged_is_the_one_that_is_used(void **state)
{
	(void)state;
	assert_int_equal(fiber_run_main(replaced_spec_main, NULL), 0);
}

static int stranger_main(void *arg)
{
	/* Of another user's VM it knows the name, and has the annotations. */
	struct standin_world s = { .standin_fd = -1, .netns = "/proc/self/ns/ipc" };
	struct err err = ERR_NULL;

	(void)arg;
	set_up(&s.w);
	begin_shim(&s);
	assert_int_equal(create_with_standin(&s, &err), -EPERM);
	assert_string_equal(err.text, "container c may not join sandbox sb: it is not in that "
				      "sandbox's network namespace");
	assert_int_equal(agent.created, 0);
	assert_null(sb_container_find(s.w.sb, "c"));
	(void)close(s.standin_fd);
	s.cli.standins = standin_server_free(s.cli.standins);
	tear_down(&s.w);
	return 0;
}

static void the_command_lines_containers_are_in_their_sandboxs_network(void **state)
{
	(void)state;
	assert_int_equal(fiber_run_main(stranger_main, NULL), 0);
}

struct early_delete {
	struct standin_world *s;
	struct fiber *fiber;
	int r;
	struct err err;
};

/* Delete comes while Create waits for the guest: it waits its turn. */
static void delete_main(void *arg)
{
	struct early_delete *early = arg;
	struct rpc_request call = { .deadline_ns = LOOP_FOREVER };
	struct task_delete_request req = { .id = "c", .exec_id = "" };
	struct task_delete_response resp = { 0 };

	for (size_t i = 0; i < nr_task_handlers; i++)
		if (task_handlers[i].method == &task_v2_delete)
			early->r = task_handlers[i].fn(&early->s->cli.shim, &call, &req, &resp,
						       &early->err);
}

static void begin_delete(void *arg)
{
	struct early_delete *early = arg;

	assert_int_equal(fiber_spawn(fiber_loop(), "delete", delete_main, early, &early->fiber), 0);
	fiber_yield();
	assert_non_null(sb_container_find(early->s->w.sb, "c"));
}

static int early_delete_main(void *arg)
{
	struct standin_world s = { .standin_fd = -1 };
	struct early_delete early = { .s = &s, .r = 1, .err = ERR_NULL };
	struct err err = ERR_NULL;

	(void)arg;
	set_up(&s.w);
	begin_shim(&s);
	agent.during_create = begin_delete;
	agent.during_create_arg = &early;
	if (create_with_standin(&s, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(fiber_join(early.fiber, loop_deadline_ms(5000)), 0);
	assert_int_equal(early.r, 0);
	assert_null(sb_container_find(s.w.sb, "c"));
	assert_int_equal(agent.removed, 1);
	(void)close(s.standin_fd);
	s.cli.standins = standin_server_free(s.cli.standins);
	tear_down(&s.w);
	return 0;
}

static void a_delete_waits_for_the_create_it_meets(void **state)
{
	(void)state;
	assert_int_equal(fiber_run_main(early_delete_main, NULL), 0);
}

static int silent_main(void *arg)
{
	struct world w;
	struct err err = ERR_NULL;
	struct sb_container *ctr;

	(void)arg;
	set_up(&w);
	agent.silent = true;
	assert_int_equal(create(&w, -1, &ctr, &err), -ETIMEDOUT);
	agent.silent = false;
	assert_int_equal(create(&w, -1, &ctr, &err), 0);
	assert_int_equal(sb_container_start(ctr, &err), 0);
	agent.silent = true;
	assert_int_equal(sb_process_signal(ctr->init, SIGKILL, false, &err), -ETIMEDOUT);
	/* The VM dies: its processes were killed with it. */
	(void)snprintf(w.sb->end.exit_reason, sizeof(w.sb->end.exit_reason), "the VM ended");
	assert_null(rpc_server_free(w.server));
	assert_int_equal(
		rpc_server_new(fiber_loop(), handlers, ARRAY_SIZE(handlers), NULL, &w.server), 0);
	assert_int_equal(sb_process_wait(ctr->init, loop_deadline_ms(5000)), 0);
	assert_int_equal(seen.status, 137);
	assert_int_equal(sb_container_delete(ctr, &err), 0);
	tear_down(&w);
	return 0;
}

static void a_guest_that_never_answers_stalls_nobody(void **state)
{
	(void)state;
	assert_int_equal(fiber_run_main(silent_main, NULL), 0);
}

struct killing {
	struct sb_process *process;
	int signo, result;
};

static void kill_main(void *arg)
{
	struct killing *killing = arg;
	struct err err = ERR_NULL;

	killing->result = sb_process_signal(killing->process, killing->signo, false, &err);
}

/* The VM of a single container ends with it, so the answer to the signal may never come. */
static int last_signal_main(void *arg)
{
	struct world w;
	struct err err = ERR_NULL;
	struct sb_container *ctr;
	struct fiber *fibers[2];

	(void)arg;
	set_up(&w);
	w.sb->config->agent.request_timeout_ms = 20000;
	assert_int_equal(create(&w, -1, &ctr, &err), 0);
	assert_int_equal(sb_container_start(ctr, &err), 0);
	agent.ends_silent = true;
	agent.exit_status = 137;
	struct killing killings[] = { { sb_process_ref(ctr->init), SIGKILL, 1 },
				      { sb_process_ref(ctr->init), SIGUSR1, 1 } };
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(
			fiber_spawn(fiber_loop(), "kill", kill_main, &killings[i], &fibers[i]), 0);
	assert_int_equal(sb_process_wait(ctr->init, loop_deadline_ms(5000)), 0);
	(void)snprintf(w.sb->end.exit_reason, sizeof(w.sb->end.exit_reason), "the VM ended");
	assert_null(rpc_server_free(w.server));
	assert_int_equal(
		rpc_server_new(fiber_loop(), handlers, ARRAY_SIZE(handlers), NULL, &w.server), 0);
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(fiber_join(fibers[i], loop_deadline_ms(5000)), 0);
	assert_int_equal(killings[0].result, 0);
	assert_true(killings[1].result < 0);
	for (size_t i = 0; i < 2; i++)
		(void)sb_process_unref(killings[i].process);
	assert_int_equal(sb_container_delete(ctr, &err), 0);
	tear_down(&w);
	return 0;
}

static void a_signal_that_ends_the_vm_needs_no_answer(void **state)
{
	(void)state;
	assert_int_equal(fiber_run_main(last_signal_main, NULL), 0);
}

static int deaf_main(void *arg)
{
	struct world w;
	struct err err = ERR_NULL;
	struct sb_container *ctr;
	int status;

	(void)arg;
	set_up(&w);
	pid_t vmm = fork();
	if (vmm == 0)
		for (;;)
			(void)pause();
	w.sb->vmm_pid = vmm;
	assert_int_equal(create(&w, -1, &ctr, &err), 0);
	assert_int_equal(sb_container_start(ctr, &err), 0);
	agent.silent = true;
	assert_int_equal(sb_process_signal(ctr->init, SIGTERM, false, &err), -ETIMEDOUT);
	assert_int_equal(waitpid(vmm, &status, WNOHANG), 0);
	assert_int_equal(sb_process_signal(ctr->init, SIGKILL, false, &err), 0);
	assert_int_equal(waitpid(vmm, &status, 0), vmm);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	assert_string_equal(w.sb->end.exit_reason, "the guest did not answer SIGKILL");
	assert_null(rpc_server_free(w.server)); /* what its end does to the agent */
	assert_int_equal(
		rpc_server_new(fiber_loop(), handlers, ARRAY_SIZE(handlers), NULL, &w.server), 0);
	assert_int_equal(sb_process_wait(ctr->init, loop_deadline_ms(5000)), 0);
	assert_int_equal(seen.status, 137);
	assert_int_equal(sb_container_delete(ctr, &err), 0);
	tear_down(&w);
	return 0;
}

static void sigkill_ends_a_guest_that_never_answers(void **state)
{
	(void)state;
	assert_int_equal(fiber_run_main(deaf_main, NULL), 0);
}

static int set_up_group(void **state)
{
	char path[100];
	struct err err = ERR_NULL;

	(void)state;
	(void)snprintf(dir, sizeof(dir), "/tmp/kata-test-XXXXXX");
	if (!mkdtemp(dir) || share_isolate_mounts(&err) < 0)
		return -1;
	(void)snprintf(path, sizeof(path), "%s/bundle/rootfs", dir);
	if (io_mkdir_p(path, 0755) < 0)
		return -1;
	(void)snprintf(path, sizeof(path), "%s/bundle/config.json", dir);
	return io_replace_file_at(AT_FDCWD, path, BUNDLE_JSON, strlen(BUNDLE_JSON), 0644);
}

static int tear_down_group(void **state)
{
	(void)state;
	return io_rm_tree_at(AT_FDCWD, dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_container_lives_and_ends_once),
		cmocka_unit_test(a_container_killed_before_its_start_has_stopped),
		cmocka_unit_test(a_refused_create_keeps_the_words_and_leaves_nothing),
		cmocka_unit_test(an_id_that_comes_back_is_not_the_container_the_vm_was_made_for),
		cmocka_unit_test(who_waits_for_a_containers_lock_finds_out_that_it_is_gone),
		cmocka_unit_test(who_waits_for_a_refused_container_is_told),
		cmocka_unit_test(poststop_hooks_run_after_a_refused_create),
		cmocka_unit_test(a_create_whose_stand_in_ends_fails_and_leaves_nothing),
		cmocka_unit_test(a_create_with_a_stand_in_is_bound_to_it),
		cmocka_unit_test(the_spec_that_was_judged_is_the_one_that_is_used),
		cmocka_unit_test(the_command_lines_containers_are_in_their_sandboxs_network),
		cmocka_unit_test(a_delete_waits_for_the_create_it_meets),
		cmocka_unit_test(a_guest_that_never_answers_stalls_nobody),
		cmocka_unit_test(a_signal_that_ends_the_vm_needs_no_answer),
		cmocka_unit_test(sigkill_ends_a_guest_that_never_answers),
	};

	if (geteuid() != 0)
		return 77;
	(void)signal(SIGPIPE, SIG_IGN);
	log_set_level(LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, set_up_group, tear_down_group);
}
