/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sandbox ends at each point where an operation waits. Each operation of the Task service is run
 * again and again, from the start of a sandbox on, and each time its sandbox ends at a later one of
 * the waits that were begun since: because its VM ends, because it is asked to, or because the
 * container is killed and deleted. Whatever the operation answers, it answers, nothing stays inside
 * of the sandbox's gate, everything can be deleted, no descriptor stays open, and the address
 * sanitizer sees what was freed too soon. The VM is one of the driver that runs nothing, the agent is
 * played. Needs root for mounts.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/fiber.h"
#include "common/io.h"
#include "common/log.h"
#include "common/str.h"
#include "host/program.h"
#include "mock-agent.h"
#include "rpc/pb/admin_msg.h"
#include "rpc/pb/agent_msg.h"
#include "rpc/pb/task_msg.h"
#include "sandbox/lifecycle/sandbox_exit.h"
#include "sandbox/lifecycle/sandbox_stop.h"
#include "sandbox/sharefs/share.h"
#include "shim/core/event_ring.h"
#include "shim/core/shim.h"
#include "shim/task/task_service.h"

#define BUNDLE_JSON                                                                                \
	"{\"ociVersion\":\"1.0.2\",\"process\":{\"cwd\":\"/\",\"args\":[\"true\"]},\"root\":{"     \
	"\"path\":\"rootfs\"},\"linux\":{\"namespaces\":[{\"type\":\"pid\"},{\"type\":\"mount\"}]" \
	",\"resources\":{\"memory\":{\"limit\":268435456}}}}"
#define CONFIG                                                                                      \
	"[hypervisor.qemu]\npath = \"/bin/true\"\nkernel = \"/bin/true\"\ninitrd = \"/bin/true\"\n" \
	"accel = \"tcg\"\njail = false\nshared_fs = \"virtio-9p\"\n"
#define EXEC_JSON "{\"cwd\":\"/\",\"args\":[\"true\"]}"
#define UPDATE_JSON \
	"{\"memory\":{\"limit\":536870912},\"cpu\":{\"quota\":200000,\"period\":100000}}"
/* An operation has more waits than one, and fewer than this. */
#define WAITS_MIN 1
#define WAITS_MAX 400
/* For so long the one whose wait it is stays in it, that the end comes as far as it can. */
#define HOLD_MS 10

static char dir[64];

/* --- the played agent --- */

static struct {
	struct rpc_server *server;
	struct fiber *listener;
	int listen_fd, conn_fd; /* the latter a duplicate, to break the connection with */
	unsigned port;
	bool exited;
	struct fiber_cond exit_now;
} agent;

static int answer_wait(void *ctx, struct rpc_request *call, const void *req, void *resp,
		       struct err *err)
{
	int r = 0;

	(void)ctx;
	(void)call;
	(void)req;
	(void)resp;
	(void)err;
	while (!agent.exited && r >= 0)
		r = fiber_cond_wait(&agent.exit_now, LOOP_FOREVER);
	return r;
}

static int answer_signal(void *ctx, struct rpc_request *call, const void *request, void *resp,
			 struct err *err)
{
	const struct agent_signal_process_request *req = request;

	(void)ctx;
	(void)call;
	(void)resp;
	(void)err;
	if (req->signal == SIGKILL) {
		agent.exited = true;
		fiber_cond_broadcast(&agent.exit_now);
	}
	return 0;
}

static int answer_stats(void *ctx, struct rpc_request *call, const void *req, void *response,
			struct err *err)
{
	struct agent_stats_container_response *resp = response;

	(void)ctx;
	(void)req;
	(void)err;
	resp->cgroup_stats = arena_calloc(call->arena, 1, sizeof(*resp->cgroup_stats));
	return 0;
}

static int answer_clock(void *ctx, struct rpc_request *call, const void *req, void *response,
			struct err *err)
{
	struct extra_sync_clock_response *resp = response;
	struct timespec now;

