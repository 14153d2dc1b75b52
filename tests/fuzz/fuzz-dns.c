/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Feeds both ends of the name relay: frames of a hostile guest to the shim's, frames of a hostile
 * host and askers of any kind to the agent's. Both share one network namespace, so that what the
 * first asks for reaches the second. The input is a list of steps, one byte each with its
 * arguments.
 */
#include <arpa/inet.h>
#include <endian.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/server/dns_port.h"
#include "common/fd.h"
#include "common/fiber.h"
#include "common/log.h"
#include "faults.h"
#include "kata/guest.h"
#include "oci/oci_spec.h"
#include "sandbox/network/dns.h"
#include "sandbox/vsock/vsock.h"
#include "steps.h"

#define NR_ASKERS 4

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct world {
	struct input in;
	struct dns_relay *relay;
	int guest, host, netns, askers[NR_ASKERS];
	uint16_t ids[4]; /* that came last */
	unsigned nr_ids;
};

static uint16_t u16(struct input *in)
{
	unsigned hi = u8(in);

	return (uint16_t)(hi << 8 | u8(in));
}

/* A namespace of its own, since the port may be taken, and would be asked for real names. */
static void setup(void)
{
	struct ifreq ifr = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	static bool done;

	if (done)
		return;
	done = true;
	log_init("fuzz", -1, LOG_FORMAT_PLAIN, LOG_LEVEL_ERROR);
	(void)signal(SIGPIPE, SIG_IGN);
	if (unshare(CLONE_NEWNET) < 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0) {
		perror("a network namespace is needed");
		exit(1);
	}
	cleanup_close int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &ifr) < 0)
		abort();
}

static int make_pair(int *ret_other)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) < 0)
		abort();
	*ret_other = pair[1];
	return pair[0];
}

/* Mostly a frame as it should be, of an id that is known, mostly. */
static void send_frame(struct world *w, int fd)
{
	static const char zeros[UINT16_MAX];
	uint8_t how = u8(&w->in);
	uint16_t len = how & 1 ? u16(&w->in) : u8(&w->in), id = u16(&w->in);
	struct kata_dns_frame frame = { .len = htobe16(len), .tcp = htobe16(how >> 1 & 1) };

	frame.id = how & 4 ? htobe16(id) : w->ids[id % 4];
	if (how == 255)
		frame.tcp = id;
	put(fd, &frame, how == 254 ? id % sizeof(frame) : sizeof(frame));
	put(fd, zeros, how == 253 ? len / 2 : len);
}

/* What the agent's end wrote, for the ids in it. */
static void read_ids(struct world *w)
{
	bool before = faults_hold(true);
	struct kata_dns_frame frame;
	ssize_t n = recv(w->host, &frame, sizeof(frame), MSG_DONTWAIT);

	if (n != sizeof(frame)) {
		(void)faults_hold(before);
		return;
	}
	if (be16toh(frame.len) > KATA_DNS_QUERY_MAX || be16toh(frame.tcp) > 1)
		abort();
	char rest[KATA_DNS_QUERY_MAX];
	(void)recv(w->host, rest, be16toh(frame.len), MSG_DONTWAIT);
	w->ids[w->nr_ids++ % 4] = frame.id;
	(void)faults_hold(before);
}

static void use_asker(struct world *w)
{
	struct sockaddr_in addr = { .sin_family = AF_INET,
				    .sin_port = htons(53),
				    .sin_addr = { htonl(KATA_DNS_ADDR) } };
	uint8_t how = u8(&w->in);
	int *fd = &w->askers[how % NR_ASKERS];
	char sink[4096];

	if (*fd < 0) {
		*fd = socket(AF_INET,
			     (how & 4 ? SOCK_STREAM : SOCK_DGRAM) | SOCK_NONBLOCK | SOCK_CLOEXEC,
			     0);
		if (*fd < 0)
			return;
		(void)!connect(*fd, (struct sockaddr *)&addr, sizeof(addr));
		turns(1);
	}
	switch (how >> 3 & 3) {
	case 0:
		*fd = fd_close(*fd);
		break;
	case 1:
		(void)recv(*fd, sink, sizeof(sink), MSG_DONTWAIT);
		break;
	case 2:
		put(*fd, "\0\4name", 6);
		break;
	default:
		send_bytes(&w->in, *fd);
		break;
	}
}

static struct dns_port dns_port;

/* A host that asks twice, or that has nobody, or a file that names the server or does not. */
static void refused(struct world *w)
{
	const struct vsock_addr nobody = { .kind = VSOCK_HYBRID, .path = "/nonexistent" };
	struct oci_mount mounts[] = { { .destination = (char[]){ "/etc/hosts" } },
				      { .destination = (char[]){ "/etc/resolv.conf" },
					.source = (char[]){ "/etc/resolv.conf" } } };
	const struct oci_spec spec = { .mounts = mounts, .nr_mounts = u8(&w->in) % 3 };
	struct dns_relay *relay;
	struct err err = ERR_NULL;
	int other = -1, mine = make_pair(&other);

	(void)dns_relay_is_wanted(&spec);
	if (dns_relay_dial(fiber_loop(), &nobody, w->netns, loop_deadline_ms(1000), &relay, &err) >=
	    0)
		abort();
	bool serving = dns_port.serving;
	if (dns_port_serve(&dns_port, fiber_loop(), other) >= 0 && serving)
		abort();
	(void)close(mine);
}

static void step(struct world *w)
{
	uint8_t what = u8(&w->in);
	char sink[4096];

	if (what & 0x40)
		faults_arm(1 + u8(&w->in) % 32);
	if (what & 0x20)
		faults_hurry(what & 0x10);

	switch (what & 7) {
	case 0:
	case 1:
		send_frame(w, w->guest);
		break;
	case 2:
	case 3:
		send_frame(w, w->host);
		break;
	case 4:
		send_bytes(&w->in, what & 8 ? w->guest : w->host);
		break;
	case 5:
		use_asker(w);
		break;
	case 6:
		(void)recv(w->guest, sink, sizeof(sink), MSG_DONTWAIT);
		break;
	default:
		if (what & 8)
			refused(w);
		else
			read_ids(w);
		break;
	}
	if (what & 0x80)
		turns(2);
}

static int run(void *arg)
{
	struct world *w = arg;
	uint8_t how = u8(&w->in);
	int other;

	turns(1);
	unsigned before = nr_fds();
	w->netns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	w->guest = make_pair(&other);
	/* The relay may not come to be, nor the other end. */
	faults_arm(how & 2 ? 1 + u8(&w->in) % 32 : 0);
	if (dns_relay_new(fiber_loop(), other, how & 1 ? dup(w->netns) : -1, &w->relay) < 0 &&
	    !faults_hit())
		abort();
	w->host = make_pair(&other);
	if (dns_port_serve(&dns_port, fiber_loop(), other) < 0 && !faults_hit())
		abort();
	while (w->in.left)
		step(w);
	faults_arm(0);
	turns(2);
	w->relay = dns_relay_free(w->relay);
	(void)close(w->guest);
	(void)close(w->host);
	(void)close(w->netns);
	for (unsigned i = 0; i < NR_ASKERS; i++)
		(void)fd_close(w->askers[i]);
	/* All fibers end, and with them what they hold. */
	while (nr_fds() != before)
		turns(1);
	turns(2);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct world w = { .in = { data, size } };

	memset(w.askers, 0xff, sizeof(w.askers));
	faults_arm(0);
	faults_hurry(false);
	setup();
	if (fiber_run_main(run, &w) < 0)
		abort();
	return 0;
}
