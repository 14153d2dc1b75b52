/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unit tests of both ends of a forwarded port: the agent's over a socketpair, against a listener on
 * this machine's loopback; and the BPF program that leads a network namespace's loopback to one
 * socket, where the kernel lets us load it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/server/forward_port.h"
#include "common/fd.h"
#include "common/fiber.h"
#include "kata/guest.h"
#include "sandbox/network/sk_lookup.h"

static struct sockaddr_in on_loopback(uint32_t address, uint16_t port)
{
	return (struct sockaddr_in){ .sin_family = AF_INET,
				     .sin_port = htons(port),
				     .sin_addr = { htonl(address) } };
}

static int listen_v4(uint32_t address, uint16_t *ret_port)
{
	struct sockaddr_in addr = on_loopback(address, 0);
	socklen_t len = sizeof(addr);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(listen(fd, 4), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&addr, &len), 0);
	*ret_port = ntohs(addr.sin_port);
	return fd;
}

static struct forward_port forward_port;

/* Returns the host's end of a new connection to the agent. */
static int forward(uint16_t port, uint16_t ipv6)
{
	const struct kata_forward target = { .port = htobe16(port), .ipv6 = htobe16(ipv6) };
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair),
			 0);
	assert_int_equal(forward_port_serve(&forward_port, fiber_loop(), pair[1]), 0);
	assert_int_equal(fiber_write_full(pair[0], &target, sizeof(target), LOOP_FOREVER), 0);
	return pair[0];
}

static uint8_t answer_of(int host)
{
	uint8_t refused = 2;

	assert_int_equal(fiber_read_full(host, &refused, 1, loop_deadline_ms(20000)), 0);
	return refused;
}

static int carry_main(void *arg)
{
	uint64_t deadline_ns = loop_deadline_ms(20000);
	uint16_t port;
	char buf[16];

	(void)arg;
	/* ::1 is tried first, 127.0.0.1 is where somebody listens. */
	for (uint16_t ipv6 = 0; ipv6 < 2; ipv6++) {
		cleanup_close int listener = listen_v4(INADDR_LOOPBACK, &port);
		cleanup_close int host = forward(port, ipv6);
		assert_int_equal(answer_of(host), 0);
		assert_true(fiber_wait_fd(listener, LOOP_READ, deadline_ns) > 0);
		cleanup_close int service =
			accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		assert_int_equal(fiber_write_full(host, "ping", 4, deadline_ns), 0);
		assert_int_equal(fiber_read_full(service, buf, 4, deadline_ns), 0);
		assert_memory_equal(buf, "ping", 4);
		/* One direction ends, the other goes on. */
		assert_int_equal(shutdown(host, SHUT_WR), 0);
		assert_int_equal(fiber_read(service, buf, sizeof(buf), deadline_ns), 0);
		assert_int_equal(fiber_write_full(service, "pong", 4, deadline_ns), 0);
		assert_int_equal(fiber_read_full(host, buf, 4, deadline_ns), 0);
		assert_memory_equal(buf, "pong", 4);
		service = fd_close(service);
		assert_int_equal(fiber_read(host, buf, sizeof(buf), deadline_ns), 0);
	}
	return 0;
}

static void bytes_pass_both_ways_until_each_ends(void **state)
{
	(void)state;
	assert_int_equal(fiber_run_main(carry_main, NULL), 0);
}

static int refused_main(void *arg)
{
	uint16_t port;
	char buf[4];
	int pair[2];

	(void)arg;
	(void)close(listen_v4(INADDR_LOOPBACK, &port));
	cleanup_close int host = forward(port, 0);
	assert_int_equal(answer_of(host), 1);
	assert_int_equal(fiber_read(host, buf, sizeof(buf), loop_deadline_ms(20000)), 0);
	/* A host that hangs up before it has said what it wants. */
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair),
			 0);
	assert_int_equal(forward_port_serve(&forward_port, fiber_loop(), pair[1]), 0);
	assert_int_equal(fiber_write_full(pair[0], "x", 1, LOOP_FOREVER), 0);
	assert_int_equal(shutdown(pair[0], SHUT_WR), 0);
	assert_int_equal(fiber_read(pair[0], buf, sizeof(buf), loop_deadline_ms(20000)), 0);
	(void)close(pair[0]);
	return 0;
}

static void a_port_without_a_listener_is_refused(void **state)
{
	(void)state;
	assert_int_equal(fiber_run_main(refused_main, NULL), 0);
}

static int dial(uint32_t address, uint16_t port, int *ret_fd)
{
	struct sockaddr_in addr = on_loopback(address, port);

	*ret_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	return neg_errno(connect(*ret_fd, (struct sockaddr *)&addr, sizeof(addr)));
}

static void raise_loopback(void)
{
	struct ifreq req = { .ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING };
	cleanup_close int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	assert_int_equal(ioctl(fd, SIOCSIFFLAGS, &req), 0);
}

static void the_loopback_of_a_namespace_leads_to_one_socket(void **state)
{
	cleanup_close int own = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	struct sockaddr_in meant;
	socklen_t len = sizeof(meant);
	struct err err = ERR_NULL;
	uint16_t port, other_port;
	int client;

	(void)state;
	if (unshare(CLONE_NEWNET) < 0)
		skip();
	raise_loopback();
	cleanup_close int netns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	cleanup_close int listener = listen_v4(INADDR_LOOPBACK, &port);
	cleanup_close int dns = listen_v4(KATA_DNS_ADDR, &other_port);
	int link = sk_lookup_attach(netns, listener, -1, &err);
	if (link < 0) {
		(void)setns(own, CLONE_NEWNET);
		print_message("# %s\n", err.text);
		skip();
	}
	assert_int_equal(dial(INADDR_LOOPBACK, 80, &client), 0);
	cleanup_close int taken = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	assert_true(taken >= 0);
	assert_int_equal(getsockname(taken, (struct sockaddr *)&meant, &len), 0);
	assert_int_equal(ntohs(meant.sin_port), 80);
	(void)close(client);
	/* Others on the loopback keep their own. */
	assert_int_equal(dial(KATA_DNS_ADDR, other_port, &client), 0);
	(void)close(client);
	assert_int_equal(dial(KATA_DNS_ADDR, 80, &client), -ECONNREFUSED);
	(void)close(client);
	/* Without the descriptor all is as before. */
	(void)close(link);
	assert_int_equal(dial(INADDR_LOOPBACK, 80, &client), -ECONNREFUSED);
	(void)close(client);
	assert_int_equal(setns(own, CLONE_NEWNET), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_pass_both_ways_until_each_ends),
		cmocka_unit_test(a_port_without_a_listener_is_refused),
		cmocka_unit_test(the_loopback_of_a_namespace_leads_to_one_socket),
	};

	(void)signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