	(void)ctx;
	(void)call;
	(void)req;
	(void)err;
	(void)clock_gettime(CLOCK_REALTIME, &now);
	resp->realtime_ns = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
	return 0;
}

static const struct rpc_handler agent_handlers[] = {
	{ &extra_sync_clock, answer_clock, RPC_HANDLER_CANCELABLE },
	{ &agent_create_sandbox, mock_answer, RPC_HANDLER_CANCELABLE },
	{ &agent_destroy_sandbox, mock_answer, RPC_HANDLER_CANCELABLE },
	{ &agent_get_oom_event, mock_answer_never, RPC_HANDLER_CANCELABLE },
	{ &agent_create_container, mock_answer, RPC_HANDLER_CANCELABLE },
	{ &agent_start_container, mock_answer, RPC_HANDLER_CANCELABLE },
	{ &agent_exec_process, mock_answer, RPC_HANDLER_CANCELABLE },
	{ &agent_wait_process, answer_wait, RPC_HANDLER_CANCELABLE },
	{ &agent_signal_process, answer_signal, RPC_HANDLER_CANCELABLE },
	{ &agent_remove_container, mock_answer, RPC_HANDLER_CANCELABLE },
	{ &agent_update_container, mock_answer, RPC_HANDLER_CANCELABLE },
	{ &agent_online_cpu_mem, mock_answer, RPC_HANDLER_CANCELABLE },
	{ &agent_pause_container, mock_answer, RPC_HANDLER_CANCELABLE },
	{ &agent_resume_container, mock_answer, RPC_HANDLER_CANCELABLE },
	{ &agent_stats_container, answer_stats, RPC_HANDLER_CANCELABLE },
	{ &agent_tty_win_resize, mock_answer, RPC_HANDLER_CANCELABLE },
};

/* The first one that dials is a client of the agent, the others are streams. */
static void serve(int fd, const char *line)
{
	mock_hybrid_connected(fd, ++agent.port);
	if (!str_skip_prefix(line, "CONNECT 1024 ")) {
		(void)close(fd); /* a stream without a byte */
		return;
	}
	agent.conn_fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	assert_int_equal(rpc_server_add_connection(agent.server, fd), 0);
}

static void listen_main(void *arg)
{
	char line[32];
	int fd;

	(void)arg;
	while ((fd = mock_hybrid_accept(agent.listen_fd, line, sizeof(line))) >= 0)
		serve(fd, line);
}

static void agent_hang_up(void)
{
	if (agent.listener) {
		fiber_cancel(agent.listener);
		assert_int_equal(fiber_join(TAKE_PTR(agent.listener), LOOP_FOREVER), 0);
	}
	agent.listen_fd = fd_close(agent.listen_fd);
	if (agent.conn_fd >= 0)
		(void)shutdown(agent.conn_fd, SHUT_RDWR);
	agent.conn_fd = fd_close(agent.conn_fd);
}

/* --- the shim around it --- */

static int allow(const struct oci_spec *spec, const struct oci_vm_policy *policy, struct err *err)
{
	(void)spec;
	(void)policy;
	(void)err;
	return 0;
}

static int open_streams(struct shim *shim, const struct stdio_request *req,
			struct shim_streams *ret, struct err *err)
{
	(void)shim;
	(void)req;
	(void)err;
	*ret = (struct shim_streams){ .io = SB_PROCESS_IO_NULL, .netns_fd = -1 };
	ret->io.fds[1] = open("/dev/null", O_WRONLY | O_CLOEXEC);
	ret->io.terminal = true;
	return ret->io.fds[1] < 0 ? -errno : 0;
}

static int on_created(struct shim *shim, const struct task_create_request *req,
		      struct sb_process *init, struct err *err)
{
	(void)shim;
	(void)req;
	(void)init;
	(void)err;
	return 0;
}

