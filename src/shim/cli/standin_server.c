/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DOC: Stand-ins
 *
 * A stand-in is a host process that takes a guest process's place for managers that want a pid. It
 * registers with a key before the Task call that names it; the call finds it by that key and binds
 * it to the process. Then the connection ties the two together: its end kills the process, the
 * process's end is sent over it.
 */
#include "shim/cli/standin_server.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "common/err.h"
#include "common/fd.h"
#include "common/log.h"
#include "kata/standin.h"
#include "sandbox/core/container.h"

/* Connections that are served at a time. */
#define STANDIN_MAX 4096
#define STANDIN_NR_FDS 4

struct standin_server {
	struct loop *loop;
	int listen_fd;
	struct loop_source *source;
	struct list standins;
	size_t nr;
};

struct standin {
	struct list node;
	struct standin_server *server;
	int fd, netns_fd;
	struct loop_source *source;
	pid_t pid;
	char key[STANDIN_KEY_MAX]; /* "" before HELLO */
	struct sb_process_io io;
	unsigned rows, columns;
	struct sb_process *process; /* a reference; NULL while unbound */
	struct loop *loop;
	unsigned asked, shown; /* how many requests to show processes, how many answers */
	struct fiber_cond answered;
};

static struct standin *standin_free(struct standin *standin)
{
	if (!standin)
		return NULL;
	list_del(&standin->node);
	standin->server->nr--;
	(void)loop_source_free(standin->source);
	(void)fd_close(standin->fd);
	(void)fd_close(standin->netns_fd);
	sb_process_io_close(&standin->io);
	if (standin->process)
		standin->process->user = NULL;
	fiber_cond_broadcast(&standin->answered); /* a waiter finds that it has gone */
	(void)sb_process_unref(standin->process);
	free(standin);
	return NULL;
}

struct standin_order {
	struct sb_process *process;
	struct standin_msg msg;
};

/* Does what a stand-in asked for. In a fiber of its own, since the guest is waited for. */
static void order_main(void *arg)
{
	struct standin_order *order = arg;
	struct sb_process *process = order->process;
	struct err err = ERR_NULL;
	int r = 0;

	if (process->container && order->msg.type == STANDIN_RESIZE)
		r = sb_process_resize(process, order->msg.rows, order->msg.columns, &err);
	else if (process->container && order->msg.value > 0 && order->msg.value < NSIG)
		r = sb_process_signal(process, order->msg.value, false, &err);
	if (r < 0)
		log_debug("stand-in's wish: %s", err.text);
	(void)sb_process_unref(process);
	free(order);
}

static void carry_out(struct standin *standin, const struct standin_msg *msg)
{
	struct standin_order *order = calloc(1, sizeof(*order));

	if (!order)
		return;
	order->process = sb_process_ref(standin->process);
	order->msg = *msg;
	if (fiber_spawn(standin->loop, "stand-in", order_main, order, NULL) < 0) {
		(void)sb_process_unref(order->process);
		free(order);
	}
}

static void close_all(const int *fds, size_t nr_fds)
{
	for (size_t i = 0; i < nr_fds; i++)
		(void)fd_close(fds[i]);
}

static int handle_hello(struct standin *standin, const struct standin_msg *msg, const int *fds,
			size_t nr_fds)
{
	struct standin_msg ready = { .type = STANDIN_READY };

	if (*standin->key || nr_fds != STANDIN_NR_FDS ||
	    !memchr(msg->key, '\0', sizeof(msg->key)) || !*msg->key) {
		close_all(fds, nr_fds);
		return -EPROTO;
	}
	memcpy(standin->key, msg->key, sizeof(standin->key));
	memcpy(standin->io.fds, fds, sizeof(standin->io.fds));
	standin->netns_fd = fds[STANDIN_NR_FDS - 1];
	standin->io.terminal = msg->terminal;
	standin->rows = msg->rows;
	standin->columns = msg->columns;
	ssize_t n = fd_send_msg(standin->fd, &ready, sizeof(ready), NULL, 0);
	return n < 0 ? (int)n : 0;
}

