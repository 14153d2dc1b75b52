/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DOC: The loopback of a pod's network namespace
 *
 * CRI's PortForward enters the network namespace and connects to localhost, since that is where a
 * container's own listeners are; for a container in a VM they are on the guest's loopback. So TCP
 * connections to 127.0.0.1 and ::1 in the namespace, whatever the port, are accepted here
 * (network/sk_lookup.h) and carried over vsock to KATA_PORT_FORWARD, where the agent connects to
 * the same port. Who listens in the guest is found out by connecting: nothing is polled, and as
 * long as nobody connects it costs two listening sockets.
 *
 * A port on which nobody listens is seen as a reset, not as a refusal: the connection was accepted
 * before the guest was asked.
 */
#include "sandbox/network/loopback.h"

#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/fiber.h"
#include "common/list.h"
#include "common/log.h"
#include "common/relay_pair.h"
#include "kata/guest.h"
#include "sandbox/network/netns.h"
#include "sandbox/network/sk_lookup.h"
#include "sandbox/core/sandbox.h"

#define LOOPBACK_CONNS_MAX 128
#define LOOPBACK_DIAL_MS 10000

struct loopback {
	struct sandbox *sb;
	int fds[2]; /* IPv4; IPv6 or -1 */
	int link_fd;
	struct loop_source *sources[2];
	struct list conns;
	unsigned nr_conns;
};

struct loopback_conn {
	struct list node;
	struct loopback *loopback; /* NULL: it has ended meanwhile */
	struct fiber *fiber;	   /* once it runs */
	int client, guest;
};