static void on_exec_added(struct shim *shim, const struct stdio_request *req,
			  struct sb_process *exec)
{
	(void)shim;
	(void)req;
	(void)exec;
}

static void on_event(struct shim *shim, enum shim_event event, const char *id,
		     const struct sb_process *process)
{
	(void)shim;
	(void)event;
	(void)id;
	(void)process;
}

static bool on_exited(struct shim *shim, struct sb_process *process)
{
	(void)shim;
	(void)process;
	return false;
}

static bool never(const struct shim *shim)
{
	(void)shim;
	return false;
}

static const struct shim_frontend_ops frontend = {
	.validate = allow,
	.open_streams = open_streams,
	.created = on_created,
	.exec_added = on_exec_added,
	.event = on_event,
	.exited = on_exited,
	.may_end = never,
};

struct world {
	struct shim shim;
	char state_dir[100], bundle[100], config[100];
};

static int call_task(struct world *w, const struct rpc_method *method, const void *req)
{
	struct rpc_request call = { .deadline_ns = loop_deadline_ms(20000) };
	char response[256] = { 0 };
	struct err err = ERR_NULL;
	int r = -ENOSYS;

	assert_int_equal(arena_new(&call.arena), 0);
	for (size_t i = 0; i < nr_task_handlers; i++)
		if (task_handlers[i].method == method)
			r = task_handlers[i].fn(&w->shim, &call, req, response, &err);
	call.arena = arena_free(call.arena);
	if (r < 0 && getenv("KATA_TEST_DEBUG"))
		print_message("# %s: %s\n", method->name, err.text);
	return r;
}

static struct pb_any json(const char *text)
{
	return (struct pb_any){ .value = (const uint8_t *)text, .value_len = strlen(text) };
}

/* --- operations --- */

static int do_create(struct world *w)
{
	struct task_create_request req = {
		.id = "c",
		.bundle = w->bundle,
		.checkpoint = "",
		.stdin = "",
		.stdout = "",
		.stderr = "",
		.terminal = true,
	};

	return call_task(w, &task_v2_create, &req);
}

static int do_start(struct world *w)
{
	return call_task(w, &task_v2_start,
			 &(struct task_start_request){ .id = "c", .exec_id = "" });
}

static int do_exec(struct world *w)
{
	struct task_exec_request req = {
		.id = "c",
		.exec_id = "e",
		.stdin = "",
		.stdout = "",
		.stderr = "",
		.terminal = true,
		.spec = json(EXEC_JSON),
	};
	int r = call_task(w, &task_v2_exec, &req);

	return r < 0 ? r
		     : call_task(w, &task_v2_start,
				 &(struct task_start_request){ .id = "c", .exec_id = "e" });
}

static int do_update(struct world *w)
{
	return call_task(
		w, &task_v2_update,
		&(struct task_update_request){ .id = "c", .resources = json(UPDATE_JSON) });
}

static int do_resize(struct world *w)
{
	return call_task(w, &task_v2_resize_pty,
			 &(struct task_resize_pty_request){
				 .id = "c", .exec_id = "", .width = 80, .height = 25 });
}

static int do_pause(struct world *w)
{
	int r = call_task(w, &task_v2_pause, &(struct task_pause_request){ .id = "c" });

	return r < 0 ? r
		     : call_task(w, &task_v2_resume, &(struct task_resume_request){ .id = "c" });
}

static int do_stats(struct world *w)
{
	return call_task(w, &task_v2_stats, &(struct task_stats_request){ .id = "c" });
}

static int do_kill(struct world *w)
{
	int r = call_task(
		w, &task_v2_kill,
		&(struct task_kill_request){ .id = "c", .exec_id = "", .signal = SIGTERM });

	return r < 0 ? r
		     : call_task(
			       w, &task_v2_kill,
			       &(struct task_kill_request){
				       .id = "c", .exec_id = "", .signal = SIGKILL, .all = true });
}

