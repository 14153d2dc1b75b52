/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The mock shim of the command line's tests. One process, one thread, a handful of containers.
 */
#include "mock-shim.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/proc.h"
#include "common/fd.h"
#include "common/io.h"
#include "common/str.h"
#include "kata/state.h"
#include "kata/standin.h"
#include "rpc/pb/admin_msg.h"
#include "rpc/pb/task_msg.h"
#include "rpc/ttrpc/rpc.h"

#define NR_TASKS 8
#define NR_FDS 4

struct task {
	char key[STANDIN_KEY_MAX]; /* "" when free */
	int conn;		   /* -1 once the stand-in was told or has gone */
	int fds[NR_FDS];
	struct loop_source *source;
	pid_t pid;
	bool created, started, stopped, paused;
	int code;
	char program[32];
	struct standin_msg hello;
};

static struct {
	struct loop *loop;
	struct task tasks[NR_TASKS];
	struct fiber_cond stopped;
	struct fiber_cond resumed;
} mock;

static void note(const char *fmt, ...) printf_format(1, 2);

static void note(const char *fmt, ...)
{
	const char *path = getenv("MOCK_SHIM_LOG");
	char line[4096];
	va_list ap;

	if (!path)
		return;
	va_start(ap, fmt);
	int n = vsnprintf(line, sizeof(line) - 1, fmt, ap);
	va_end(ap);
	n = MIN(n, (int)sizeof(line) - 2);
	line[n++] = '\n';
	cleanup_close int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || io_write_full(fd, line, (size_t)n) < 0)
		abort();
}

static void make_key(char *key, const char *id, const char *exec_id)
{
	(void)snprintf(key, STANDIN_KEY_MAX, "%s%s%s", id, str_empty(exec_id) ? "" : "/",
		       exec_id ? exec_id : "");
}

static struct task *find_task(const char *id, const char *exec_id)
{
	char key[STANDIN_KEY_MAX];

	make_key(key, id, exec_id);
	for (size_t i = 0; i < NR_TASKS; i++)
		if (*mock.tasks[i].key && str_eq(mock.tasks[i].key, key))
			return &mock.tasks[i];
	return NULL;
}

static void drop_connection(struct task *task)
{
	task->source = loop_source_free(task->source);
	(void)fd_close(TAKE_FD(task->conn));
	for (size_t i = 0; i < NR_FDS; i++)
		(void)fd_close(TAKE_FD(task->fds[i]));
}

static void stop_task(struct task *task, int code)
{
	const struct standin_msg msg = { .type = STANDIN_EXIT, .value = code };

	if (task->stopped)
		return;
	task->stopped = true;
	task->code = code;
	if (task->conn >= 0 && fd_send_msg(task->conn, &msg, sizeof(msg), NULL, 0) < 0)
		note("exit of %s is not delivered", task->key);
	drop_connection(task);
	fiber_cond_broadcast(&mock.stopped);
}

static void on_standin(void *arg, unsigned events)
{
	struct task *task = arg;
	struct standin_msg msg;
	int fds[NR_FDS];
	size_t nr_fds;
	ssize_t n = fd_recv_msg(task->conn, &msg, sizeof(msg), fds, NR_FDS, &nr_fds);

	(void)events;
	if (n != (ssize_t)sizeof(msg)) {
		note("standin %s is gone", task->key);
		drop_connection(task);
		if (task->created)
			stop_task(task, 137);
		else
			*task->key = '\0';
		return;
	}
	if (msg.type == STANDIN_HELLO && nr_fds == NR_FDS) {
		const struct standin_msg ready = { .type = STANDIN_READY };

		memcpy(task->key, msg.key, sizeof(task->key));
		memcpy(task->fds, fds, sizeof(fds));
		task->hello = msg;
		note("hello %s terminal %u size %ux%u", msg.key, msg.terminal, msg.rows,
		     msg.columns);
		if (fd_send_msg(task->conn, &ready, sizeof(ready), NULL, 0) < 0)
			abort();
	} else if (msg.type == STANDIN_PROCESSES) {
		note("shown %s", task->key);
	} else if (msg.type == STANDIN_RESIZE) {
		note("resize %s %ux%u", task->key, msg.rows, msg.columns);
	} else if (msg.type == STANDIN_SIGNAL) {
		note("signal %s %d", task->key, msg.value);
	}
}

