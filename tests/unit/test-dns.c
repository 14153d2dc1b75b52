/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unit tests of both ends of the name relay: the shim's, with a hostile guest and a server in a
 * network namespace, and the agent's, with a hostile host and askers on loopback. Needs root, for
 * port 53; no VM.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <dirent.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/server/dns_port.h"
#include "common/fd.h"
#include "common/fiber.h"
#include "kata/guest.h"
#include "sandbox/network/dns.h"
#include "sandbox/network/netns.h"

#define ANSWER_MAX 65535
#define UNDER_WAY_MAX 64
#define CONNS_MAX 16

/* The test program's own namespace is the guest's, this one the host's. */
static int netns = -1;
static char buf[ANSWER_MAX + 1];

static uint64_t soon(void)
{
	return loop_deadline_ms(60000);
}

/* The loop looks at descriptors each time, which fiber_yield() need not let it do. */
static void turns(unsigned n)
{
	while (n--)
		(void)fiber_sleep_until(loop_deadline_ms(0));
}

static unsigned nr_fds(void)
{
	unsigned n = 0;
	DIR *dir = opendir("/proc/self/fd");

	assert_non_null(dir);
	while (readdir(dir))
		n++;
	(void)closedir(dir);
	return n;
}

static void all_is_closed(unsigned before)
{
	for (uint64_t end = soon(); nr_fds() != before && loop_now_ns() < end;)
		turns(1);
	assert_int_equal(nr_fds(), before);
}

/* --- sockets --- */

struct place {
	int type;
	bool listen;
	int fd;
};

