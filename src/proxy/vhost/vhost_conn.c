/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The vhost-user connection: cuts the byte stream into messages and sends the answers. What a
 * message means is not known here.
 */
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "common/fd.h"
#include "common/log.h"
#include "proxy/vhost/vhost.h"

#define HEADER_LEN sizeof(struct vhost_msg_header)
/* Messages served per wake-up, so that a busy peer does not keep the data waiting. */
#define MESSAGES_PER_RUN 32

static void finish(struct vhost *vh, int r, const struct err *err)
{
	vhost_detach(vh);
	vh->ops->closed(vh->arg, r, err);
}

static int keep_fds(struct vhost_msg *msg, const int *fds, size_t nr, struct err *err)
{
	for (size_t i = 0; i < nr; i++) {
		if (msg->nr_fds < VHOST_FDS_MAX) {
			msg->fds[msg->nr_fds++] = fds[i];
			continue;
		}
		for (; i < nr; i++)
			(void)fd_close(fds[i]);
		return err_set(err, EPROTO, "vhost-user: more than %d descriptors in a message",
			       VHOST_FDS_MAX);
	}
	return 0;
}

/*
 * Reads on until the message is whole. Return: 1 when it is, 0 when more must come, -errno;
 * -ENOTCONN at the end.
 */
static int receive(struct vhost *vh, struct err *err)
{
	struct vhost_msg *msg = &vh->msg;

	for (;;) {
		bool in_header = vh->have < HEADER_LEN;
		size_t off = in_header ? vh->have : vh->have - HEADER_LEN;
		size_t want = (in_header ? HEADER_LEN : msg->header.size) - off;
		uint8_t *to =
			(in_header ? (uint8_t *)&msg->header : (uint8_t *)&msg->payload) + off;
		int fds[FD_PASS_MAX];
		size_t nr_fds = 0;

		if (!in_header && !want)
			return 1;
		/*
		 * Exactly what is missing and no byte more: descriptors stay with the message they
		 * belong to.
		 */
		ssize_t n = fd_recv_msg(vh->fd, to, want, fds, ARRAY_SIZE(fds), &nr_fds);
		if (n == -EAGAIN)
			return 0;
		if (n < 0)
			return err_set_errno(err, (int)n, "vhost-user: receive");
		if (n == 0 && vh->have)
			return err_set(err, EPROTO,
				       "vhost-user: the connection ended within a message");
		if (n == 0)
			return -ENOTCONN;
		vh->have += (size_t)n;
		int r = keep_fds(msg, fds, nr_fds, err);
		if (r < 0)
			return r;
		if (vh->have == HEADER_LEN && msg->header.size > sizeof(msg->payload))
			return err_set(err, EMSGSIZE, "vhost-user: request %u has %u bytes",
				       msg->header.request, msg->header.size);
	}
}

static int send_answer(struct vhost *vh, struct err *err)
{
	const struct vhost_msg *msg = &vh->msg;
	uint8_t buf[HEADER_LEN + sizeof(msg->payload)];
	size_t len = HEADER_LEN + msg->header.size;

	memcpy(buf, &msg->header, HEADER_LEN);
	memcpy(buf + HEADER_LEN, &msg->payload, msg->header.size);
	ssize_t n = fd_send_msg(vh->fd, buf, len, NULL, 0);
	if (n < 0)
		return err_set_errno(err, (int)n, "vhost-user: answer");
	/*
	 * The peer waits for each answer, so the socket has room unless the peer does not play by
	 * the rules.
	 */
	return (size_t)n == len
		       ? 0
		       : err_set(err, EPROTO, "vhost-user: the peer does not read its answers");
}

static void on_readable(void *arg, unsigned events)
{
	struct vhost *vh = arg;
	struct err err = ERR_NULL;

	(void)events;
	for (unsigned i = 0; i < MESSAGES_PER_RUN; i++) {
		int r = receive(vh, &err);

		if (r == 0)
			return;
		if (r > 0) {
			vh->have = 0;
			r = vhost_handle(vh, &vh->msg, &err);
		}
		if (r > 0)
			r = send_answer(vh, &err);
		if (r < 0) {
			finish(vh, r == -ENOTCONN ? 0 : r, &err);
			return;
		}
	}
}

/**
 * vhost_attach() - serve a connection
 * @vh: backend without one
 * @fd: connected stream socket, borrowed until vhost_detach() or the closed() callback
 * @err: error
 *
 * Return: 0 or -errno.
 */
int vhost_attach(struct vhost *vh, int fd, struct err *err)
{
	int listening = 0, r;
	socklen_t len = sizeof(listening);

	if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &len) < 0)
		return err_set_errno(err, -errno, "vhost-user: descriptor %d", fd);
	if (listening)
		return err_set(
			err, EINVAL,
			"vhost-user: descriptor %d listens; a connected socket is needed, there is "
			"one device and one connection in a proxy's life",
			fd);
	r = fd_set_nonblock(fd, true);
	if (r == 0)
		r = loop_add_io(vh->loop, fd, LOOP_READ, on_readable, vh, &vh->io);
	if (r < 0)
		return err_set_errno(err, r, "vhost-user: watch descriptor %d", fd);
	vh->fd = fd;
	return 0;
}

/**
 * vhost_detach() - stop serving the connection
 * @vh: backend; rings and memory stay as they are
 */
void vhost_detach(struct vhost *vh)
{
	vh->io = loop_source_free(vh->io);
	vhost_msg_close_fds(&vh->msg);
	vh->have = 0;
	vh->fd = -1;
}
