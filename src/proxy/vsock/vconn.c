/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life of a connection: birth, the table of ports, and the ways it ends. Moving bytes is in
 * vconn_io.c.
 */
#include "proxy/vsock/vconn.h"

#include <linux/virtio_vsock.h>
#include <linux/vm_sockets.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/log.h"
#include "proxy/vsock/proxy.h"

/* Linux waits as long for the RST that ends a connection. */
#define CLOSE_TIMEOUT_MS 8000

/*
 * A guest that does not get rid of what it sends can make us hold one window per connection. The
 * first connections get what throughput wants, further ones less, so that the sum stays below 91
 * MB.
 */
static uint32_t window_size(unsigned nr_conns)
{
	if (nr_conns < 16)
		return 512 << 10;
	if (nr_conns < 32)
		return 256 << 10;
	return nr_conns < 256 ? 64 << 10 : 16 << 10;
}

/**
 * vconn_new() - make a connection for a unix socket
 * @px: proxy
 * @fd_consume: connected, non-blocking unix socket
 * @state: VCONN_HELLO or VCONN_ESTABLISHED
 * @client_ops: for VCONN_HELLO, NULL otherwise
 *
 * Return: the connection, owned by @px, or NULL when memory is short.
 */
struct vconn *vconn_new(struct proxy *px, int fd_consume, enum vconn_state state,
			const struct vconn_client_ops *client_ops)
{
	struct vconn *c = calloc(1, sizeof(*c));

	if (!c) {
		(void)fd_close(fd_consume);
		return NULL;
	}
	c->px = px;
	c->client_ops = client_ops;
	c->state = state;
	c->fd = fd_consume;
	c->buf_alloc = window_size(px->nr_conns);
	list_init(&c->ready);
	list_init(&c->waiting);
	if (loop_add_io(px->loop, c->fd, LOOP_READ, vconn_on_io, c, &c->io) < 0) {
		(void)fd_close(c->fd);
		free(c);
		return NULL;
	}
	c->io_events = LOOP_READ;
	list_add_tail(&px->conns, &c->all);
	px->nr_conns++;
	return c;
}

static unsigned bucket(uint32_t host_port, uint32_t guest_port)
{
	return (host_port * 2654435761u ^ guest_port * 2246822519u) >> 16 & (PROXY_HASH_SIZE - 1);
}

/**
 * vconn_insert() - give a connection its ports
 * @c: connection without ports
 * @host_port: port on the host's side
 * @guest_port: port on the guest's side; the pair is not in the table
 */
void vconn_insert(struct vconn *c, uint32_t host_port, uint32_t guest_port)
{
	struct vconn **head = &c->px->hash[bucket(host_port, guest_port)];

	c->host_port = host_port;
	c->guest_port = guest_port;
	c->hash_next = *head;
	c->in_table = true;
	*head = c;
}

/**
 * vconn_find() - look a connection up
 * @px: proxy
 * @host_port: port on the host's side
 * @guest_port: port on the guest's side
 *
 * Return: the connection or NULL.
 */
struct vconn *vconn_find(const struct proxy *px, uint32_t host_port, uint32_t guest_port)
{
	struct vconn *c = px->hash[bucket(host_port, guest_port)];

	while (c && (c->host_port != host_port || c->guest_port != guest_port))
		c = c->hash_next;
	return c;
}

static void take_out_of_table(struct vconn *c)
{
	struct vconn **at = &c->px->hash[bucket(c->host_port, c->guest_port)];

	if (!c->in_table)
		return;
	while (*at != c)
		at = &(*at)->hash_next;
	*at = c->hash_next;
	c->in_table = false;
}

/*
 * Closing a unix socket with unread bytes in it shows as ECONNRESET at the other end, after which
 * it may not trust what it read. The client did nothing wrong when the guest did not want its last
 * bytes: they are thrown away first.
 */
static void discard_unread(int fd)
{
	char buf[4096];
	int left = 0;

	if (ioctl(fd, FIONREAD, &left) < 0 || left == 0)
		return;
	(void)shutdown(fd, SHUT_RD); /* from here on nothing is added */
	for (int i = 0; i < 256 && recv(fd, buf, sizeof(buf), MSG_DONTWAIT) > 0; i++)
		;
}

