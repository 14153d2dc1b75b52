/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Terminals. The line discipline that matters (echo, Ctrl-C) is the guest's: a pty made here is raw
 * from the start, and the person's own terminal is raw while the container has it.
 */
#include "runtime/cli/terminal.h"

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/fd.h"
#include "oci/oci_spec.h"

/* The directory is opened apart so that a long path does not hit the limit of sun_path. */
static int connect_console(const char *path, struct err *err)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	char dir[PATH_MAX];
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;

	snprintf(dir, sizeof(dir), "%.*s", slash ? (int)(slash - path + 1) : 1, slash ? path : ".");
	cleanup_close int dir_fd = neg_errno(open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC));
	if (dir_fd < 0)
		return err_set_errno(err, dir_fd, "console socket %s", path);
	int n = snprintf(addr.sun_path, sizeof(addr.sun_path), "/proc/self/fd/%d/%s", dir_fd, name);
	if (n >= (int)sizeof(addr.sun_path))
		return err_set(err, ENAMETOOLONG, "console socket %s: its name is too long", path);
	cleanup_close int fd = neg_errno(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
	if (fd < 0)
		return err_set_errno(err, fd, "socket");
	int r = neg_errno(connect(fd, (struct sockaddr *)&addr, sizeof(addr)));
	return r < 0 ? err_set_errno(err, r, "cannot connect to the console socket %s", path)
		     : TAKE_FD(fd);
}

static int open_pair(struct terminal_pty *pty, const struct oci_box *size)
{
	struct termios tio;

	pty->master = neg_errno(posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC));
	if (pty->master < 0)
		return pty->master;
	if (grantpt(pty->master) < 0 || unlockpt(pty->master) < 0)
		return -errno;
	pty->slave = neg_errno(ioctl(pty->master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC));
	if (pty->slave < 0)
		return pty->slave;
	if (tcgetattr(pty->slave, &tio) < 0)
		return -errno;
	cfmakeraw(&tio);
	if (tcsetattr(pty->slave, TCSANOW, &tio) < 0)
		return -errno;
	if (size && size->height <= USHRT_MAX && size->width <= USHRT_MAX) {
		const struct winsize ws = { .ws_row = (unsigned short)size->height,
					    .ws_col = (unsigned short)size->width };

		if (ioctl(pty->slave, TIOCSWINSZ, &ws) < 0)
			return -errno;
	}
	return 0;
}

/**
 * terminal_pty_open() - make a pty for a console socket
 * @ret: receives it
 * @console_socket: path of the socket; connected to now, so that a wrong one is found early
 * @size: initial size or NULL
 * @err: filled on failure
 *
 * Return: 0 or -errno.
 */
int terminal_pty_open(struct terminal_pty *ret, const char *console_socket,
		      const struct oci_box *size, struct err *err)
{
	struct terminal_pty pty = TERMINAL_PTY_NULL;

	pty.console = connect_console(console_socket, err);
	if (pty.console < 0)
		return pty.console;
	int r = open_pair(&pty, size);
	if (r < 0) {
		terminal_pty_close(&pty);
		return err_set_errno(err, r, "cannot make a pty");
	}
	*ret = pty;
	return 0;
}

/**
 * terminal_pty_hand_over() - send the master to the console socket and let go of both ends
 * @pty: pty; closed afterwards
 * @err: filled on failure
 *
 * Return: 0 or -errno.
 */
int terminal_pty_hand_over(struct terminal_pty *pty, struct err *err)
{
	static const char name[] = "/dev/ptmx"; /* what the receiver calls the descriptor */
	ssize_t n = fd_send_msg(pty->console, name, sizeof(name) - 1, &pty->master, 1);

	terminal_pty_close(pty);
	return n < 0 ? err_set_errno(err, (int)n, "cannot send the terminal to the console socket")
		     : 0;
}

/**
 * terminal_pty_close() - close a pty
 * @pty: pty or TERMINAL_PTY_NULL
 */
void terminal_pty_close(struct terminal_pty *pty)
{
	(void)fd_close(pty->master); /* nothing is buffered in them that we would miss */
	(void)fd_close(pty->slave);
	(void)fd_close(pty->console);
	*pty = TERMINAL_PTY_NULL;
}

/**
 * terminal_own() - the terminal among stdio
 *
 * Return: a descriptor, or -1 when none of the three is one.
 */
int terminal_own(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (isatty(fd))
			return fd;
	return -1;
}

/**
 * terminal_get_size() - how large is a terminal?
 * @fd: terminal or -1
 * @ret: receives its size
 *
 * Return: true when it is known.
 */
bool terminal_get_size(int fd, struct terminal_size *ret)
{
	struct winsize ws;

	if (fd < 0 || ioctl(fd, TIOCGWINSZ, &ws) < 0)
		return false;
	*ret = (struct terminal_size){ .rows = ws.ws_row, .columns = ws.ws_col };
	return true;
}

static int set_attributes(int fd, const struct termios *tio)
{
	sigset_t set, old;

	/* From the background tcsetattr(3) would stop us by SIGTTOU. */
	(void)sigemptyset(&set); /* these three cannot fail with these arguments */
	(void)sigaddset(&set, SIGTTOU);
	(void)sigprocmask(SIG_BLOCK, &set, &old);
	int r = neg_errno(tcsetattr(fd, TCSADRAIN, tio));
	(void)sigprocmask(SIG_SETMASK, &old, NULL);
	return r;
}

/**
 * terminal_raw_enter() - put the terminal on stdin into raw mode
 * @raw: TERMINAL_RAW_NULL; keeps what to restore
 * @err: filled on failure
 *
 * Does nothing when stdin is not a terminal: then somebody feeds the container's terminal through a
 * pipe.
 *
 * Return: 0 or -errno.
 */
int terminal_raw_enter(struct terminal_raw *raw, struct err *err)
{
	struct termios tio;

	if (!isatty(STDIN_FILENO))
		return 0;
	if (tcgetattr(STDIN_FILENO, &raw->saved) < 0)
		return err_set_errno(err, -errno, "cannot read the terminal's mode");
	tio = raw->saved;
	cfmakeraw(&tio);
	int r = set_attributes(STDIN_FILENO, &tio);
	if (r < 0)
		return err_set_errno(err, r, "cannot set the terminal's mode");
	raw->fd = STDIN_FILENO;
	return 0;
}

/**
 * terminal_raw_leave() - restore the terminal
 * @raw: what was entered, or TERMINAL_RAW_NULL
 */
void terminal_raw_leave(struct terminal_raw *raw)
{
	if (raw->fd >= 0 && set_attributes(raw->fd, &raw->saved) < 0)
		raw->fd = -1; /* the terminal has hung up */
	raw->fd = -1;
}
