/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Feeds kata-proxy a guest and clients: rings with anything in them, packets of any kind, buffers
 * of any shape, and clients that connect, write, read and leave in between. The input is a list of
 * steps, one byte each with its arguments.
 */
#include <endian.h>
#include <linux/virtio_ring.h>
#include <linux/virtio_vsock.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/log.h"
#include "faults.h"
#include "proxy/vsock/hybrid.h"
#include "proxy/vsock/proxy.h"
#include "steps.h"

#define MEM_SIZE 0x40000u
#define UVA 0x1000000ull
#define NUM 16
#define RING_STRIDE 0x4000u
#define AVAIL_AT 0x1000u
#define USED_AT 0x2000u
#define BUFFERS 0x10000u
#define NR_CLIENTS 4
/* Where the second region of the memory begins; buffers lie across. */
#define SECOND 0x1c000u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct loop *loop;
static int memfd, port_fd, event;
static struct proxy *px;
static uint8_t *ram;
static int clients[NR_CLIENTS];
static uint16_t avail[2];
static char port_prefix[64];
static int listen_fd = -1;

static void remove_dir(void)
{
	char path[80];

	(void)snprintf(path, sizeof(path), "%s1", port_prefix);
	(void)unlink(path);
	(void)snprintf(path, sizeof(path), "%slisten", port_prefix);
	(void)unlink(path);
	*strrchr(port_prefix, '/') = '\0';
	(void)rmdir(port_prefix);
}

static uint32_t u16(struct input *in)
{
	uint32_t hi = u8(in);

	return hi << 8 | u8(in);
}

static int listen_at(const char *name, struct sockaddr_un *addr)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	*addr = (struct sockaddr_un){ .sun_family = AF_UNIX };
	(void)snprintf(addr->sun_path, sizeof(addr->sun_path), "%s%s", port_prefix, name);
	if (bind(fd, (struct sockaddr *)addr, sizeof(*addr)) < 0 || listen(fd, 64) < 0)
		abort();
	return fd;
}

static struct sockaddr_un listen_addr;

static void setup(void)
{
	struct sockaddr_un addr;
	char dir[] = "/tmp/fuzz-vsock-XXXXXX";

	if (loop)
		return;
	(void)signal(SIGPIPE, SIG_IGN);
	log_init("fuzz", -1, LOG_FORMAT_PLAIN, LOG_LEVEL_ERROR);
	memfd = memfd_create("guest", MFD_CLOEXEC);
	event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (!mkdtemp(dir))
		abort();
	(void)snprintf(port_prefix, sizeof(port_prefix), "%s/port_", dir);
	port_fd = listen_at("1", &addr);
	listen_fd = listen_at("listen", &listen_addr);
	if (loop_new(&loop) < 0 || ftruncate(memfd, MEM_SIZE) < 0)
		abort();
	(void)atexit(remove_dir);
	ram = mmap(NULL, MEM_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, memfd, 0);
	if (ram == MAP_FAILED)
		abort();
}

static void on_end(void *arg)
{
	loop_exit(arg, 0);
}

static void run_loop(unsigned times)
{
	while (times--) {
		struct loop_source *timer;

		bool before = faults_hold(true);
		if (loop_add_timer(loop, 0, on_end, loop, &timer) < 0)
			abort();
		(void)faults_hold(before);
		(void)loop_run(loop);
		(void)loop_source_free(timer);
	}
}

static struct vring_desc *desc(unsigned ring, unsigned i)
{
	return (struct vring_desc *)(void *)(ram + ring * RING_STRIDE) + i % NUM;
}

static void offer(unsigned ring, uint16_t head)
{
	struct vring_avail *a = (struct vring_avail *)(void *)(ram + ring * RING_STRIDE + AVAIL_AT);

	a->ring[avail[ring]++ % NUM] = htole16(head);
	__atomic_store_n(&a->idx, htole16(avail[ring]), __ATOMIC_RELEASE);
}

static void kick(unsigned ring)
{
	if (px->vhost.running)
		px->vhost.ops->kicked(px, ring);
}

static void start_rings(bool keep, bool event_idx)
{
	for (unsigned i = 0; i < 2; i++) {
		struct vq *vq = &px->vhost.rings[i];
		struct err err = ERR_NULL;
		uint64_t base = UVA + i * RING_STRIDE;

		vq->num = NUM;
		vq->desc_uva = base;
		vq->avail_uva = base + AVAIL_AT;
		vq->used_uva = base + USED_AT;
		vq->addr_set = true;
		if (!keep)
			vq->last_avail = avail[i] = 0;
		px->vhost.features = 1ull << VIRTIO_RING_F_INDIRECT_DESC |
				     (event_idx ? 1ull << VIRTIO_RING_F_EVENT_IDX : 0);
		if (vhost_set_kick(&px->vhost, i, dup(event), &err) < 0 && !faults_hit())
			abort();
	}
}

