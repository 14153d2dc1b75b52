/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DOC: Sockets of the host
 *
 * Connecting to a unix socket happens in one kernel, so the file alone is of no use to a guest.
 * What valid_host_socket_paths of the configuration lists is served: the container gets a socket of
 * its guest's agent, with the same owner and mode, and each client of it is carried over vsock to
 * the host's socket. include/kata/guest.h says how; agent/storage/socket_port.c is the other end.
 *
 * The guest names a socket by its number among those that its containers' managers mounted. The
 * number stands for a descriptor of the socket's file, opened when the container was made and
 * compared with the list by the path the kernel knows for it: neither a symbolic link nor a file
 * put in its place later leads anywhere else. As with a bind mount, a service that makes its socket
 * anew is reached by containers that are made afterwards.
 *
 * All the guest sends here is a number and an id of its own choice, and bytes for the service. Which
 * sockets a container is given is decided in host_socket.c.
 */
#include "sandbox/storage/host_sockets.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "common/fd.h"
#include "common/fiber.h"
#include "common/list.h"
#include "common/log.h"
#include "common/relay_pair.h"
#include "kata/guest.h"
#include "sandbox/vsock/vsock.h"

/* More than the agent's own limit: it may know earlier that a client has gone. */
#define HOST_SOCKETS_CONNS_MAX 256
#define HOST_SOCKETS_DIAL_MS 10000

struct host_sockets {
	struct loop *loop;
	const struct vsock_addr *vsock;
	unsigned refs; /* the owner, the reader, the connections */
	bool ending;
	int control;
	struct fiber_mutex answering;
	struct {
		int fd; /* O_PATH */
		dev_t dev;
		ino_t ino;
	} sockets[HOST_SOCKETS_MAX];
	unsigned nr;
	struct list conns;
	unsigned nr_conns;
};

struct host_conn {
	struct list node;
	struct host_sockets *hs;
	struct fiber *fiber; /* once it runs */
	uint32_t socket, id;
	int service, guest;
};

static void sockets_unref(struct host_sockets *hs)
{
	if (--hs->refs)
		return;
	for (unsigned i = 0; i < hs->nr; i++)
		(void)fd_close(hs->sockets[i].fd);
	(void)fd_close(hs->control);
	free(hs);
}

static void sockets_end(struct host_sockets *hs)
{
	hs->ending = true;
	(void)shutdown(hs->control, SHUT_RDWR); /* wakes the reader */
	list_for_each(pos, &hs->conns) {
		struct host_conn *conn = list_entry(pos, struct host_conn, node);

		if (conn->fiber)
			fiber_cancel(conn->fiber);
	}
}

static void refuse(struct host_sockets *hs, uint32_t id)
{
	const uint32_t answer = htobe32(id);
	uint64_t deadline_ns = loop_deadline_ms(HOST_SOCKETS_DIAL_MS);

	if (fiber_lock(&hs->answering, deadline_ns) < 0)
		return;
	/* Half an answer would spoil the stream; a guest that takes none gets nothing more. */
	if (!hs->ending && fiber_write_full(hs->control, &answer, sizeof(answer), deadline_ns) < 0)
		sockets_end(hs);
	fiber_unlock(&hs->answering);
}

/* The path is the descriptor's: what it names cannot change. */
static int connect_to(int fd, uint64_t deadline_ns)
{
	char path[FD_PATH_MAX];

	return fiber_connect_unix(fd_path(fd, path), deadline_ns);
}

static int connect_both(struct host_conn *conn, struct err *err)
{
	struct host_sockets *hs = conn->hs;
	uint64_t deadline_ns = loop_deadline_ms(HOST_SOCKETS_DIAL_MS);
	const uint32_t id = htobe32(conn->id);

	conn->service = connect_to(hs->sockets[conn->socket].fd, deadline_ns);
	if (conn->service < 0)
		return err_set_errno(err, conn->service, "connect to socket %u of the host",
				     conn->socket);
	conn->guest = vsock_dial(hs->vsock, KATA_PORT_SOCKET, deadline_ns, NULL, err);
	if (conn->guest < 0)
		return conn->guest;
	int r = fiber_write_full(conn->guest, &id, sizeof(id), deadline_ns);
	return r < 0 ? err_set_errno(err, r, "answer the guest") : 0;
}

