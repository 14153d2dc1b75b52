/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The console as a channel that only the VM's own shim has. Nothing runs beside the agent yet, so it
 * blocks.
 */
#include "agent/server/console_line.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "common/err.h"
#include "common/fd.h"
#include "common/loop.h"

/**
 * console_line_set_echo() - is what the host writes to be seen on the console
 * @fd: console
 * @on: it is
 *
 * The host logs what the guest says, and secrets must not be in there.
 *
 * Return: 0, also for what is no terminal, or -errno.
 */
int console_line_set_echo(int fd, bool on)
{
	struct termios tio;

	if (tcgetattr(fd, &tio) < 0)
		return errno == ENOTTY ? 0 : -errno;
	tio.c_lflag = on ? tio.c_lflag | ECHO : tio.c_lflag & ~(tcflag_t)ECHO;
	return neg_errno(tcsetattr(fd, TCSANOW, &tio));
}

static int wait_readable(int fd, uint64_t deadline_ns)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	uint64_t now_ns = loop_now_ns();
	int timeout_ms = -1;

	if (now_ns >= deadline_ns)
		return -ETIMEDOUT;
	if (deadline_ns != LOOP_FOREVER)
		timeout_ms = (int)((deadline_ns - now_ns) / 1000000) + 1;
	(void)poll(&pfd, 1, timeout_ms);
	return 0;
}

/**
 * console_line_read() - read one line
 * @fd: console, not blocking
 * @line: receives it, its newline included
 * @size: of @line
 * @deadline_ns: absolute time, at most some days away, or LOOP_FOREVER
 *
 * Return: its length, -ETIMEDOUT, -EPIPE at the end of the input, -EMSGSIZE for a longer one, or
 * -errno.
 */
ssize_t console_line_read(int fd, char *line, size_t size, uint64_t deadline_ns)
{
	size_t len = 0;

	while (len < size) {
		int r = wait_readable(fd, deadline_ns);

		if (r < 0)
			return r;
		ssize_t n = read(fd, line + len, size - len);
		if (n == 0)
			return -EPIPE;
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return -errno;
		len += n > 0 ? (size_t)n : 0;
		if (len && line[len - 1] == '\n')
			return (ssize_t)len;
	}
	return -EMSGSIZE;
}
