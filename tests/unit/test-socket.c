/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unit tests of sockets of the host: the shim's end and the agent's, joined by a fiber that plays
 * kata-proxy; and the shim's against guests that do not keep to what was agreed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
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
#include "kata/guest.h"
#include "sandbox/storage/host_sockets.h"
#include "sandbox/vsock/vsock.h"

#define MANY 128 /* the agent's limit of clients */
#define MUCH (8UL << 20)

struct world {
	char dir[32], proxy_path[64], service_path[64], client_path[64];
	int proxy, service;
	struct fiber *proxy_fiber;
	struct vsock_addr vsock;
	struct host_sockets *hs;
	struct socket_port *port; /* NULL: the test is the guest */
	int guest[4];		  /* the host's connections then, in order */
	unsigned nr_guest;
};

static uint64_t soon(void)
{
	return loop_deadline_ms(60000);
}

static int listen_at(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	(void)snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(listen(fd, 16), 0);
	return fd;
}

static int take(int listener)
{
	assert_true(fiber_wait_fd(listener, LOOP_READ, soon()) > 0);
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	assert_true(fd >= 0);
	return fd;
}

static void proxy_main(void *arg)
{
	static const char hello[] = "CONNECT 1030\n";
	struct world *w = arg;
	char line[sizeof(hello)] = "";

	while (fiber_wait_fd(w->proxy, LOOP_READ, LOOP_FOREVER) >= 0) {
		int fd = take(w->proxy);

		assert_int_equal(fiber_read_full(fd, line, sizeof(hello) - 1, soon()), 0);
		assert_string_equal(line, hello);
		assert_int_equal(fiber_write_full(fd, "OK 7\n", 5, soon()), 0);
		if (w->port)
			assert_int_equal(socket_port_serve(w->port, fd), 0);
		else if (w->nr_guest < ARRAY_SIZE(w->guest))
			w->guest[w->nr_guest++] = fd;
	}
}

static void begin(struct world *w, bool with_agent)
{
	const struct socket_port_owner owner = { .uid = 12, .gid = 34, .mode = 0640 };
	struct err err = ERR_NULL;
	struct stat st;

	*w = (struct world){ .dir = "/tmp/test-socket-XXXXXX" };
	assert_non_null(mkdtemp(w->dir));
	(void)snprintf(w->proxy_path, sizeof(w->proxy_path), "%s/proxy", w->dir);
	(void)snprintf(w->service_path, sizeof(w->service_path), "%s/service", w->dir);
	(void)snprintf(w->client_path, sizeof(w->client_path), "%s/client", w->dir);
	w->vsock = (struct vsock_addr){ .kind = VSOCK_HYBRID, .path = w->proxy_path };
	w->proxy = listen_at(w->proxy_path);
	w->service = listen_at(w->service_path);
	assert_int_equal(fiber_spawn(fiber_loop(), "proxy", proxy_main, w, &w->proxy_fiber), 0);
	if (with_agent)
		assert_int_equal(socket_port_new(fiber_loop(), &w->port), 0);
	assert_int_equal(host_sockets_new(fiber_loop(), &w->vsock, &w->hs, &err), 0);
	cleanup_close int fd = open(w->service_path, O_PATH | O_CLOEXEC);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(host_sockets_add(w->hs, fd, &st), 0);
	assert_int_equal(host_sockets_add(w->hs, fd, &st), 0); /* known by then */
	if (!with_agent)
		return;
	assert_int_equal(socket_port_listen(w->port, 0, w->client_path, &owner, &err), 0);
	assert_int_equal(stat(w->client_path, &st), 0);
	assert_int_equal(st.st_mode, S_IFSOCK | 0640);
	assert_true(st.st_uid == 12 && st.st_gid == 34);
}

