/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guest's end of CRI's PortForward (the host's is sandbox/network/loopback.c): a connection to
 * KATA_PORT_FORWARD says which port it is for, hears in one byte whether somebody listens there,
 * and is that connection from then on.
 */
#include "agent/server/forward_port.h"

#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/err.h"
#include "common/fd.h"
#include "common/fiber.h"
#include "common/log.h"
#include "common/relay_pair.h"
#include "kata/guest.h"

#define FORWARD_MAX 128
#define FORWARD_DIAL_MS 5000

struct forward {
	struct forward_port *port;
	int host, service;
};

static int dial_family(int family, uint16_t port, uint64_t deadline_ns)
{
	const struct sockaddr_in v4 = { .sin_family = AF_INET,
					.sin_port = port,
					.sin_addr = { htonl(INADDR_LOOPBACK) } };
	const struct sockaddr_in6 v6 = { .sin6_family = AF_INET6,
					 .sin6_port = port,
					 .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	cleanup_close int fd =
		neg_errno(socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
	int error = 0;

	if (fd < 0)
		return fd;
	int r = neg_errno(family == AF_INET6
				  ? connect(fd, (const struct sockaddr *)&v6, sizeof(v6))
				  : connect(fd, (const struct sockaddr *)&v4, sizeof(v4)));
	if (r == -EINPROGRESS)
		r = fiber_wait_fd(fd, LOOP_WRITE, deadline_ns);
	if (r >= 0)
		r = neg_errno(getsockopt(fd, SOL_SOCKET, SO_ERROR, &error,
					 &(socklen_t){ sizeof(error) }));
	if (r < 0 || error)
		return r < 0 ? r : -error;
	return TAKE_FD(fd);
}

/*
 * Tries both families: a service may listen in one of them only, and the client, which is connected
 * already, cannot choose again.
 */
static int dial(const struct kata_forward *target)
{
	uint64_t deadline_ns = loop_deadline_ms(FORWARD_DIAL_MS);
	bool v6_first = target->ipv6;
	int fd = dial_family(v6_first ? AF_INET6 : AF_INET, target->port, deadline_ns);

	return fd < 0 ? dial_family(v6_first ? AF_INET : AF_INET6, target->port, deadline_ns) : fd;
}

static void forward_main(void *arg)
{
	struct forward *f = arg;
	struct kata_forward target;
	uint64_t deadline_ns = loop_deadline_ms(FORWARD_DIAL_MS);
	uint8_t refused;

	if (fiber_read_full(f->host, &target, sizeof(target), deadline_ns) >= 0) {
		f->service = dial(&target);
		refused = f->service < 0;
		if (fiber_write_full(f->host, &refused, sizeof(refused), deadline_ns) >= 0 &&
		    !refused && relay_pair("forward back", f->host, f->service) < 0)
			log_debug("a port could not be forwarded");
	}
	(void)fd_close(f->host);
	(void)fd_close(f->service);
	f->port->nr_forwards--;
	free(f);
}

/**
 * forward_port_serve() - carry one connection of the host
 * @port: port; must stay in place until the loop has ended
 * @loop: loop
 * @host_fd_consume: non-blocking stream that begins with a struct kata_forward
 *
 * Return: 0, -EDQUOT when there are too many, or -ENOMEM.
 */
int forward_port_serve(struct forward_port *port, struct loop *loop, int host_fd_consume)
{
	cleanup_close int host = host_fd_consume;

	if (port->nr_forwards >= FORWARD_MAX)
		return -EDQUOT;
	struct forward *f = malloc(sizeof(*f));
	if (!f)
		return -ENOMEM;
	*f = (struct forward){ .port = port, .host = host, .service = -1 };
	int r = fiber_spawn(loop, "forward", forward_main, f, NULL);
	if (r < 0) {
		free(f);
		return r;
	}
	(void)TAKE_FD(host);
	port->nr_forwards++;
	return 0;
}
