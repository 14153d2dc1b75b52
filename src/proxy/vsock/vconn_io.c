/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DOC: The client's side of a connection
 *
 * Bytes from the guest are written from its memory straight to the unix socket; only what the
 * socket does not take goes to a queue, which is bounded by the window the guest was given. Bytes
 * for the guest are read by to_guest.c straight into its buffers, so nothing is ever read that
 * cannot be delivered.
 *
 * The loop reports readiness level by level. A client whose bytes cannot be delivered now (no
 * buffers in the ring, no credit) is not watched for reading until they can. A client whose end of
 * file was seen would be reported for ever, but its complete hang-up must still be noticed: such
 * sockets stand in an epoll instance of their own, watched for nothing but the hang-up that epoll
 * always reports, and only that instance is a source of the loop.
 */
#include <errno.h>
#include <linux/virtio_vsock.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "common/log.h"
#include "proxy/vsock/proxy.h"

#define SHUTDOWN_BOTH (VIRTIO_VSOCK_SHUTDOWN_RCV | VIRTIO_VSOCK_SHUTDOWN_SEND)
/* Most pieces of one write: a chain has no more, and the queue has two. */
#define WRITE_IOV_MAX VQ_IOV_MAX

static bool wants_hup(const struct vconn *c)
{
	switch (c->state) {
	case VCONN_WAITING:
	case VCONN_CONNECTING:
		return true;
	case VCONN_ESTABLISHED:
		return c->eof || (c->shut_recv & VIRTIO_VSOCK_SHUTDOWN_RCV);
	default:
		return false;
	}
}

static unsigned wanted_events(const struct vconn *c)
{
	switch (c->state) {
	case VCONN_HELLO:
		return LOOP_READ;
	case VCONN_ESTABLISHED:
		return (c->fifo.len ? LOOP_WRITE : 0U) |
		       (!c->blocked && !c->eof && !(c->shut_recv & VIRTIO_VSOCK_SHUTDOWN_RCV)
				? LOOP_READ
				: 0U);
	case VCONN_FLUSHING:
		return LOOP_WRITE;
	default:
		return 0;
	}
}

/**
 * vconn_update_io() - watch the client's socket for what the connection's state wants
 * @c: connection
 */
void vconn_update_io(struct vconn *c)
{
	unsigned want = wanted_events(c);
	bool hup = wants_hup(c);
	int r = 0;

	if (c->fd < 0)
		return;
	if (want != c->io_events) {
		r = loop_io_set_events(c->io, want);
		c->io_events = want;
	}
	if (r == 0 && hup != c->hup_watched) {
		struct epoll_event ev = { .events = EPOLLET, .data.ptr = c };

		r = neg_errno(
			epoll_ctl(c->px->hup_fd, hup ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, c->fd, &ev));
		c->hup_watched = hup;
	}
	if (r < 0) {
		log_warn_errno(r, "connection %u:%u: watch its client", c->host_port,
			       c->guest_port);
		vconn_reset(c);
	}
}

/* The client can neither send nor receive any more. */
static void client_gone(struct vconn *c)
{
	c->eof = true;
	c->deaf = true;
	fifo_clear(&c->fifo);
	c->shut_want = SHUTDOWN_BOTH;
	vconn_mark(c, VCONN_SEND_SHUTDOWN);
}

/**
 * vconn_on_hup() - the client's socket hung up
 * @c: connection that wanted to know
 */
void vconn_on_hup(struct vconn *c)
{
	switch (c->state) {
	case VCONN_WAITING:
		vconn_kill(c);
		return;
	case VCONN_CONNECTING:
		if (c->send & VCONN_SEND_REQUEST)
			vconn_kill(c);
		else
			vconn_reset(c);
		return;
	case VCONN_ESTABLISHED:
		client_gone(c);
		vconn_update_io(c);
		return;
	default:
		return;
	}
}

