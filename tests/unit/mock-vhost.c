/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A hypervisor and a guest for the tests of kata-proxy. The guest's memory: rings at 0 and 64 KiB,
 * receive buffers from 1 MiB, transmit buffers from 3 MiB on.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <endian.h>
#include <errno.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include <linux/virtio_vsock.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/fd.h"
#include "mock-vhost.h"

#define AVAIL_AT 0x4000u
#define USED_AT 0x8000u
#define RX_BUFFERS (1u << 20)
#define TX_BUFFERS (3u << 20)
#define TX_STRIDE 0x1000u
#define INDIRECT_AT 0x20000u
#define SLICE_MS 5
#define PATIENCE_MS 5000

static void on_slice_end(void *arg)
{
	loop_exit(arg, 4711);
}

/* Runs the loop for a while; the proxy may leave it for good. */
void mock_run(struct mock *m, unsigned ms)
{
	struct loop_source *timer;

	if (m->ended)
		return;
	assert_int_equal(
		loop_add_timer(m->loop, loop_deadline_ms(ms), on_slice_end, m->loop, &timer), 0);
	int r = loop_run(m->loop);
	(void)loop_source_free(timer);
	if (r != 4711) {
		m->ended = true;
		m->exit_code = r;
	}
}

static bool readable(int fd)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };

	return poll(&pfd, 1, 0) == 1;
}

static bool run_until_readable(struct mock *m, int fd)
{
	for (int i = 0; i < PATIENCE_MS && !readable(fd) && !m->ended; i++)
		mock_run(m, 1);
	return readable(fd);
}

static int listen_here(void)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX, .sun_path = "s" };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(listen(fd, 128), 0);
	return fd;
}

void mock_new(struct mock *m, uint64_t features, unsigned max_conns)
{
	struct err err = ERR_NULL;
	int pair[2];

	memset(m, 0, sizeof(*m));
	(void)snprintf(m->dir, sizeof(m->dir), "/tmp/kata-proxy-test-XXXXXX");
	assert_non_null(mkdtemp(m->dir));
	assert_int_equal(chdir(m->dir), 0);
	m->features = features | 1ull << VIRTIO_F_VERSION_1;
	m->event_idx = features >> VIRTIO_RING_F_EVENT_IDX & 1;
	m->rx_len = MOCK_RX_LEN;
	m->nr_rx = MOCK_NUM;
	m->memfd = memfd_create("guest", MFD_CLOEXEC);
	assert_int_equal(ftruncate(m->memfd, MOCK_MEM_SIZE), 0);
	m->mem = mmap(NULL, MOCK_MEM_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, m->memfd, 0);
	assert_true(m->mem != MAP_FAILED);
	m->rx = (struct mock_ring){ .at = 0, .kick = -1, .call = -1 };
	m->tx = (struct mock_ring){ .at = 0x10000, .kick = -1, .call = -1 };
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	m->master = pair[0];
	assert_int_equal(loop_new(&m->loop), 0);
	struct proxy_config config = {
		.cid = MOCK_CID,
		.listen_fd = listen_here(),
		.port_prefix = "port_",
		.max_conns = max_conns,
	};
	assert_int_equal(proxy_new(m->loop, &config, &m->px, &err), 0);
	assert_int_equal(vhost_attach(&m->px->vhost, pair[1], &err), 0);
}

void mock_free(struct mock *m)
{
	char cmd[128];

	int listen_fd = m->px->listen_fd, vhost_fd = m->px->vhost.fd;
	(void)proxy_free(m->px);
	(void)loop_free(m->loop);
	(void)fd_close(listen_fd);
	(void)fd_close(vhost_fd);
	(void)fd_close(m->master);
	(void)fd_close(m->memfd);
	(void)fd_close(m->rx.kick);
	(void)fd_close(m->rx.call);
	(void)fd_close(m->tx.kick);
	(void)fd_close(m->tx.call);
	(void)munmap(m->mem, MOCK_MEM_SIZE);
	assert_int_equal(chdir("/"), 0);
	(void)snprintf(cmd, sizeof(cmd), "rm -r %s", m->dir);
	assert_int_equal(system(cmd), 0);
}