static int open_place(void *arg, struct err *err)
{
	struct sockaddr_in addr = { .sin_family = AF_INET,
				    .sin_port = htons(53),
				    .sin_addr = { htonl(KATA_DNS_ADDR) } };
	struct place *place = arg;
	int on = 1;

	place->fd = socket(AF_INET, place->type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (setsockopt(place->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0)
		return err_set_errno(err, -errno, "setsockopt");
	if (!place->listen) {
		if (connect(place->fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 &&
		    errno != EINPROGRESS)
			return err_set_errno(err, -errno, "connect");
		return 0;
	}
	if (bind(place->fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 ||
	    (place->type == SOCK_STREAM && listen(place->fd, 64) < 0))
		return err_set_errno(err, -errno, "bind");
	return 0;
}

static int server(int type)
{
	struct place place = { .type = type, .listen = true };
	struct err err = ERR_NULL;

	if (netns_run(netns, open_place, &place, &err) < 0)
		fail_msg("%s", err.text);
	return place.fd;
}

static int asker(int type)
{
	struct place place = { .type = type };
	struct err err = ERR_NULL;

	if (open_place(&place, &err) < 0)
		fail_msg("%s", err.text);
	assert_true(fiber_wait_fd(place.fd, LOOP_WRITE, soon()) >= 0);
	return place.fd;
}

static int accept_one(int fd)
{
	assert_true(fiber_wait_fd(fd, LOOP_READ, soon()) >= 0);
	int conn = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	assert_true(conn >= 0);
	return conn;
}

static void write_all(int fd, const void *data, size_t len)
{
	assert_int_equal(fiber_write_full(fd, data, len, soon()), 0);
}

static void read_all(int fd, void *data, size_t len)
{
	assert_int_equal(fiber_read_full(fd, data, len, soon()), 0);
}

/* The peer has ended it; -ECONNRESET is an end too. */
static void reads_the_end(int fd)
{
	char c;
	ssize_t n = fiber_read(fd, &c, 1, soon());

	assert_true(n == 0 || n == -ECONNRESET);
}

static void reads_nothing(int fd)
{
	turns(50);
	assert_int_equal(recv(fd, buf, sizeof(buf), MSG_DONTWAIT), -1);
	assert_int_equal(errno, EAGAIN);
}

static void reads_datagram(int fd, const char *text)
{
	ssize_t n = fiber_read(fd, buf, sizeof(buf) - 1, soon());

	assert_true(n >= 0);
	buf[n] = '\0';
	assert_string_equal(buf, text);
}

static void write_tcp(int fd, const void *data, size_t len)
{
	uint16_t be_len = htobe16((uint16_t)len);

	write_all(fd, &be_len, sizeof(be_len));
	write_all(fd, data, len);
}

static size_t read_tcp(int fd)
{
	uint16_t be_len;

	read_all(fd, &be_len, sizeof(be_len));
	read_all(fd, buf, be16toh(be_len));
	buf[be16toh(be_len)] = '\0';
	return be16toh(be_len);
}

static void send_frame(int fd, uint16_t id, uint16_t tcp, const void *data, size_t len)
{
	struct kata_dns_frame frame = { .len = htobe16((uint16_t)len),
					.id = htobe16(id),
					.tcp = htobe16(tcp) };

	write_all(fd, &frame, sizeof(frame));
	write_all(fd, data, len);
}

static void send_text(int fd, uint16_t id, uint16_t tcp, const char *text)
{
	send_frame(fd, id, tcp, text, strlen(text));
}

/* The message is in buf. Return: its id. */
static uint16_t read_frame(int fd, uint16_t tcp, size_t *ret_len)
{
	struct kata_dns_frame frame;

	read_all(fd, &frame, sizeof(frame));
	assert_int_equal(be16toh(frame.tcp), tcp);
	*ret_len = be16toh(frame.len);
	read_all(fd, buf, *ret_len);
	buf[*ret_len] = '\0';
	return be16toh(frame.id);
}

static uint16_t read_text(int fd, uint16_t tcp, const char *text)
{
	size_t len;
	uint16_t id = read_frame(fd, tcp, &len);

	assert_string_equal(buf, text);
	return id;
}

/* --- the shim's end --- */

struct world {
	struct dns_relay *relay;
	int guest, udp, tcp;
};

static void relay_start(struct world *w)
{
	int pair[2], ns = fcntl(netns, F_DUPFD_CLOEXEC, 3);

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair),
			 0);
	*w = (struct world){ .guest = pair[0], .udp = -1, .tcp = -1 };
	assert_int_equal(dns_relay_new(fiber_loop(), pair[1], ns, &w->relay), 0);
}

static void relay_stop(struct world *w)
{
	w->relay = dns_relay_free(w->relay);
	(void)fd_close(w->guest);
	(void)fd_close(w->udp);
	(void)fd_close(w->tcp);
	turns(20);
}

static void answer_datagram(int fd, const char *expected, const char *text)
{
	struct sockaddr_in from;
	socklen_t from_len = sizeof(from);

	assert_true(fiber_wait_fd(fd, LOOP_READ, soon()) >= 0);
	ssize_t n = recvfrom(fd, buf, sizeof(buf) - 1, 0, (struct sockaddr *)&from, &from_len);
	assert_true(n >= 0);
	buf[n] = '\0';
	assert_string_equal(buf, expected);
	assert_int_equal(sendto(fd, text, strlen(text), 0, (struct sockaddr *)&from, sizeof(from)),
			 strlen(text));
}

static void queries_reach_the_server_by_udp(void)
{
	struct world w;

	relay_start(&w);
	w.udp = server(SOCK_DGRAM);
	send_text(w.guest, 7, 0, "who");
	send_text(w.guest, 0xffff, 0, "where");
	answer_datagram(w.udp, "who", "me");
	answer_datagram(w.udp, "where", "here");
	assert_int_equal(read_text(w.guest, 0, "me"), 7);
	assert_int_equal(read_text(w.guest, 0, "here"), 0xffff);
	relay_stop(&w);
}

static void queries_reach_the_server_by_tcp(void)
{
	static char big[ANSWER_MAX];
	struct world w;
	size_t len;

	relay_start(&w);
	w.tcp = server(SOCK_STREAM);
	memset(big, 'x', sizeof(big));
	send_frame(w.guest, 7, 1, big, KATA_DNS_QUERY_MAX);
	send_text(w.guest, 8, 1, "second");
	int first = accept_one(w.tcp), second = accept_one(w.tcp);
	assert_int_equal(read_tcp(first), KATA_DNS_QUERY_MAX);
	assert_int_equal(read_tcp(second), 6);
	/* The first one's answer comes in two parts: it does not hold the other one up. */
	write_all(first, "\xff", 1);
	write_tcp(second, "short", 5);
	assert_int_equal(read_text(w.guest, 1, "short"), 8);
	write_all(first, "\xff", 1);
	write_all(first, big, sizeof(big));
	assert_int_equal(read_frame(w.guest, 1, &len), 7);
	assert_int_equal(len, sizeof(big));
	assert_memory_equal(buf, big, sizeof(big));
	reads_the_end(first);
	(void)close(first);
	(void)close(second);
	relay_stop(&w);
}

static void a_query_without_an_answer_is_told_so(void)
{
	struct world w;

	relay_start(&w);
	send_text(w.guest, 1, 0, "nobody listens");
	assert_int_equal(read_text(w.guest, 0, ""), 1);
	send_text(w.guest, 2, 1, "nobody listens");
	assert_int_equal(read_text(w.guest, 1, ""), 2);
	w.tcp = server(SOCK_STREAM);
	send_text(w.guest, 3, 1, "half an answer");
	int conn = accept_one(w.tcp);
	write_all(conn, "\0\x9short", 7);
	(void)close(conn);
	assert_int_equal(read_text(w.guest, 1, ""), 3);
	relay_stop(&w);
}

static void frames_that_break_the_rules_end_the_relay(void)
{
	const struct {
		uint16_t len, tcp;
		size_t send;
	} bad[] = {
		{ 0, 0, sizeof(struct kata_dns_frame) },
		{ 0xffff, 0, sizeof(struct kata_dns_frame) },
		{ KATA_DNS_QUERY_MAX + 1, 1, sizeof(struct kata_dns_frame) },
		{ 1, 2, sizeof(struct kata_dns_frame) },
		{ 1, 0x100, sizeof(struct kata_dns_frame) },
		{ 1, 0, 1 },
		{ 1, 0, sizeof(struct kata_dns_frame) },
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct kata_dns_frame frame = { .len = htobe16(bad[i].len),
						.tcp = htobe16(bad[i].tcp) };
		struct world w;

		relay_start(&w);
		w.udp = server(SOCK_DGRAM);
		write_all(w.guest, &frame, bad[i].send);
		if (i >= ARRAY_SIZE(bad) - 2)
			(void)shutdown(w.guest, SHUT_WR); /* short */
		reads_the_end(w.guest);
		reads_nothing(w.udp);
		relay_stop(&w);
	}
}

struct flood {
	int fd;
	unsigned nr, written;
};

static void flood_main(void *arg)
{
	struct flood *flood = arg;

	for (; flood->written < flood->nr; flood->written++)
		send_text(flood->fd, (uint16_t)flood->written, 0, "q");
}

static void so_many_queries_are_under_way_and_no_more(void)
{
	struct world w;
	struct fiber *fiber;
	struct sockaddr_in from[2 * UNDER_WAY_MAX];
	unsigned got = 0;

	relay_start(&w);
	w.udp = server(SOCK_DGRAM);
	struct flood flood = { .fd = w.guest, .nr = ARRAY_SIZE(from) };
	assert_int_equal(fiber_spawn(fiber_loop(), "flood", flood_main, &flood, &fiber), 0);
	for (; got < ARRAY_SIZE(from); got++) {
		socklen_t len = sizeof(from[0]);

		if (got == UNDER_WAY_MAX)
			reads_nothing(w.udp);
		if (got >= UNDER_WAY_MAX)
			assert_int_equal(sendto(w.udp, "a", 1, 0,
						(struct sockaddr *)&from[got - UNDER_WAY_MAX],
						sizeof(from[0])),
					 1);
		assert_true(fiber_wait_fd(w.udp, LOOP_READ, soon()) >= 0);
		assert_int_equal(
			recvfrom(w.udp, buf, sizeof(buf), 0, (struct sockaddr *)&from[got], &len),
			1);
	}
	assert_int_equal(fiber_join(fiber, soon()), 0);
	for (unsigned i = 0; i < UNDER_WAY_MAX; i++)
		assert_int_equal(read_text(w.guest, 0, "a"), i);
	relay_stop(&w);
}

struct count {
	bool stop;
	unsigned n;
};

static void count_main(void *arg)
{
	struct count *count = arg;

	for (; !count->stop; count->n++)
		fiber_yield();
}

static void a_flood_leaves_others_their_turns(void)
{
	struct world w;
	struct count count = { 0 };
	struct fiber *fiber;
	unsigned nr = UNDER_WAY_MAX / 2;

	relay_start(&w);
	w.udp = server(SOCK_DGRAM);
	struct flood flood = { .fd = w.guest, .nr = nr };
	flood_main(&flood); /* all of it is there when the relay starts to read */
	assert_int_equal(fiber_spawn(fiber_loop(), "count", count_main, &count, &fiber), 0);
	for (unsigned i = 0; i < nr; i++)
		reads_datagram(w.udp, "q");
	count.stop = true;
	assert_true(count.n >= nr / 2);
	assert_int_equal(fiber_join(fiber, soon()), 0);
	relay_stop(&w);
}

static void ending_it_ends_what_is_under_way(void)
{
	unsigned before = nr_fds();
	struct world w;

	relay_start(&w);
	w.udp = server(SOCK_DGRAM);
	w.tcp = server(SOCK_STREAM);
	send_text(w.guest, 1, 0, "q");
	send_text(w.guest, 2, 1, "q");
	int conn = accept_one(w.tcp);
	reads_datagram(w.udp, "q");
	assert_int_equal(read_tcp(conn), 1);
	w.relay = dns_relay_free(w.relay);
	reads_the_end(w.guest);
	reads_the_end(conn);
	(void)close(conn);
	relay_stop(&w);
	all_is_closed(before);
}

static void a_guest_that_does_not_read_is_given_up_by_its_end(void)
{
	unsigned before = nr_fds();
	struct world w;
	int small = 1;

	relay_start(&w);
	assert_int_equal(setsockopt(w.guest, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)), 0);
	for (unsigned i = 0; i < 3 * UNDER_WAY_MAX; i++)
		send_text(w.guest, 1, i & 1, "nobody listens");
	turns(100);
	(void)shutdown(w.guest, SHUT_RDWR);
	relay_stop(&w);
	all_is_closed(before);
}

/* --- the agent's end --- */

static struct dns_port dns_port;

static int port_start(void)
{
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair),
			 0);
	assert_int_equal(dns_port_serve(&dns_port, fiber_loop(), pair[1]), 0);
	return pair[0];
}