union loopback_addr {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

static uint64_t dial_deadline(void)
{
	return loop_deadline_ms(LOOPBACK_DIAL_MS);
}

/* The port and family a connection was meant for, as the guest is told. */
static int find_target(int fd, struct kata_forward *ret)
{
	union loopback_addr addr;
	socklen_t len = sizeof(addr);

	if (getsockname(fd, &addr.any, &len) < 0)
		return -errno;
	*ret = (struct kata_forward){ .port = addr.any.sa_family == AF_INET6 ? addr.v6.sin6_port
									     : addr.v4.sin_port,
				      .ipv6 = htobe16(addr.any.sa_family == AF_INET6) };
	return 0;
}

static int dial_guest(struct loopback_conn *conn, struct err *err)
{
	struct kata_forward target;
	uint64_t deadline_ns = dial_deadline();
	uint32_t port;
	uint8_t refused;
	int r = find_target(conn->client, &target);

	if (r < 0)
		return err_set_errno(err, r, "local address");
	conn->guest =
		vsock_dial(&conn->loopback->sb->vsock, KATA_PORT_FORWARD, deadline_ns, &port, err);
	if (conn->guest < 0)
		return conn->guest;
	r = fiber_write_full(conn->guest, &target, sizeof(target), deadline_ns);
	if (r >= 0)
		r = fiber_read_full(conn->guest, &refused, sizeof(refused), deadline_ns);
	if (r < 0)
		return err_set_errno(err, r, "forward a port");
	return refused ? err_set(err, ECONNREFUSED, "nobody listens on port %u of the guest",
				 be16toh(target.port))
		       : 0;
}

static void conn_main(void *arg)
{
	struct loopback_conn *conn = arg;
	struct err err = ERR_NULL;
	int r = -ECANCELED;

	conn->fiber = fiber_self();
	if (conn->loopback)
		r = dial_guest(conn, &err);
	if (r < 0 && conn->client >= 0) {
		/* The client sees a reset instead of an end. */
		const struct linger now = { .l_onoff = 1 };

		(void)setsockopt(conn->client, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	}
	if (r < 0)
		log_debug("%s", err.text);
	else if (relay_pair("forward back", conn->client, conn->guest) < 0)
		log_debug("forward a port: not to its end");
	list_del(&conn->node);
	if (conn->loopback)
		conn->loopback->nr_conns--;
	(void)fd_close(conn->client);
	(void)fd_close(conn->guest);
	free(conn);
}

static void take_client(struct loopback *lb, int fd_consume)
{
	cleanup_close int fd = fd_consume;
	struct loopback_conn *conn = lb->nr_conns < LOOPBACK_CONNS_MAX ? calloc(1, sizeof(*conn))
								       : NULL;

	if (!conn)
		return;
	conn->loopback = lb;
	conn->client = TAKE_FD(fd);
	conn->guest = -1;
	list_add_tail(&lb->conns, &conn->node);
	lb->nr_conns++;
	if (fiber_spawn(lb->sb->loop, "port", conn_main, conn, NULL) < 0) {
		list_del(&conn->node);
		lb->nr_conns--;
		(void)fd_close(conn->client);
		free(conn);
	}
}

static void accept_from(struct loopback *lb, int listen_fd)
{
	int fd = neg_errno(accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK));

	if (fd >= 0)
		take_client(lb, fd);
}

static void on_v4(void *arg, unsigned events)
{
	struct loopback *lb = arg;

	(void)events;
	accept_from(lb, lb->fds[0]);
}

static void on_v6(void *arg, unsigned events)
{
	struct loopback *lb = arg;

	(void)events;
	accept_from(lb, lb->fds[1]);
}

static int listen_on(const union loopback_addr *addr, socklen_t len)
{
	cleanup_close int fd = neg_errno(
		socket(addr->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));

	if (fd < 0)
		return fd;
	if (bind(fd, &addr->any, len) < 0 || listen(fd, LOOPBACK_CONNS_MAX) < 0)
		return -errno;
	return TAKE_FD(fd);
}

/* On any port: connections to all of them arrive there. */
static int open_listeners(void *arg, struct err *err)
{
	const union loopback_addr v4 = { .v4 = { .sin_family = AF_INET,
						 .sin_addr = { htonl(INADDR_LOOPBACK) } } };
	const union loopback_addr v6 = { .v6 = { .sin6_family = AF_INET6,
						 .sin6_addr = IN6ADDR_LOOPBACK_INIT } };
	struct loopback *lb = arg;

	lb->fds[0] = listen_on(&v4, sizeof(v4.v4));
	if (lb->fds[0] < 0)
		return err_set_errno(err, lb->fds[0], "listen on 127.0.0.1");
	lb->fds[1] = listen_on(&v6, sizeof(v6.v6));
	if (lb->fds[1] < 0)
		log_debug("no IPv6 on the loopback: only 127.0.0.1 leads to the guest");
	return 0;
}

static struct loopback *loopback_free(struct loopback *lb)
{
	if (!lb)
		return NULL;
	list_for_each_safe(pos, tmp, &lb->conns) {
		struct loopback_conn *conn = list_entry(pos, struct loopback_conn, node);

		list_del(&conn->node);
		list_init(&conn->node);
		conn->loopback = NULL;
		if (conn->fiber)
			fiber_cancel(conn->fiber);
	}
	(void)fd_close(lb->link_fd);
	for (size_t i = 0; i < ARRAY_SIZE(lb->fds); i++) {
		(void)loop_source_free(lb->sources[i]);
		(void)fd_close(lb->fds[i]);
	}
	free(lb);
	return NULL;
}

/**
 * loopback_serve() - lead the loopback of a pod's network namespace to the guest
 * @sb: sandbox with its agent running
 * @err: filled on failure
 *
 * Single containers are left alone: their managers have no port-forward, and docker has listeners
 * of its own in their namespaces.
 *
 * Return: 0 or -errno.
 */
int loopback_serve(struct sandbox *sb, struct err *err)
{
	if (sb->loopback || sb->netns_fd < 0 || !sb->pod)
		return 0;
	struct loopback *lb = calloc(1, sizeof(*lb));
	if (!lb)
		return err_set(err, ENOMEM, "out of memory");
	lb->sb = sb;
	lb->fds[0] = lb->fds[1] = lb->link_fd = -1;
	list_init(&lb->conns);
	int r = netns_run(sb->netns_fd, open_listeners, lb, err);
	if (r >= 0) {
		r = lb->link_fd = sk_lookup_attach(sb->netns_fd, lb->fds[0], lb->fds[1], err);
	}
	if (r >= 0) {
		r = loop_add_io(sb->loop, lb->fds[0], LOOP_READ, on_v4, lb, &lb->sources[0]);
		if (r >= 0 && lb->fds[1] >= 0)
			r = loop_add_io(sb->loop, lb->fds[1], LOOP_READ, on_v6, lb,
					&lb->sources[1]);
		if (r < 0)
			(void)err_set_errno(err, r, "watch the loopback");
	}
	if (r < 0) {
		(void)loopback_free(lb);
		return r;
	}
	sb->loopback = lb;
	return 0;
}

/**
 * loopback_stop() - leave the namespace as it was; what is under way ends
 * @sb: sandbox, with or without it
 */
void loopback_stop(struct sandbox *sb)
{
	sb->loopback = loopback_free(sb->loopback);
}