static void restart(bool keep, bool event_idx)
{
	(void)vhost_stop_ring(&px->vhost, 0);
	(void)vhost_stop_ring(&px->vhost, 1);
	if (!keep)
		memset(ram, 0, 2 * RING_STRIDE);
	start_rings(keep, event_idx);
}

/* Any bytes anywhere in the rings. */
static void scribble(struct input *in)
{
	uint32_t at = u16(in) % (2 * RING_STRIDE);

	for (unsigned n = u8(in) % 32; n; n--)
		ram[at++ % (2 * RING_STRIDE)] = u8(in);
	kick(at & 1);
}

static void give_buffers(struct input *in)
{
	unsigned head = u8(in) % NUM, n = u8(in) % 4 + 1;

	for (unsigned i = 0; i < n; i++)
		*desc(0, head + i) = (struct vring_desc){
			.addr = BUFFERS + u16(in),
			.len = u16(in) & 0x1fff,
			.flags = VRING_DESC_F_WRITE | (i + 1 < n ? VRING_DESC_F_NEXT : 0),
			.next = (head + i + 1) % NUM,
		};
	offer(0, (uint16_t)head);
	kick(0);
}

/* Ports of a connection there is, if the input wants one. */
static void choose_ports(struct input *in, struct packet *pkt)
{
	unsigned nth = u8(in);

	pkt->dst_port = nth & 0x80 ? 1 : nth;
	pkt->src_port = nth & 3;
	if (nth & 0x40)
		return;
	list_for_each(pos, &px->conns) {
		const struct vconn *c = list_entry(pos, struct vconn, all);

		pkt->dst_port = c->host_port;
		pkt->src_port = c->guest_port;
		if (!(nth-- & 7))
			return;
	}
}

static void send_packet(struct input *in)
{
	struct packet pkt = { .src_cid = 3, .dst_cid = 2, .type = VIRTIO_VSOCK_TYPE_STREAM };
	unsigned head = u8(in) % (NUM - 1);
	struct iovec iov = { .iov_base = ram + BUFFERS + 0x20000, .iov_len = PACKET_HEADER_LEN };

	pkt.op = u8(in) % 9;
	choose_ports(in, &pkt);
	pkt.flags = u8(in) & 3;
	pkt.len = pkt.op == VIRTIO_VSOCK_OP_RW ? u16(in) : 0;
	pkt.buf_alloc = u16(in) << 4;
	pkt.fwd_cnt = u16(in);
	uint8_t odd = u8(in);
	if (odd == 255)
		pkt.type = u8(in);
	if (odd == 254)
		pkt.dst_cid = u8(in);
	(void)!packet_store(&pkt, &iov, 1);
	*desc(1, head) = (struct vring_desc){
		.addr = BUFFERS + 0x20000,
		.len = PACKET_HEADER_LEN,
		.flags = pkt.len ? VRING_DESC_F_NEXT : 0,
		.next = (uint16_t)(head + 1),
	};
	*desc(1, head + 1) =
		(struct vring_desc){ .addr = BUFFERS, .len = odd == 253 ? u16(in) : pkt.len };
	offer(1, (uint16_t)head);
	kick(1);
}

static void connect_client(struct input *in)
{
	unsigned i = u8(in) % NR_CLIENTS, kind = u8(in);
	char line[40];
	int pair[2];

	if (clients[i] >= 0)
		return;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) < 0)
		abort();
	clients[i] = pair[0];
	if (hybrid_take_client(px, pair[1]) < 0 && !faults_hit())
		abort();
	int len = snprintf(line, sizeof(line), "CONNECT %u%s\n", kind & 7, kind & 8 ? " wait" : "");
	if (kind & 16)
		for (len = 0; len < 30; len++)
			line[len] = (char)u8(in);
	(void)!write(clients[i], line, (size_t)len);
}