static void port_stop(int host)
{
	(void)close(host);
	turns(20);
}

static void an_answer_reaches_who_asked_by_udp_once(void)
{
	int host = port_start(), one = asker(SOCK_DGRAM), two = asker(SOCK_DGRAM);

	assert_int_equal(send(one, "first", 5, 0), 5);
	uint16_t first = read_text(host, 0, "first");
	assert_int_equal(send(two, "second", 6, 0), 6);
	uint16_t second = read_text(host, 0, "second");
	assert_int_not_equal(first, second);
	send_text(host, (uint16_t)(first + 256), 0, "of a number nobody has");
	send_text(host, (uint16_t)(second + 1), 0, "of a number nobody has yet");
	send_text(host, first, 1, "by the other way");
	send_text(host, second, 0, "2");
	send_text(host, first, 0, "1");
	send_text(host, first, 0, "again");
	reads_datagram(one, "1");
	reads_datagram(two, "2");
	reads_nothing(one);
	reads_nothing(two);
	(void)close(one);
	(void)close(two);
	port_stop(host);
}

static void datagrams_that_are_no_query_are_dropped(void)
{
	int host = port_start(), fd = asker(SOCK_DGRAM);
	static char big[KATA_DNS_QUERY_MAX + 1];
	size_t len;

	assert_int_equal(send(fd, "", 0, 0), 0);
	assert_int_equal(send(fd, big, sizeof(big), 0), sizeof(big));
	assert_int_equal(send(fd, big, sizeof(big) - 1, 0), sizeof(big) - 1);
	uint16_t id = read_frame(host, 0, &len);
	assert_int_equal(len, KATA_DNS_QUERY_MAX);
	send_text(host, id, 0, "");
	send_text(host, id, 0, "told already that there is none");
	reads_nothing(fd);
	(void)close(fd);
	port_stop(host);
}