void mock_send_msg(struct mock *m, uint32_t request, uint32_t flags, const void *payload,
		   uint32_t size, const int *fds, unsigned nr_fds)
{
	uint8_t buf[12 + sizeof(union vhost_payload)];
	uint32_t header[3] = { request, VHOST_FLAG_VERSION | flags, size };

	memcpy(buf, header, sizeof(header));
	if (size)
		memcpy(buf + sizeof(header), payload, size);
	assert_int_equal(fd_send_msg(m->master, buf, sizeof(header) + size, fds, nr_fds),
			 sizeof(header) + size);
}

/* Return: false when the connection was closed. */
bool mock_recv_msg(struct mock *m, struct vhost_msg *ret)
{
	memset(ret, 0, sizeof(*ret));
	assert_true(run_until_readable(m, m->master));
	if (recv(m->master, &ret->header, 12, MSG_WAITALL) != 12)
		return false;
	assert_true(ret->header.flags & VHOST_FLAG_REPLY);
	assert_true(ret->header.size <= sizeof(ret->payload));
	if (ret->header.size)
		assert_int_equal(recv(m->master, &ret->payload, ret->header.size, MSG_WAITALL),
				 ret->header.size);
	return true;
}

uint64_t mock_ask_u64(struct mock *m, uint32_t request)
{
	struct vhost_msg msg;

	mock_send_msg(m, request, 0, NULL, 0, NULL, 0);
	assert_true(mock_recv_msg(m, &msg));
	assert_int_equal(msg.header.request, request);
	assert_int_equal(msg.header.size, 8);
	return msg.payload.u64;
}

struct vring_desc *mock_desc(struct mock *m, const struct mock_ring *ring, unsigned i)
{
	return (struct vring_desc *)(void *)(m->mem + ring->at) + i;
}

static struct vring_avail *avail_of(struct mock *m, const struct mock_ring *ring)
{
	return (struct vring_avail *)(void *)(m->mem + ring->at + AVAIL_AT);
}

static struct vring_used *used_of(struct mock *m, const struct mock_ring *ring)
{
	return (struct vring_used *)(void *)(m->mem + ring->at + USED_AT);
}

/* Makes a chain visible to the device; the kick is the caller's. */
void mock_offer(struct mock *m, struct mock_ring *ring, uint16_t head)
{
	struct vring_avail *avail = avail_of(m, ring);

	avail->ring[ring->avail++ % MOCK_NUM] = htole16(head);
	__atomic_store_n(&avail->idx, htole16(ring->avail), __ATOMIC_RELEASE);
}

void mock_kick(struct mock_ring *ring)
{
	uint64_t one = 1;

	assert_int_equal(write(ring->kick, &one, sizeof(one)), sizeof(one));
}

static void offer_rx(struct mock *m, uint16_t i)
{
	*mock_desc(m, &m->rx, i) = (struct vring_desc){
		.addr = MOCK_GPA + RX_BUFFERS + (uint64_t)i * m->rx_len,
		.len = m->rx_len,
		.flags = VRING_DESC_F_WRITE,
	};
	mock_offer(m, &m->rx, i);
}

void mock_give_rx(struct mock *m, unsigned nr)
{
	for (unsigned i = 0; i < nr; i++)
		offer_rx(m, (uint16_t)i);
	mock_kick(&m->rx);
}

static void set_ring(struct mock *m, uint32_t index, struct mock_ring *ring, uint32_t base)
{
	union vhost_payload p = { .state = { index, MOCK_NUM } };
	uint64_t uva = (uintptr_t)m->mem + ring->at, which = index;

	mock_send_msg(m, VHOST_SET_VRING_NUM, 0, &p, 8, NULL, 0);
	p.state.num = base;
	mock_send_msg(m, VHOST_SET_VRING_BASE, 0, &p, 8, NULL, 0);
	memset(&p, 0, sizeof(p));
	p.addr.index = index;
	p.addr.desc = uva;
	p.addr.avail = uva + AVAIL_AT;
	p.addr.used = uva + USED_AT;
	mock_send_msg(m, VHOST_SET_VRING_ADDR, 0, &p, 40, NULL, 0);
	(void)fd_close(ring->kick);
	(void)fd_close(ring->call);
	ring->kick = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	ring->call = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	mock_send_msg(m, VHOST_SET_VRING_KICK, 0, &which, 8, &ring->kick, 1);
	mock_send_msg(m, VHOST_SET_VRING_CALL, 0, &which, 8, &ring->call, 1);
}

