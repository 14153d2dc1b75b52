/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Helper programs that are run for what they print. Not for work of any length.
 */
#include "common/run_output.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/fiber.h"
#include "common/io.h"

/* The input goes through a memory file: a program that does not read cannot stop us. */
static int input_file(const void *input, size_t len)
{
	cleanup_close int fd = neg_errno(memfd_create("input", MFD_CLOEXEC));
	int r = fd < 0 ? fd : io_write_full(fd, input, len);

	if (r >= 0 && lseek(fd, 0, SEEK_SET) < 0)
		r = -errno;
	return r < 0 ? r : TAKE_FD(fd);
}

/*
 * Reads until the writer closes; what is thrown away is read as well, so that the writer does not
 * block.
 */
static int read_all(int fd, const struct run_output *run, struct strbuf *out)
{
	char buf[4096];

	for (;;) {
		ssize_t n = fiber_read(fd, buf, sizeof(buf), run->deadline_ns);

		if (n <= 0)
			return (int)n;
		size_t room = run->max - MIN(out->len, run->max);
		if ((size_t)n > room && !run->cut)
			return -EFBIG;
		int r = strbuf_add(out, buf, MIN((size_t)n, room));
		if (r < 0)
			return r;
	}
}

static int spawn(const struct run_output *run, int in, int out, struct proc *ret, struct err *err)
{
	struct proc_fd fds[3];
	size_t nr_fds = 0;

	fds[nr_fds++] = (struct proc_fd){ .fd = out, .target = STDOUT_FILENO };
	if (run->with_stderr)
		fds[nr_fds++] = (struct proc_fd){ .fd = out, .target = STDERR_FILENO };
	if (in >= 0)
		fds[nr_fds++] = (struct proc_fd){ .fd = in, .target = STDIN_FILENO };
	const struct proc_spec spec = {
		.path = run->argv[0],
		.argv = run->argv,
		.fds = fds,
		.nr_fds = nr_fds,
		.netns_fd = -1,
		.die_with_parent = true,
	};
	return proc_spawn(&spec, ret, err);
}

static int collect(const struct run_output *run, int fd, struct proc *proc, struct strbuf *out,
		   int *ret_wstatus)
{
	/* A program that prints nothing gives "" and not NULL. */
	int r = strbuf_puts(out, "");

	if (r >= 0)
		r = read_all(fd, run, out);
	if (r >= 0)
		r = proc_wait_fiber(proc, run->deadline_ns, ret_wstatus);
	proc_end_fiber(proc);
	return r;
}

/**
 * run_output() - run a program to its end and take what it prints
 * @run: what and how
 * @out: its output is appended to this; owned by the caller, also after a failure
 * @ret_code: receives the exit status, 128 + signal; NULL: one other than 0 is an error
 * @err: filled on failure
 *
 * After a failure the program has been killed.
 *
 * Return: 0, -ENOENT when there is no such program, -ETIMEDOUT, -EFBIG, -EIO when it failed and
 * @ret_code is NULL, or -errno.
 */
int run_output(const struct run_output *run, struct strbuf *out, int *ret_code, struct err *err)
{
	const char *path = run->argv[0], *arg = run->argv[1] ? run->argv[1] : "";
	const char *space = *arg ? " " : "";
	cleanup_close int in = run->input ? input_file(run->input, run->input_len) : -1;
	struct proc proc = PROC_NULL;
	int pipe_fds[2], wstatus = 0;

	if (run->input && in < 0)
		return err_set_errno(err, in, "input of %s", path);
	if (pipe2(pipe_fds, O_CLOEXEC) < 0)
		return err_set_errno(err, -errno, "pipe");
	cleanup_close int output = pipe_fds[0];
	int r = fd_set_nonblock(output, true);
	r = r < 0 ? err_set_errno(err, r, "pipe") : spawn(run, in, pipe_fds[1], &proc, err);
	(void)fd_close(pipe_fds[1]);
	if (r < 0)
		return r;
	proc_watch_spawned(run->watch, &proc);
	r = collect(run, output, &proc, out, &wstatus);
	proc_watch_reaped(run->watch);
	if (r < 0)
		return err_set_errno(err, r, "%s%s%s", path, space, arg);
	int code = proc_exit_code(wstatus);
	if (ret_code)
		*ret_code = code;
	else if (code != 0)
		return err_set(err, EIO, "%s%s%s ended with status %d", path, space, arg, code);
	return 0;
}

/**
 * run_output_of() - ask a program what it is
 * @path: absolute path
 * @arg: its one argument
 * @max: bytes of the answer that are of interest
 * @deadline_ns: absolute time
 * @out: receives its stdout and stderr, cut and terminated
 * @err: filled on failure
 *
 * Return: 0, -EIO when the program failed, or -errno.
 */
int run_output_of(const char *path, const char *arg, size_t max, uint64_t deadline_ns,
		  struct strbuf *out, struct err *err)
{
	char *argv[] = { (char *)(uintptr_t)path, (char *)(uintptr_t)arg, NULL };
	const struct run_output run = {
		.argv = argv,
		.with_stderr = true,
		.max = max,
		.cut = true,
		.deadline_ns = deadline_ns,
	};

	return run_output(&run, out, NULL, err);
}