static void on_connection(void *arg, unsigned events)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);
	int fd = accept4(KATA_SHIM_FD_STANDIN, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)arg;
	(void)events;
	if (fd < 0 || getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0)
		abort();
	for (size_t i = 0; i < NR_TASKS; i++) {
		struct task *task = &mock.tasks[i];

		if (*task->key || task->conn >= 0)
			continue;
		*task = (struct task){ .conn = fd, .fds = { -1, -1, -1, -1 }, .pid = cred.pid };
		if (loop_add_io(mock.loop, fd, LOOP_READ, on_standin, task, &task->source) < 0)
			abort();
		return;
	}
	abort();
}

static int no_task(const char *id, struct err *err)
{
	return err_set(err, ENOENT, "container %s does not exist", id);
}

static int do_create(void *ctx, struct rpc_request *call, const void *request, void *response,
		     struct err *err)
{
	const struct task_create_request *req = request;
	struct task_create_response *resp = response;
	struct task *task = find_task(req->id, "");

	(void)ctx;
	note("create %s bundle %s terminal %d stdin %s", req->id, req->bundle, req->terminal,
	     req->stdin);
	for (size_t i = 0; i < call->nr_metadata; i++)
		note("metadata %s=%s", call->metadata[i].key, call->metadata[i].value);
	if (strncmp(req->id, "dies-", 5) == 0) {
		dprintf(STDERR_FILENO, "first line\nthe kernel does not boot\n");
		_exit(1);
	}
	if (!task)
		return err_set(err, ENOENT, "no stand-in for %s", req->id);
	if (strncmp(req->id, "nocreate-", 9) == 0)
		return err_set(err, ENOENT, "exec: \"nope\": executable file not found in $PATH");
	task->created = true;
	resp->pid = (uint32_t)task->pid;
	if (strncmp(req->id, "kills-", 6) == 0) {
		/* Its end, not just that of its connection: all its descriptors are closed then. */
		struct pollfd fd = { .fd = proc_open_pidfd(task->pid), .events = POLLIN };

		if (fd.fd < 0 || kill(task->pid, SIGKILL) < 0 || poll(&fd, 1, 5000) != 1)
			abort();
		(void)close(fd.fd);
	}
	return 0;
}

static int do_start(void *ctx, struct rpc_request *call, const void *request, void *response,
		    struct err *err)
{
	const struct task_start_request *req = request;
	struct task_start_response *resp = response;
	struct task *task = find_task(req->id, req->exec_id);

	(void)ctx;
	(void)call;
	if (!task)
		return no_task(req->id, err);
	note("start %s", task->key);
	if (strncmp(req->id, "nostart-", 8) == 0 && str_empty(req->exec_id))
		return err_set(err, EACCES, "exec: \"/etc/passwd\": permission denied");
	task->started = true;
	resp->pid = (uint32_t)task->pid;
	if (strncmp(req->id, "exit7-", 6) == 0 && str_empty(req->exec_id))
		stop_task(task, 7);
	if (!str_empty(req->exec_id) && str_eq(task->program, "exit3")) {
		if (write(task->fds[1], "out\n", 4) != 4)
			abort();
		stop_task(task, 3);
	}
	return 0;
}

static int do_exec(void *ctx, struct rpc_request *call, const void *request, void *response,
		   struct err *err)
{
	const struct task_exec_request *req = request;
	struct task *task = find_task(req->id, req->exec_id);

	(void)ctx;
	(void)call;
	(void)response;
	if (!task)
		return err_set(err, ENOENT, "no stand-in for %s", req->exec_id);
	note("exec %s spec %.*s", task->key, (int)req->spec.value_len,
	     (const char *)req->spec.value);
	if (memmem(req->spec.value, req->spec.value_len, "nope", 4))
		return err_set(err, ENOENT, "exec: \"nope\": executable file not found in $PATH");
	task->created = true;
	if (memmem(req->spec.value, req->spec.value_len, "exit3", 5))
		strcpy(task->program, "exit3");
	return 0;
}

static int do_state(void *ctx, struct rpc_request *call, const void *request, void *response,
		    struct err *err)
{
	const struct task_state_request *req = request;
	struct task_state_response *resp = response;
	struct task *task = find_task(req->id, "");

	(void)ctx;
	(void)call;
	if (!task || !task->created)
		return no_task(req->id, err);
	resp->id = req->id;
	resp->pid = (uint32_t)task->pid;
	resp->status = task->stopped   ? TASK_STATUS_STOPPED
		       : task->paused  ? TASK_STATUS_PAUSED
		       : task->started ? TASK_STATUS_RUNNING
				       : TASK_STATUS_CREATED;
	return 0;
}

static int do_kill(void *ctx, struct rpc_request *call, const void *request, void *response,
		   struct err *err)
{
	const struct task_kill_request *req = request;
	struct task *task = find_task(req->id, req->exec_id);

