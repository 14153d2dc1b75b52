/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unit tests of the vsock dialers. The peer of the hybrid one is a fiber on a unix socket that
 * plays kata-proxy; the kernel one is tried against this host's vsock, which may not exist.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <linux/vhost.h>

#include "common/fd.h"
#include "common/fiber.h"
#include "common/str.h"
#include "sandbox/vsock/vsock.h"

struct peer {
	const char *request;		  /* what must arrive */
	const char *answer;		  /* what is sent; NULL: nothing */
	const struct kata_secret *secret; /* what must follow, and what is answered */
	bool keep_open;
	int listener;
	int result; /* 0 when the request was right */
	int (*client)(const struct vsock_addr *addr);
	char path[64];
};

static uint64_t soon(void)
{
	return loop_deadline_ms(3000);
}

static void peer_fiber(void *arg)
{
	struct peer *peer = arg;
	char line[64] = "";

	peer->result = fiber_wait_fd(peer->listener, LOOP_READ, soon());
	if (peer->result < 0)
		return;
	cleanup_close int fd = accept4(peer->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0)
		return;
	ssize_t n = fiber_read(fd, line, sizeof(line) - 1, soon());
	peer->result = n > 0 && strcmp(line, peer->request) == 0 ? 0 : -EPROTO;
	if (peer->answer)
		(void)!write(fd, peer->answer, strlen(peer->answer));
	if (peer->secret && peer->result == 0) {
		uint8_t said[KATA_SECRET_LEN];

		peer->result = fiber_read_full(fd, said, sizeof(said), soon());
		if (memcmp(said, peer->secret->dialler, sizeof(said)) != 0)
			peer->result = -EPROTO;
		(void)!write(fd, peer->secret->agent, sizeof(peer->secret->agent));
		(void)!write(fd, "hello", 5);
	}
	if (peer->keep_open)
		(void)fiber_read(fd, line, 1, soon());
}

