/* SPDX-License-Identifier: Apache-2.0 */
/*
 * OCI hooks: programs that get the state of the container on stdin and must succeed within their
 * time. Two ways to run them: from a fiber of the agent, and from the process that is becoming the
 * container.
 */
#include "agent/container/hooks.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "agent/util/child.h"
#include "common/fd.h"
#include "common/fiber.h"
#include "common/json.h"
#include "common/proc.h"
#include "common/str.h"

static int format_state(const struct hook_state *state, struct strbuf *out)
{
	struct json_writer w;

	json_writer_init(&w, out, 0);
	json_object(&w);
	json_member_str(&w, "ociVersion", state->oci_version);
	json_member_str(&w, "id", state->id);
	json_member_str(&w, "status", state->status);
	if (state->pid)
		json_member_int(&w, "pid", state->pid);
	json_member_str(&w, "bundle", state->bundle);
	json_member_map(&w, "annotations", state->annotations, state->nr_annotations);
	json_object_end(&w);
	return json_writer_finish(&w);
}

static int check_hook(const struct oci_hook *hook, struct err *err)
{
	if (str_empty(hook->path) || hook->path[0] != '/')
		return err_set(err, EINVAL, "hook path \"%.100s\" is not absolute",
			       hook->path ? hook->path : "");
	if (hook->timeout && *hook->timeout <= 0)
		return err_set(err, EINVAL, "hook %s: timeout must be positive", hook->path);
	return 0;
}

static uint64_t hook_deadline(const struct oci_hook *hook)
{
	return hook->timeout ? loop_deadline_ms((uint64_t)*hook->timeout * 1000) : LOOP_FOREVER;
}

static int check_status(const struct oci_hook *hook, int wstatus, struct err *err)
{
	if (WIFSIGNALED(wstatus))
		return err_set(err, EIO, "hook %s was killed by signal %d", hook->path,
			       WTERMSIG(wstatus));
	if (WEXITSTATUS(wstatus))
		return err_set(err, EIO, "hook %s exited with status %d", hook->path,
			       WEXITSTATUS(wstatus));
	return 0;
}

static int spawn(const struct oci_hook *hook, struct proc *proc, int *ret_stdin, struct err *err)
{
	static char *const no_env[] = { NULL };
	char *const path_only[] = { hook->path, NULL };
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_set_errno(err, -errno, "pipe");
	const struct proc_fd fds[] = { { .fd = ends[0], .target = 0 } };
	const struct proc_spec spec = {
		.path = hook->path,
		.argv = hook->args.nr ? hook->args.v : path_only,
		.envp = hook->env.nr ? hook->env.v : no_env,
		.fds = fds,
		.nr_fds = 1,
		.netns_fd = -1,
	};
	int r = proc_spawn(&spec, proc, err);
	(void)close(ends[0]);
	if (r < 0)
		(void)close(ends[1]);
	else
		*ret_stdin = ends[1];
	return r;
}

static int run_one_fiber(const struct oci_hook *hook, const struct strbuf *state, struct err *err)
{
	uint64_t deadline = hook_deadline(hook);
	struct proc proc = PROC_NULL;
	struct child child;
	int in = -1, wstatus = 0;
	int r = check_hook(hook, err);

	if (r >= 0)
		r = spawn(hook, &proc, &in, err);
	if (r < 0)
		return r;
	child_add(&child, proc.pid);
	r = fd_set_nonblock(in, true);
	if (r >= 0)
		r = fiber_write_full(in, state->data, state->len, deadline);
	(void)fd_close(in);
	if (r >= 0 || r == -EPIPE) /* it need not read its input */
		r = proc_wait_fiber(&proc, deadline, &wstatus);
	if (r < 0) {
		bool mask = fiber_mask_cancel(true);

		(void)proc_signal(&proc, SIGKILL);
		(void)proc_wait_fiber(&proc, LOOP_FOREVER, NULL); /* just killed */
		(void)fiber_mask_cancel(mask);
		(void)(r == -ETIMEDOUT ? err_set(err, ETIMEDOUT, "hook %s did not end within %d s",
						 hook->path, *hook->timeout)
				       : err_set_errno(err, r, "hook %s", hook->path));
	}
	proc_deinit(&proc);
	child_reaped(&child);
	return r < 0 ? r : check_status(hook, wstatus, err);
}

