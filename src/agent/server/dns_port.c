/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DOC: Names of a manager's network
 *
 * docker answers names on 127.0.0.11 in the container's network namespace, which is on the host:
 * the guest's loopback is another one. The host connects to KATA_PORT_DNS where a container is told
 * to ask there; from then on this end takes queries on that address, by UDP and by TCP, and passes
 * them on, in frames of struct kata_dns_frame.
 *
 * Those who ask are containers, so all of it is bounded: so many UDP askers are remembered, so many
 * TCP connections are open, a query has so many bytes. An answer reaches the one who waits for just
 * its id, once.
 */
#include "agent/server/dns_port.h"

#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/err.h"
#include "common/fd.h"
#include "common/fiber.h"
#include "kata/guest.h"

/*
 * Queries by UDP that wait for an answer; a new one takes the place of the oldest. The place in the
 * table is the frame's id modulo this.
 */
#define ASKERS_MAX 256
/* TCP connections; the place in the table is the frame's id modulo this. */
#define CONNS_MAX 16
/* How long a connection may wait for its next query, and then for the answer. */
#define CONN_IDLE_MS 15000
#define ANSWER_MAX 65535

struct asker {
	bool waiting;
	uint16_t id;
	struct sockaddr_in addr;
};

struct dns_conn {
	struct dns *dns;
	int fd;
	size_t slot;
	bool waiting;
	uint16_t id;
	struct fiber_cond answered;
	char *answer; /* behind its length in two bytes, as TCP wants it */
	size_t answer_len;
	char query[KATA_DNS_QUERY_MAX];
};

struct dns {
	struct dns_port *port;
	struct loop *loop;
	int udp, tcp, host;
	unsigned refs; /* of fibers */
	bool ending;
	struct fiber_mutex writing;
	uint16_t next;
	struct asker askers[ASKERS_MAX];
	struct dns_conn *conns[CONNS_MAX];
	/*
	 * The last id used in each place. They outlive the connection, so that a late answer to the
	 * previous connection in the same place is not sent to the new one.
	 */
	uint16_t conn_ids[CONNS_MAX];
	char query[KATA_DNS_QUERY_MAX], answer[ANSWER_MAX]; /* one for each fiber */
};

static void dns_end(struct dns *dns)
{
	dns->ending = true;
	/* The fibers that wait for these sockets wake up, and see @ending. */
	(void)shutdown(dns->host, SHUT_RDWR);
	(void)shutdown(dns->udp, SHUT_RDWR);
	(void)shutdown(dns->tcp, SHUT_RDWR);
	for (size_t i = 0; i < CONNS_MAX; i++)
		if (dns->conns[i]) {
			(void)shutdown(dns->conns[i]->fd, SHUT_RDWR);
			fiber_cond_broadcast(&dns->conns[i]->answered);
		}
}

/* The first fiber that ends takes the others along. */
static void dns_unref(struct dns *dns)
{
	if (--dns->refs)
		return;
	(void)fd_close(dns->udp);
	(void)fd_close(dns->tcp);
	(void)fd_close(dns->host);
	dns->port->serving = false;
	free(dns);
}

static int ask_host(struct dns *dns, uint16_t id, bool tcp, const char *query, size_t len)
{
	struct kata_dns_frame frame = { .len = htobe16((uint16_t)len),
					.id = htobe16(id),
					.tcp = htobe16(tcp) };
	int r = fiber_lock(&dns->writing, LOOP_FOREVER);

	if (r < 0)
		return r;
	r = fiber_write_full(dns->host, &frame, sizeof(frame), LOOP_FOREVER);
	if (r >= 0)
		r = fiber_write_full(dns->host, query, len, LOOP_FOREVER);
	fiber_unlock(&dns->writing);
	return r;
}

