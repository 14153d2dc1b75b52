/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The socket between the agent and a process that is being made (see launch.h): one message per
 * step, failures with errno and text. The child is not trusted more than a container is: what it
 * sends is bounded and checked.
 */
#include "agent/container/sync.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/fiber.h"

struct sync_msg {
	int type;
	int code; /* SYNC_ERROR: positive errno */
	char text[ERR_TEXT_MAX];
};

#define SYNC_HEADER_SIZE offsetof(struct sync_msg, text)

/**
 * sync_send() - send a step
 * @sock: socket
 * @type: which step
 * @fd: descriptor to send along or -1
 *
 * Return: 0 or -errno.
 */
int sync_send(int sock, enum sync_type type, int fd)
{
	struct sync_msg msg = { .type = (int)type };
	ssize_t n = fd_send_msg(sock, &msg, SYNC_HEADER_SIZE, &fd, fd >= 0 ? 1 : 0);

	return n < 0 ? (int)n : 0;
}

/**
 * sync_send_error() - tell the agent why the child gives up
 * @sock: socket
 * @err: the reason
 *
 * When nobody listens any more nothing can be done about it.
 */
void sync_send_error(int sock, const struct err *err)
{
	struct sync_msg msg = { .type = SYNC_ERROR, .code = err->code ? err->code : EIO };
	int n = snprintf(msg.text, sizeof(msg.text), "%s", err->text);

	(void)fd_send_msg(sock, &msg, SYNC_HEADER_SIZE + (size_t)MAX(n, 0) + 1, NULL, 0);
}

/**
 * sync_wait_child() - in the child: wait for the agent
 * @sock: blocking socket
 * @want: the step that must come
 * @err: filled when the agent went away
 *
 * Return: 0 or -errno.
 */
int sync_wait_child(int sock, enum sync_type want, struct err *err)
{
	struct sync_msg msg = { 0 };
	size_t nr_fds = 0;
	ssize_t n = fd_recv_msg(sock, &msg, sizeof(msg), NULL, 0, &nr_fds);

	if (n < 0)
		return err_set_errno(err, (int)n, "wait for the agent");
	if (n < (ssize_t)SYNC_HEADER_SIZE || msg.type != (int)want)
		return err_set(err, ECONNRESET, "the agent went away");
	return 0;
}

/**
 * sync_recv_fiber() - in the agent: wait for the child
 * @sock: non-blocking socket
 * @ret_type: receives the step
 * @ret_fd: receives the descriptor that came along, or -1
 * @deadline_ns: absolute time
 * @err: the child's own words for SYNC_ERROR
 *
 * Return: 1 for a step, 0 when the child closed the socket (it executed its program, or died), the
 * child's -errno for SYNC_ERROR, or -errno of the wait.
 */
int sync_recv_fiber(int sock, enum sync_type *ret_type, int *ret_fd, uint64_t deadline_ns,
		    struct err *err)
{
	struct sync_msg msg = { 0 };
	size_t nr_fds = 0;
	int fd = -1;
	ssize_t n;

	while ((n = fd_recv_msg(sock, &msg, sizeof(msg), &fd, 1, &nr_fds)) == -EAGAIN) {
		int r = fiber_wait_fd(sock, LOOP_READ, deadline_ns);

		if (r < 0)
			return err_set_errno(err, r, "wait for the container process");
	}
	if (n == 0 || n == -ECONNRESET)
		return 0;
	cleanup_close int received = nr_fds ? fd : -1;
	if (n < (ssize_t)SYNC_HEADER_SIZE)
		return err_set(err, EPROTO, "wrong message from the container process");
	if (msg.type == SYNC_ERROR) {
		msg.text[sizeof(msg.text) - 1] = '\0';
		return err_set(err, msg.code > 0 && msg.code < 4096 ? msg.code : EIO, "%s",
			       msg.text);
	}
	*ret_type = (enum sync_type)msg.type;
	*ret_fd = TAKE_FD(received);
	return 1;
}
