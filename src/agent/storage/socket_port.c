/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DOC: Sockets of the host, in the guest
 *
 * A container sees a socket that the agent listens on; the host's end is sandbox/storage/host_sockets.c, and
 * what they speak is in include/kata/guest.h. For each client the host is called; it comes back with a
 * connection, and the two are one from then on. A client is connected before the host was asked, so
 * it sees a refusal as an end.
 *
 * There is a limit to clients; further ones wait in the sockets' backlogs.
 */
#include "agent/storage/socket_port.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/fiber.h"
#include "common/log.h"
#include "common/relay_pair.h"
#include "kata/guest.h"

#define SOCKET_PORT_CLIENTS_MAX 128
#define SOCKET_PORT_BACKLOG 128
#define SOCKET_PORT_HELLO_MS 10000

struct socket_port {
	struct loop *loop;
	unsigned refs; /* the owner and the fibers */
	int control;   /* -1: the host has not come yet, or has gone */
	bool ending;
	struct list listeners, clients;
	unsigned nr_clients;
	uint32_t last_id;
	struct fiber_mutex calling;
	struct fiber_cond changed; /* there is a host, or room for a client, or an end */
};

struct listener_fiber {
	struct list node;
	struct socket_port *port;
	uint32_t number;
	int fd;
};

struct client {
	struct list node;
	uint32_t id;
	int fd;
	bool answered;
};

struct host_fiber {
	struct socket_port *port;
	int fd;
};

static void port_unref(struct socket_port *port)
{
	if (!--port->refs)
		free(port);
}

static struct client *find_client(struct socket_port *port, uint32_t id)
{
	list_for_each(pos, &port->clients) {
		struct client *client = list_entry(pos, struct client, node);

		if (client->id == id && !client->answered)
			return client;
	}
	return NULL;
}

static void client_free(struct socket_port *port, struct client *client)
{
	list_del(&client->node);
	(void)fd_close(client->fd);
	free(client);
	port->nr_clients--;
	fiber_cond_broadcast(&port->changed);
}

static int call_host(struct socket_port *port, uint32_t number, uint32_t id)
{
	const struct kata_socket_call call = { .socket = htobe32(number), .id = htobe32(id) };
	int r = fiber_lock(&port->calling, LOOP_FOREVER);

	if (r < 0)
		return r;
	r = port->control < 0 ? -ENOTCONN
			      : fiber_write_full(port->control, &call, sizeof(call), LOOP_FOREVER);
	fiber_unlock(&port->calling);
	return r;
}

static void take_client(struct listener_fiber *l)
{
	struct socket_port *port = l->port;
	cleanup_close int fd = neg_errno(accept4(l->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK));

	if (fd < 0) {
		if (fd != -EAGAIN) /* no descriptors */
			(void)fiber_sleep_until(loop_deadline_ms(10));
		return;
	}
	struct client *client = calloc(1, sizeof(*client));
	if (!client)
		return;
	do
		port->last_id++;
	while (!port->last_id || find_client(port, port->last_id));
	client->id = port->last_id;
	client->fd = TAKE_FD(fd);
	list_add_tail(&port->clients, &client->node);
	port->nr_clients++;
	uint32_t id = client->id;
	if (call_host(port, l->number, id) < 0) {
		client = find_client(port, id); /* it may have gone with the host */
		if (client)
			client_free(port, client);
	}
}

static void listener_main(void *arg)
{
	struct listener_fiber *l = arg;
	struct socket_port *port = l->port;
	int r = 0;

	while (!port->ending && r >= 0) {
		if (port->control < 0 || port->nr_clients == SOCKET_PORT_CLIENTS_MAX)
			r = fiber_cond_wait(&port->changed, LOOP_FOREVER);
		else
			r = fiber_wait_fd(l->fd, LOOP_READ, LOOP_FOREVER);
		if (r >= 0 && !port->ending && port->control >= 0 &&
		    port->nr_clients < SOCKET_PORT_CLIENTS_MAX)
			take_client(l);
	}
	list_del(&l->node);
	(void)fd_close(l->fd);
	free(l);
	port_unref(port);
}

/* The host has gone: nobody will answer the clients it was called for. */
static void drop_unanswered(struct socket_port *port)
{
	list_for_each_safe(pos, next, &port->clients) {
		struct client *client = list_entry(pos, struct client, node);

		if (!client->answered)
			client_free(port, client);
	}
}

static void hear_refusals(struct socket_port *port, int fd)
{
	uint32_t id;

	port->control = fd;
	fiber_cond_broadcast(&port->changed);
	while (!port->ending && fiber_read_full(fd, &id, sizeof(id), LOOP_FOREVER) >= 0) {
		struct client *client = find_client(port, be32toh(id));

		if (client)
			client_free(port, client);
		fiber_yield();
	}
	port->control = -1;
	/* A fiber inside call_host() must have given up before the descriptor is closed. */
	(void)shutdown(fd, SHUT_RDWR);
	if (fiber_lock(&port->calling, LOOP_FOREVER) >= 0)
		fiber_unlock(&port->calling);
	drop_unanswered(port);
}

