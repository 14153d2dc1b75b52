/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Descriptors: closing, flags, and passing them over unix sockets. Knows nothing of what a
 * descriptor is for.
 */
#include "common/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/openat2.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>

#include "common/err.h"
#include "common/loop.h"

/**
 * fd_close() - close a descriptor if there is one
 * @fd_consume: descriptor or -1
 *
 * Return: always -1, so that callers can write `fd = fd_close(fd)`.
 */
int fd_close(int fd_consume)
{
	if (fd_consume >= 0)
		(void)close(
			fd_consume); /* close(2) on Linux releases the number even when it fails */
	return -1;
}

static int fd_set_flag(int fd, int get, int set, int flag, bool on)
{
	int flags = neg_errno(fcntl(fd, get));

	if (flags < 0)
		return flags;
	flags = on ? flags | flag : flags & ~flag;
	return neg_errno(fcntl(fd, set, flags));
}

/**
 * fd_set_nonblock() - change O_NONBLOCK
 * @fd: descriptor; the flag belongs to its open file description, so it must not be shared with
 *	strangers
 * @on: new value
 *
 * Return: 0 or -errno of fcntl(2).
 */
int fd_set_nonblock(int fd, bool on)
{
	return fd_set_flag(fd, F_GETFL, F_SETFL, O_NONBLOCK, on);
}

/**
 * fd_set_cloexec() - change FD_CLOEXEC
 * @fd: descriptor
 * @on: new value
 *
 * Return: 0 or -errno of fcntl(2).
 */
int fd_set_cloexec(int fd, bool on)
{
	return fd_set_flag(fd, F_GETFD, F_SETFD, FD_CLOEXEC, on);
}

/**
 * fd_path() - a path of what a descriptor is open on, for calls that take no descriptor
 * @fd: descriptor
 * @path: receives the path
 *
 * Needs procfs at /proc; what the path leads to is the descriptor's file, whatever its name is now.
 *
 * Return: @path.
 */
const char *fd_path(int fd, char path[FD_PATH_MAX])
{
	(void)snprintf(path, FD_PATH_MAX, "/proc/self/fd/%d", fd);
	return path;
}

/**
 * fd_read_path() - where what a descriptor is open on is now
 * @fd: descriptor
 * @path: receives the path, without links, as far as the name is known
 *
 * Needs procfs at /proc.
 *
 * Return: the path's length or -errno of readlink(2).
 */
ssize_t fd_read_path(int fd, char path[PATH_MAX])
{
	char link[FD_PATH_MAX];
	ssize_t n = neg_errno_sz(readlink(fd_path(fd, link), path, PATH_MAX - 1));

	if (n >= 0)
		path[n] = '\0';
	return n;
}

/**
 * fd_open_resolved() - openat2(2)
 * @dir_fd: directory
 * @path: path from there
 * @flags: open(2) flags; O_CLOEXEC is added
 * @resolve: RESOLVE_*
 *
 * Return: a descriptor, owned by the caller, or -errno.
 */
int fd_open_resolved(int dir_fd, const char *path, int flags, uint64_t resolve)
{
	struct open_how how = { .flags = (uint64_t)(unsigned)flags | O_CLOEXEC,
				.resolve = resolve };

	return (int)neg_errno(syscall(SYS_openat2, dir_fd, path, &how, sizeof(how)));
}

/**
 * fd_reopen() - a second open file description of the same file
 * @fd: descriptor of a file, pipe or terminal (sockets cannot be opened again)
 * @flags: open(2) flags; O_CLOEXEC is added
 *
 * With it O_NONBLOCK can be set without changing the file of those who share @fd with us.
 *
 * Return: the new descriptor, owned by the caller, or -errno (-ENXIO for a socket).
 */
int fd_reopen(int fd, int flags)
{
	char path[FD_PATH_MAX];

	return neg_errno(open(fd_path(fd, path), flags | O_CLOEXEC | O_NOCTTY));
}

static int fd_range(unsigned first, unsigned last, unsigned flags)
{
	if (first > last)
		return 0;
	return neg_errno(close_range(first, last, (int)flags));
}

/**
 * fd_poll_until() - block until a descriptor is ready
 * @fd: descriptor
 * @events: of poll(2)
 * @deadline_ns: absolute time, LOOP_FOREVER for none
 *
 * Return: 0, -ETIMEDOUT, or -errno.
 */