static void end(struct world *w)
{
	w->hs = host_sockets_free(w->hs);
	w->port = socket_port_free(w->port);
	fiber_cancel(w->proxy_fiber);
	assert_int_equal(fiber_join(w->proxy_fiber, soon()), 0);
	(void)fd_close(w->proxy);
	(void)fd_close(w->service);
	for (unsigned i = 0; i < w->nr_guest; i++)
		(void)close(w->guest[i]);
	assert_int_equal(io_rm_tree_at(AT_FDCWD, w->dir), 0);
}

static int connect_client(struct world *w)
{
	int fd = fiber_connect_unix(w->client_path, soon());

	assert_true(fd >= 0);
	return fd;
}

struct transfer {
	int fd;
	const char *data;
	bool ended;
};

static void send_main(void *arg)
{
	struct transfer *t = arg;

	assert_int_equal(fiber_write_full(t->fd, t->data, MUCH, soon()), 0);
	assert_int_equal(shutdown(t->fd, SHUT_WR), 0);
	t->ended = true;
}

/* Sends all of it in one direction; the other one stays open. */
static void send_much(int from, int to, const char *data)
{
	struct transfer t = { .fd = from, .data = data };
	char *got = malloc(MUCH), byte;
	struct fiber *fiber;

	assert_int_equal(fiber_spawn(fiber_loop(), "sender", send_main, &t, &fiber), 0);
	/* Nobody reads: what is on its way is bounded. */
	for (int i = 0; i < 200; i++)
		(void)fiber_sleep_until(loop_deadline_ms(0));
	assert_false(t.ended);
	assert_int_equal(fiber_read_full(to, got, MUCH, soon()), 0);
	assert_memory_equal(got, data, MUCH);
	assert_int_equal(fiber_read(to, &byte, 1, soon()), 0);
	assert_int_equal(fiber_join(fiber, soon()), 0);
	free(got);
}

static int both_ways(void *arg)
{
	char *data = malloc(MUCH);
	struct world w;

	(void)arg;
	for (size_t i = 0; i < MUCH; i++)
		data[i] = (char)(i * 7 >> 3);
	begin(&w, true);
	cleanup_close int client = connect_client(&w);
	cleanup_close int service = take(w.service);
	send_much(client, service, data);
	send_much(service, client, data);
	end(&w);
	free(data);
	return 0;
}

static void bytes_pass_both_ways_until_each_ends(void **state)
{
	(void)state;
	assert_int_equal(fiber_run_main(both_ways, NULL), 0);
}

static int peers_that_go(void *arg)
{
	struct world w;
	char byte;

	(void)arg;
	begin(&w, true);
	/* The client. */
	int client = connect_client(&w), service = take(w.service);
	(void)close(client);
	assert_int_equal(fiber_read(service, &byte, 1, soon()), 0);
	while (fiber_write_full(service, "x", 1, soon()) >= 0)
		fiber_yield();
	(void)close(service);
	/* The service. */
	client = connect_client(&w);
	service = take(w.service);
	(void)close(service);
	assert_int_equal(fiber_read(client, &byte, 1, soon()), 0);
	while (fiber_write_full(client, "x", 1, soon()) >= 0)
		fiber_yield();
	(void)close(client);
	/* All services. */
	w.service = fd_close(w.service);
	client = connect_client(&w);
	assert_int_equal(fiber_read(client, &byte, 1, soon()), 0);
	(void)close(client);
	/* The shim. */
	w.service = fd_close(w.service);
	(void)unlink(w.service_path);
	client = connect_client(&w);
	w.hs = host_sockets_free(w.hs);
	assert_true(fiber_read(client, &byte, 1, soon()) <= 0);
	(void)close(client);
	end(&w);
	return 0;
}

static void either_side_may_go(void **state)
{
	(void)state;
	assert_int_equal(fiber_run_main(peers_that_go, NULL), 0);
}