static void udp_main(void *arg)
{
	struct dns *dns = arg;

	while (!dns->ending) {
		struct asker asker = { .waiting = true, .id = dns->next };
		socklen_t addr_len = sizeof(asker.addr);

		if (fiber_wait_fd(dns->udp, LOOP_READ, LOOP_FOREVER) < 0)
			break;
		/* With MSG_TRUNC it says how long the query was. */
		ssize_t n = recvfrom(dns->udp, dns->query, sizeof(dns->query), MSG_TRUNC,
				     (struct sockaddr *)&asker.addr, &addr_len);
		if (n <= 0 || (size_t)n > sizeof(dns->query))
			continue;
		dns->askers[dns->next++ % ASKERS_MAX] = asker;
		if (ask_host(dns, asker.id, false, dns->query, (size_t)n) < 0)
			break;
	}
	dns_end(dns);
	dns_unref(dns);
}

static void answer_udp(struct dns *dns, uint16_t id, size_t len)
{
	struct asker *asker = &dns->askers[id % ASKERS_MAX];

	if (!asker->waiting || asker->id != id)
		return;
	asker->waiting = false;
	/* When it fails the asker has gone. */
	if (len)
		(void)sendto(dns->udp, dns->answer, len, MSG_DONTWAIT,
			     (const struct sockaddr *)&asker->addr, sizeof(asker->addr));
}

static void answer_tcp(struct dns *dns, uint16_t id, size_t len)
{
	struct dns_conn *conn = dns->conns[id % CONNS_MAX];
	uint16_t be_len = htobe16((uint16_t)len);

	if (!conn || !conn->waiting || conn->id != id)
		return;
	conn->waiting = false;
	conn->answer = len ? malloc(sizeof(be_len) + len) : NULL;
	if (conn->answer) {
		memcpy(conn->answer, &be_len, sizeof(be_len));
		memcpy(conn->answer + sizeof(be_len), dns->answer, len);
		conn->answer_len = sizeof(be_len) + len;
	}
	fiber_cond_broadcast(&conn->answered);
}

static void answers_main(void *arg)
{
	struct dns *dns = arg;
	struct kata_dns_frame frame;

	while (fiber_read_full(dns->host, &frame, sizeof(frame), LOOP_FOREVER) >= 0) {
		size_t len = be16toh(frame.len);

		if (be16toh(frame.tcp) > 1 ||
		    fiber_read_full(dns->host, dns->answer, len, LOOP_FOREVER) < 0)
			break;
		if (frame.tcp)
			answer_tcp(dns, be16toh(frame.id), len);
		else
			answer_udp(dns, be16toh(frame.id), len);
		fiber_yield();
	}
	dns_end(dns);
	dns_unref(dns);
}

/* One query after the other, as most servers do. Return: 0 or -errno, which ends the connection. */
static int serve_query(struct dns_conn *conn)
{
	struct dns *dns = conn->dns;
	uint64_t deadline_ns = loop_deadline_ms(CONN_IDLE_MS);
	uint16_t be_len;
	int r = fiber_read_full(conn->fd, &be_len, sizeof(be_len), deadline_ns);

	if (r < 0)
		return r;
	size_t len = be16toh(be_len);
	if (!len || len > sizeof(conn->query))
		return -EPROTO;
	r = fiber_read_full(conn->fd, conn->query, len, deadline_ns);
	if (r < 0)
		return r;
	dns->conn_ids[conn->slot] = (uint16_t)(dns->conn_ids[conn->slot] + CONNS_MAX);
	conn->id = dns->conn_ids[conn->slot];
	conn->waiting = true;
	deadline_ns = loop_deadline_ms(CONN_IDLE_MS);
	r = ask_host(dns, conn->id, true, conn->query, len);
	while (r >= 0 && conn->waiting && !dns->ending)
		r = fiber_cond_wait(&conn->answered, deadline_ns);
	conn->waiting = false;
	if (r < 0 || !conn->answer)
		return r < 0 ? r : -ENODATA;
	r = fiber_write_full(conn->fd, conn->answer, conn->answer_len, deadline_ns);
	free(TAKE_PTR(conn->answer));
	return r;
}