static void the_oldest_askers_are_forgotten(void)
{
	int host = port_start(), fd = asker(SOCK_DGRAM), other = asker(SOCK_DGRAM);

	assert_int_equal(send(fd, "old", 3, 0), 3);
	uint16_t id = read_text(host, 0, "old");
	for (unsigned i = 0; i < 256; i++) {
		assert_int_equal(send(other, "new", 3, 0), 3);
		(void)read_text(host, 0, "new");
	}
	send_text(host, id, 0, "late");
	reads_nothing(fd);
	reads_nothing(other);
	send_text(host, (uint16_t)(id + 256), 0, "right");
	reads_datagram(other, "right");
	(void)close(fd);
	(void)close(other);
	port_stop(host);
}

static void an_answer_reaches_who_asked_by_tcp(void)
{
	int host = port_start(), one = asker(SOCK_STREAM), two = asker(SOCK_STREAM);
	static char big[ANSWER_MAX];

	memset(big, 'y', sizeof(big));
	write_tcp(one, "first", 5);
	uint16_t first = read_text(host, 1, "first");
	write_tcp(two, "second", 6);
	uint16_t second = read_text(host, 1, "second");
	send_text(host, (uint16_t)(first + CONNS_MAX), 1, "of a number nobody has");
	send_text(host, first, 0, "by the other way");
	send_frame(host, first, 1, big, sizeof(big));
	send_text(host, second, 1, "2");
	send_text(host, second, 1, "again");
	assert_int_equal(read_tcp(two), 1);
	assert_string_equal(buf, "2");
	assert_int_equal(read_tcp(one), sizeof(big));
	assert_memory_equal(buf, big, sizeof(big));
	/* A connection serves more than one query. */
	write_tcp(two, "third", 5);
	send_text(host, read_text(host, 1, "third"), 1, "3");
	assert_int_equal(read_tcp(two), 1);
	assert_string_equal(buf, "3");
	/* One without an answer ends with its query. */
	write_tcp(one, "fourth", 6);
	send_text(host, read_text(host, 1, "fourth"), 1, "");
	reads_the_end(one);
	(void)close(one);
	(void)close(two);
	port_stop(host);
}

