/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vsock packets: the header in host byte order, and moving it from and to scattered guest memory.
 */
#pragma once

#include <stdint.h>
#include <sys/uio.h>

#include "common/macros.h"

/* Length of the header in the rings. */
#define PACKET_HEADER_LEN 44u
/* Most payload of one packet, ours and Linux guests'. */
#define PACKET_PAYLOAD_MAX 65536u

struct packet {
	uint64_t src_cid, dst_cid;
	uint32_t src_port, dst_port;
	uint32_t len;
	uint16_t type, op;
	uint32_t flags, buf_alloc, fwd_cnt;
};

int packet_load(struct packet *ret, const struct iovec *iov, unsigned nr) must_check;
int packet_store(const struct packet *pkt, const struct iovec *iov, unsigned nr) must_check;
int packet_slice(const struct iovec *iov, unsigned nr, size_t skip, size_t len, struct iovec *ret,
		 unsigned max) must_check;