static int do_delete(struct world *w)
{
	int r = do_kill(w);

	if (r >= 0)
		r = call_task(w, &task_v2_wait,
			      &(struct task_wait_request){ .id = "c", .exec_id = "" });
	return r < 0 ? r
		     : call_task(w, &task_v2_delete,
				 &(struct task_delete_request){ .id = "c", .exec_id = "" });
}

typedef int (*operation_fn)(struct world *w);

/* --- ends --- */

static void end_vm(struct world *w)
{
	agent_hang_up();
	sandbox_on_vm_event(w->shim.sandbox, VM_EVENT_EXITED, "it was killed");
}

static void end_stop(struct world *w)
{
	struct err err = ERR_NULL;

	(void)sandbox_stop(w->shim.sandbox, &err);
}

static void end_remove(struct world *w)
{
	(void)do_delete(w);
}

typedef void (*end_fn)(struct world *w);

/* --- one run --- */

static struct {
	struct world *w;
	end_fn end;
	unsigned nr, at;    /* waits begun; the one with which the end begins, 0: none */
	struct fiber *held; /* whose wait it is */
	bool ended;
} run;

static void end_main(void *arg)
{
	(void)arg;
	run.end(run.w);
	run.ended = true;
}

/* The proxy's listening socket is where the agent is to be; it is number 4 there. */
static void take_proxys_place(struct sandbox *sb)
{
	if (agent.listener || agent.listen_fd >= 0 || sb->helpers.proxy.pidfd < 0 || !agent.server)
		return;
	agent.listen_fd = neg_errno(pidfd_getfd(sb->helpers.proxy.pidfd, 4, 0));
	if (agent.listen_fd >= 0)
		assert_int_equal(
			fiber_spawn(fiber_loop(), "listen", listen_main, NULL, &agent.listener), 0);
}

static void hold(void)
{
	uint64_t deadline_ns = loop_deadline_ms(HOLD_MS);
	int r = 0;

	run.held = NULL;
	while (!run.ended && r >= 0 && loop_now_ns() < deadline_ns)
		r = fiber_sleep_until(loop_deadline_ms(1));
}

static void on_wait(bool begins)
{
	if (!begins) {
		if (run.held == fiber_self())
			hold();
		return;
	}
	take_proxys_place(run.w->shim.sandbox);
	if (!run.end || ++run.nr != run.at)
		return;
	run.held = fiber_self();
	assert_int_equal(fiber_spawn(fiber_loop(), "end", end_main, NULL, NULL), 0);
}

static unsigned nr_open_fds(void)
{
	DIR *fds = opendir("/proc/self/fd");
	unsigned nr = 0;

	assert_non_null(fds);
	while (readdir(fds))
		nr++;
	(void)closedir(fds);
	return nr;
}

static void set_up(struct world *w)
{
	*w = (struct world){ .shim = { .ops = &frontend,
				       .loop = fiber_loop(),
				       .id = "sb",
				       .state_dir = w->state_dir,
				       .config_path = w->config } };
	(void)snprintf(w->state_dir, sizeof(w->state_dir), "%s/state", dir);
	(void)snprintf(w->bundle, sizeof(w->bundle), "%s/bundle", dir);
	(void)snprintf(w->config, sizeof(w->config), "%s/configuration.toml", dir);
	memset(&agent, 0, sizeof(agent));
	agent.listen_fd = agent.conn_fd = -1;
	fiber_cond_init(&agent.exit_now);
	assert_int_equal(rpc_server_new(fiber_loop(), agent_handlers, ARRAY_SIZE(agent_handlers),
					NULL, &agent.server),
			 0);
	assert_int_equal(io_mkdir_p(w->state_dir, 0700), 0);
	assert_int_equal(
		sandbox_new(fiber_loop(), &shim_sandbox_events, &w->shim, &w->shim.sandbox), 0);
	w->shim.sandbox->driver = "null";
	assert_int_equal(event_ring_new(&w->shim.event_ring), 0);
	memset(&run, 0, sizeof(run));
	run.w = w;
	fiber_watch_for_test(on_wait);
}

