/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The other side of kata-proxy in one process with it: a hypervisor that speaks vhost-user over a
 * socketpair, and a guest's vsock driver on rings in a memfd. Every function runs the loop itself
 * until what it waits for happened.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/loop.h"
#include "proxy/vsock/packet.h"
#include "proxy/vsock/proxy.h"
#include "proxy/vhost/vhost_proto.h"

#define MOCK_GPA 0x100000ull
#define MOCK_MEM_SIZE (4u << 20)
#define MOCK_NUM 64 /* descriptors of each ring */
#define MOCK_CID 3
#define MOCK_RX_LEN 4096u

struct mock_ring {
	uint32_t at;	      /* offset of the ring in memory */
	uint16_t avail, used; /* indices of the driver */
	int kick, call;	      /* the driver's ends */
};

struct mock {
	struct loop *loop;
	struct proxy *px;
	int master; /* vhost-user */
	int memfd;
	uint8_t *mem;
	char dir[64];	   /* with the socket "s" and the ports "port_N"; the working directory */
	uint64_t features; /* negotiated */
	bool event_idx;
	uint32_t rx_len; /* size of the buffers the guest gives */
	unsigned nr_rx;	 /* how many it gives */
	struct mock_ring rx, tx;
	bool ended; /* the loop was left by the proxy */
	int exit_code;
};

/* A packet as a test writes it down. */
struct mock_packet {
	struct packet h;
	uint8_t data[PACKET_PAYLOAD_MAX];
};

void mock_new(struct mock *m, uint64_t features, unsigned max_conns);
void mock_free(struct mock *m);
/* vhost-user */
void mock_send_msg(struct mock *m, uint32_t request, uint32_t flags, const void *payload,
		   uint32_t size, const int *fds, unsigned nr_fds);
bool mock_recv_msg(struct mock *m, struct vhost_msg *ret);
uint64_t mock_ask_u64(struct mock *m, uint32_t request);
void mock_start(struct mock *m);
void mock_stop(struct mock *m, uint16_t bases[2]);
void mock_resume(struct mock *m, const uint16_t bases[2]);
void mock_restart_driver(struct mock *m);
/* guest */
void mock_post(struct mock *m, uint16_t op, uint32_t host_port, uint32_t guest_port,
	       const void *data, uint32_t len);
void mock_post_packet(struct mock *m, const struct packet *pkt, const void *data, uint32_t len,
		      bool indirect);
bool mock_next(struct mock *m, struct mock_packet *ret);
void mock_expect(struct mock *m, uint16_t op, struct mock_packet *ret);
void mock_nothing(struct mock *m);
void mock_give_rx(struct mock *m, unsigned nr);
struct vring_desc *mock_desc(struct mock *m, const struct mock_ring *ring, unsigned i);
void mock_offer(struct mock *m, struct mock_ring *ring, uint16_t head);
void mock_kick(struct mock_ring *ring);
/* host */
int mock_client(struct mock *m, const char *hello);
size_t mock_read(struct mock *m, int fd, void *buf, size_t len);
void mock_read_eof(struct mock *m, int fd);
int mock_connected(struct mock *m, uint32_t port, uint32_t *ret_host_port);
void mock_run(struct mock *m, unsigned ms);
