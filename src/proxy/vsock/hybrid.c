/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DOC: Hybrid vsock
 *
 * Host to guest: a client of the unix socket sends "CONNECT <port>\n". When the guest accepted it
 * gets "OK <host port>\n" and from then on the bytes of the stream; the host port is what the guest
 * sees as the peer's. A refused connection is closed without a word, as other implementations of
 * this handshake do. A connection that comes before the guest has a driver waits for it.
 *
 * "CONNECT <port> wait\n" is ours: a refusal means that nobody listens yet, and the proxy tries
 * again for as long as the client stays. It tries at once whenever the guest shows progress (it
 * connects out or accepts another connection), so a service can announce itself by connecting to
 * any port of the host; without such a sign it tries after 5, 10, 20, 40 and then every 50 ms.
 *
 * Guest to host: port P is the unix socket "<prefix>P".
 */
#include "proxy/vsock/hybrid.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "common/fd.h"
#include "common/log.h"
#include "common/str.h"
#include "proxy/vsock/proxy.h"

#define HELLO_TIMEOUT_MS 10000
#define BACKOFF_FIRST_MS 5
#define BACKOFF_MAX_MS 50
#define ACCEPT_PER_RUN 32
#define ACCEPT_PAUSE_MS 100
#define PORT_ANY UINT32_MAX

static bool port_in_use(const struct proxy *px, uint32_t port)
{
	list_for_each(pos, &px->conns) {
		const struct vconn *c = list_entry(pos, struct vconn, all);

		if (c->in_table && c->host_port == port)
			return true;
	}
	return false;
}

static uint32_t take_port(struct proxy *px)
{
	uint32_t port;

	do {
		port = px->next_port;
		px->ports_wrapped |= port == PROXY_PORT_LAST;
		px->next_port = port == PROXY_PORT_LAST ? PROXY_PORT_FIRST : port + 1;
	} while (px->ports_wrapped &&
		 port_in_use(px, port)); /* ends: there are more ports than connections */
	return port;
}

/* "CONNECT <port>" or "CONNECT <port> wait". */
static int parse_hello(char *line, uint32_t *ret_port, bool *ret_wait)
{
	const char *arg = str_skip_prefix(line, "CONNECT ");
	char *space = arg ? strchr(arg, ' ') : NULL;

	if (!arg)
		return -EPROTO;
	if (space) {
		if (!str_eq(space, " wait"))
			return -EPROTO;
		*space = '\0';
	}
	*ret_wait = space;
	return str_to_u32(arg, ret_port) < 0 || *ret_port == PORT_ANY ? -EPROTO : 0;
}

/*
 * Return: 1 when c->hello is a whole line, NUL instead of its end; 0 when more must come; -errno.
 */
static int read_hello(struct vconn *c)
{
	size_t room = sizeof(c->hello) - c->hello_len;
	char *to = c->hello + c->hello_len;

	/* Looked at first: what follows the line belongs to the stream. */
	ssize_t n = neg_errno_sz(recv(c->fd, to, room, MSG_PEEK | MSG_DONTWAIT));
	if (n <= 0)
		return n == -EAGAIN || n == -EINTR ? 0 : -ENOTCONN;
	char *end = memchr(to, '\n', (size_t)n);
	size_t take = end ? (size_t)(end - to) + 1 : (size_t)n;
	n = neg_errno_sz(recv(c->fd, to, take, MSG_DONTWAIT));
	if (n != (ssize_t)take)
		return -EIO; /* nobody else reads this socket */
	c->hello_len += (unsigned)take;
	if (end) {
		*end = '\0';
		/* A line with a NUL in it is no line of ours. */
		return strlen(c->hello) + 1 == c->hello_len ? 1 : -EPROTO;
	}
	return c->hello_len == sizeof(c->hello) ? -EPROTO : 0;
}

/* Asks the guest, if the device runs. */
static void ask_guest(struct vconn *c)
{
	if (!c->px->running || c->state != VCONN_WAITING)
		return;
	if (c->wait)
		vconn_stop_timer(c);
	list_del(&c->waiting);
	c->state = VCONN_CONNECTING;
	vconn_mark(c, VCONN_SEND_REQUEST);
}

/* Reads on in the request of a client. */
static void hello(struct vconn *c)
{
	uint32_t port = 0;
	int r = read_hello(c);

	if (r == 0)
		return;
	if (r > 0)
		r = parse_hello(c->hello, &port, &c->wait);
	if (r < 0) {
		log_debug("client hung up or sent no CONNECT line");
		vconn_kill(c);
		return;
	}
	vconn_insert(c, take_port(c->px), port);
	log_debug("connection %u:%u from the host", c->host_port, c->guest_port);
	r = 0;
	vconn_stop_timer(c);
	if (!c->wait)
		r = vconn_set_timer(c, c->px->connect_timeout_ms);
	if (r < 0) {
		vconn_kill(c);
		return;
	}
	hybrid_wait(c);
	ask_guest(c);
}

/**
 * hybrid_wait() - put a connection among those that wait for the device or a listener
 * @c: connection that is not known to the guest
 */
void hybrid_wait(struct vconn *c)
{
	c->state = VCONN_WAITING;
	c->send = 0;
	list_del(&c->ready);
	list_del(&c->waiting);
	list_add_tail(&c->px->waiting, &c->waiting);
	vconn_update_io(c);
}

/**
 * hybrid_wake() - ask the guest again for everybody who waits
 * @px: proxy
 */
void hybrid_wake(struct proxy *px)
{
	list_for_each_safe(pos, tmp, &px->waiting)
		ask_guest(list_entry(pos, struct vconn, waiting));
}