static void conn_main(void *arg)
{
	struct dns_conn *conn = arg;
	struct dns *dns = conn->dns;

	while (!dns->ending && serve_query(conn) >= 0)
		fiber_yield();
	dns->conns[conn->slot] = NULL;
	(void)fd_close(conn->fd);
	free(conn->answer);
	free(conn);
	dns_unref(dns);
}

static void take_conn(struct dns *dns, int fd_consume)
{
	cleanup_close int fd = fd_consume;
	size_t slot = 0;

	while (slot < CONNS_MAX && dns->conns[slot])
		slot++;
	struct dns_conn *conn = slot < CONNS_MAX ? calloc(1, sizeof(*conn)) : NULL;
	if (!conn)
		return;
	conn->dns = dns;
	conn->fd = fd;
	conn->slot = slot;
	fiber_cond_init(&conn->answered);
	if (fiber_spawn(dns->loop, "dns connection", conn_main, conn, NULL) < 0) {
		free(conn);
		return;
	}
	(void)TAKE_FD(fd);
	dns->conns[slot] = conn;
	dns->refs++;
}

static void tcp_main(void *arg)
{
	struct dns *dns = arg;

	while (!dns->ending && fiber_wait_fd(dns->tcp, LOOP_READ, LOOP_FOREVER) >= 0) {
		int fd = neg_errno(accept4(dns->tcp, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK));

		if (fd >= 0)
			take_conn(dns, fd);
		else if (fd != -EAGAIN && !dns->ending)
			(void)fiber_sleep_until(loop_deadline_ms(10)); /* no descriptors */
	}
	dns_end(dns);
	dns_unref(dns);
}

static int open_socket(int type)
{
	struct sockaddr_in addr = { .sin_family = AF_INET,
				    .sin_port = htons(53),
				    .sin_addr = { htonl(KATA_DNS_ADDR) } };
	cleanup_close int fd = neg_errno(socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
	int on = 1;

	if (fd < 0)
		return fd;
	if (type == SOCK_STREAM && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0)
		return -errno;
	if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 ||
	    (type == SOCK_STREAM && listen(fd, CONNS_MAX) < 0))
		return -errno;
	return TAKE_FD(fd);
}

/**
 * dns_port_serve() - take queries until the host ends it
 * @port: port; must stay in place until the loop has ended
 * @loop: loop
 * @host_fd_consume: non-blocking stream of frames
 *
 * Return: 0 or -errno, -EBUSY while another host is served.
 */
int dns_port_serve(struct dns_port *port, struct loop *loop, int host_fd_consume)
{
	static const struct {
		const char *name;
		fiber_fn fn;
	} fibers[] = { { "dns answers", answers_main },
		       { "dns by udp", udp_main },
		       { "dns by tcp", tcp_main } };
	cleanup_close int host = host_fd_consume;

	if (port->serving)
		return -EBUSY;
	cleanup_close int udp = open_socket(SOCK_DGRAM);
	cleanup_close int tcp = udp < 0 ? -1 : open_socket(SOCK_STREAM);
	struct dns *dns = calloc(1, sizeof(*dns));
	if (udp < 0 || tcp < 0 || !dns) {
		free(dns);
		return udp < 0 ? udp : tcp < 0 ? tcp : -ENOMEM;
	}
	dns->port = port;
	dns->loop = loop;
	dns->host = TAKE_FD(host);
	dns->udp = TAKE_FD(udp);
	dns->tcp = TAKE_FD(tcp);
	dns->refs = 1;
	for (size_t i = 0; i < CONNS_MAX; i++)
		dns->conn_ids[i] = (uint16_t)i;
	fiber_mutex_init(&dns->writing);
	port->serving = true;
	int r = 0;
	for (size_t i = 0; i < ARRAY_SIZE(fibers) && r >= 0; i++) {
		r = fiber_spawn(loop, fibers[i].name, fibers[i].fn, dns, NULL);
		if (r >= 0)
			dns->refs++;
	}
	if (r < 0)
		dns_end(dns);
	dns_unref(dns);
	return r;
}
