/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DOC: Names of a manager's network
 *
 * On a network of its user's, docker answers names on 127.0.0.11 inside the container's network
 * namespace. The guest has a loopback of its own, so its agent takes queries there and sends them
 * over a vsock connection; each is asked here by a socket of its own in the namespace, UDP or TCP as
 * in the guest. A socket each, since the server moves to another port when networks are connected,
 * and connection tracking would hold an old socket to the old one.
 *
 * The guest is not trusted: its queries are bounded in size, so many are asked at a time, and it is
 * not read from while none more may be. What the server answers is passed on unread.
 */
#include "sandbox/network/dns.h"

#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/fiber.h"
#include "common/io.h"
#include "common/list.h"
#include "common/log.h"
#include "common/str.h"
#include "kata/guest.h"
#include "oci/oci_spec.h"
#include "sandbox/network/netns.h"
#include "sandbox/vsock/vsock.h"

#define DNS_ANSWER_MS 10000
#define DNS_QUERIES_MAX 64 /* under way */
#define RESOLV_CONF_MAX 65536

struct dns_relay {
	struct loop *loop;
	int guest, netns_fd;
	unsigned refs; /* the owner, the reader and the queries */
	unsigned nr_queries;
	struct list queries;
	bool ending;
	struct fiber_cond ended; /* a query has */
	struct fiber_mutex writing;
};

struct dns_query {
	struct list list;
	struct dns_relay *relay;
	int fd;
	struct kata_dns_frame frame; /* as it came */
	size_t len;
	char message[]; /* behind its length in two bytes, as TCP wants it */
};

#define TCP_LEN sizeof(uint16_t)

static void relay_unref(struct dns_relay *relay)
{
	if (--relay->refs)
		return;
	(void)fd_close(relay->guest);
	(void)fd_close(relay->netns_fd);
	free(relay);
}

static void relay_end(struct dns_relay *relay)
{
	relay->ending = true;
	(void)shutdown(relay->guest, SHUT_RDWR); /* wakes the reader */
	fiber_cond_broadcast(&relay->ended);
	list_for_each(pos, &relay->queries)
		(void)shutdown(list_entry(pos, struct dns_query, list)->fd, SHUT_RDWR);
}

/* A TCP connection is under way then. */
static int open_socket(void *arg, struct err *err)
{
	struct sockaddr_in addr = { .sin_family = AF_INET,
				    .sin_port = htons(53),
				    .sin_addr = { htonl(KATA_DNS_ADDR) } };
	struct dns_query *query = arg;
	int type = query->frame.tcp ? SOCK_STREAM : SOCK_DGRAM;
	cleanup_close int fd = neg_errno(socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));

	if (fd < 0)
		return err_set_errno(err, fd, "socket for a name server");
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 && errno != EINPROGRESS)
		return err_set_errno(err, -errno, "name server of the network namespace");
	query->fd = TAKE_FD(fd);
	return 0;
}

static ssize_t ask_udp(struct dns_query *query, uint64_t deadline_ns, char **ret_answer)
{
	if (send(query->fd, query->message + TCP_LEN, query->len, 0) < 0)
		return -errno;
	int r = fiber_wait_fd(query->fd, LOOP_READ, deadline_ns);
	if (r < 0)
		return r;
	ssize_t n = recv(query->fd, NULL, 0, MSG_PEEK | MSG_TRUNC);
	char *answer = n > 0 ? malloc((size_t)n) : NULL;
	if (!answer)
		return n < 0 ? -errno : n ? -ENOMEM : 0;
	n = recv(query->fd, answer, (size_t)n, 0);
	*ret_answer = answer;
	return n;
}

static ssize_t ask_tcp(struct dns_query *query, uint64_t deadline_ns, char **ret_answer)
{
	uint16_t len = htobe16((uint16_t)query->len);

	memcpy(query->message, &len, TCP_LEN);
	int r = fiber_wait_fd(query->fd, LOOP_WRITE, deadline_ns);
	if (r >= 0)
		r = fiber_write_full(query->fd, query->message, query->len + TCP_LEN, deadline_ns);
	if (r >= 0)
		r = fiber_read_full(query->fd, &len, sizeof(len), deadline_ns);
	cleanup_free char *answer = r >= 0 ? malloc(be16toh(len) + 1UL) : NULL;
	if (!answer)
		return r < 0 ? r : -ENOMEM;
	r = fiber_read_full(query->fd, answer, be16toh(len), deadline_ns);
	if (r < 0)
		return r;
	*ret_answer = TAKE_PTR(answer);
	return be16toh(len);
}

static void tell_guest(struct dns_query *query, const char *answer, size_t len)
{
	struct dns_relay *relay = query->relay;
	uint64_t deadline_ns = loop_deadline_ms(DNS_ANSWER_MS);

	if (fiber_lock(&relay->writing, deadline_ns) < 0)
		return;
	query->frame.len = htobe16((uint16_t)len);
	/* Half a frame would spoil the stream. */
	if (!relay->ending &&
	    (fiber_write_full(relay->guest, &query->frame, sizeof(query->frame), deadline_ns) < 0 ||
	     fiber_write_full(relay->guest, answer, len, deadline_ns) < 0))
		relay_end(relay);
	fiber_unlock(&relay->writing);
}

static void query_main(void *arg)
{
	struct dns_query *query = arg;
	struct dns_relay *relay = query->relay;
	uint64_t deadline_ns = loop_deadline_ms(DNS_ANSWER_MS);
	cleanup_free char *answer = NULL;
	ssize_t n = query->fd < 0      ? -ENOTCONN
		    : query->frame.tcp ? ask_tcp(query, deadline_ns, &answer)
				       : ask_udp(query, deadline_ns, &answer);

	if (n < 0)
		log_debug("name server of the network namespace: %s", strerror((int)-n));
	tell_guest(query, answer, n > 0 ? (size_t)n : 0);
	list_del(&query->list);
	(void)fd_close(query->fd);
	free(query);
	relay->nr_queries--;
	fiber_cond_broadcast(&relay->ended);
	relay_unref(relay);
}