/**
 * hooks_run_fiber() - run hooks one after the other in the agent's namespaces
 * @hooks: hooks
 * @nr: number of them
 * @state: what they get to read
 * @err: names the hook that failed; the rest is not run then
 *
 * Return: 0 or -errno.
 */
int hooks_run_fiber(const struct oci_hook *hooks, size_t nr, const struct hook_state *state,
		    struct err *err)
{
	cleanup_strbuf struct strbuf text = STRBUF_NULL;
	int r = nr ? format_state(state, &text) : 0;

	if (r < 0)
		return err_set_errno(err, r, "state for hooks");
	for (size_t i = 0; i < nr && r >= 0; i++)
		r = run_one_fiber(&hooks[i], &text, err);
	return r;
}

static int poll_until(int fd, short events, uint64_t deadline_ns)
{
	for (;;) {
		uint64_t now = loop_now_ns();
		struct pollfd pfd = { .fd = fd, .events = events };
		uint64_t left_ms = deadline_ns > now ? (deadline_ns - now) / 1000000 + 1 : 0;
		int n = poll(&pfd, 1,
			     deadline_ns == LOOP_FOREVER ? -1 : (int)MIN(left_ms, 1000000U));

		if (n > 0)
			return 0;
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n == 0 && loop_now_ns() >= deadline_ns)
			return -ETIMEDOUT;
	}
}

static int feed_blocking(int fd, const struct strbuf *state, uint64_t deadline_ns)
{
	for (size_t done = 0; done < state->len;) {
		ssize_t n = write(fd, state->data + done, state->len - done);
		int r = 0;

		if (n > 0)
			done += (size_t)n;
		else if (n < 0 && errno == EPIPE)
			return 0;
		else if (n < 0 && errno == EAGAIN)
			r = poll_until(fd, POLLOUT, deadline_ns);
		else if (n < 0 && errno != EINTR)
			return -errno;
		if (r < 0)
			return r;
	}
	return 0;
}

static int run_one_child(const struct oci_hook *hook, const struct strbuf *state, struct err *err)
{
	uint64_t deadline = hook_deadline(hook);
	struct proc proc = PROC_NULL;
	int in = -1, wstatus = 0;
	int r = check_hook(hook, err);

	if (r >= 0)
		r = spawn(hook, &proc, &in, err);
	if (r < 0)
		return r;
	r = fd_set_nonblock(in, true);
	if (r >= 0)
		r = feed_blocking(in, state, deadline);
	(void)fd_close(in);
	if (r >= 0)
		r = poll_until(proc.pidfd, POLLIN, deadline);
	if (r < 0)
		(void)proc_signal(&proc, SIGKILL);
	(void)waitpid(proc.pid, &wstatus, 0); /* it has ended or was just killed */
	proc_deinit(&proc);
	if (r == -ETIMEDOUT)
		return err_set(err, ETIMEDOUT, "hook %s did not end within %d s", hook->path,
			       *hook->timeout);
	return r < 0 ? err_set_errno(err, r, "hook %s", hook->path)
		     : check_status(hook, wstatus, err);
}

/**
 * hooks_run_child() - run hooks from a process that has no loop and may block
 * @hooks: hooks
 * @nr: number of them
 * @state: what they get to read
 * @err: names the hook that failed; the rest is not run then
 *
 * They inherit the namespaces, root and rights of the caller.
 *
 * Return: 0 or -errno.
 */
int hooks_run_child(const struct oci_hook *hooks, size_t nr, const struct hook_state *state,
		    struct err *err)
{
	cleanup_strbuf struct strbuf text = STRBUF_NULL;
	int r = nr ? format_state(state, &text) : 0;

	if (r < 0)
		return err_set_errno(err, r, "state for hooks");
	if (nr)
		(void)signal(SIGPIPE, SIG_IGN);
	for (size_t i = 0; i < nr && r >= 0; i++)
		r = run_one_child(&hooks[i], &text, err);
	if (nr)
		(void)signal(SIGPIPE, SIG_DFL);
	return r;
}