static void tear_down(struct world *w)
{
	struct sandbox *sb = w->shim.sandbox;
	struct err err = ERR_NULL;

	assert_int_equal(sandbox_stop(sb, &err), 0);
	assert_int_equal(sb->state, SANDBOX_STATE_STOPPED);
	assert_int_equal(sb->gate.nr_inside, 0);
	assert_null(sb->hv);
	assert_null(sb->agent);
	while (!list_empty(&sb->containers)) {
		struct sb_container *ctr =
			list_entry(sb->containers.next, struct sb_container, node);

		assert_int_equal(ctr->init->state, SB_PROCESS_STATE_STOPPED);
		assert_int_equal(do_delete(w), 0);
	}
	fiber_watch_for_test(NULL);
	agent_hang_up();
	assert_null(rpc_server_free(agent.server));
	(void)fiber_sleep_until(loop_deadline_ms(2)); /* fibers of the server end */
	w->shim.sandbox = sandbox_free_for_test(sb);
	free(w->shim.event_ring);
	assert_int_equal(io_rm_tree_at(AT_FDCWD, w->state_dir), 0);
}

struct attempt {
	struct world *w;
	operation_fn fn;
	int r;
};

static void attempt_main(void *arg)
{
	struct attempt *attempt = arg;

	attempt->r = attempt->fn(attempt->w);
}

/* Two of the operation at once, the second of which waits for the first where there is a lock. */
static void run_twice(struct world *w, operation_fn fn, int *ret)
{
	struct attempt attempts[2] = { { w, fn, 1 }, { w, fn, 1 } };
	struct fiber *fibers[2];

	for (int i = 0; i < 2; i++)
		assert_int_equal(fiber_spawn(fiber_loop(), "attempt", attempt_main, &attempts[i],
					     &fibers[i]),
				 0);
	for (int i = 0; i < 2; i++)
		if (fiber_join(fibers[i], loop_deadline_ms(30000)) < 0)
			fail_msg("it hangs when its sandbox ends at wait %u", run.at);
	*ret = attempts[0].r;
}

struct operation {
	operation_fn before[2], fn;
	end_fn end;
};

/* Return: how many waits there were before the operation's end. */
static unsigned end_at(const struct operation *op, unsigned at)
{
	struct world w;
	int r;

	set_up(&w);
	for (size_t i = 0; i < ARRAY_SIZE(op->before); i++)
		if (op->before[i])
			assert_int_equal(op->before[i](&w), 0);
	run.at = at;
	run.end = op->end;
	run_twice(&w, op->fn, &r);
	unsigned nr = run.nr;
	if (!at && r < 0)
		fail_msg("the operation fails by itself: %s", strerror(-r));
	while (at && nr >= at && !run.ended)
		(void)fiber_sleep_until(loop_deadline_ms(1));
	tear_down(&w);
	return nr;
}

static int operation_main(void *arg)
{
	const struct operation *op = arg;
	unsigned at = 0, fds = 0;

	do {
		if (end_at(op, at) < at)
			break;
		if (at == 1) /* what is opened once is open by now */
			fds = nr_open_fds();
		else if (at > 1 && nr_open_fds() != fds)
			fail_msg("%u descriptors, not %u, after an end at wait %u", nr_open_fds(),
				 fds, at);
	} while (++at < WAITS_MAX);
	assert_in_range(at, WAITS_MIN + 1, WAITS_MAX - 1);
	print_message("# %u waits\n", at - 1);
	return 0;
}

static void try(operation_fn first, operation_fn second, operation_fn fn)
{
	static const end_fn ends[] = { end_vm, end_stop, end_remove };

	for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
		struct operation op = { { first, second }, fn, ends[i] };

		assert_int_equal(fiber_run_main(operation_main, &op), 0);
	}
}