static void set_memory(struct mock *m)
{
	union vhost_payload p = { .table = { .nr = 1 } };

	p.table.regions[0] = (struct vhost_mem_region){
		.gpa = MOCK_GPA,
		.size = MOCK_MEM_SIZE,
		.uva = (uintptr_t)m->mem,
		.offset = 0,
	};
	mock_send_msg(m, VHOST_SET_MEM_TABLE, 0, &p, 8 + 32, &m->memfd, 1);
}

/* From nothing to a running device. */
void mock_start(struct mock *m)
{
	uint64_t offered = mock_ask_u64(m, VHOST_GET_FEATURES);

	assert_int_equal(m->features & ~offered, 0);
	mock_send_msg(m, VHOST_SET_OWNER, 0, NULL, 0, NULL, 0);
	mock_send_msg(m, VHOST_SET_FEATURES, 0, &m->features, 8, NULL, 0);
	set_memory(m);
	set_ring(m, 0, &m->rx, 0);
	set_ring(m, 1, &m->tx, 0);
	mock_give_rx(m, m->nr_rx);
	while (!m->px->running)
		mock_run(m, 1);
	mock_run(m, 1);
}

void mock_stop(struct mock *m, uint16_t bases[2])
{
	struct vhost_msg msg;

	for (uint32_t i = 0; i < 2; i++) {
		union vhost_payload p = { .state = { i, 0 } };

		mock_send_msg(m, VHOST_GET_VRING_BASE, 0, &p, 8, NULL, 0);
		assert_true(mock_recv_msg(m, &msg));
		assert_int_equal(msg.payload.state.index, i);
		bases[i] = (uint16_t)msg.payload.state.num;
	}
	assert_false(m->px->running);
}

void mock_resume(struct mock *m, const uint16_t bases[2])
{
	set_ring(m, 0, &m->rx, bases[0]);
	set_ring(m, 1, &m->tx, bases[1]);
	for (int i = 0; i < PATIENCE_MS && !m->px->running; i++)
		mock_run(m, 1);
	assert_true(m->px->running);
}

/* What a reboot of the guest looks like: its driver begins anew. */
void mock_restart_driver(struct mock *m)
{
	static const uint16_t zero[2];

	memset(m->mem, 0, 0x20000);
	m->rx.avail = m->rx.used = m->tx.avail = m->tx.used = 0;
	for (unsigned i = 0; i < m->nr_rx; i++)
		offer_rx(m, (uint16_t)i);
	mock_resume(m, zero);
}

static void put_packet(struct mock *m, const struct packet *pkt, const void *data, uint32_t len,
		       uint8_t *to)
{
	struct iovec iov = { .iov_base = to, .iov_len = PACKET_HEADER_LEN };

	(void)m;
	assert_int_equal(packet_store(pkt, &iov, 1), 0);
	if (len)
		memcpy(to + PACKET_HEADER_LEN, data, len);
}

/* Header and payload in two descriptors, as Linux does it; or in an indirect table. */
void mock_post_packet(struct mock *m, const struct packet *pkt, const void *data, uint32_t len,
		      bool indirect)
{
	unsigned slot = m->tx.avail % (MOCK_NUM / 2);
	uint32_t stride = len + PACKET_HEADER_LEN > TX_STRIDE ? 0x20000u : TX_STRIDE;
	uint32_t at =
		TX_BUFFERS + (stride == TX_STRIDE ? slot * stride : 0x40000u + slot % 5 * stride);
	struct vring_desc *table =
		indirect ? (struct vring_desc *)(void *)(m->mem + INDIRECT_AT + slot * 32)
			 : mock_desc(m, &m->tx, slot * 2);
	uint16_t second = indirect ? 1 : (uint16_t)(slot * 2 + 1);

	/* One at a time: the buffers of the last one may be used again. */
	for (int i = 0; i < PATIENCE_MS && le16toh(used_of(m, &m->tx)->idx) != m->tx.avail; i++)
		mock_run(m, 1);
	put_packet(m, pkt, data, len, m->mem + at);
	table[0] = (struct vring_desc){
		.addr = MOCK_GPA + at,
		.len = PACKET_HEADER_LEN,
		.flags = len ? VRING_DESC_F_NEXT : 0,
		.next = second,
	};
	table[1] = (struct vring_desc){ .addr = MOCK_GPA + at + PACKET_HEADER_LEN, .len = len };
	if (indirect)
		*mock_desc(m, &m->tx, slot * 2) = (struct vring_desc){
			.addr = MOCK_GPA + INDIRECT_AT + slot * 32,
			.len = len ? 32 : 16,
			.flags = VRING_DESC_F_INDIRECT,
		};
	mock_offer(m, &m->tx, (uint16_t)(slot * 2));
	mock_kick(&m->tx);
}