static int in_fiber(void *arg)
{
	struct peer *peer = arg;
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct vsock_addr vsock = { .kind = VSOCK_HYBRID, .path = peer->path };
	struct fiber *fiber;
	int r;

	(void)snprintf(peer->path, sizeof(peer->path), "/tmp/test-vsock-%d", (int)getpid());
	(void)snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", peer->path);
	(void)unlink(peer->path);
	peer->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	assert_int_equal(bind(peer->listener, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(listen(peer->listener, 4), 0);
	assert_int_equal(fiber_spawn(fiber_loop(), "peer", peer_fiber, peer, &fiber), 0);
	r = peer->client(&vsock);
	assert_int_equal(fiber_join(fiber, soon()), 0);
	(void)close(peer->listener);
	(void)unlink(peer->path);
	assert_int_equal(peer->result, 0);
	return r;
}

static int play(struct peer *peer)
{
	return fiber_run_main(in_fiber, peer);
}

static int good_client(const struct vsock_addr *addr)
{
	struct err err = ERR_NULL;
	uint32_t port = 0;
	char buf[16] = "";
	cleanup_close int fd = vsock_dial(addr, 1024, soon(), &port, &err);

	if (fd < 0)
		return fd;
	assert_int_equal(port, 1073741824);
	assert_int_equal(fiber_read_full(fd, buf, 5, soon()), 0);
	assert_string_equal(buf, "hello");
	return 0;
}

static void handshake_gives_the_port_and_leaves_the_stream_alone(void **state)
{
	struct peer peer = {
		.request = "CONNECT 1024\n",
		.answer = "OK 1073741824\nhello",
		.client = good_client,
	};

	(void)state;
	assert_int_equal(play(&peer), 0);
}

static const struct kata_secret our_secret = { .dialler = { 1, 2, 3 }, .agent = { 4, 5, 6 } };

static int knowing_client(const struct vsock_addr *addr)
{
	struct vsock_addr with_secret = *addr;

	with_secret.secret = &our_secret;
	return good_client(&with_secret);
}

static void both_ends_show_that_they_know_the_secret(void **state)
{
	const struct kata_secret wrong = { .dialler = { 1, 2, 3 }, .agent = { 4, 5, 7 } };
	struct peer peer = {
		.request = "CONNECT 1024\n",
		.answer = "OK 1073741824\n",
		.client = knowing_client,
		.secret = &our_secret,
	};

	(void)state;
	assert_int_equal(play(&peer), 0);
	peer.secret = &wrong;
	assert_int_equal(play(&peer), -EACCES);
	/* One that closes without an answer, as an agent does who was told another secret. */
	peer.secret = NULL;
	assert_int_equal(play(&peer), -ECONNRESET);
}

static int plain_client(const struct vsock_addr *addr)
{
	struct err err = ERR_NULL;
	int fd = vsock_dial(addr, 7, loop_deadline_ms(50), NULL, &err);

	if (fd < 0)
		assert_non_null(strstr(err.text, "dial guest port 7 through /tmp/test-vsock-"));
	else
		(void)close(fd);
	return fd < 0 ? fd : 0;
}

static void refused_port_is_a_reset(void **state)
{
	struct peer peer = { .request = "CONNECT 7\n", .client = plain_client };

	(void)state;
	assert_int_equal(play(&peer), -ECONNRESET);
}

static void silent_peer_runs_into_the_deadline(void **state)
{
	struct peer peer = { .request = "CONNECT 7\n", .keep_open = true, .client = plain_client };

	(void)state;
	assert_int_equal(play(&peer), -ETIMEDOUT);
}

static void other_answers_are_protocol_errors(void **state)
{
	static const char *const answers[] = {
		"KO 1\n",
		"OK\n",
		"OK x\n",
		"OK 1 \n",
		"OK 99999999999\n",
		"\n",
		"OK "
		"000000000000000000000000000000000000000000000000000000000000000000000000000001\n",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(answers); i++) {
		struct peer peer = { .request = "CONNECT 7\n",
				     .answer = answers[i],
				     .client = plain_client };

		assert_int_equal(play(&peer), -EPROTO);
	}
}

static int waiting_client(const struct vsock_addr *addr)
{
	struct err err = ERR_NULL;
	int fd = vsock_dial_wait(addr, 1024, soon(), NULL, &err);

	return fd < 0 ? fd : fd_close(fd) + 1;
}

static void waiting_dial_says_so(void **state)
{
	struct peer peer = { .request = "CONNECT 1024 wait\n",
			     .answer = "OK 5\n",
			     .client = waiting_client };

	(void)state;
	assert_int_equal(play(&peer), 0);
}

static int without_peer(void *arg)
{
	struct vsock_addr addr = { .kind = VSOCK_HYBRID, .path = "/nonexistent/socket" };
	struct err err = ERR_NULL;

	(void)arg;
	assert_int_equal(vsock_dial(&addr, 1, soon(), NULL, &err), -ENOENT);
	assert_non_null(strstr(err.text, "/nonexistent/socket"));
	/*
	 * Nobody is there; without vsock in the kernel the socket itself fails. Both must end at
	 * once.
	 */
	addr = (struct vsock_addr){ .kind = VSOCK_KERNEL, .cid = 0x7ffffff0 };
	assert_true(vsock_dial(&addr, 1, soon(), NULL, &err) < 0);
	assert_non_null(strstr(err.text, "CID"));
	return 0;
}

static void absent_peer_fails_at_once(void **state)
{
	(void)state;
	assert_int_equal(fiber_run_main(without_peer, NULL), 0);
}

/*
 * A /dev/vhost-vsock that is played: an id belongs to who took it first. The random numbers that
 * ids are made from come one after the other, each of them as often as is asked for.
 */
static struct {
	bool on;
	uint64_t taken[128];
	size_t nr_taken;
	uint32_t nr_random, repeat;
	int error; /* of the ioctl; 0: as the kernel's */
	unsigned nr_asked;
} played;

static bool is_taken(uint64_t cid)
{
	for (size_t i = 0; i < played.nr_taken; i++)
		if (played.taken[i] == cid)
			return true;
	return false;
}

int play_open(const char *path, int flags, ...) __asm__("open");
int play_open(const char *path, int flags, ...)
{
	/* Whoever passes a mode creates a file: nothing that is linked with this test does. */
	if (played.on && str_eq(path, "/dev/vhost-vsock"))
		path = "/dev/null";
	return (int)syscall(SYS_openat, AT_FDCWD, path, flags, 0600);
}

int play_ioctl(int fd, unsigned long request, void *arg) __asm__("ioctl");
int play_ioctl(int fd, unsigned long request, void *arg)
{
	if (!played.on || request != VHOST_VSOCK_SET_GUEST_CID)
		return (int)syscall(SYS_ioctl, fd, request, arg);
	uint64_t cid = *(uint64_t *)arg;

	played.nr_asked++;
	errno = played.error ? played.error : EADDRINUSE;
	if (played.error || is_taken(cid))
		return -1;
	assert_true(played.nr_taken < ARRAY_SIZE(played.taken));
	played.taken[played.nr_taken++] = cid;
	return 0;
}

ssize_t play_getrandom(void *buf, size_t len, unsigned flags) __asm__("getrandom");
ssize_t play_getrandom(void *buf, size_t len, unsigned flags)
{
	if (!played.on || len != sizeof(uint32_t))
		return syscall(SYS_getrandom, buf, len, flags);
	uint32_t value = played.nr_random++ / played.repeat;

	(void)memcpy(buf, &value, len);
	return (ssize_t)len;
}

static int play_device(void **state)
{
	(void)state;
	(void)memset(&played, 0, sizeof(played));
	played.on = true;
	played.repeat = 1;
	return 0;
}

static int end_device(void **state)
{
	(void)state;
	played.on = false;
	return 0;
}

#define NR_AT_ONCE 50

static void cids_of_many_vms_are_unique_though_random_numbers_repeat(void **state)
{
	uint32_t cids[NR_AT_ONCE];
	struct err err = ERR_NULL;

	(void)state;
	played.repeat = 2;
	for (size_t i = 0; i < NR_AT_ONCE; i++) {
		cleanup_close int fd = vsock_claim_cid(&cids[i], &err);

		assert_true(fd >= 0);
		assert_true(cids[i] >= 3 && cids[i] != UINT32_MAX);
		/* It says what the device has given it. */
		assert_int_equal(cids[i], played.taken[i]);
		for (size_t j = 0; j < i; j++)
			assert_int_not_equal(cids[i], cids[j]);
	}
	assert_int_equal(played.nr_taken, NR_AT_ONCE);
	assert_true(played.nr_asked > NR_AT_ONCE);
}

static void cid_of_another_program_is_passed_over(void **state)
{
	struct err err = ERR_NULL;
	uint32_t theirs = 0, ours = 0;

	(void)state;
	cleanup_close int fd = vsock_claim_cid(&theirs, &err);
	assert_true(fd >= 0);
	played.nr_random = 0;
	cleanup_close int fd2 = vsock_claim_cid(&ours, &err);
	assert_true(fd2 >= 0);
	assert_int_equal(played.nr_asked, 3);
	assert_int_not_equal(ours, theirs);
}

static void cid_that_is_always_taken_ends_with_an_error(void **state)
{
	struct err err = ERR_NULL;
	uint32_t cid = 7;

	(void)state;
	played.error = EADDRINUSE;
	assert_int_equal(vsock_claim_cid(&cid, &err), -EADDRINUSE);
	assert_non_null(strstr(err.text, "no free vsock CID"));
	assert_int_equal(cid, 7);
	assert_true(played.nr_asked > 1);
}

static void device_that_refuses_is_asked_once(void **state)
{
	struct err err = ERR_NULL;
	uint32_t cid = 7;

	(void)state;
	played.error = EACCES;
	assert_int_equal(vsock_claim_cid(&cid, &err), -EACCES);
	assert_non_null(strstr(err.text, "/dev/vhost-vsock"));
	assert_int_equal(cid, 7);
	assert_int_equal(played.nr_asked, 1);
}

static void claimed_cid_is_no_reserved_one(void **state)
{
	struct err err = ERR_NULL;
	uint32_t cid = 0, other = 0;

	(void)state;
	cleanup_close int fd = vsock_claim_cid(&cid, &err);
	if (fd < 0) {
		assert_non_null(strstr(err.text, "/dev/vhost-vsock"));
		skip();
	}
	cleanup_close int fd2 = vsock_claim_cid(&other, &err);
	assert_true(fd2 >= 0);
	assert_true(cid >= 3 && other >= 3 && cid != other);
}

#define PLAYED(test) cmocka_unit_test_setup_teardown(test, play_device, end_device)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_ends_show_that_they_know_the_secret),
		cmocka_unit_test(handshake_gives_the_port_and_leaves_the_stream_alone),
		cmocka_unit_test(refused_port_is_a_reset),
		cmocka_unit_test(silent_peer_runs_into_the_deadline),
		cmocka_unit_test(other_answers_are_protocol_errors),
		cmocka_unit_test(waiting_dial_says_so),
		cmocka_unit_test(absent_peer_fails_at_once),
		cmocka_unit_test(claimed_cid_is_no_reserved_one),
		PLAYED(cids_of_many_vms_are_unique_though_random_numbers_repeat),
		PLAYED(cid_of_another_program_is_passed_over),
		PLAYED(cid_that_is_always_taken_ends_with_an_error),
		PLAYED(device_that_refuses_is_asked_once),
	};

	(void)signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