	(void)ctx;
	(void)call;
	(void)response;
	if (!task)
		return no_task(req->id, err);
	note("kill %s %u%s", task->key, req->signal, req->all ? " all" : "");
	if (req->signal == SIGKILL || req->signal == SIGTERM)
		stop_task(task, 128 + (int)req->signal);
	return 0;
}

static int do_wait(void *ctx, struct rpc_request *call, const void *request, void *response,
		   struct err *err)
{
	const struct task_wait_request *req = request;
	struct task_wait_response *resp = response;
	struct task *task = find_task(req->id, req->exec_id);

	(void)ctx;
	if (!task)
		return no_task(req->id, err);
	while (!task->stopped) {
		int r = fiber_cond_wait(&mock.stopped, call->deadline_ns);

		if (r < 0)
			return err_set_errno(err, r, "wait");
	}
	resp->exit_status = (uint32_t)task->code;
	return 0;
}

static void end(void *arg)
{
	(void)arg;
	note("shim ends");
	loop_exit(mock.loop, 0);
}

static bool has_containers(void)
{
	for (size_t i = 0; i < NR_TASKS; i++)
		if (mock.tasks[i].created)
			return true;
	return false;
}

static void end_if_empty(void)
{
	static struct loop_source *source;

	if (!has_containers() && !source &&
	    loop_add_timer(mock.loop, loop_deadline_ms(5), end, NULL, &source) < 0)
		abort();
}

static int do_delete(void *ctx, struct rpc_request *call, const void *request, void *response,
		     struct err *err)
{
	const struct task_delete_request *req = request;
	struct task_delete_response *resp = response;
	struct task *task = find_task(req->id, req->exec_id);

	(void)ctx;
	(void)call;
	if (!task || !task->created)
		return no_task(req->id, err);
	if (task->started && !task->stopped)
		return err_set(err, EBUSY, "container %s runs", req->id);
	note("delete %s", task->key);
	stop_task(task, 137);
	resp->exit_status = (uint32_t)task->code;
	*task = (struct task){ .conn = -1, .fds = { -1, -1, -1, -1 } };
	end_if_empty();
	return 0;
}

static int set_paused(const char *id, bool paused, struct err *err)
{
	struct task *task = find_task(id, "");

	if (!task)
		return no_task(id, err);
	task->paused = paused;
	fiber_cond_broadcast(&mock.resumed);
	return 0;
}

static int do_pause(void *ctx, struct rpc_request *call, const void *request, void *response,
		    struct err *err)
{
	(void)ctx;
	(void)call;
	(void)response;
	return set_paused(((const struct task_pause_request *)request)->id, true, err);
}

static int do_resume(void *ctx, struct rpc_request *call, const void *request, void *response,
		     struct err *err)
{
	(void)ctx;
	(void)call;
	(void)response;
	return set_paused(((const struct task_resume_request *)request)->id, false, err);
}

static void show_processes(struct task *task)
{
	static const struct standin_process list[] = {
		{ .itself = 1, .comm = "self", .command_len = 9, .command = "self\0here" },
		{ .pid = 7,
		  .uid = 4321,
		  .comm = "ghost",
		  .command_len = 12,
		  .command = "ghost\0walks" },
	};
	const struct standin_msg msg = { .type = STANDIN_PROCESSES, .value = ARRAY_SIZE(list) };
	int fd = memfd_create("processes", MFD_CLOEXEC);

	if (fd < 0 || io_write_full(fd, list, sizeof(list)) < 0 ||
	    fd_send_msg(task->conn, &msg, sizeof(msg), &fd, 1) < 0)
		abort();
	(void)fd_close(fd);
}

static int do_pids(void *ctx, struct rpc_request *call, const void *request, void *response,
		   struct err *err)
{
	const struct task_pids_request *req = request;
	struct task_pids_response *resp = response;
	struct task *task = find_task(req->id, "");

	(void)ctx;
	if (!task)
		return no_task(req->id, err);
	if (str_eq(req->id, "shadowed"))
		show_processes(task);
	resp->processes = arena_calloc(call->arena, 1, sizeof(*resp->processes));
	resp->processes[resp->nr_processes++].pid = (uint32_t)task->pid;
	return 0;
}

static int do_update(void *ctx, struct rpc_request *call, const void *request, void *response,
		     struct err *err)
{
	const struct task_update_request *req = request;

	(void)ctx;
	(void)call;
	(void)response;
	(void)err;
	note("update %s %.*s", req->id, (int)req->resources.value_len,
	     (const char *)req->resources.value);
	return 0;
}

static int do_resize(void *ctx, struct rpc_request *call, const void *request, void *response,
		     struct err *err)
{
	const struct task_resize_pty_request *req = request;

