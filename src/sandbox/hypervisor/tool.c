/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One short run of a helper program, its output in a buffer.
 */
#include "sandbox/hypervisor/tool.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/fiber.h"
#include "common/proc.h"

/*
 * Reads until the writer closes; what does not fit is thrown away so that the writer does not
 * block.
 */
static int read_all(int fd, char *buf, size_t len, uint64_t deadline_ns)
{
	size_t used = 0;

	for (;;) {
		char rest[512];
		bool full = used == len - 1;
		ssize_t n = fiber_read(fd, full ? rest : buf + used,
				       full ? sizeof(rest) : len - 1 - used, deadline_ns);

		if (n < 0)
			return (int)n;
		if (n == 0)
			break;
		if (!full)
			used += (size_t)n;
	}
	buf[used] = '\0';
	return 0;
}

static int run(const char *path, const char *arg, struct proc *proc, char *buf, size_t len,
	       uint64_t deadline_ns, struct err *err)
{
	char *argv[] = { (char *)(uintptr_t)path, (char *)(uintptr_t)arg, NULL };
	cleanup_close int out = -1, in = -1;
	int pipe_fds[2], wstatus, r;

	r = neg_errno(pipe2(pipe_fds, O_CLOEXEC));
	if (r < 0)
		return err_set_errno(err, r, "pipe");
	in = pipe_fds[0];
	out = pipe_fds[1];
	const struct proc_fd fds[] = { { .fd = out, .target = 1 }, { .fd = out, .target = 2 } };
	const struct proc_spec spec = {
		.path = path,
		.argv = argv,
		.fds = fds,
		.nr_fds = ARRAY_SIZE(fds),
		.netns_fd = -1,
		.die_with_parent = true,
	};
	r = fd_set_nonblock(in, true);
	if (r < 0)
		return err_set_errno(err, r, "pipe");
	r = proc_spawn(&spec, proc, err);
	if (r < 0)
		return r;
	out = fd_close(out);
	r = read_all(in, buf, len, deadline_ns);
	if (r >= 0)
		r = proc_wait_fiber(proc, deadline_ns, &wstatus);
	if (r < 0)
		return err_set_errno(err, r, "%s %s", path, arg);
	if (proc_exit_code(wstatus) != 0)
		return err_set(err, EIO, "%s %s ended with status %d", path, arg,
			       proc_exit_code(wstatus));
	return 0;
}

/**
 * tool_output() - run a program and take what it prints
 * @path: absolute path
 * @arg: its one argument
 * @buf: receives stdout and stderr, cut and terminated
 * @len: size of @buf, at least 1
 * @deadline_ns: absolute time
 * @err: filled on failure
 *
 * Return: 0, -EIO when the program failed, or -errno.
 */
int tool_output(const char *path, const char *arg, char *buf, size_t len, uint64_t deadline_ns,
		struct err *err)
{
	struct proc proc = PROC_NULL;
	int r = run(path, arg, &proc, buf, len, deadline_ns, err);

	proc_end_fiber(&proc);
	return r;
}
