/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vsock packet headers on the way between guest memory and local variables. They are copied as a
 * whole, once, so that the guest cannot change what was checked.
 */
#include "proxy/vsock/packet.h"

#include <endian.h>
#include <errno.h>
#include <linux/virtio_vsock.h>
#include <string.h>

_Static_assert(sizeof(struct virtio_vsock_hdr) == PACKET_HEADER_LEN,
	       "the header as the specification has it");

/**
 * packet_load() - copy a header out of guest memory
 * @ret: receives it
 * @iov: device-readable part of a chain
 * @nr: number of pieces
 *
 * Return: 0 or -EINVAL when the chain is too short.
 */
int packet_load(struct packet *ret, const struct iovec *iov, unsigned nr)
{
	struct virtio_vsock_hdr h;
	size_t have = 0;

	for (unsigned i = 0; i < nr && have < sizeof(h); i++) {
		size_t n = MIN(iov[i].iov_len, sizeof(h) - have);

		memcpy((uint8_t *)&h + have, iov[i].iov_base, n);
		have += n;
	}
	if (have < sizeof(h))
		return -EINVAL;
	/*
	 * What follows reads the copy: without this the compiler might go back to the guest's
	 * memory.
	 */
	__asm__ volatile("" ::: "memory");
	*ret = (struct packet){
		.src_cid = le64toh(h.src_cid),
		.dst_cid = le64toh(h.dst_cid),
		.src_port = le32toh(h.src_port),
		.dst_port = le32toh(h.dst_port),
		.len = le32toh(h.len),
		.type = le16toh(h.type),
		.op = le16toh(h.op),
		.flags = le32toh(h.flags),
		.buf_alloc = le32toh(h.buf_alloc),
		.fwd_cnt = le32toh(h.fwd_cnt),
	};
	return 0;
}

/**
 * packet_store() - copy a header into guest memory
 * @pkt: header
 * @iov: device-writable part of a chain
 * @nr: number of pieces
 *
 * Return: 0 or -EINVAL when the chain is too short.
 */
int packet_store(const struct packet *pkt, const struct iovec *iov, unsigned nr)
{
	const struct virtio_vsock_hdr h = {
		.src_cid = htole64(pkt->src_cid),
		.dst_cid = htole64(pkt->dst_cid),
		.src_port = htole32(pkt->src_port),
		.dst_port = htole32(pkt->dst_port),
		.len = htole32(pkt->len),
		.type = htole16(pkt->type),
		.op = htole16(pkt->op),
		.flags = htole32(pkt->flags),
		.buf_alloc = htole32(pkt->buf_alloc),
		.fwd_cnt = htole32(pkt->fwd_cnt),
	};
	size_t done = 0;

	for (unsigned i = 0; i < nr && done < sizeof(h); i++) {
		size_t n = MIN(iov[i].iov_len, sizeof(h) - done);

		memcpy(iov[i].iov_base, (const uint8_t *)&h + done, n);
		done += n;
	}
	return done == sizeof(h) ? 0 : -EINVAL;
}

/**
 * packet_slice() - a part of scattered memory
 * @iov: pieces
 * @nr: number of them
 * @skip: bytes to leave out at the start
 * @len: most bytes to take
 * @ret: receives the pieces
 * @max: room in @ret
 *
 * Return: number of pieces; fewer bytes than @len when the memory or @max ends before.
 */
int packet_slice(const struct iovec *iov, unsigned nr, size_t skip, size_t len, struct iovec *ret,
		 unsigned max)
{
	unsigned n = 0;

	for (unsigned i = 0; i < nr && len && n < max; i++) {
		if (skip >= iov[i].iov_len) {
			skip -= iov[i].iov_len;
			continue;
		}
		size_t part = MIN(iov[i].iov_len - skip, len);
		ret[n++] = (struct iovec){ .iov_base = (uint8_t *)iov[i].iov_base + skip,
					   .iov_len = part };
		skip = 0;
		len -= part;
	}
	return (int)n;
}