static int handle_message(struct standin *standin, const struct standin_msg *msg, const int *fds,
			  size_t nr_fds)
{
	if (msg->type == STANDIN_HELLO)
		return handle_hello(standin, msg, fds, nr_fds);
	close_all(fds, nr_fds);
	if (msg->type == STANDIN_PROCESSES) {
		standin->shown++;
		fiber_cond_broadcast(&standin->answered);
		return 0;
	}
	if (msg->type != STANDIN_RESIZE && msg->type != STANDIN_SIGNAL)
		return -EPROTO;
	if (standin->process)
		carry_out(standin, msg);
	return 0;
}

static void on_message(void *arg, unsigned events)
{
	struct standin *standin = arg;
	struct standin_msg msg;
	int fds[STANDIN_NR_FDS];
	size_t nr_fds;

	(void)events;
	ssize_t n = fd_recv_msg(standin->fd, &msg, sizeof(msg), fds, ARRAY_SIZE(fds), &nr_fds);
	if (n == -EAGAIN)
		return;
	if (n == (ssize_t)sizeof(msg)) {
		int r = handle_message(standin, &msg, fds, nr_fds);
		if (r >= 0)
			return;
		log_warn_errno(r, "stand-in %s", standin->key);
	}
	if (standin->process) {
		struct standin_msg kill_it = { .type = STANDIN_SIGNAL, .value = SIGKILL };

		log_debug("stand-in %s has gone: killing its process", standin->key);
		carry_out(standin, &kill_it);
	}
	(void)standin_free(standin);
}

static int accept_one(struct standin_server *server)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);
	cleanup_close int fd =
		neg_errno(accept4(server->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK));

	if (fd < 0)
		return fd;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0)
		return -errno;
	if (server->nr == STANDIN_MAX)
		return -EUSERS;
	struct standin *standin = calloc(1, sizeof(*standin));
	if (!standin)
		return -ENOMEM;
	standin->server = server;
	standin->loop = server->loop;
	standin->fd = TAKE_FD(fd);
	standin->netns_fd = -1;
	standin->io = SB_PROCESS_IO_NULL;
	standin->pid = cred.pid;
	fiber_cond_init(&standin->answered);
	list_add_tail(&server->standins, &standin->node);
	server->nr++;
	int r = loop_add_io(server->loop, standin->fd, LOOP_READ, on_message, standin,
			    &standin->source);
	if (r < 0)
		(void)standin_free(standin);
	return r;
}

static void on_connection(void *arg, unsigned events)
{
	int r = accept_one(arg);

	(void)events;
	if (r < 0 && r != -EAGAIN)
		log_warn_errno(r, "accept stand-in");
}

/**
 * standin_server_new() - serve stand-ins on a listening socket
 * @loop: loop
 * @listen_fd_consume: listening SOCK_SEQPACKET socket, taken over also on failure
 * @ret: receives the server
 *
 * Return: 0 or -errno.
 */
int standin_server_new(struct loop *loop, int listen_fd_consume, struct standin_server **ret)
{
	struct standin_server *server = calloc(1, sizeof(*server));
	int r = server ? fd_set_nonblock(listen_fd_consume, true) : -ENOMEM;

	if (r >= 0) {
		server->loop = loop;
		server->listen_fd = listen_fd_consume;
		list_init(&server->standins);
		r = loop_add_io(loop, listen_fd_consume, LOOP_READ, on_connection, server,
				&server->source);
	}
	if (r < 0) {
		(void)fd_close(listen_fd_consume);
		free(server);
		return r;
	}
	*ret = server;
	return 0;
}

/**
 * standin_server_free() - close all connections; stand-ins end without a status
 * @server: server or NULL
 *
 * Return: NULL.
 */