static bool hung_up(int fd)
{
	struct pollfd pfd = { .fd = fd };

	return poll(&pfd, 1, 0) == 1 && (pfd.revents & POLLHUP);
}

static void on_eof(struct vconn *c)
{
	c->readable = false;
	c->eof = true;
	if (hung_up(c->fd)) {
		client_gone(c);
		return;
	}
	c->shut_want |= VIRTIO_VSOCK_SHUTDOWN_SEND;
	c->send |= VCONN_SEND_SHUTDOWN;
}

/**
 * vconn_read() - read from the client into memory of the guest
 * @c: established connection that is readable
 * @iov: memory
 * @nr: number of pieces
 * @len: their sum, not 0
 *
 * Keeps c->readable up to date, and takes note of the end of the stream.
 *
 * Return: number of bytes, 0 when there are none now or ever.
 */
ssize_t vconn_read(struct vconn *c, const struct iovec *iov, unsigned nr, size_t len)
{
	struct msghdr msg = { .msg_iov = (struct iovec *)iov, .msg_iovlen = nr };
	ssize_t n;

	do {
		n = recvmsg(c->fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	} while (n < 0 && errno == EINTR);
	if (n > 0) {
		/*
		 * Less than there was room for: the socket is empty and the loop will tell when it
		 * is not.
		 */
		if ((size_t)n < len)
			c->readable = false;
		return n;
	}
	if (n < 0 && errno == EAGAIN) {
		c->readable = false;
		return 0;
	}
	if (n < 0 && errno == EFAULT) { /* the hypervisor took the memory away under us */
		vconn_reset(c);
		return 0;
	}
	on_eof(c); /* an error is ECONNRESET: the client closed without reading all we wrote */
	return 0;
}

/*
 * Bytes left us: the guest may send as many more. Tells it once half of its window waits to be
 * told. Linux has no more under way than it would itself take, however large our window is, and
 * stands still then until it hears of some.
 */
static void consumed(struct vconn *c, uint32_t len)
{
	uint32_t window = MIN(c->buf_alloc, c->peer_buf_alloc);

	c->fwd_cnt += len;
	if (c->state == VCONN_ESTABLISHED && c->fwd_cnt - c->fwd_told >= window / 2)
		vconn_mark(c, VCONN_SEND_CREDIT);
}

/* Return: bytes taken by the socket, 0 when it is full; the client may turn out to be deaf. */
static size_t write_client(struct vconn *c, const struct iovec *iov, unsigned nr)
{
	struct msghdr msg = { .msg_iov = (struct iovec *)iov, .msg_iovlen = nr };
	ssize_t n;

	do {
		n = sendmsg(c->fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
	} while (n < 0 && errno == EINTR);
	if (n >= 0)
		return (size_t)n;
	if (errno == EAGAIN)
		return 0;
	c->deaf = true; /* EPIPE, ECONNRESET */
	if (c->state == VCONN_ESTABLISHED) {
		c->shut_want |= VIRTIO_VSOCK_SHUTDOWN_RCV;
		vconn_mark(c, VCONN_SEND_SHUTDOWN);
	}
	return 0;
}

/* After the last byte: pass the guest's end of file on. */
static void flushed(struct vconn *c)
{
	if (c->state == VCONN_FLUSHING) {
		vconn_kill(c);
		return;
	}
	if ((c->shut_recv & VIRTIO_VSOCK_SHUTDOWN_SEND) && !c->deaf)
		(void)shutdown(
			c->fd,
			SHUT_WR); /* ENOTCONN: the client is gone, which shows as a hang-up */
}

static void flush(struct vconn *c)
{
	struct iovec iov[2];
	unsigned nr = fifo_peek(&c->fifo, iov);

	if (nr && !c->deaf) {
		size_t n = write_client(c, iov, nr);

		fifo_consume(&c->fifo, n);
		consumed(c, (uint32_t)n);
	}
	if (c->deaf) {
		consumed(c, c->fifo.len);
		fifo_clear(&c->fifo);
	}
	if (!c->fifo.len)
		flushed(c);
}

/**
 * vconn_write() - pass bytes from the guest on to the client
 * @c: established connection
 * @iov: bytes, in guest memory
 * @nr: number of pieces
 * @len: their sum
 */
void vconn_write(struct vconn *c, const struct iovec *iov, unsigned nr, uint32_t len)
{
	struct iovec rest[WRITE_IOV_MAX];
	size_t done = 0;

	if (!len)
		return;
	/* @fwd_cnt counts what has left this process; the guest was told that much or less. */
	if (len > c->buf_alloc - (c->rx_cnt - c->fwd_cnt)) {
		log_debug("connection %u:%u: the guest sent more than it may", c->host_port,
			  c->guest_port);
		vconn_reset(c);
		return;
	}
	c->rx_cnt += len;
	if (!c->fifo.len && !c->deaf)
		done = write_client(c, iov, nr);
	if (c->deaf)
		done = len;
	consumed(c, (uint32_t)done);
	if (done == len)
		return;
	int n = packet_slice(iov, nr, done, len - done, rest, WRITE_IOV_MAX);
	if (fifo_append(&c->fifo, c->buf_alloc, rest, (unsigned)n) < 0) {
		log_warn("connection %u:%u: out of memory", c->host_port, c->guest_port);
		vconn_reset(c);
		return;
	}
	vconn_update_io(c);
}

/**
 * vconn_guest_shutdown() - the guest ended one half or both
 * @c: established connection
 * @flags: VIRTIO_VSOCK_SHUTDOWN_*
 */
void vconn_guest_shutdown(struct vconn *c, unsigned flags)
{
	unsigned new = flags & ~c->shut_recv;

	c->shut_recv |= flags;
	if (new &VIRTIO_VSOCK_SHUTDOWN_RCV) {
		(void)shutdown(c->fd, SHUT_RD); /* makes the client's next write fail */
		c->readable = false;
	}
	if ((new &VIRTIO_VSOCK_SHUTDOWN_SEND) && !c->fifo.len)
		flushed(c);
	vconn_update_io(c);
}

/**
 * vconn_credit() - how much the guest can take now
 * @c: connection
 *
 * The counters run freely and wrap. A guest that claims to have passed on more than it got gets
 * nothing.
 *
 * Return: bytes.
 */
uint32_t vconn_credit(const struct vconn *c)
{
	uint32_t in_flight = c->tx_cnt - c->peer_fwd_cnt;

	return in_flight < c->peer_buf_alloc ? c->peer_buf_alloc - in_flight : 0;
}

/**
 * vconn_see_credit() - take the guest's credit from any packet of it
 * @c: connection
 * @pkt: header
 */
void vconn_see_credit(struct vconn *c, const struct packet *pkt)
{
	c->peer_buf_alloc = pkt->buf_alloc;
	c->peer_fwd_cnt = pkt->fwd_cnt;
	if (!vconn_credit(c))
		return;
	c->credit_asked = false;
	if (c->readable && c->state == VCONN_ESTABLISHED)
		vconn_mark(c, 0);
}

/**
 * vconn_on_io() - callback of the client's socket
 * @arg: connection
 * @events: enum loop_events
 */
void vconn_on_io(void *arg, unsigned events)
{
	struct vconn *c = arg;

	if (c->state == VCONN_HELLO) {
		c->client_ops->hello(c);
		return;
	}
	if (events & LOOP_WRITE && (c->state == VCONN_ESTABLISHED || c->state == VCONN_FLUSHING))
		flush(c);
	if (c->state != VCONN_ESTABLISHED)
		return;
	if (events & LOOP_READ && !c->blocked) {
		/*
		 * Still watched: in the common case to_guest.c empties the socket before the loop
		 * looks again.
		 */
		c->readable = true;
		vconn_mark(c, 0);
	}
	vconn_update_io(c);
}
