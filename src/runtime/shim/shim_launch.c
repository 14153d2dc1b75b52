/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Starting a shim with its listening sockets as inherited descriptors. Descriptor numbers are those
 * of enum kata_shim_fd. This is not where a shim is spoken to: see runtime/shim/session.h.
 */
#include "runtime/shim/shim_launch.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/fiber.h"
#include "common/io.h"
#include "host/program.h"
#include "kata/state.h"

#define SHIM_ARGS_MAX 16 /* all that fill_argv() may set, and the NULL */
#define SHIM_DELETE_MS 15000
#define SHIM_LOST_MS 200

/* State directory, three sockets, log file, stderr. */
enum { LAUNCH_FDS_MAX = 6 };

static int listen_at(int dir_fd, const char *name, int type, struct err *err)
{
	int fd = fd_listen_at(dir_fd, name, type);

	return fd < 0 ? err_set_errno(err, fd, "cannot listen on %s", name) : fd;
}

static void fill_argv(const struct cli *cli, const struct record *record, const char *path,
		      const char *action, const char **argv)
{
	int n = 0;

	argv[n++] = path;
	argv[n++] = "-namespace";
	argv[n++] = "default";
	argv[n++] = "-id";
	argv[n++] = record->sandbox_id;
	argv[n++] = "-bundle";
	argv[n++] = record->bundle;
	argv[n++] = "--standalone";
	if (cli->log_fd >= 0) {
		argv[n++] = "--log-format";
		argv[n++] = cli->log_format == LOG_FORMAT_JSON ? "json" : "text";
	}
	if (cli->debug)
		argv[n++] = "--debug";
	if (cli->config) {
		argv[n++] = "--config";
		argv[n++] = cli->config;
	}
	if (action)
		argv[n++] = action;
	argv[n] = NULL;
}

static int spawn(const struct cli *cli, const struct record *record, const char *action,
		 const struct proc_fd *fds, size_t nr_fds, struct proc *ret, struct err *err)
{
	char path[PATH_MAX];
	const char *argv[SHIM_ARGS_MAX];
	int r = program_find_shim(path, sizeof(path), err);

	if (r < 0)
		return r;
	fill_argv(cli, record, path, action, argv);
	const struct proc_spec spec = {
		.path = path,
		.argv = (char *const *)argv,
		.fds = fds,
		.nr_fds = nr_fds,
		.cwd = "/",
		.netns_fd = -1,
		.new_session = true,
	};
	return proc_spawn(&spec, ret, err);
}

static int save_pid(int dir_fd, const struct proc *proc)
{
	char text[64];
	uint64_t start;
	int r = proc_start_time(proc->pid, &start);

	if (r < 0)
		return r;
	int n = snprintf(text, sizeof(text), "%d %llu\n", (int)proc->pid,
			 (unsigned long long)start);
	return io_replace_file_at(dir_fd, KATA_STATE_SHIM_PID, text, (size_t)n, 0600);
}

/**
 * shim_launch_start() - start the shim of a new sandbox
 * @cli: global options
 * @record: the container that the sandbox is made for; its directory is the sandbox's
 * @ret: receives the shim
 * @err: filled on failure
 *
 * The shim leads a session of its own in "/" and holds none of the caller's stdio.
 *
 * Return: 0 or -errno.
 */
int shim_launch_start(const struct cli *cli, const struct record *record, struct shim_launch *ret,
		      struct err *err)
{
	cleanup_close int task = listen_at(record->dir_fd, KATA_SOCKET_TASK, SOCK_STREAM, err);
	if (task < 0)
		return task;
	cleanup_close int admin = listen_at(record->dir_fd, KATA_SOCKET_ADMIN, SOCK_STREAM, err);
	if (admin < 0)
		return admin;
	cleanup_close int standin =
		listen_at(record->dir_fd, KATA_SOCKET_STANDIN, SOCK_SEQPACKET, err);
	if (standin < 0)
		return standin;
	int pipe_fds[2];
	if (pipe2(pipe_fds, O_CLOEXEC) < 0)
		return err_set_errno(err, -errno, "pipe");
	cleanup_close int stderr_read = pipe_fds[0], stderr_write = pipe_fds[1];
	struct proc_fd fds[LAUNCH_FDS_MAX] = {
		{ stderr_write, STDERR_FILENO },   { record->dir_fd, KATA_SHIM_FD_STATE },
		{ task, KATA_SHIM_FD_TASK },	   { admin, KATA_SHIM_FD_ADMIN },
		{ standin, KATA_SHIM_FD_STANDIN }, { cli->log_fd, KATA_SHIM_FD_LOG },
	};
	struct shim_launch launch = SHIM_LAUNCH_NULL;
	int r = fd_set_nonblock(stderr_read, true);

	if (r < 0)
		return err_set_errno(err, r, "pipe");
	r = spawn(cli, record, NULL, fds, cli->log_fd >= 0 ? LAUNCH_FDS_MAX : LAUNCH_FDS_MAX - 1,
		  &launch.proc, err);
	if (r < 0)
		return err_wrap(err, "cannot start the shim");
	launch.stderr_fd = TAKE_FD(stderr_read);
	*ret = launch;
	r = save_pid(record->dir_fd, &launch.proc);
	return r < 0 ? err_set_errno(err, r, "cannot record the shim's pid") : 0;
}

/**
 * shim_launch_delete() - let the shim's program clean up after a dead shim
 * @cli: global options
 * @record: a container of the sandbox
 * @sandbox_fd: the sandbox's state directory
 * @err: filled on failure
 *
 * The shim knows what it recorded in the state directory, so undoing it is written once, there.
 *
 * Return: 0 or -errno.
 */