struct standin_server *standin_server_free(struct standin_server *server)
{
	if (!server)
		return NULL;
	while (!list_empty(&server->standins))
		(void)standin_free(list_entry(server->standins.next, struct standin, node));
	(void)loop_source_free(server->source);
	(void)fd_close(server->listen_fd);
	free(server);
	return NULL;
}

/**
 * standin_server_find() - the unbound stand-in with a key
 * @server: server
 * @key: key of its HELLO
 *
 * Return: the stand-in or NULL.
 */
struct standin *standin_server_find(struct standin_server *server, const char *key)
{
	list_for_each(node, &server->standins) {
		struct standin *standin = list_entry(node, struct standin, node);

		if (!standin->process && strcmp(standin->key, key) == 0 && *key)
			return standin;
	}
	return NULL;
}

/**
 * standin_take() - move the descriptors out
 * @standin: stand-in
 * @ret_io: receives stdio
 * @ret_netns_fd: receives the network namespace or -1
 */
void standin_take(struct standin *standin, struct sb_process_io *ret_io, int *ret_netns_fd)
{
	*ret_io = standin->io;
	standin->io = SB_PROCESS_IO_NULL;
	*ret_netns_fd = TAKE_FD(standin->netns_fd);
}

/**
 * standin_pid() - the host pid
 * @standin: stand-in
 *
 * Return: pid as the kernel told it (SO_PEERCRED).
 */
pid_t standin_pid(const struct standin *standin)
{
	return standin->pid;
}

/**
 * standin_bind() - tie a stand-in to its process
 * @standin: unbound stand-in
 * @process: process; a reference is kept
 */
void standin_bind(struct standin *standin, struct sb_process *process)
{
	standin->process = sb_process_ref(process);
	process->user = standin;
	process->host_pid = (uint32_t)standin->pid;
	if (standin->rows) {
		process->rows = standin->rows;
		process->columns = standin->columns;
	}
}

/**
 * standin_show() - let a container's stand-in show the processes of the guest
 * @process: first process of the container; the caller holds a reference
 * @memfd: descriptions of the processes, borrowed
 * @nr: number of them
 * @deadline_ns: absolute time
 *
 * Return: 0 once it has children that look like them, or -errno, -ESRCH when it has gone.
 */
int standin_show(struct sb_process *process, int memfd, size_t nr, uint64_t deadline_ns)
{
	const struct standin_msg msg = { .type = STANDIN_PROCESSES, .value = (int)nr };
	struct standin *standin = process->user;

	if (!standin)
		return -ESRCH;
	ssize_t n = fd_send_msg(standin->fd, &msg, sizeof(msg), &memfd, 1);
	if (n < 0)
		return (int)n;
	unsigned ticket = ++standin->asked;
	/* Compared by their difference: the counters may wrap around. */
	while ((int)(standin->shown - ticket) < 0) {
		int r = fiber_cond_wait(&standin->answered, deadline_ns);

		if (process->user != standin)
			return -ESRCH;
		if (r < 0)
			return r;
	}
	return 0;
}

/**
 * standin_report_oom() - let a stand-in run out of memory as its process did
 * @standin: stand-in or NULL
 *
 * Its cgroup has been given a limit that makes that happen.
 */
void standin_report_oom(struct standin *standin)
{
	struct standin_msg msg = { .type = STANDIN_OOM };

	if (standin && fd_send_msg(standin->fd, &msg, sizeof(msg), NULL, 0) < 0)
		log_debug("stand-in %s has gone before its process", standin->key);
}

/**
 * standin_report_exit() - send the exit status and part
 * @standin: stand-in or NULL; gone afterwards
 * @exit_status: 0-255
 */
void standin_report_exit(struct standin *standin, int exit_status)
{
	struct standin_msg msg = { .type = STANDIN_EXIT, .value = exit_status };

	if (!standin)
		return;
	ssize_t n = fd_send_msg(standin->fd, &msg, sizeof(msg), NULL, 0);
	if (n < 0)
		log_debug("stand-in %s has gone before its process", standin->key);
	(void)standin_free(standin);
}
