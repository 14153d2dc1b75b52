/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Feeds both ends of the host's sockets: calls of a hostile guest to the shim's, numbers of a
 * hostile host and clients of any kind to the agent's. The input is a list of steps, one byte each
 * with its arguments.
 */
#include <endian.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "agent/storage/socket_port.h"
#include "common/fd.h"
#include "common/fiber.h"
#include "common/io.h"
#include "common/log.h"
#include "faults.h"
#include "kata/guest.h"
#include "sandbox/storage/host_sockets.h"
#include "sandbox/vsock/vsock.h"
#include "steps.h"

#define NR_PEERS 4

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct world {
	struct input in;
	struct host_sockets *hs;
	struct socket_port *port;
	int proxy, service;
	int guests
		[NR_PEERS]; /* the guest's ends of the shim's connections, the first is for calls */
	int hosts[NR_PEERS]; /* the host's ends of the agent's */
	int clients[NR_PEERS], served[NR_PEERS];
	unsigned nr_guests, nr_served;
};

static char dir[] = "/tmp/fuzz-socket-XXXXXX";
static char proxy_path[64], service_path[64], client_path[64];

static void remove_dir(void)
{
	(void)io_rm_tree_at(AT_FDCWD, dir);
}

static void setup(void)
{
	static bool done;

	if (done)
		return;
	done = true;
	log_init("fuzz", -1, LOG_FORMAT_PLAIN, LOG_LEVEL_ERROR);
	(void)signal(SIGPIPE, SIG_IGN);
	if (!mkdtemp(dir) || atexit(remove_dir) != 0)
		abort();
	(void)snprintf(proxy_path, sizeof(proxy_path), "%s/proxy", dir);
	(void)snprintf(service_path, sizeof(service_path), "%s/service", dir);
	(void)snprintf(client_path, sizeof(client_path), "%s/client", dir);
}

static int listen_at(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	(void)snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	(void)unlink(path);
	if (fd < 0 || bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 || listen(fd, 16) < 0)
		abort();
	return fd;
}

static void replace(int *fd, int by)
{
	(void)fd_close(*fd);
	*fd = by;
}

/* Plays kata-proxy: what the shim dials becomes one of the guest's. */
static void proxy_main(void *arg)
{
	struct world *w = arg;
	char hello[13];

	while (fiber_wait_fd(w->proxy, LOOP_READ, LOOP_FOREVER) >= 0) {
		int fd = accept4(w->proxy, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (fd < 0)
			continue;
		if (fiber_read_full(fd, hello, sizeof(hello), LOOP_FOREVER) < 0 ||
		    fiber_write_full(fd, "OK 7\n", 5, LOOP_FOREVER) < 0) {
			(void)close(fd);
			continue;
		}
		unsigned i = w->nr_guests++;
		replace(&w->guests[i ? 1 + i % (NR_PEERS - 1) : 0], fd);
	}
}

/* Mostly a call as it should be. */
static void call(struct world *w)
{
	uint8_t how = u8(&w->in);
	const struct kata_socket_call frame = { .socket = htobe32(how >> 6),
						.id = htobe32(how & 31) };

	put(w->guests[0], &frame, how & 32 ? how % sizeof(frame) : sizeof(frame));
}

/* A connection of the host, which begins with an id that is known, mostly. */
static void visit(struct world *w)
{
	uint8_t how = u8(&w->in);
	const uint32_t id = htobe32(how & 15);
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) < 0)
		abort();
	if (socket_port_serve(w->port, pair[1]) < 0 && !faults_hit())
		abort();
	put(pair[0], &id, how & 32 ? 2 : sizeof(id));
	replace(&w->hosts[how >> 6], pair[0]);
}

static void use_client(struct world *w)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	uint8_t how = u8(&w->in);
	int *fd = &w->clients[how % NR_PEERS];

	if (*fd >= 0) {
		if (how & 4)
			replace(fd, -1);
		else
			send_bytes(&w->in, *fd);
		return;
	}
	*fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	(void)snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", client_path);
	if (*fd < 0)
		return;
	(void)!connect(*fd, (struct sockaddr *)&addr, sizeof(addr));
}

