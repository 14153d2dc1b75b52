/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One child process for each hook. Its input, its output and its end are served as they become
 * ready, so neither a hook that does not read nor one that leaves a process with its output behind
 * stops us. The end of its output is kept for the error.
 */
#include "oci/hooks.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/fiber.h"
#include "common/str.h"
#include "oci/state.h"

#define HOOK_OUTPUT_MAX 512

/* A hook that runs. */
struct hook_run {
	const struct hooks_place *place;
	const struct strbuf *state;
	struct proc proc;
	int in, out; /* our ends; -1 once they are of no use */
	int ready;   /* epoll of those and of the process */
	size_t fed;  /* of the state */
	size_t len;  /* of the tail */
	uint64_t deadline_ns;
	char tail[HOOK_OUTPUT_MAX];
};

static int check_hook(const char *kind, const struct oci_hook *hook, struct err *err)
{
	if (str_empty(hook->path) || hook->path[0] != '/')
		return err_set(err, EINVAL, "%s hook path \"%.100s\" is not absolute", kind,
			       hook->path ? hook->path : "");
	if (hook->timeout && *hook->timeout <= 0)
		return err_set(err, EINVAL, "%s hook %s: timeout must be positive", kind,
			       hook->path);
	return 0;
}

static int watch_fd(const struct hook_run *run, int fd, uint32_t events)
{
	struct epoll_event event = { .events = events };

	return neg_errno(epoll_ctl(run->ready, EPOLL_CTL_ADD, fd, &event));
}

/* A process that was just forked elsewhere may hold a copy: closing alone does not unregister. */
static int drop_fd(const struct hook_run *run, int fd)
{
	(void)epoll_ctl(run->ready, EPOLL_CTL_DEL, fd, NULL);
	return fd_close(fd);
}

/* Opens our ends of its pipes as run->in and run->out, and its ends. */
static int open_pipes(struct hook_run *run, int *ret_in, int *ret_out)
{
	int in[2], out[2];

	if (pipe2(in, O_CLOEXEC) < 0)
		return -errno;
	run->in = in[1];
	*ret_in = in[0];
	if (pipe2(out, O_CLOEXEC) < 0)
		return -errno;
	run->out = out[0];
	*ret_out = out[1];
	/* Only our ends: the hook expects ordinary blocking ones. */
	int r = fd_set_nonblock(run->in, true);
	return r < 0 ? r : fd_set_nonblock(run->out, true);
}

static int start(struct hook_run *run, const struct oci_hook *hook, struct err *err)
{
	cleanup_close int in = -1, out = -1;
	static char *const no_env[] = { NULL };
	char *const *env = run->place->env ? run->place->env : no_env;
	char *const no_args[] = { hook->path, NULL };

	run->ready = neg_errno(epoll_create1(EPOLL_CLOEXEC));
	int r = run->ready < 0 ? run->ready : open_pipes(run, &in, &out);
	if (r >= 0)
		r = watch_fd(run, run->in, EPOLLOUT);
	if (r >= 0)
		r = watch_fd(run, run->out, EPOLLIN);
	if (r < 0)
		return err_set_errno(err, r, "pipes of a hook");
	const struct proc_fd fds[] = { { in, 0 }, { out, 1 }, { out, 2 } };
	const struct proc_spec spec = {
		.path = hook->path,
		.argv = hook->args.nr ? hook->args.v : no_args,
		.envp = hook->env.nr ? hook->env.v : (char **)(uintptr_t)env,
		.fds = fds,
		.nr_fds = ARRAY_SIZE(fds),
		.cwd = run->place->cwd,
		.netns_fd = run->place->netns_fd,
		/* A process that is becoming a container may see another number for its parent. */
		.die_with_parent = !run->place->blocking,
		.unfiltered = true,
	};
	return proc_spawn(&spec, &run->proc, err);
}

static int feed(struct hook_run *run)
{
	while (run->in >= 0) {
		size_t left = run->state->len - run->fed;
		ssize_t n = left ? write(run->in, run->state->data + run->fed, left) : 0;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return 0;
		if (n < 0 && errno != EPIPE)
			return -errno;
		/* A hook need not read its input. */
		if (!left || n < 0)
			run->in = drop_fd(run, run->in);
		else
			run->fed += (size_t)n;
	}
	return 0;
}

static void keep_tail(struct hook_run *run, const char *data, size_t n)
{
	size_t size = sizeof(run->tail) - 1, add = MIN(n, size);
	size_t keep = MIN(run->len, size - add);

	memmove(run->tail, run->tail + run->len - keep, keep);
	memcpy(run->tail + keep, data + n - add, add);
	run->len = keep + add;
}