#define ENDS_DURING(name, first, second, fn)                              \
	static void the_sandbox_ends_at_each_wait_of_##name(void **state) \
	{                                                                 \
		(void)state;                                              \
		try(first, second, fn);                                   \
	}

ENDS_DURING(create, NULL, NULL, do_create)
ENDS_DURING(start, do_create, NULL, do_start)
ENDS_DURING(exec, do_create, do_start, do_exec)
ENDS_DURING(update, do_create, do_start, do_update)
ENDS_DURING(resize, do_create, do_start, do_resize)
ENDS_DURING(pause, do_create, do_start, do_pause)
ENDS_DURING(stats, do_create, do_start, do_stats)
ENDS_DURING(kill, do_create, do_start, do_kill)
ENDS_DURING(delete, do_create, do_start, do_delete)

static void write_file(const char *name, const char *text, mode_t mode)
{
	char path[120];

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	assert_int_equal(io_replace_file_at(AT_FDCWD, path, text, strlen(text), mode), 0);
}

/* The shim looks for kata-proxy beside its own program: this one is run from a folder that has one. */
static void run_beside_a_proxy(char **argv)
{
	char self[200], path[200], *text;

	(void)snprintf(dir, sizeof(dir), "/tmp/kata-test-XXXXXX");
	if (!mkdtemp(dir) || program_find_self(self, sizeof(self)) < 0)
		exit(1);
	ssize_t len = io_read_file_at(AT_FDCWD, self, 1UL << 30, &text);
	(void)snprintf(path, sizeof(path), "%s/program", dir);
	if (len < 0 || io_replace_file_at(AT_FDCWD, path, text, (size_t)len, 0755) < 0)
		exit(1);
	free(text);
	(void)execv(path, argv);
	exit(1);
}

static int set_up_group(void **state)
{
	char path[100];
	struct err err = ERR_NULL;

	(void)state;
	if (share_isolate_mounts(&err) < 0)
		return -1;
	(void)umount2("/sys/fs/cgroup", MNT_DETACH); /* none of the host's are made */
	(void)snprintf(path, sizeof(path), "%s/bundle/rootfs", dir);
	if (io_mkdir_p(path, 0755) < 0)
		return -1;
	write_file("bundle/config.json", BUNDLE_JSON, 0644);
	write_file("configuration.toml", CONFIG, 0644);
	write_file("kata-proxy", "#!/bin/sh\nexec sleep 1000\n", 0755);
	return 0;
}

static int tear_down_group(void **state)
{
	(void)state;
	return io_rm_tree_at(AT_FDCWD, dir);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_sandbox_ends_at_each_wait_of_create),
		cmocka_unit_test(the_sandbox_ends_at_each_wait_of_start),
		cmocka_unit_test(the_sandbox_ends_at_each_wait_of_exec),
		cmocka_unit_test(the_sandbox_ends_at_each_wait_of_update),
		cmocka_unit_test(the_sandbox_ends_at_each_wait_of_resize),
		cmocka_unit_test(the_sandbox_ends_at_each_wait_of_pause),
		cmocka_unit_test(the_sandbox_ends_at_each_wait_of_stats),
		cmocka_unit_test(the_sandbox_ends_at_each_wait_of_kill),
		cmocka_unit_test(the_sandbox_ends_at_each_wait_of_delete),
	};
	char self[200] = "";

	(void)argc;
	if (geteuid() != 0)
		return 77;
	if (program_find_self(self, sizeof(self)) < 0 || !strstr(self, "/kata-test-"))
		run_beside_a_proxy(argv);
	(void)snprintf(dir, sizeof(dir), "%.*s", (int)(strrchr(self, '/') - self), self);
	(void)signal(SIGPIPE, SIG_IGN);
	/* The reason of each end is an error. */
	log_init("test", open("/dev/null", O_WRONLY | O_CLOEXEC), LOG_FORMAT_PLAIN,
		 LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, set_up_group, tear_down_group);
}
