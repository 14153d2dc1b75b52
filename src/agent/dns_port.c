/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DOC: Names of a manager's network
 *
 * docker answers names on 127.0.0.11 in the container's network namespace, which is on the host:
 * the guest's loopback is another one. The host connects to KATA_PORT_DNS where a container is told
 * to ask there; from then on this end takes queries on that address and passes them on, in frames
 * of struct kata_dns_frame. UDP only: a resolver asks by TCP when an answer was cut, which the
 * server behind it does not do for names of its own.
 */
#include "agent/dns_port.h"

#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/fiber.h"
#include "common/log.h"
#include "kata_protocol.h"

/* Askers of queries under way; the oldest is forgotten. Its number is the frame's id. */
#define ASKERS_MAX 256

struct dns {
	struct agent *agent;
	int udp, host;
	unsigned refs; /* the two fibers */
	uint16_t next;
	struct sockaddr_in askers[ASKERS_MAX];
	char query[KATA_DNS_MAX], answer[KATA_DNS_MAX]; /* one for each fiber */
};

static bool serving;

static void dns_unref(struct dns *dns)
{
	/* The first end takes the other along. */
	(void)shutdown(dns->host, SHUT_RDWR);
	(void)shutdown(dns->udp, SHUT_RDWR);
	if (--dns->refs)
		return;
	(void)fd_close(dns->udp);
	(void)fd_close(dns->host);
	free(dns);
	serving = false;
}

static void queries_main(void *arg)
{
	struct dns *dns = arg;

	for (;;) {
		uint16_t slot = dns->next % ASKERS_MAX;
		socklen_t len = sizeof(dns->askers[slot]);

		if (fiber_wait_fd(dns->udp, LOOP_READ, LOOP_FOREVER) < 0)
			break;
		ssize_t n = recvfrom(dns->udp, dns->query, sizeof(dns->query), 0,
				     (struct sockaddr *)&dns->askers[slot], &len);
		if (n < 0 && (errno == EAGAIN || errno == EINTR || errno == ECONNREFUSED))
			continue;
		if (n <= 0)
			break;
		struct kata_dns_frame frame = { .len = htobe16((uint16_t)n),
						.id = htobe16(dns->next++) };
		if (fiber_write_full(dns->host, &frame, sizeof(frame), LOOP_FOREVER) < 0 ||
		    fiber_write_full(dns->host, dns->query, (size_t)n, LOOP_FOREVER) < 0)
			break;
	}
	dns_unref(dns);
}

static void answers_main(void *arg)
{
	struct dns *dns = arg;
	struct kata_dns_frame frame;

	for (;;) {
		if (fiber_read_full(dns->host, &frame, sizeof(frame), LOOP_FOREVER) < 0)
			break;
		size_t len = be16toh(frame.len);
		if (len > sizeof(dns->answer) ||
		    fiber_read_full(dns->host, dns->answer, len, LOOP_FOREVER) < 0)
			break;
		const struct sockaddr_in *asker = &dns->askers[be16toh(frame.id) % ASKERS_MAX];
		/* An asker that has gone is no loss. */
		(void)sendto(dns->udp, dns->answer, len, MSG_DONTWAIT,
			     (const struct sockaddr *)asker, sizeof(*asker));
	}
	dns_unref(dns);
}

static int open_udp(void)
{
	struct sockaddr_in addr = { .sin_family = AF_INET,
				    .sin_port = htons(53),
				    .sin_addr = { htonl(KATA_DNS_ADDR) } };
	cleanup_close int fd =
		neg_errno(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));

	if (fd < 0)
		return fd;
	if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		return -errno;
	return TAKE_FD(fd);
}

static void on_host(void *arg, int fd_consume, uint32_t port)
{
	cleanup_close int host = fd_consume;
	struct agent *agent = arg;

	(void)port;
	if (serving)
		return;
	struct dns *dns = calloc(1, sizeof(*dns));
	int udp = dns ? open_udp() : -ENOMEM;
	if (udp < 0) {
		log_warn_errno(udp, "serve names");
		free(dns);
		return;
	}
	*dns = (struct dns){ .agent = agent, .udp = udp, .host = TAKE_FD(host), .refs = 2 };
	serving = true;
	if (fiber_spawn(agent->loop, "dns queries", queries_main, dns, NULL) < 0) {
		dns->refs--;
		dns_unref(dns);
	} else if (fiber_spawn(agent->loop, "dns answers", answers_main, dns, NULL) < 0) {
		dns_unref(dns);
	}
}

/**
 * dns_port_open() - listen for the host that has names to tell
 * @agent: agent
 * @err: filled on failure
 *
 * Return: 0 or -errno.
 */
int dns_port_open(struct agent *agent, struct err *err)
{
	struct agent_addr addr = { .type = AGENT_ADDR_VSOCK, .port = KATA_PORT_DNS };

	return agent_listen(agent, &addr, on_host, err);
}