void mock_post(struct mock *m, uint16_t op, uint32_t host_port, uint32_t guest_port,
	       const void *data, uint32_t len)
{
	struct packet pkt = {
		.src_cid = MOCK_CID,
		.dst_cid = 2,
		.src_port = guest_port,
		.dst_port = host_port,
		.len = len,
		.type = VIRTIO_VSOCK_TYPE_STREAM,
		.op = op,
		.buf_alloc = 1 << 20,
	};

	mock_post_packet(m, &pkt, data, len, false);
}

static bool take_used(struct mock *m, struct mock_packet *ret)
{
	struct vring_used *used = used_of(m, &m->rx);

	if (le16toh(__atomic_load_n(&used->idx, __ATOMIC_ACQUIRE)) == m->rx.used)
		return false;
	struct vring_used_elem e = used->ring[m->rx.used++ % MOCK_NUM];
	uint16_t head = (uint16_t)le32toh(e.id);
	uint8_t *buf = m->mem + RX_BUFFERS + (size_t)head * m->rx_len;
	struct iovec iov = { .iov_base = buf, .iov_len = PACKET_HEADER_LEN };
	assert_true(le32toh(e.len) <= m->rx_len);
	assert_int_equal(packet_load(&ret->h, &iov, 1), 0);
	assert_int_equal(le32toh(e.len), PACKET_HEADER_LEN + ret->h.len);
	memcpy(ret->data, buf + PACKET_HEADER_LEN, ret->h.len);
	offer_rx(m, head);
	mock_kick(&m->rx);
	return true;
}

bool mock_next(struct mock *m, struct mock_packet *ret)
{
	for (int i = 0; i < PATIENCE_MS; i++) {
		if (take_used(m, ret))
			return true;
		if (m->ended)
			return false;
		mock_run(m, 1);
	}
	return false;
}

void mock_expect(struct mock *m, uint16_t op, struct mock_packet *ret)
{
	static struct mock_packet scratch;

	if (!ret)
		ret = &scratch;
	assert_true(mock_next(m, ret));
	assert_int_equal(ret->h.op, op);
	assert_int_equal(ret->h.src_cid, 2);
	assert_int_equal(ret->h.dst_cid, MOCK_CID);
}

/* Nothing comes for the guest. */
void mock_nothing(struct mock *m)
{
	static struct mock_packet p;

	for (int i = 0; i < 3; i++)
		mock_run(m, SLICE_MS);
	assert_false(take_used(m, &p));
}

int mock_client(struct mock *m, const char *hello)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX, .sun_path = "s" };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(write(fd, hello, strlen(hello)), strlen(hello));
	mock_run(m, 1);
	return fd;
}

/* Return: bytes read, less than @len at the end of the stream. */
size_t mock_read(struct mock *m, int fd, void *buf, size_t len)
{
	size_t have = 0;

	while (have < len) {
		assert_true(run_until_readable(m, fd));
		ssize_t n = read(fd, (char *)buf + have, len - have);
		assert_true(n >= 0);
		if (n == 0)
			break;
		have += (size_t)n;
	}
	return have;
}

void mock_read_eof(struct mock *m, int fd)
{
	char c;

	assert_int_equal(mock_read(m, fd, &c, 1), 0);
}

/* A client whose connection to @port the guest accepted. Return: its descriptor. */
int mock_connected(struct mock *m, uint32_t port, uint32_t *ret_host_port)
{
	static struct mock_packet p; /* too large for a stack */
	char hello[32], line[32], ok[32];

	(void)snprintf(hello, sizeof(hello), "CONNECT %u\n", port);
	int fd = mock_client(m, hello);
	mock_expect(m, VIRTIO_VSOCK_OP_REQUEST, &p);
	assert_int_equal(p.h.dst_port, port);
	mock_post(m, VIRTIO_VSOCK_OP_RESPONSE, p.h.src_port, port, NULL, 0);
	int len = snprintf(ok, sizeof(ok), "OK %u\n", p.h.src_port);
	assert_int_equal(mock_read(m, fd, line, (size_t)len), len);
	assert_memory_equal(line, ok, (size_t)len);
	*ret_host_port = p.h.src_port;
	return fd;
}