/**
 * hybrid_refused() - the guest answered that nobody listens
 * @c: connection in VCONN_CONNECTING
 */
void hybrid_refused(struct vconn *c)
{
	if (!c->wait) {
		vconn_kill(c);
		return;
	}
	hybrid_wait(c);
	if (c->state != VCONN_WAITING)
		return;
	c->backoff_ms = c->backoff_ms ? MIN(2 * c->backoff_ms, BACKOFF_MAX_MS) : BACKOFF_FIRST_MS;
	if (vconn_set_timer(c, c->backoff_ms) < 0)
		vconn_kill(c);
}

/**
 * hybrid_accepted() - the guest accepted: tell the client and let data flow
 * @c: connection in VCONN_CONNECTING
 *
 * Return: 0, or -errno when the client cannot be told.
 */
int hybrid_accepted(struct vconn *c)
{
	char line[sizeof("OK 4294967295\n")];
	int len = snprintf(line, sizeof(line), "OK %u\n", c->host_port);
	ssize_t n = neg_errno_sz(send(c->fd, line, (size_t)len, MSG_DONTWAIT | MSG_NOSIGNAL));

	if (n != len)
		return n < 0 ? (int)n : -EIO; /* nothing else was sent to it before: it has room */
	vconn_stop_timer(c);
	c->state = VCONN_ESTABLISHED;
	vconn_update_io(c);
	return 0;
}

static const struct vconn_client_ops client_ops = { .hello = hello, .retry = ask_guest };

static void resume_listening(void *arg)
{
	struct proxy *px = arg;

	if (px->listener && loop_io_set_events(px->listener, LOOP_READ) < 0)
		log_warn("cannot watch the unix socket any more");
}

/* Out of descriptors or memory: a short pause instead of a busy loop. */
static void pause_listening(struct proxy *px, int r)
{
	log_warn_errno(r, "accept");
	(void)loop_io_set_events(px->listener, 0); /* taking a watch away does not fail */
	if (loop_timer_set(px->listen_pause, loop_deadline_ms(ACCEPT_PAUSE_MS)) < 0)
		resume_listening(px);
}

/**
 * hybrid_take_client() - begin to read the request of a client
 * @px: proxy
 * @fd_consume: its connected, non-blocking unix socket; closed on failure
 *
 * Return: 0 or -ENOMEM.
 */
int hybrid_take_client(struct proxy *px, int fd_consume)
{
	struct vconn *c = vconn_new(px, fd_consume, VCONN_HELLO, &client_ops);

	if (!c)
		return -ENOMEM;
	int r = vconn_set_timer(c, HELLO_TIMEOUT_MS);
	if (r < 0)
		vconn_kill(c);
	return r;
}

static void on_client(void *arg, unsigned events)
{
	struct proxy *px = arg;

	(void)events;
	for (unsigned i = 0; i < ACCEPT_PER_RUN; i++) {
		int fd =
			neg_errno(accept4(px->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC));

		if (fd == -EAGAIN || fd == -EINTR || fd == -ECONNABORTED)
			return;
		if (fd < 0) {
			pause_listening(px, fd);
			return;
		}
		if (px->nr_conns >= px->max_conns) {
			log_debug("client turned away: too many connections");
			(void)fd_close(fd);
			continue;
		}
		(void)hybrid_take_client(px, fd); /* without memory it is turned away */
	}
}

/**
 * hybrid_listen() - serve a listening unix socket
 * @px: proxy
 * @fd: socket, borrowed
 * @err: error
 *
 * Return: 0 or -errno.
 */
int hybrid_listen(struct proxy *px, int fd, struct err *err)
{
	int listening = 0, r;
	socklen_t len = sizeof(listening);

	if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &len) < 0)
		return err_set_errno(err, -errno, "descriptor %d to listen on", fd);
	if (!listening)
		return err_set(err, EINVAL, "descriptor %d is not a listening socket", fd);
	r = fd_set_nonblock(fd, true);
	if (r == 0)
		r = loop_add_timer(px->loop, LOOP_FOREVER, resume_listening, px, &px->listen_pause);
	if (r == 0)
		r = loop_add_io(px->loop, fd, LOOP_READ, on_client, px, &px->listener);
	if (r < 0)
		return err_set_errno(err, r, "watch the listening descriptor %d", fd);
	px->listen_fd = fd;
	return 0;
}

/**
 * hybrid_unlisten() - take no more clients
 * @px: proxy
 */
void hybrid_unlisten(struct proxy *px)
{
	px->listen_pause = loop_source_free(px->listen_pause);
	px->listener = loop_source_free(px->listener);
	px->listen_fd = -1;
}

/**
 * hybrid_dial() - connect to the host's process behind a port
 * @px: proxy
 * @port: port the guest wants
 *
 * Return: connected non-blocking socket, owned by the caller, or -errno.
 */
int hybrid_dial(const struct proxy *px, uint32_t port)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };

	if (!px->port_prefix[0])
		return -ECONNREFUSED;
	/* Relative to the working directory, which after isolation is the only one there is. */
	int len = snprintf(addr.sun_path, sizeof(addr.sun_path), "%s%u", px->port_prefix, port);
	if (len < 0 || (size_t)len >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	cleanup_close int fd =
		neg_errno(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
	if (fd < 0)
		return fd;
	/* Unix sockets connect at once or not at all; EAGAIN is a full backlog. */
	int r = neg_errno(connect(fd, (const struct sockaddr *)&addr, sizeof(addr)));
	return r < 0 ? r : TAKE_FD(fd);
}