/* Reads what is there now, with a bound for a hook that writes all the time. */
static int drain(struct hook_run *run)
{
	char buf[HOOK_OUTPUT_MAX];

	for (int i = 0; i < 256 && run->out >= 0; i++) {
		ssize_t n = read(run->out, buf, sizeof(buf));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return 0;
		if (n < 0)
			return -errno;
		if (n == 0)
			run->out = drop_fd(run, run->out);
		else
			keep_tail(run, buf, (size_t)n);
	}
	return 0;
}

static bool has_ended(const struct hook_run *run)
{
	struct pollfd pfd = { .fd = run->proc.pidfd, .events = POLLIN };

	return poll(&pfd, 1, 0) > 0;
}

/* Return: 0 when it has ended and what it said before was read, or -errno. */
static int serve(struct hook_run *run)
{
	int r = watch_fd(run, run->proc.pidfd, EPOLLIN);

	while (r >= 0) {
		bool ended = has_ended(run);

		r = feed(run);
		if (r >= 0)
			r = drain(run);
		if (r < 0 || ended)
			break;
		r = run->place->blocking ? fd_poll_until(run->ready, POLLIN, run->deadline_ns)
					 : fiber_wait_fd(run->ready, LOOP_READ, run->deadline_ns);
	}
	return r < 0 ? r : 0;
}

static int reap(struct hook_run *run, int r)
{
	int wstatus = 0;

	if (r >= 0 || run->place->blocking) {
		if (r < 0)
			(void)proc_signal(&run->proc, SIGKILL); /* it may have ended */
		(void)waitpid(run->proc.pid, &wstatus, 0); /* it has ended or was just killed */
		proc_deinit(&run->proc);
	}
	proc_end_fiber(&run->proc);
	return wstatus;
}

static int check_end(const char *kind, const struct oci_hook *hook, struct hook_run *run,
		     int wstatus, struct err *err)
{
	while (run->len && strchr(" \n", run->tail[run->len - 1]))
		run->len--;
	run->tail[run->len] = '\0';
	const char *colon = run->len ? ": " : "";
	if (WIFSIGNALED(wstatus))
		return err_set(err, EIO, "%s hook %s was killed by signal %d%s%s", kind, hook->path,
			       WTERMSIG(wstatus), colon, run->tail);
	if (WEXITSTATUS(wstatus))
		return err_set(err, EIO, "%s hook %s exited with status %d%s%s", kind, hook->path,
			       WEXITSTATUS(wstatus), colon, run->tail);
	return 0;
}

static int run_one(const char *kind, const struct oci_hook *hook, struct hook_run *run,
		   struct err *err)
{
	int r = check_hook(kind, hook, err);

	if (r < 0)
		return r;
	if (hook->timeout)
		run->deadline_ns = loop_deadline_ms((uint64_t)*hook->timeout * 1000);
	r = start(run, hook, err);
	if (r < 0)
		return err_wrap(err, "%s hook %s", kind, hook->path);
	proc_watch_spawned(run->place->watch, &run->proc);
	r = serve(run);
	int wstatus = reap(run, r);
	proc_watch_reaped(run->place->watch);
	if (r == -ETIMEDOUT)
		return err_set(err, ETIMEDOUT, "%s hook %s did not end within %d s", kind,
			       hook->path, *hook->timeout);
	return r < 0 ? err_set_errno(err, r, "%s hook %s", kind, hook->path)
		     : check_end(kind, hook, run, wstatus, err);
}

/**
 * hooks_run() - run hooks one after the other
 * @kind: what errors call them: "prestart", ...
 * @hooks: hooks
 * @nr: number of them
 * @state: what they get to read
 * @place: where they run, and who runs them
 * @err: names the hook that failed; the rest is not run then
 *
 * A hook that does not end in its time is killed; without one it may take for ever.
 *
 * Return: 0, -EIO when a hook failed, -ETIMEDOUT, or -errno.
 */
int hooks_run(const char *kind, const struct oci_hook *hooks, size_t nr,
	      const struct oci_state *state, const struct hooks_place *place, struct err *err)
{
	cleanup_strbuf struct strbuf text = STRBUF_NULL;
	int r = nr ? oci_state_format(state, &text) : 0;

	if (r < 0)
		return err_set_errno(err, r, "state for hooks");
	for (size_t i = 0; i < nr && r >= 0; i++) {
		struct hook_run run = {
			.place = place,
			.state = &text,
			.proc = PROC_NULL,
			.in = -1,
			.out = -1,
			.ready = -1,
			.deadline_ns = LOOP_FOREVER,
		};

		r = run_one(kind, &hooks[i], &run, err);
		(void)fd_close(run.in);
		(void)fd_close(run.out);
		(void)fd_close(run.ready);
	}
	return r;
}