int fd_poll_until(int fd, short events, uint64_t deadline_ns)
{
	for (;;) {
		uint64_t now = loop_now_ns();
		uint64_t left_ms = deadline_ns > now ? (deadline_ns - now) / 1000000 + 1 : 0;
		struct pollfd pfd = { .fd = fd, .events = events };
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

/**
 * fd_close_from() - close every descriptor from a number on, but for a few
 * @first: lowest number to close
 * @keep: descriptors to keep, in ascending order; may be NULL
 * @nr_keep: number of them
 *
 * Return: 0 or -errno of close_range(2).
 */
int fd_close_from(int first, const int *keep, size_t nr_keep)
{
	unsigned from = (unsigned)first;

	for (size_t i = 0; i < nr_keep; i++) {
		if (keep[i] < (int)from)
			continue;
		int r = keep[i] > 0 ? fd_range(from, (unsigned)keep[i] - 1, 0) : 0;
		if (r < 0)
			return r;
		from = (unsigned)keep[i] + 1;
	}
	return fd_range(from, UINT32_MAX, 0);
}

/**
 * fd_cloexec_from() - mark every descriptor from a number on close-on-exec
 * @first: lowest number
 *
 * Return: 0 or -errno of close_range(2).
 */
int fd_cloexec_from(int first)
{
	return fd_range((unsigned)first, UINT32_MAX, CLOSE_RANGE_CLOEXEC);
}

/**
 * fd_listen_at() - listen on a unix socket that only its owner may connect to
 * @dir_fd: directory, borrowed
 * @name: name in it, which is not there yet
 * @type: SOCK_STREAM or SOCK_SEQPACKET
 *
 * The path goes through /proc, so that a long directory does not hit the limit of sun_path.
 *
 * Return: the socket or -errno.
 */
int fd_listen_at(int dir_fd, const char *name, int type)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	cleanup_close int fd = neg_errno(socket(AF_UNIX, type | SOCK_CLOEXEC, 0));

	if (fd < 0)
		return fd;
	(void)snprintf(addr.sun_path, sizeof(addr.sun_path), "/proc/self/fd/%d/%s", dir_fd, name);
	mode_t old = umask(0177); /* the mode of a socket is decided by bind(2) */
	int r = neg_errno(bind(fd, (struct sockaddr *)&addr, sizeof(addr)));
	(void)umask(old); /* cannot fail */
	if (r >= 0)
		r = neg_errno(listen(fd, SOMAXCONN));
	return r < 0 ? r : TAKE_FD(fd);
}

/**
 * fd_send_msg() - send bytes and descriptors as one message
 * @sock: unix socket
 * @data: bytes; at least one when @nr_fds is not 0
 * @len: number of bytes
 * @fds: descriptors to pass, borrowed
 * @nr_fds: number of them, at most FD_PASS_MAX
 *
 * Return: bytes sent or -errno of sendmsg(2). See unix(7), SCM_RIGHTS.
 */
ssize_t fd_send_msg(int sock, const void *data, size_t len, const int *fds, size_t nr_fds)
{
	union {
		struct cmsghdr hdr;
		char buf[CMSG_SPACE(sizeof(int) * FD_PASS_MAX)];
	} control = { 0 };
	struct iovec iov = { .iov_base = (void *)(uintptr_t)data, .iov_len = len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t n;

	if (nr_fds > FD_PASS_MAX)
		return -E2BIG;
	if (nr_fds) {
		msg.msg_control = control.buf;
		msg.msg_controllen = CMSG_SPACE(sizeof(int) * nr_fds);
		struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(sizeof(int) * nr_fds);
		memcpy(CMSG_DATA(cmsg), fds, sizeof(int) * nr_fds);
	}
	do {
		n = sendmsg(sock, &msg, MSG_NOSIGNAL);
	} while (n < 0 && errno == EINTR);
	return neg_errno_sz(n);
}

static void take_fds(struct msghdr *msg, int *fds, size_t max_fds, size_t *nr)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < n; i++) {
			int fd;
			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
			if (*nr < max_fds)
				fds[(*nr)++] = fd;
			else
				(void)close(fd); /* there is no room for more */
		}
	}
}

/**
 * fd_recv_msg() - receive bytes and descriptors
 * @sock: unix socket
 * @data: buffer
 * @len: its size
 * @fds: receives the descriptors, owned by the caller and close-on-exec
 * @max_fds: room in @fds, at most FD_PASS_MAX; further ones are closed
 * @ret_nr_fds: number of descriptors received
 *
 * Return: bytes received, 0 at end of file, or -errno (-EMSGSIZE when the message was longer than
 * the buffer).
 */
ssize_t fd_recv_msg(int sock, void *data, size_t len, int *fds, size_t max_fds, size_t *ret_nr_fds)
{
	union {
		struct cmsghdr hdr;
		char buf[CMSG_SPACE(sizeof(int) * FD_PASS_MAX)];
	} control = { 0 };
	struct iovec iov = { .iov_base = data, .iov_len = len };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.buf,
		.msg_controllen = sizeof(control.buf),
	};
	size_t nr = 0;
	ssize_t n;

	do {
		n = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	take_fds(&msg, fds, max_fds, &nr);
	if (msg.msg_flags & MSG_TRUNC) {
		for (size_t i = 0; i < nr; i++)
			(void)close(fds[i]); /* nobody gets a message that was cut */
		return -EMSGSIZE;
	}
	*ret_nr_fds = nr;
	return n;
}