static int many(void *arg)
{
	int clients[MANY + 1], services[MANY + 1];
	struct world w;

	(void)arg;
	begin(&w, true);
	for (int i = 0; i < MANY; i++) {
		clients[i] = connect_client(&w);
		services[i] = take(w.service);
	}
	/* One more waits until another one ends. */
	clients[MANY] = connect_client(&w);
	for (int i = 0; i < 200; i++)
		(void)fiber_sleep_until(loop_deadline_ms(0));
	assert_int_equal(accept4(w.service, NULL, NULL, SOCK_CLOEXEC), -1);
	(void)close(clients[0]);
	(void)close(services[0]);
	services[MANY] = take(w.service);
	for (int i = 1; i <= MANY; i++) {
		char byte;

		assert_int_equal(fiber_write_full(services[i], "x", 1, soon()), 0);
		assert_int_equal(fiber_read(clients[i], &byte, 1, soon()), 1);
		(void)close(clients[i]);
		(void)close(services[i]);
	}
	end(&w);
	return 0;
}

static void there_is_a_limit_to_clients(void **state)
{
	(void)state;
	assert_int_equal(fiber_run_main(many, NULL), 0);
}

static void call(struct world *w, uint32_t socket, uint32_t id)
{
	const struct kata_socket_call frame = { .socket = htobe32(socket), .id = htobe32(id) };

	assert_int_equal(fiber_write_full(w->guest[0], &frame, sizeof(frame), soon()), 0);
}

static uint32_t read_number(int fd)
{
	uint32_t number;

	assert_int_equal(fiber_read_full(fd, &number, sizeof(number), soon()), 0);
	return be32toh(number);
}

static int strange_guests(void *arg)
{
	struct world w;
	char byte;

	(void)arg;
	begin(&w, false);
	assert_int_equal(read_number(w.guest[0]), 0);
	/* What it may: its id comes back, on a connection of its own or as a refusal. */
	call(&w, 0, 77);
	int service = take(w.service);
	while (w.nr_guest < 2)
		(void)fiber_sleep_until(loop_deadline_ms(1));
	assert_int_equal(read_number(w.guest[1]), 77);
	(void)close(service);
	w.service = fd_close(w.service);
	call(&w, 0, 78);
	assert_int_equal(read_number(w.guest[0]), 78);
	/* What it may not. */
	call(&w, 1, 79);
	assert_int_equal(fiber_read(w.guest[0], &byte, 1, soon()), 0);
	assert_int_equal(host_sockets_add(w.hs, 0, &(struct stat){ 0 }), -ESHUTDOWN);
	end(&w);
	return 0;
}

static void guest_reaches_what_it_was_given_and_nothing_else(void **state)
{
	(void)state;
	assert_int_equal(fiber_run_main(strange_guests, NULL), 0);
}

static int number_of_sockets(void *arg)
{
	struct world w;

	(void)arg;
	begin(&w, false);
	for (int i = 1; i < HOST_SOCKETS_MAX; i++)
		assert_int_equal(
			host_sockets_add(w.hs, w.service, &(struct stat){ .st_ino = (ino_t)i }), i);
	assert_int_equal(host_sockets_add(w.hs, w.service, &(struct stat){ .st_ino = 9999 }),
			 -E2BIG);
	end(&w);
	return 0;
}

static void there_is_a_limit_to_sockets(void **state)
{
	(void)state;
	assert_int_equal(fiber_run_main(number_of_sockets, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_pass_both_ways_until_each_ends),
		cmocka_unit_test(either_side_may_go),
		cmocka_unit_test(there_is_a_limit_to_clients),
		cmocka_unit_test(guest_reaches_what_it_was_given_and_nothing_else),
		cmocka_unit_test(there_is_a_limit_to_sockets),
	};

	log_init("test", -1, LOG_FORMAT_PLAIN, LOG_LEVEL_ERROR);
	(void)signal(SIGPIPE, SIG_IGN);
	if (geteuid() != 0) {
		puts("1..0 # SKIP needs root to give sockets away");
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