static void host_main(void *arg)
{
	struct host_fiber *host = arg;
	struct socket_port *port = host->port;
	uint32_t id;
	int r = fiber_read_full(host->fd, &id, sizeof(id), loop_deadline_ms(SOCKET_PORT_HELLO_MS));
	struct client *client = r < 0 || !id ? NULL : find_client(port, be32toh(id));

	if (client) {
		client->answered = true;
		r = port->ending ? -ECANCELED : relay_pair("socket back", client->fd, host->fd);
		if (r < 0)
			log_debug("a client of a socket of the host was not carried to its end");
		client_free(port, client);
	} else if (r >= 0 && !id && port->control < 0 && !port->ending) {
		hear_refusals(port, host->fd);
	}
	(void)fd_close(host->fd);
	free(host);
	port_unref(port);
}

/**
 * socket_port_serve() - take a connection of the host
 * @port: port
 * @host_fd_consume: non-blocking stream
 *
 * Return: 0 or -ENOMEM.
 */
int socket_port_serve(struct socket_port *port, int host_fd_consume)
{
	cleanup_close int fd = host_fd_consume;
	struct host_fiber *host = malloc(sizeof(*host));

	if (!host)
		return -ENOMEM;
	*host = (struct host_fiber){ port, fd };
	int r = fiber_spawn(port->loop, "socket", host_main, host, NULL);
	if (r < 0) {
		free(host);
		return r;
	}
	(void)TAKE_FD(fd);
	port->refs++;
	return 0;
}

static int open_listener(const char *path, const struct socket_port_owner *owner)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	cleanup_close int fd =
		neg_errno(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));

	if (fd < 0)
		return fd;
	if (strlen(path) >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	memcpy(addr.sun_path, path, strlen(path) + 1);
	if (bind(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0)
		return -errno;
	if (chown(path, owner->uid, owner->gid) < 0 || chmod(path, owner->mode) < 0 ||
	    listen(fd, SOCKET_PORT_BACKLOG) < 0) {
		int r = -errno;

		(void)unlink(path);
		return r;
	}
	return TAKE_FD(fd);
}

/**
 * socket_port_listen() - make a socket for containers
 * @port: port
 * @number: of the host's socket
 * @path: where; its directory is there, and the socket stays for as long as the port
 * @owner: owner and mode
 * @err: filled on failure
 *
 * Return: 0 or -errno.
 */
int socket_port_listen(struct socket_port *port, uint32_t number, const char *path,
		       const struct socket_port_owner *owner, struct err *err)
{
	cleanup_close int fd = open_listener(path, owner);
	cleanup_free struct listener_fiber *l = fd < 0 ? NULL : calloc(1, sizeof(*l));

	if (!l)
		return err_set_errno(err, fd < 0 ? fd : -ENOMEM, "make socket %s", path);
	*l = (struct listener_fiber){ .port = port, .number = number, .fd = fd };
	int r = fiber_spawn(port->loop, "sockets", listener_main, l, NULL);
	if (r < 0) {
		(void)unlink(path);
		return err_set_errno(err, r, "make socket %s", path);
	}
	(void)TAKE_FD(fd);
	list_add_tail(&port->listeners, &TAKE_PTR(l)->node);
	port->refs++;
	return 0;
}

/**
 * socket_port_new() - begin without sockets and without a host
 * @loop: loop
 * @ret: receives it; released with socket_port_free()
 *
 * Return: 0 or -ENOMEM.
 */
int socket_port_new(struct loop *loop, struct socket_port **ret)
{
	struct socket_port *port = calloc(1, sizeof(*port));

	if (!port)
		return -ENOMEM;
	port->loop = loop;
	port->refs = 1;
	port->control = -1;
	list_init(&port->listeners);
	list_init(&port->clients);
	fiber_mutex_init(&port->calling);
	fiber_cond_init(&port->changed);
	*ret = port;
	return 0;
}

/**
 * socket_port_free() - end all of it
 * @port: port or NULL; its fibers let go of it in the loop
 *
 * Return: NULL.
 */
struct socket_port *socket_port_free(struct socket_port *port)
{
	if (!port)
		return NULL;
	port->ending = true;
	(void)shutdown(port->control, SHUT_RDWR); /* -1 when there is none */
	list_for_each(pos, &port->clients)
		(void)shutdown(list_entry(pos, struct client, node)->fd, SHUT_RDWR);
	list_for_each(pos, &port->listeners)
		(void)shutdown(list_entry(pos, struct listener_fiber, node)->fd, SHUT_RDWR);
	fiber_cond_broadcast(&port->changed);
	port_unref(port);
	return NULL;
}
