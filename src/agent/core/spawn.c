/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Helper programs: input from memory, output to memory, bounded in time and size.
 */
#include "agent/core/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include "agent/core/agent.h"
#include "agent/util/child.h"
#include "common/fd.h"
#include "common/io.h"
#include "common/proc.h"

#define SPAWN_TIMEOUT_MS 10000
#define SPAWN_OUTPUT_MAX (3U << 20)

/* The input goes through a memory file: a program that does not read cannot stop us. */
static int input_file(const void *input, size_t len)
{
	cleanup_close int fd = neg_errno(memfd_create("input", MFD_CLOEXEC));
	int r = fd < 0 ? fd : io_write_full(fd, input, len);

	if (r >= 0 && lseek(fd, 0, SEEK_SET) < 0)
		r = -errno;
	return r < 0 ? r : TAKE_FD(fd);
}

static int read_all(int fd, struct strbuf *out, uint64_t deadline_ns)
{
	char buf[4096];

	for (;;) {
		ssize_t n = fiber_read(fd, buf, sizeof(buf), deadline_ns);

		if (n <= 0)
			return (int)n;
		if (out->len + (size_t)n > SPAWN_OUTPUT_MAX)
			return -EFBIG;
		int r = strbuf_add(out, buf, (size_t)n);
		if (r < 0)
			return r;
	}
}

static int collect(struct proc *proc, int output, struct spawn_result *ret)
{
	uint64_t deadline_ns = loop_deadline_ms(SPAWN_TIMEOUT_MS);
	int wstatus = 0;
	int r = read_all(output, &ret->output, deadline_ns);

	if (r < 0)
		(void)proc_signal(proc, SIGKILL); /* it may have ended */
	int w = proc_wait_fiber(proc, r < 0 ? LOOP_FOREVER : deadline_ns, &wstatus);
	if (w == -ETIMEDOUT) {
		(void)proc_signal(proc, SIGKILL); /* as above */
		(void)proc_wait_fiber(proc, LOOP_FOREVER, NULL);
	}
	ret->code = proc_exit_code(wstatus);
	return r < 0 ? r : w;
}

/**
 * spawn_run() - run a program to its end
 * @agent: agent
 * @argv: absolute path and arguments, NULL-terminated
 * @input: its stdin; NULL: empty
 * @input_len: length of it
 * @ret: receives exit status and output; released with spawn_result_deinit() also after a failure
 * @err: filled on failure
 *
 * Return: 0 or -errno (-ENOENT when there is no such program).
 */
int spawn_run(struct agent *agent, char *const *argv, const void *input, size_t input_len,
	      struct spawn_result *ret, struct err *err)
{
	cleanup_close int in = input ? input_file(input, input_len) : -1;
	struct proc proc = PROC_NULL;
	struct child child;
	int pipe_fds[2];

	(void)agent;
	if (input && in < 0)
		return err_set_errno(err, in, "input of %s", argv[0]);
	if (pipe2(pipe_fds, O_CLOEXEC) < 0)
		return err_set_errno(err, -errno, "pipe");
	cleanup_close int output = pipe_fds[0];
	struct proc_fd fds[] = { { pipe_fds[1], STDOUT_FILENO }, { in, STDIN_FILENO } };
	struct proc_spec spec = {
		.path = argv[0],
		.argv = argv,
		.fds = fds,
		.nr_fds = input ? 2 : 1,
		.netns_fd = -1,
		.die_with_parent = true,
	};
	int r = fd_set_nonblock(output, true);
	if (r < 0)
		(void)err_set_errno(err, r, "pipe");
	else
		r = proc_spawn(&spec, &proc, err);
	(void)fd_close(pipe_fds[1]);
	if (r < 0)
		return r;
	bool old = fiber_mask_cancel(true); /* it must be reaped, and that is bounded */
	child_add(&child, proc.pid);
	r = collect(&proc, output, ret);
	child_reaped(&child);
	(void)fiber_mask_cancel(old);
	proc_deinit(&proc);
	return r < 0 ? err_set_errno(err, r, "%s", argv[0]) : 0;
}

/**
 * spawn_result_deinit() - release a result
 * @result: result or SPAWN_RESULT_NULL
 */
void spawn_result_deinit(struct spawn_result *result)
{
	strbuf_deinit(&result->output);
}