	(void)ctx;
	(void)call;
	(void)response;
	(void)err;
	note("resize %s %ux%u", req->id, req->height, req->width);
	return 0;
}

static int do_shutdown(void *ctx, struct rpc_request *call, const void *request, void *response,
		       struct err *err)
{
	(void)ctx;
	(void)call;
	(void)request;
	(void)response;
	(void)err;
	end_if_empty();
	return 0;
}

static int do_stats(void *ctx, struct rpc_request *call, const void *request, void *response,
		    struct err *err)
{
	struct agent_stats_container_response *resp = response;

	(void)ctx;
	(void)request;
	(void)err;
	resp->cgroup_stats = arena_calloc(call->arena, 1, sizeof(*resp->cgroup_stats));
	resp->cgroup_stats->pids_stats =
		arena_calloc(call->arena, 1, sizeof(*resp->cgroup_stats->pids_stats));
	resp->cgroup_stats->pids_stats->current = 5;
	return 0;
}

static const struct rpc_handler task_handlers[] = {
	{ &task_v2_create, do_create, 0 },     { &task_v2_start, do_start, 0 },
	{ &task_v2_exec, do_exec, 0 },	       { &task_v2_state, do_state, 0 },
	{ &task_v2_kill, do_kill, 0 },	       { &task_v2_wait, do_wait, 0 },
	{ &task_v2_delete, do_delete, 0 },     { &task_v2_pause, do_pause, 0 },
	{ &task_v2_resume, do_resume, 0 },     { &task_v2_pids, do_pids, 0 },
	{ &task_v2_update, do_update, 0 },     { &task_v2_resize_pty, do_resize, 0 },
	{ &task_v2_shutdown, do_shutdown, 0 },
};
/* The only event is that a container is not paused. */
static int do_wait_event(void *ctx, struct rpc_request *call, const void *request, void *response,
			 struct err *err)
{
	const struct admin_wait_event_request *req = request;
	struct admin_wait_event_response *resp = response;
	const struct task *task = find_task(req->id, "");
	int r = 0;

	(void)ctx;
	note("wait %s", req->id);
	while (r == 0 && task && task->paused)
		r = fiber_cond_wait(&mock.resumed, call->deadline_ns);
	resp->seq = req->since + 1;
	resp->type = ADMIN_EVENT_RESUMED;
	return r < 0 ? err_set_errno(err, r, "wait") : 0;
}

static const struct rpc_handler admin_handlers[] = {
	{ &admin_stats, do_stats, 0 },
	{ &admin_wait_event, do_wait_event, 0 },
};

/**
 * mock_shim_is_asked_for() - was this program started as a shim?
 * @argc: main()'s
 * @argv: main()'s
 *
 * Return: true when it was.
 */
bool mock_shim_is_asked_for(int argc, char **argv)
{
	return argc > 1 && str_eq(argv[1], "-namespace");
}

/**
 * mock_shim_main() - be a shim until the last container is deleted
 * @argc: main()'s
 * @argv: main()'s
 *
 * Return: exit code.
 */
int mock_shim_main(int argc, char **argv)
{
	struct rpc_server *task_server, *admin_server;
	struct loop_source *source;

	for (int i = 1; i < argc; i++)
		note("arg %s", argv[i]);
	if (str_eq(argv[argc - 1], "delete")) {
		int r = unlinkat(KATA_SHIM_FD_STATE, KATA_STATE_SANDBOX, 0);

		note("undone%s", r < 0 ? ": nothing" : "");
		return 0;
	}
	(void)signal(SIGPIPE, SIG_IGN);
	fiber_cond_init(&mock.stopped);
	fiber_cond_init(&mock.resumed);
	for (size_t i = 0; i < NR_TASKS; i++)
		mock.tasks[i] = (struct task){ .conn = -1, .fds = { -1, -1, -1, -1 } };
	if (loop_new(&mock.loop) < 0 ||
	    loop_add_io(mock.loop, KATA_SHIM_FD_STANDIN, LOOP_READ, on_connection, NULL, &source) <
		    0 ||
	    rpc_server_new(mock.loop, task_handlers, ARRAY_SIZE(task_handlers), NULL,
			   &task_server) < 0 ||
	    rpc_server_listen(task_server, KATA_SHIM_FD_TASK) < 0 ||
	    rpc_server_new(mock.loop, admin_handlers, ARRAY_SIZE(admin_handlers), NULL,
			   &admin_server) < 0 ||
	    rpc_server_listen(admin_server, KATA_SHIM_FD_ADMIN) < 0)
		return 1;
	return loop_run(mock.loop) < 0;
}