/* Return: 0; -errno where the stream is of no more use. */
static int ask(struct dns_relay *relay, const struct kata_dns_frame *frame)
{
	size_t len = be16toh(frame->len);
	struct err err = ERR_NULL;

	if (!len || len > KATA_DNS_QUERY_MAX || be16toh(frame->tcp) > 1)
		return -EPROTO;
	cleanup_free struct dns_query *query = calloc(1, sizeof(*query) + TCP_LEN + len);
	if (!query)
		return -ENOMEM;
	*query = (struct dns_query){ .relay = relay, .fd = -1, .frame = *frame, .len = len };
	int r = fiber_read_full(relay->guest, query->message + TCP_LEN, len, LOOP_FOREVER);
	if (r < 0)
		return r;
	r = relay->netns_fd < 0 ? open_socket(query, &err)
				: netns_run(relay->netns_fd, open_socket, query, &err);
	if (r < 0)
		log_debug("%s", err.text);
	r = fiber_spawn(relay->loop, "name", query_main, query, NULL);
	if (r < 0) {
		(void)fd_close(query->fd);
		return r;
	}
	list_add_tail(&relay->queries, &query->list);
	(void)TAKE_PTR(query);
	relay->refs++;
	relay->nr_queries++;
	return 0;
}

static void relay_main(void *arg)
{
	struct dns_relay *relay = arg;
	struct kata_dns_frame frame;

	while (!relay->ending &&
	       fiber_read_full(relay->guest, &frame, sizeof(frame), LOOP_FOREVER) >= 0 &&
	       ask(relay, &frame) >= 0) {
		/* A guest that asks without a pause must not keep other fibers from running. */
		fiber_yield();
		while (!relay->ending && relay->nr_queries == DNS_QUERIES_MAX)
			(void)fiber_cond_wait(&relay->ended, LOOP_FOREVER);
	}
	relay_end(relay);
	relay_unref(relay);
}

/**
 * dns_relay_is_wanted() - does a container ask the server that the relay brings?
 * @spec: the container's
 *
 * Return: true if the file that is mounted at /etc/resolv.conf names it.
 */
bool dns_relay_is_wanted(const struct oci_spec *spec)
{
	for (size_t i = 0; i < spec->nr_mounts; i++) {
		cleanup_free char *text = NULL;

		if (!str_eq(spec->mounts[i].destination, "/etc/resolv.conf") ||
		    str_empty(spec->mounts[i].source))
			continue;
		return io_read_regular_at(AT_FDCWD, spec->mounts[i].source, RESOLV_CONF_MAX,
					  &text) > 0 &&
		       strstr(text, "nameserver 127.0.0.11\n");
	}
	return false;
}

/**
 * dns_relay_new() - answer a guest's queries
 * @loop: loop
 * @guest_fd_consume: non-blocking stream of frames
 * @netns_fd_consume: namespace of the server; -1: the caller's own
 * @ret: receives the relay, to be freed also when the guest has ended it
 *
 * Return: 0 or -errno.
 */
int dns_relay_new(struct loop *loop, int guest_fd_consume, int netns_fd_consume,
		  struct dns_relay **ret)
{
	cleanup_close int guest = guest_fd_consume, netns_fd = netns_fd_consume;
	cleanup_free struct dns_relay *relay = calloc(1, sizeof(*relay));

	if (!relay)
		return -ENOMEM;
	*relay =
		(struct dns_relay){ .loop = loop, .guest = guest, .netns_fd = netns_fd, .refs = 2 };
	list_init(&relay->queries);
	fiber_cond_init(&relay->ended);
	fiber_mutex_init(&relay->writing);
	int r = fiber_spawn(loop, "names", relay_main, relay, NULL);
	if (r < 0)
		return r;
	(void)TAKE_FD(guest);
	(void)TAKE_FD(netns_fd);
	*ret = TAKE_PTR(relay);
	return 0;
}

/**
 * dns_relay_free() - end a relay
 * @relay: relay or NULL; what is under way lets go of it in the loop
 *
 * Return: NULL.
 */
struct dns_relay *dns_relay_free(struct dns_relay *relay)
{
	if (!relay)
		return NULL;
	relay_end(relay);
	relay_unref(relay);
	return NULL;
}

/**
 * dns_relay_dial() - let a guest ask the name server of its network namespace
 * @loop: loop
 * @vsock: how to reach the guest; not kept
 * @netns_fd: the namespace, of which a duplicate is kept
 * @deadline_ns: absolute time by which the guest must have taken the connection
 * @ret: receives the relay, to be freed with dns_relay_free()
 * @err: filled on failure
 *
 * Return: 0 or -errno.
 */
int dns_relay_dial(struct loop *loop, const struct vsock_addr *vsock, int netns_fd,
		   uint64_t deadline_ns, struct dns_relay **ret, struct err *err)
{
	uint32_t port;
	cleanup_close int own_fd = neg_errno(fcntl(netns_fd, F_DUPFD_CLOEXEC, 3));

	if (own_fd < 0)
		return err_set_errno(err, own_fd, "serve names");
	int guest = vsock_dial(vsock, KATA_PORT_DNS, deadline_ns, &port, err);
	if (guest < 0)
		return guest;
	int r = dns_relay_new(loop, guest, TAKE_FD(own_fd), ret);
	return r < 0 ? err_set_errno(err, r, "serve names") : 0;
}