static void tcp_queries_of_a_wrong_size_end_the_connection(void)
{
	static const char *const bad[] = { "\0\0", "\x10\x01", "\xff\xff" };
	int host = port_start();

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		int fd = asker(SOCK_STREAM);

		write_all(fd, bad[i], 2);
		reads_the_end(fd);
		(void)close(fd);
	}
	int fd = asker(SOCK_STREAM);
	write_all(fd, "\0\x9short", 7);
	(void)shutdown(fd, SHUT_WR);
	reads_the_end(fd);
	(void)close(fd);
	reads_nothing(host);
	port_stop(host);
}

static void so_many_connections_are_open_and_no_more(void)
{
	int host = port_start(), fds[CONNS_MAX];
	uint16_t ids[CONNS_MAX];

	for (size_t i = 0; i < CONNS_MAX; i++) {
		fds[i] = asker(SOCK_STREAM);
		write_tcp(fds[i], "q", 1);
		ids[i] = read_text(host, 1, "q");
	}
	int more = asker(SOCK_STREAM);
	reads_the_end(more);
	(void)close(more);
	/* One that ends makes room, and its answer is not the next one's. */
	send_text(host, ids[3], 1, "");
	reads_the_end(fds[3]);
	(void)close(fds[3]);
	fds[3] = asker(SOCK_STREAM);
	write_tcp(fds[3], "after", 5);
	uint16_t id = read_text(host, 1, "after");
	assert_int_not_equal(id, ids[3]);
	send_text(host, ids[3], 1, "late");
	send_text(host, id, 1, "right");
	assert_int_equal(read_tcp(fds[3]), 5);
	assert_string_equal(buf, "right");
	for (size_t i = 0; i < CONNS_MAX; i++)
		(void)close(fds[i]);
	port_stop(host);
}