static void conn_main(void *arg)
{
	struct host_conn *conn = arg;
	struct host_sockets *hs = conn->hs;
	struct err err = ERR_NULL;

	conn->fiber = fiber_self();
	int r = hs->ending ? -ECANCELED : connect_both(conn, &err);
	if (r >= 0)
		r = relay_pair("socket back", conn->guest, conn->service);
	else if (!hs->ending) {
		log_debug("%s", err.text);
		refuse(hs, conn->id);
	}
	list_del(&conn->node);
	hs->nr_conns--;
	(void)fd_close(conn->service);
	(void)fd_close(conn->guest);
	free(conn);
	sockets_unref(hs);
}

/* Return: 0; -errno where the stream is of no more use. */
static int take_call(struct host_sockets *hs, const struct kata_socket_call *call)
{
	uint32_t socket = be32toh(call->socket), id = be32toh(call->id);

	if (socket >= hs->nr || !id) {
		log_warn("the guest asks for socket %u of the host, which it was not given",
			 socket);
		return -EPROTO;
	}
	struct host_conn *conn = hs->nr_conns < HOST_SOCKETS_CONNS_MAX ? calloc(1, sizeof(*conn))
								       : NULL;
	if (conn) {
		*conn = (struct host_conn){
			.hs = hs, .socket = socket, .id = id, .service = -1, .guest = -1
		};
		if (fiber_spawn(hs->loop, "socket", conn_main, conn, NULL) >= 0) {
			list_add_tail(&hs->conns, &conn->node);
			hs->nr_conns++;
			hs->refs++;
			return 0;
		}
		free(conn);
	}
	refuse(hs, id);
	return 0;
}

static void control_main(void *arg)
{
	struct host_sockets *hs = arg;
	struct kata_socket_call call;

	while (!hs->ending &&
	       fiber_read_full(hs->control, &call, sizeof(call), LOOP_FOREVER) >= 0 &&
	       take_call(hs, &call) >= 0)
		fiber_yield();
	sockets_end(hs);
	sockets_unref(hs);
}

/**
 * host_sockets_new() - be called by a guest
 * @loop: loop
 * @vsock: how to reach the guest; must outlive it
 * @ret: receives it, without sockets; released with host_sockets_free()
 * @err: filled on failure
 *
 * Return: 0 or -errno.
 */
int host_sockets_new(struct loop *loop, const struct vsock_addr *vsock, struct host_sockets **ret,
		     struct err *err)
{
	uint64_t deadline_ns = loop_deadline_ms(HOST_SOCKETS_DIAL_MS);
	const uint32_t hello = 0;
	cleanup_close int control = vsock_dial(vsock, KATA_PORT_SOCKET, deadline_ns, NULL, err);

	if (control < 0)
		return control;
	int r = fiber_write_full(control, &hello, sizeof(hello), deadline_ns);
	cleanup_free struct host_sockets *hs = r < 0 ? NULL : calloc(1, sizeof(*hs));
	if (!hs)
		return err_set_errno(err, r < 0 ? r : -ENOMEM, "serve sockets of the host");
	hs->loop = loop;
	hs->vsock = vsock;
	hs->control = control;
	hs->refs = 2;
	list_init(&hs->conns);
	fiber_mutex_init(&hs->answering);
	r = fiber_spawn(loop, "sockets", control_main, hs, NULL);
	if (r < 0)
		return err_set_errno(err, r, "serve sockets of the host");
	(void)TAKE_FD(control);
	*ret = TAKE_PTR(hs);
	return 0;
}

/**
 * host_sockets_free() - end it; what is under way ends in the loop
 * @hs: sockets or NULL
 *
 * Return: NULL.
 */
struct host_sockets *host_sockets_free(struct host_sockets *hs)
{
	if (hs) {
		sockets_end(hs);
		sockets_unref(hs);
	}
	return NULL;
}

/**
 * host_sockets_add() - let the guest connect to one more socket
 * @hs: sockets
 * @fd: its file, of which a duplicate is kept
 * @st: of it
 *
 * Return: its number, the old one for a socket that is known; -E2BIG; -ESHUTDOWN when the guest
 * has broken off; or -errno.
 */
int host_sockets_add(struct host_sockets *hs, int fd, const struct stat *st)
{
	unsigned i = 0;

	if (hs->ending)
		return -ESHUTDOWN;
	while (i < hs->nr && (hs->sockets[i].dev != st->st_dev || hs->sockets[i].ino != st->st_ino))
		i++;
	if (i < hs->nr)
		return (int)i;
	if (i == HOST_SOCKETS_MAX)
		return -E2BIG;
	int own = neg_errno(fcntl(fd, F_DUPFD_CLOEXEC, 3));
	if (own < 0)
		return own;
	hs->sockets[i].fd = own;
	hs->sockets[i].dev = st->st_dev;
	hs->sockets[i].ino = st->st_ino;
	hs->nr++;
	return (int)i;
}