int shim_launch_delete(const struct cli *cli, const struct record *record, int sandbox_fd,
		       struct err *err)
{
	const struct proc_fd fds[] = { { sandbox_fd, KATA_SHIM_FD_STATE },
				       { cli->log_fd, KATA_SHIM_FD_LOG } };
	struct proc proc = PROC_NULL;
	int status = 0;
	int r = spawn(cli, record, "delete", fds, cli->log_fd >= 0 ? 2 : 1, &proc, err);

	if (r < 0)
		return err_wrap(err, "cannot clean up after the shim of \"%s\"",
				record->sandbox_id);
	r = fiber_wait_pidfd(proc.pidfd, loop_deadline_ms(SHIM_DELETE_MS), &status);
	if (r < 0)
		(void)proc_signal(&proc, SIGKILL); /* it may just have ended */
	proc_deinit(&proc);
	if (r < 0)
		return err_set_errno(err, r, "cleaning up after the shim of \"%s\"",
				     record->sandbox_id);
	if (proc_exit_code(status) != 0)
		return err_set(err, EIO, "cleaning up after the shim of \"%s\" failed",
			       record->sandbox_id);
	return 0;
}

/* A line of the shim's log that does not tell of an error. */
static bool is_no_error(const char *line)
{
	return strstr(line, " level=warning ") || strstr(line, " level=info ") ||
	       strstr(line, " level=debug ");
}

/* The last line that may be the reason of an end; NULL when there is none. Cuts @text up. */
static const char *last_error(char *text)
{
	for (char *line; *text; *line = '\0') {
		line = strrchr(text, '\n');
		if (!line) /* the first line */
			return is_no_error(text) ? NULL : text;
		if (line[1] && !is_no_error(line + 1))
			return line + 1;
	}
	return NULL;
}

/* Waits a little: a dying process closes its sockets before it can be waited for. */
static bool describe_end(const struct shim_launch *launch, char *text, size_t size)
{
	int status = 0;

	if (launch->proc.pidfd < 0 ||
	    fiber_wait_pidfd(launch->proc.pidfd, loop_deadline_ms(SHIM_LOST_MS), &status) < 0)
		return false;
	if (WIFSIGNALED(status))
		snprintf(text, size, "the shim was killed by signal %d", WTERMSIG(status));
	else
		snprintf(text, size, "the shim ended with status %d", WEXITSTATUS(status));
	return true;
}

/**
 * shim_launch_explain() - add what a dead shim said last to an error
 * @launch: the shim
 * @err: error of the call that met a closed connection
 */
void shim_launch_explain(const struct shim_launch *launch, struct err *err)
{
	char text[ERR_TEXT_MAX / 2];

	if (launch->stderr_fd < 0)
		return;
	ssize_t n = read(launch->stderr_fd, text, sizeof(text) - 1);
	text[MAX(n, 0)] = '\0';
	const char *reason = last_error(text);
	if (reason)
		err_set(err, err->code, "the shim ended: %.*s", (int)strcspn(reason, "\n"), reason);
	else if (describe_end(launch, text, sizeof(text)))
		err_set(err, err->code, "%s", text);
}

static void pass_on(void *arg, unsigned events)
{
	struct shim_launch *launch = arg;
	char text[1024];

	(void)events;
	ssize_t n = read(launch->stderr_fd, text, sizeof(text));
	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		launch->relay = loop_source_free(launch->relay);
	for (ssize_t i = 0; i < n; i++)
		if ((launch->raw_terminal && text[i] == '\n' &&
		     io_write_full(STDERR_FILENO, "\r", 1) < 0) ||
		    io_write_full(STDERR_FILENO, text + i, 1) < 0)
			return; /* nobody reads it */
}

/**
 * shim_launch_relay() - show what a shim has to say on our stderr from now on
 * @launch: the shim; must stay where it is until shim_launch_relay_end().
 *	SHIM_LAUNCH_NULL has nothing to say.
 * @raw_terminal: stderr is a terminal in raw mode
 * @err: filled on failure
 *
 * It also keeps a talkative shim from waiting for a reader. To be ended in the loop it was begun
 * in.
 *
 * Return: 0 or -errno.
 */
int shim_launch_relay(struct shim_launch *launch, bool raw_terminal, struct err *err)
{
	char text[1024];

	if (launch->stderr_fd < 0)
		return 0;
	while (read(launch->stderr_fd, text, sizeof(text)) > 0)
		; /* what it said during a start that went well */
	launch->raw_terminal = raw_terminal;
	int r = loop_add_io(fiber_loop(), launch->stderr_fd, LOOP_READ, pass_on, launch,
			    &launch->relay);

	return r < 0 ? err_set_errno(err, r, "cannot listen to the shim") : 0;
}

/**
 * shim_launch_relay_end() - show the rest
 * @launch: shim; the terminal is an ordinary one again
 * @lost: the container ended without a status; if that is since the shim died, say so
 */
void shim_launch_relay_end(struct shim_launch *launch, bool lost)
{
	char end[64];

	launch->raw_terminal = false;
	if (launch->relay)
		pass_on(launch, LOOP_READ);
	launch->relay = loop_source_free(launch->relay);
	if (lost && describe_end(launch, end, sizeof(end)))
		log_error("%s, and its VM with it", end);
}

/**
 * shim_launch_deinit() - forget a shim; it goes on running
 * @launch: shim or SHIM_LAUNCH_NULL
 */
void shim_launch_deinit(struct shim_launch *launch)
{
	proc_deinit(&launch->proc);
	(void)fd_close(launch->stderr_fd); /* a pipe's read end */
	*launch = SHIM_LAUNCH_NULL;
}