/* By the socket that the proxy listens on. */
static void come(struct input *in)
{
	unsigned i = u8(in) % NR_CLIENTS;

	if (clients[i] >= 0)
		return;
	clients[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (clients[i] >= 0)
		(void)!connect(clients[i], (struct sockaddr *)&listen_addr, sizeof(listen_addr));
}

static void use_client(struct input *in)
{
	static uint8_t buf[0x20000];
	unsigned what = u8(in), i = what % NR_CLIENTS;

	for (unsigned n = 0; n < NR_CLIENTS && clients[i] < 0; n++)
		i = (i + 1) % NR_CLIENTS;
	if (clients[i] < 0)
		return;
	switch (what >> 3 & 7) {
	case 0:
		clients[i] = fd_close(clients[i]);
		break;
	case 1:
		(void)shutdown(clients[i], SHUT_WR);
		break;
	case 2:
		(void)shutdown(clients[i], SHUT_RD);
		break;
	case 3:
		(void)!read(clients[i], buf, sizeof(buf));
		break;
	default:
		(void)!send(clients[i], buf, u16(in) + 1, MSG_NOSIGNAL);
		break;
	}
}

/* A connection in one step: the guest dials and has room for the answers. */
static void establish(struct input *in)
{
	uint8_t with_ports[] = {
		0, VIRTIO_VSOCK_OP_REQUEST, 0xc0 | (u8(in) & 3), 0, 0xff, 0xff, 0, 0, 0
	};
	static const uint8_t buffer[] = { 0, 0, 0, 0, 0x10, 0 };
	struct input packet = { with_ports, sizeof(with_ports) };

	for (unsigned n = 0; n < 4; n++) {
		struct input room = { buffer, sizeof(buffer) };

		give_buffers(&room);
	}
	send_packet(&packet);
}

/* A client says something of its own. */
static void send_text(struct input *in)
{
	int fd = clients[u8(in) % NR_CLIENTS];

	if (fd >= 0)
		send_bytes(in, fd);
}

/* Who is told of what was pushed, and of a ring that failed. */
static void watch_rings(bool both)
{
	for (unsigned i = 0; i < 2; i++) {
		struct vq *vq = &px->vhost.rings[i];

		if (vq->call_fd < 0)
			vq->call_fd = dup(event);
		if (vq->err_fd < 0 && both)
			vq->err_fd = dup(event);
	}
}

static void accept_clients(void)
{
	for (unsigned i = 0; i < NR_CLIENTS; i++)
		if (clients[i] < 0)
			clients[i] = accept4(port_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
}

static void step(struct input *in)
{
	uint8_t what = u8(in);

	switch (what & 15) {
	case 0:
		scribble(in);
		break;
	case 1:
	case 2:
		give_buffers(in);
		break;
	case 3:
	case 4:
		send_packet(in);
		break;
	case 5:
		connect_client(in);
		break;
	case 6:
		use_client(in);
		break;
	case 7:
	case 8:
		establish(in);
		break;
	case 9:
		restart(what & 16, what & 32);
		break;
	case 10:
	case 11:
		faults_arm(1 + u8(in) % 32);
		break;
	case 12:
		faults_hurry(what & 16);
		break;
	case 13:
		come(in);
		break;
	case 14:
		watch_rings(what & 16);
		break;
	default:
		send_text(in);
		break;
	}
	accept_clients();
	run_loop(what & 0x80 ? 2 : 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct proxy_config config = {
		.cid = 3, .listen_fd = -1, .port_prefix = port_prefix, .max_conns = 6
	};
	const struct gmem_layout first = { .size = SECOND, .uva = UVA };
	const struct gmem_layout second = {
		.gpa = SECOND, .size = MEM_SIZE - SECOND, .uva = 2 * UVA, .offset = SECOND
	};
	struct input in = { data, size };
	static char longest[PROXY_PREFIX_MAX];
	struct err err = ERR_NULL;
	int fd;

	memset(longest, 'p', sizeof(longest) - 1);

	faults_arm(0);
	faults_hurry(false);
	setup();
	uint8_t how = u8(&in);
	config.listen_fd = how & 0x10 ? how & 0x20 ? memfd : event : listen_fd;
	if (how & 4)
		config.port_prefix = how & 8 ? longest : NULL;
	if (how & 0x40)
		config.max_conns = 3;
	if (how & 0x80)
		faults_arm(1 + u8(&in) % 32);
	memset(ram, 0, MEM_SIZE);
	memset(clients, 0xff, sizeof(clients));
	int r = proxy_new(loop, &config, &px, &err);
	if (r < 0) {
		if (!(how & 0x90) || r != -err.code)
			abort();
		return 0;
	}
	faults_arm(0);
	if (gmem_add(&px->vhost.mem, &first, memfd, &err) < 0 ||
	    gmem_add(&px->vhost.mem, &second, memfd, &err) < 0)
		abort();
	if (how & 2) /* the ports of the host come round */
		px->next_port = PROXY_PORT_LAST;
	start_rings(false, how & 1);
	while (in.left)
		step(&in);
	faults_arm(0);
	unsigned nr = 0;
	list_for_each(pos, &px->conns)
		nr++;
	if (nr != px->nr_conns || nr > px->max_conns + NR_CLIENTS)
		abort();
	px = proxy_free(px);
	for (unsigned i = 0; i < NR_CLIENTS; i++)
		(void)fd_close(clients[i]);
	while ((fd = accept4(port_fd, NULL, NULL, SOCK_CLOEXEC)) >= 0 ||
	       (fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC)) >= 0)
		(void)close(fd);
	return 0;
}