static void close_client(struct vconn *c)
{
	c->io = loop_source_free(c->io);
	c->io_events = 0;
	fifo_clear(&c->fifo);
	if (c->fd < 0)
		return;
	if (c->hup_watched)
		(void)epoll_ctl(c->px->hup_fd, EPOLL_CTL_DEL, c->fd,
				NULL); /* close would do as well */
	c->hup_watched = false;
	discard_unread(c->fd);
	c->fd = fd_close(c->fd);
}

/**
 * vconn_kill() - release everything a connection has
 * @c: connection; the guest is not told
 *
 * Its memory goes when no callback can hold a pointer to it any more.
 */
void vconn_kill(struct vconn *c)
{
	if (c->state == VCONN_DEAD)
		return;
	log_debug("connection %u:%u ended", c->host_port, c->guest_port);
	c->state = VCONN_DEAD;
	c->timer = loop_source_free(c->timer);
	close_client(c);
	take_out_of_table(c);
	list_del(&c->ready);
	list_del(&c->waiting);
	list_del(&c->all);
	list_add_tail(&c->px->dead, &c->all);
	c->px->nr_conns--;
	loop_trigger(c->px->reap);
}

/**
 * vconn_reset() - end a connection at once and tell the guest
 * @c: connection that the guest may know of
 */
void vconn_reset(struct vconn *c)
{
	struct proxy_reply rst = {
		.src_cid = VMADDR_CID_HOST,
		.src_port = c->host_port,
		.dst_port = c->guest_port,
		.type = VIRTIO_VSOCK_TYPE_STREAM,
	};

	proxy_reply_rst(c->px, &rst);
	vconn_kill(c);
}

/**
 * vconn_guest_gone() - the guest's end is closed: pass on what came before
 * @c: connection
 */
void vconn_guest_gone(struct vconn *c)
{
	if (c->state != VCONN_ESTABLISHED || !c->fifo.len) {
		vconn_kill(c);
		return;
	}
	c->state = VCONN_FLUSHING;
	c->send = 0;
	take_out_of_table(c);
	list_del(&c->ready);
	vconn_update_io(c);
}

/**
 * vconn_closing() - the client is gone and the guest was told: wait for its answer
 * @c: connection
 */
void vconn_closing(struct vconn *c)
{
	c->state = VCONN_CLOSING;
	c->send = 0;
	close_client(c);
	if (vconn_set_timer(c, CLOSE_TIMEOUT_MS) < 0)
		vconn_reset(c);
}

/**
 * vconn_mark() - put something for the guest in line
 * @c: connection
 * @send: enum vconn_send, 0 for data only
 */
void vconn_mark(struct vconn *c, unsigned send)
{
	c->send |= send;
	if (list_empty(&c->ready))
		list_add_tail(&c->px->ready, &c->ready);
	loop_trigger(c->px->to_guest);
}

static void on_timer(void *arg)
{
	struct vconn *c = arg;

	if (c->state == VCONN_WAITING && c->wait) {
		c->client_ops->retry(c);
		return;
	}
	switch (c->state) {
	case VCONN_WAITING:
	case VCONN_HELLO:
		log_debug("connection %u:%u timed out", c->host_port, c->guest_port);
		vconn_kill(c);
		return;
	case VCONN_CONNECTING:
	case VCONN_CLOSING:
		log_debug("connection %u:%u: no answer from the guest", c->host_port,
			  c->guest_port);
		vconn_reset(c);
		return;
	case VCONN_ESTABLISHED:
	case VCONN_FLUSHING:
	case VCONN_DEAD:
		return;
	}
}

/**
 * vconn_set_timer() - end the present state after a time
 * @c: connection
 * @ms: milliseconds from now
 *
 * Return: 0 or -ENOMEM.
 */
int vconn_set_timer(struct vconn *c, uint64_t ms)
{
	uint64_t deadline = loop_deadline_ms(ms);

	if (c->timer)
		return loop_timer_set(c->timer, deadline);
	return loop_add_timer(c->px->loop, deadline, on_timer, c, &c->timer);
}

/**
 * vconn_stop_timer() - let the present state last
 * @c: connection
 */
void vconn_stop_timer(struct vconn *c)
{
	c->timer = loop_source_free(c->timer);
}
