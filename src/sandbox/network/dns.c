/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DOC: Names of a manager's network
 *
 * On a network of its user's, docker answers names on 127.0.0.11 inside the container's network
 * namespace. The guest has a loopback of its own, so its agent takes queries there and sends them
 * over a vsock connection; each is asked here by a socket of its own in the namespace. A socket
 * each, since the server moves to another port when networks are connected, and connection tracking
 * would hold an old socket to the old one.
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
#include "common/log.h"
#include "common/str.h"
#include "kata_protocol.h"
#include "oci_spec.h"
#include "sandbox/network/netns.h"
#include "sandbox/sandbox.h"

#define DNS_ANSWER_MS 10000
#define DNS_QUERIES_MAX 64 /* under way; what is beyond is dropped, as UDP may */
#define RESOLV_CONF_MAX 65536

struct dns_relay {
	struct loop *loop;
	int guest, netns_fd;
	unsigned refs; /* the reader and the queries */
	bool ending;
	struct fiber_mutex writing;
	char query[KATA_DNS_MAX];
};

struct dns_query {
	struct dns_relay *relay;
	int fd;
	uint16_t id; /* big endian, as it came */
	char answer[KATA_DNS_MAX];
};

static void relay_unref(struct dns_relay *relay)
{
	if (--relay->refs)
		return;
	(void)fd_close(relay->guest);
	(void)fd_close(relay->netns_fd);
	free(relay);
}

static int open_socket(void *arg, struct err *err)
{
	struct sockaddr_in addr = { .sin_family = AF_INET,
				    .sin_port = htons(53),
				    .sin_addr = { htonl(KATA_DNS_ADDR) } };
	int *ret = arg;
	cleanup_close int fd =
		neg_errno(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));

	if (fd < 0 || connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		return err_set_errno(err, fd < 0 ? fd : -errno,
				     "name server of the network namespace");
	*ret = TAKE_FD(fd);
	return 0;
}

static void query_main(void *arg)
{
	struct dns_query *query = arg;
	struct dns_relay *relay = query->relay;
	ssize_t n = -1;

	if (fiber_wait_fd(query->fd, LOOP_READ, loop_deadline_ms(DNS_ANSWER_MS)) >= 0)
		n = recv(query->fd, query->answer, sizeof(query->answer), 0);
	if (n > 0 && !relay->ending &&
	    fiber_lock(&relay->writing, loop_deadline_ms(DNS_ANSWER_MS)) >= 0) {
		struct kata_dns_frame frame = { .len = htobe16((uint16_t)n), .id = query->id };
		uint64_t deadline_ns = loop_deadline_ms(DNS_ANSWER_MS);

		/* Half a frame would spoil the stream. */
		if (fiber_write_full(relay->guest, &frame, sizeof(frame), deadline_ns) < 0 ||
		    fiber_write_full(relay->guest, query->answer, (size_t)n, deadline_ns) < 0)
			(void)shutdown(relay->guest, SHUT_RDWR);
		fiber_unlock(&relay->writing);
	}
	(void)fd_close(query->fd);
	free(query);
	relay_unref(relay);
}

static void ask(struct dns_relay *relay, uint16_t id, size_t len)
{
	struct dns_query *query = relay->refs > DNS_QUERIES_MAX ? NULL : calloc(1, sizeof(*query));
	struct err err = ERR_NULL;

	if (!query)
		return;
	*query = (struct dns_query){ .relay = relay, .fd = -1, .id = id };
	if (netns_run(relay->netns_fd, open_socket, &query->fd, &err) < 0) {
		log_debug("%s", err.text);
	} else if (send(query->fd, relay->query, len, 0) >= 0) {
		relay->refs++;
		if (fiber_spawn(relay->loop, "name", query_main, query, NULL) == 0)
			return;
		relay->refs--;
	}
	(void)fd_close(query->fd);
	free(query);
}

static void relay_main(void *arg)
{
	struct dns_relay *relay = arg;
	struct kata_dns_frame frame;

	while (!relay->ending &&
	       fiber_read_full(relay->guest, &frame, sizeof(frame), LOOP_FOREVER) >= 0) {
		size_t len = be16toh(frame.len);

		if (len > sizeof(relay->query) ||
		    fiber_read_full(relay->guest, relay->query, len, LOOP_FOREVER) < 0)
			break;
		ask(relay, frame.id, len);
	}
	relay->ending = true;
	relay_unref(relay);
}

static bool wants_relay(const struct oci_spec *spec)
{
	for (size_t i = 0; i < spec->nr_mounts; i++) {
		cleanup_free char *text = NULL;

		if (!str_eq(spec->mounts[i].destination, "/etc/resolv.conf") ||
		    str_empty(spec->mounts[i].source))
			continue;
		return io_read_file_at(AT_FDCWD, spec->mounts[i].source, RESOLV_CONF_MAX, &text) >
			       0 &&
		       strstr(text, "nameserver 127.0.0.11\n");
	}
	return false;
}

/**
 * dns_relay_serve() - let a container's guest ask its manager's name server
 * @sb: sandbox with its agent running
 * @spec: the container's
 * @err: filled on failure
 *
 * Return: 0 or -errno.
 */
int dns_relay_serve(struct sandbox *sb, const struct oci_spec *spec, struct err *err)
{
	uint32_t port;

	if (sb->dns || sb->netns_fd < 0 || !wants_relay(spec))
		return 0;
	struct dns_relay *relay = calloc(1, sizeof(*relay));
	if (!relay)
		return err_set(err, ENOMEM, "out of memory");
	*relay = (struct dns_relay){ .loop = sb->loop, .guest = -1, .refs = 1 };
	fiber_mutex_init(&relay->writing);
	relay->netns_fd = neg_errno(fcntl(sb->netns_fd, F_DUPFD_CLOEXEC, 3));
	relay->guest =
		vsock_dial(&sb->vsock, KATA_PORT_DNS, sandbox_request_deadline(sb), &port, err);
	int r = relay->guest < 0 ? relay->guest : relay->netns_fd < 0 ? relay->netns_fd : 0;
	if (r >= 0)
		r = fiber_spawn(sb->loop, "names", relay_main, relay, NULL);
	if (r < 0) {
		relay_unref(relay);
		return err_set_errno(err, r, "serve names");
	}
	relay->refs++; /* the sandbox's */
	sb->dns = relay;
	return 0;
}

/**
 * dns_relay_stop() - end the relay
 * @sb: sandbox, with or without one
 */
void dns_relay_stop(struct sandbox *sb)
{
	struct dns_relay *relay = sb->dns;

	if (!relay)
		return;
	sb->dns = NULL;
	relay->ending = true;
	(void)shutdown(relay->guest, SHUT_RDWR); /* wakes the reader */
	relay_unref(relay);
}