/* Two that cannot be, and one that can. */
static void listen_again(struct world *w)
{
	static const char *const names[] = { "", "/nonexistent/socket" };
	const struct socket_port_owner owner = { .mode = 0600 };
	char path[200] = "/";
	struct err err = ERR_NULL;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (socket_port_listen(w->port, 1, names[i], &owner, &err) >= 0)
			abort();
	memset(path + 1, 'x', sizeof(path) - 2);
	if (socket_port_listen(w->port, 1, path, &owner, &err) >= 0)
		abort();
	(void)unlink(client_path);
	faults_arm(u8(&w->in));
	if (socket_port_listen(w->port, 1, client_path, &owner, &err) < 0 && !faults_hit())
		abort();
}

static void step(struct world *w)
{
	uint8_t what = u8(&w->in);
	int *peer = &w->hosts[what >> 4 & 3], fd;
	char sink[256];

	if ((what & 0x44) == 0x40)
		faults_arm(1 + u8(&w->in) % 32);
	if ((what & 0x24) == 0x20)
		faults_hurry(what & 0x10);
	switch (what & 7) {
	case 0:
		call(w);
		break;
	case 1:
		visit(w);
		break;
	case 2:
		use_client(w);
		break;
	case 3:
		fd = accept4(w->service, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd >= 0)
			replace(&w->served[w->nr_served++ % NR_PEERS], fd);
		break;
	case 4:
		send_bytes(&w->in, what & 8 ? w->guests[what >> 4 & 3] : *peer);
		break;
	case 5:
		(void)recv(what & 8 ? w->guests[what >> 4 & 3] : *peer, sink, sizeof(sink),
			   MSG_DONTWAIT);
		break;
	case 6:
		replace(what & 8 ? &w->served[what >> 4 & 3] : peer, -1);
		break;
	default:
		if ((what & 0x48) == 0x48)
			listen_again(w);
		send_bytes(&w->in, w->served[what >> 4 & 3]);
		break;
	}
	if (what & 0x80)
		turns(2);
}

static void close_all(int *fds)
{
	for (unsigned i = 0; i < NR_PEERS; i++)
		replace(&fds[i], -1);
}

static int run(void *arg)
{
	const struct socket_port_owner owner = { .mode = 0600 };
	const struct vsock_addr vsock = { .kind = VSOCK_HYBRID, .path = proxy_path };
	struct world *w = arg;
	struct err err = ERR_NULL;
	struct fiber *proxy;
	struct stat st;

	turns(1);
	unsigned before = nr_fds();
	(void)unlink(client_path);
	w->proxy = listen_at(proxy_path);
	w->service = listen_at(service_path);
	cleanup_close int fd = open(service_path, O_PATH | O_CLOEXEC);
	if (fiber_spawn(fiber_loop(), "proxy", proxy_main, w, &proxy) < 0 || fstat(fd, &st) < 0 ||
	    host_sockets_new(fiber_loop(), &vsock, &w->hs, &err) < 0 ||
	    host_sockets_add(w->hs, fd, &st) != 0 || socket_port_new(fiber_loop(), &w->port) < 0 ||
	    socket_port_listen(w->port, 0, client_path, &owner, &err) < 0)
		abort();
	while (w->in.left)
		step(w);
	faults_arm(0);
	faults_hurry(false);
	turns(2);
	w->hs = host_sockets_free(w->hs);
	w->port = socket_port_free(w->port);
	close_all(w->guests);
	close_all(w->hosts);
	close_all(w->clients);
	close_all(w->served);
	w->service = fd_close(w->service);
	fiber_cancel(proxy);
	if (fiber_join(proxy, LOOP_FOREVER) < 0)
		abort();
	w->proxy = fd_close(w->proxy);
	close_all(w->guests);
	fd = fd_close(fd);
	/* All fibers end, and with them what they hold. */
	while (nr_fds() != before)
		turns(1);
	turns(2);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct world w = { .in = { data, size } };

	faults_arm(0);
	faults_hurry(false);
	memset(w.guests, 0xff, sizeof(w.guests));
	memset(w.hosts, 0xff, sizeof(w.hosts));
	memset(w.clients, 0xff, sizeof(w.clients));
	memset(w.served, 0xff, sizeof(w.served));
	setup();
	if (fiber_run_main(run, &w) < 0)
		abort();
	return 0;
}
