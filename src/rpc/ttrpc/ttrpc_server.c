/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A ttrpc server: its table of handlers, its listening sockets and its list of connections. What
 * happens on a connection is in rpc/ttrpc/ttrpc_conn.c.
 */
#include <errno.h>
#include <sys/socket.h>

#include "common/fd.h"
#include "common/log.h"
#include "rpc/ttrpc/rpc.h"
#include "rpc/ttrpc/ttrpc_conn.h"

#define SERVER_CONNS_MAX 256
/* Connections accepted in one go before other sources get their turn. */
#define ACCEPT_BURST 16
/* How long a listener rests when the process is out of descriptors or memory. */
#define ACCEPT_REST_MS 100

struct listener {
	struct list node;
	struct rpc_server *server;
	int fd;
	struct loop_source *io, *rest;
};

static struct listener *listener_free(struct listener *listener)
{
	list_del(&listener->node);
	(void)loop_source_free(listener->io);
	(void)loop_source_free(listener->rest);
	(void)close(listener->fd); /* nothing can be done about a failed close */
	free(listener);
	return NULL;
}

static void on_rest_over(void *arg)
{
	struct listener *listener = arg;

	if (loop_io_set_events(listener->io, LOOP_READ) < 0)
		log_error("ttrpc: cannot watch the listening socket any more");
}

/* Without a rest the pending connection would wake the loop again and again. */
static void listener_rest(struct listener *listener, int reason)
{
	log_warn_errno(reason, "ttrpc: cannot accept a connection now");
	if (loop_timer_set(listener->rest, loop_deadline_ms(ACCEPT_REST_MS)) >= 0)
		(void)loop_io_set_events(listener->io, 0); /* fails only for adding events */
}

static void on_accept(void *arg, unsigned events)
{
	struct listener *listener = arg;

	(void)events;
	for (int i = 0; i < ACCEPT_BURST; i++) {
		int fd = neg_errno(accept4(listener->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK));

		if (fd == -EAGAIN)
			return;
		if (fd == -EMFILE || fd == -ENFILE || fd == -ENOMEM || fd == -ENOBUFS) {
			listener_rest(listener, fd);
			return;
		}
		if (fd < 0) /* that connection has failed, see accept(2); try the next */
			continue;
		int r = rpc_server_add_connection(listener->server, fd);
		if (r < 0)
			log_warn_errno(r, "ttrpc: a connection was refused");
	}
}

/**
 * rpc_server_new() - make a server
 * @loop: loop
 * @handlers: table, kept by reference
 * @nr_handlers: its length
 * @ctx: given to every handler; must outlive the server and every handler that still runs after it
 * @ret: receives it; released with rpc_server_free()
 *
 * Return: 0 or -ENOMEM.
 */
int rpc_server_new(struct loop *loop, const struct rpc_handler *handlers, size_t nr_handlers,
		   void *ctx, struct rpc_server **ret)
{
	struct rpc_server *server = calloc(1, sizeof(*server));

	if (!server)
		return -ENOMEM;
	server->loop = loop;
	server->handlers = handlers;
	server->nr_handlers = nr_handlers;
	server->ctx = ctx;
	server->refs = 1;
	fiber_cond_init(&server->idle);
	list_init(&server->listeners);
	list_init(&server->conns);
	*ret = server;
	return 0;
}

/**
 * rpc_server_set_guard() - ask before each handler
 * @server: server
 * @guard: whom
 */
void rpc_server_set_guard(struct rpc_server *server, rpc_guard_fn guard)
{
	server->guard = guard;
}

/**
 * rpc_server_unref() - drop a reference
 * @server: server
 */
void rpc_server_unref(struct rpc_server *server)
{
	if (--server->refs == 0)
		free(server);
}

/**
 * rpc_server_free() - close all sockets
 * @server: server or NULL
 *
 * Cancelable handlers are cancelled. Handlers that still run (rpc_server_active_requests_for_test()
 * counts them) keep what they need and their results are dropped. May be called from a handler; the
 * disconnect callback is not called.
 *
 * Return: NULL.
 */
struct rpc_server *rpc_server_free(struct rpc_server *server)
{
	if (!server)
		return NULL;
	server->on_disconnect = NULL;
	list_for_each_safe(pos, tmp, &server->listeners)
		(void)listener_free(list_entry(pos, struct listener, node));
	list_for_each_safe(pos, tmp, &server->conns)
		rpc_conn_close(list_entry(pos, struct rpc_conn, node));
	rpc_server_unref(server);
	return NULL;
}

/**
 * rpc_server_listen() - accept connections
 * @server: server
 * @fd_consume: listening stream socket (unix or vsock), closed even on failure
 *
 * Return: 0, -ENOMEM, or an error of the descriptor.
 */
int rpc_server_listen(struct rpc_server *server, int fd_consume)
{
	struct listener *listener = calloc(1, sizeof(*listener));

	if (!listener) {
		(void)close(fd_consume); /* nothing can be done about a failed close */
		return -ENOMEM;
	}
	listener->server = server;
	listener->fd = fd_consume;
	list_init(&listener->node);
	int r = fd_set_nonblock(listener->fd, true);
	if (r >= 0)
		r = loop_add_timer(server->loop, LOOP_FOREVER, on_rest_over, listener,
				   &listener->rest);
	if (r >= 0)
		r = loop_add_io(server->loop, listener->fd, LOOP_READ, on_accept, listener,
				&listener->io);
	if (r < 0) {
		(void)listener_free(listener);
		return r;
	}
	list_add_tail(&server->listeners, &listener->node);
	return 0;
}

/**
 * rpc_server_add_connection() - serve a connection that exists already
 * @server: server
 * @fd_consume: connected stream socket, closed even on failure
 *
 * Return: 0, -EDQUOT when there are too many, -ENOMEM, or an error of the descriptor.
 */
int rpc_server_add_connection(struct rpc_server *server, int fd_consume)
{
	if (server->nr_conns >= SERVER_CONNS_MAX) {
		(void)close(fd_consume); /* nothing can be done about a failed close */
		return -EDQUOT;
	}
	return rpc_conn_new(server, fd_consume);
}

/**
 * rpc_server_on_disconnect() - learn of lost connections
 * @server: server
 * @fn: called in the loop when a connection has ended by itself, before the last of its handlers
 *	returned; it may free the server
 */
void rpc_server_on_disconnect(struct rpc_server *server,
			      void (*fn)(void *ctx, struct rpc_conn *conn))
{
	server->on_disconnect = fn;
}

/**
 * rpc_server_active_requests_for_test() - how many handlers run
 * @server: server
 *
 * Return: their number, those of lost connections included.
 */
size_t rpc_server_active_requests_for_test(const struct rpc_server *server)
{
	return server->nr_requests;
}

/**
 * rpc_server_wait_idle() - wait, in a fiber, until no handler runs
 * @server: server that outlives the wait
 * @deadline_ns: absolute time
 *
 * An answer is given to the socket before its request ends, so what has been answered is on its way
 * then.
 *
 * Return: 0, -ETIMEDOUT or -ECANCELED.
 */
int rpc_server_wait_idle(struct rpc_server *server, uint64_t deadline_ns)
{
	while (server->nr_requests) {
		int r = fiber_cond_wait(&server->idle, deadline_ns);

		if (r < 0)
			return r;
	}
	return 0;
}