static void a_host_that_breaks_the_rules_is_left_and_another_served(void)
{
	unsigned before = nr_fds();
	static const struct kata_dns_frame bad = { .tcp = 0xffff };

	for (unsigned i = 0; i < 3; i++) {
		int host = port_start(), fd = asker(SOCK_STREAM), pair[2];

		assert_int_equal(
			socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair),
			0);
		assert_int_equal(dns_port_serve(&dns_port, fiber_loop(), pair[1]), -EBUSY);
		(void)close(pair[0]);
		write_tcp(fd, "q", 1);
		(void)read_text(host, 1, "q");
		write_all(host, &bad, i ? sizeof(bad) : 1);
		if (i != 1)
			(void)shutdown(host, SHUT_WR);
		reads_the_end(host);
		reads_the_end(fd);
		(void)close(fd);
		port_stop(host);
	}
	all_is_closed(before);
}

/* --- harness --- */

struct test {
	void (*fn)(void);
};

static int run_in_fiber(void *arg)
{
	const struct test *test = arg;

	test->fn();
	turns(20);
	return 0;
}

static void in_fiber(void **state)
{
	assert_int_equal(fiber_run_main(run_in_fiber, *state), 0);
}

static int bring_loopback_up(void **state)
{
	int own;

	(void)state;
	(void)signal(SIGPIPE, SIG_IGN);
	if (unshare(CLONE_NEWNET) < 0 || system("ip link set lo up") != 0)
		return -1;
	netns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	if (unshare(CLONE_NEWNET) < 0 || system("ip link set lo up") != 0)
		return -1;
	own = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	return netns < 0 || own < 0 ? -1 : close(own);
}

int main(void)
{
#define T(name)                                             \
	{                                                   \
#name, in_fiber, NULL, NULL, &(struct test) \
		{                                           \
			name                                \
		}                                           \
	}
	const struct CMUnitTest tests[] = {
		T(queries_reach_the_server_by_udp),
		T(queries_reach_the_server_by_tcp),
		T(a_query_without_an_answer_is_told_so),
		T(frames_that_break_the_rules_end_the_relay),
		T(so_many_queries_are_under_way_and_no_more),
		T(a_flood_leaves_others_their_turns),
		T(ending_it_ends_what_is_under_way),
		T(a_guest_that_does_not_read_is_given_up_by_its_end),
		T(an_answer_reaches_who_asked_by_udp_once),
		T(datagrams_that_are_no_query_are_dropped),
		T(the_oldest_askers_are_forgotten),
		T(an_answer_reaches_who_asked_by_tcp),
		T(tcp_queries_of_a_wrong_size_end_the_connection),
		T(so_many_connections_are_open_and_no_more),
		T(a_host_that_breaks_the_rules_is_left_and_another_served),
	};

	if (geteuid() != 0) {
		puts("1..0 # SKIP needs root");
		return 77;
	}
	return cmocka_run_group_tests(tests, bring_loopback_up, NULL);
}
