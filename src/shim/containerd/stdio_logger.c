/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Starts logger programs. They read stdout on descriptor 3 and stderr on 4, and write to 5 or close
 * it when they are ready. They are never killed: they end when both streams have ended, which the
 * shim's own death causes, too, so no output is lost.
 */
#include "shim/containerd/stdio_logger.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/arena.h"
#include "common/fd.h"
#include "common/fiber.h"
#include "common/log.h"
#include "common/proc.h"
#include "common/str.h"
#include "shim/core/shim.h"

#define LOGGER_READY_MS 10000
#define LOGGER_ARGS_MAX 64

/**
 * stdio_logger_is() - does a URI name a logger program?
 * @uri: stdout or stderr field of a call, may be NULL
 *
 * Return: true or false.
 */
bool stdio_logger_is(const char *uri)
{
	return !str_empty(uri) && str_skip_prefix(uri, "binary://");
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* In place. See RFC 3986; a plus sign is a space in queries only. */
static int unescape(char *text, bool query)
{
	char *to = text;

	for (const char *from = text; *from; from++) {
		char c = *from;

		if (c == '+' && query)
			c = ' ';
		if (c == '%') {
			int high = hex_digit(from[1]), low = high < 0 ? -1 : hex_digit(from[2]);
			if (low < 0 || !(high | low))
				return -EINVAL;
			c = (char)(high << 4 | low);
			from += 2;
		}
		*to++ = c;
	}
	*to = '\0';
	return 0;
}

/* The path, then each key and value as an argument of its own. */
static int split_uri(const char *uri, struct arena *arena, struct strv *argv, struct err *err)
{
	char *path = arena_strdup(arena, str_skip_prefix(uri, "binary://"));

	if (!path)
		return err_set(err, ENOMEM, "out of memory");
	char *query = strchr(path, '?');
	if (query)
		*query++ = '\0';
	if (*path != '/' || unescape(path, false) < 0)
		return err_set(err, EINVAL, "logger '%s': not a program's absolute path", uri);
	int r = arena_strv_add(arena, argv, path);
	for (char *save, *pair = query ? strtok_r(query, "&", &save) : NULL; r >= 0 && pair;
	     pair = strtok_r(NULL, "&", &save)) {
		char *value = strchr(pair, '=');

		if (value)
			*value++ = '\0';
		if (argv->nr >= LOGGER_ARGS_MAX || unescape(pair, true) < 0 ||
		    (value && unescape(value, true) < 0))
			return err_set(err, EINVAL, "logger '%s': bad query", uri);
		r = arena_strv_add(arena, argv, pair);
		if (r >= 0)
			r = arena_strv_add(arena, argv, value ? value : "");
	}
	return r < 0 ? err_set_errno(err, r, "logger '%s'", uri) : 0;
}

static void reap_main(void *arg)
{
	struct proc *proc = arg;
	pid_t pid = proc->pid;
	int wstatus = 0;

	if (proc_wait_fiber(proc, LOOP_FOREVER, &wstatus) < 0)
		proc_deinit(proc);
	else if (wstatus)
		log_warn("logger %d ended with status %d", (int)pid, proc_exit_code(wstatus));
	free(proc);
}

static int keep_for_reaping(struct shim *shim, struct proc *proc)
{
	struct proc *held = malloc(sizeof(*held));
	int r = -ENOMEM;

	if (held) {
		*held = *proc;
		r = fiber_spawn(shim->loop, "logger", reap_main, held, NULL);
	}
	if (r < 0) {
		(void)proc_signal(proc, SIGKILL); /* it may have ended meanwhile */
		proc_deinit(proc);
		free(held);
	}
	return r;
}

struct logger_pipes {
	int out[2], err[2], ready[2];
};

static void close_pipes(struct logger_pipes *pipes)
{
	int *fds[] = { pipes->out, pipes->err, pipes->ready };

	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		fds[i][0] = fd_close(fds[i][0]);
		fds[i][1] = fd_close(fds[i][1]);
	}
}

static int open_pipes(struct logger_pipes *pipes)
{
	int r = neg_errno(pipe2(pipes->out, O_CLOEXEC));

	if (r >= 0)
		r = neg_errno(pipe2(pipes->err, O_CLOEXEC));
	if (r >= 0)
		r = neg_errno(pipe2(pipes->ready, O_CLOEXEC));
	/* Our ends only: a logger expects ordinary blocking ones. */
	if (r >= 0)
		r = fd_set_nonblock(pipes->out[1], true);
	if (r >= 0)
		r = fd_set_nonblock(pipes->err[1], true);
	return r < 0 ? r : fd_set_nonblock(pipes->ready[0], true);
}

static int spawn(struct shim *shim, const struct stdio_request *req, struct logger_pipes *pipes,
		 struct err *err)
{
	cleanup_arena struct arena *arena = NULL;
	struct strv argv = { 0 }, envp = { 0 };

	if (arena_new(&arena) < 0)
		return err_set(err, ENOMEM, "out of memory");
	int r = split_uri(req->out, arena, &argv, err);
	if (r < 0)
		return r;
	char *id = arena_printf(arena, "CONTAINER_ID=%s", req->id);
	char *namespace = arena_printf(arena, "CONTAINER_NAMESPACE=%s", shim->namespace);
	if (!id || !namespace || arena_strv_add(arena, &envp, id) < 0 ||
	    arena_strv_add(arena, &envp, namespace) < 0)
		return err_set(err, ENOMEM, "out of memory");
	struct proc_fd fds[] = { { pipes->out[0], 3 },
				 { pipes->err[0], 4 },
				 { pipes->ready[1], 5 } };
	struct proc_spec spec = {
		.path = argv.v[0],
		.argv = argv.v,
		.envp = envp.v,
		.fds = fds,
		.nr_fds = ARRAY_SIZE(fds),
		.netns_fd = -1,
		.new_session = true,
		.unfiltered = true,
	};
	struct proc proc = PROC_NULL;
	r = proc_spawn(&spec, &proc, err);
	if (r < 0)
		return r;
	r = keep_for_reaping(shim, &proc);
	return r < 0 ? err_set_errno(err, r, "follow logger") : 0;
}

static int wait_ready(int fd, struct err *err)
{
	char byte;
	ssize_t n = fiber_read(fd, &byte, 1, loop_deadline_ms(LOGGER_READY_MS));

	return n < 0 ? err_set_errno(err, (int)n, "logger does not say that it is ready") : 0;
}

/**
 * stdio_logger_start() - run the logger program of a process
 * @shim: shim
 * @req: the streams; out names the program
 * @fds: stdin, stdout, stderr; the last two receive our ends
 * @err: filled on failure
 *
 * Return: 0 or -errno.
 */
int stdio_logger_start(struct shim *shim, const struct stdio_request *req, int *fds,
		       struct err *err)
{
	struct logger_pipes pipes = { { -1, -1 }, { -1, -1 }, { -1, -1 } };
	int r = open_pipes(&pipes);

	r = r < 0 ? err_set_errno(err, r, "pipe") : spawn(shim, req, &pipes, err);
	if (r >= 0) {
		pipes.ready[1] =
			fd_close(pipes.ready[1]); /* the logger's exit counts as its end, too */
		r = wait_ready(pipes.ready[0], err);
	}
	if (r >= 0) {
		fds[1] = TAKE_FD(pipes.out[1]);
		if (!req->terminal)
			fds[2] = TAKE_FD(pipes.err[1]);
	}
	close_pipes(&pipes);
	return r;
}
