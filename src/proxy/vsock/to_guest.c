/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DOC: Filling the guest's receive ring
 *
 * Whoever has something for the guest stands in line once, in px->ready. Each turn of a connection
 * sends what it has of control packets and at most one batch of data, then it goes to the end of
 * the line, so that a busy stream does not keep the others waiting. When the guest has no buffers
 * left everything stays in line until it kicks.
 *
 * Linux guests give buffers of less than 4 KiB. One read from the client therefore fills many of
 * them: their headers are written afterwards, when it is known how far the bytes went, and unused
 * chains are put back.
 */
#include "proxy/vsock/to_guest.h"

#include <linux/virtio_vsock.h>
#include <linux/vm_sockets.h>

#include "common/log.h"
#include "proxy/vsock/proxy.h"

/* Turns per run, then the loop looks at other things. */
#define TURNS_PER_RUN 64
#define BATCH_CHAINS 64
#define BATCH_IOV 160
#define BATCH_BYTES 131072u

enum turn { TURN_IDLE, TURN_MORE, TURN_FULL };

/* A chain taken for data: where its header goes and how much payload it holds. */
struct slot {
	uint16_t head;
	uint32_t room;
	void *header; /* NULL: the header is scattered, and px->chain is this chain */
};

struct batch {
	struct slot slots[BATCH_CHAINS];
	struct iovec iov[BATCH_IOV]; /* of the payload */
	unsigned nr_slots, nr_iov;
	size_t room;
};

/* Return: 1 with a chain in px->chain that holds at least a header, 0 when there is none. */
static int next_chain(struct proxy *px)
{
	struct vq *vq = &px->vhost.rings[VHOST_RING_RX];
	int r = vq_pop(vq, &px->vhost.mem, &px->chain);

	if (r > 0 && (px->chain.nr_out || px->chain.in_len < PACKET_HEADER_LEN)) {
		vq_fail(vq);
		r = -EINVAL;
	}
	if (r < 0) {
		proxy_ring_failed(px, VHOST_RING_RX, r);
		return 0;
	}
	return r;
}

static bool send_packet(struct proxy *px, const struct packet *pkt)
{
	if (!next_chain(px))
		return false;
	(void)packet_store(pkt, px->chain.iov, px->chain.nr_in); /* next_chain() saw that it fits */
	vq_push(&px->vhost.rings[VHOST_RING_RX], px->chain.head, PACKET_HEADER_LEN);
	return true;
}

/* Every header tells the guest what it may send. */
static struct packet make_packet(struct vconn *c, uint16_t op, uint32_t flags, uint32_t len)
{
	c->fwd_told = c->fwd_cnt;
	c->send &= ~(unsigned)VCONN_SEND_CREDIT;
	return (struct packet){
		.src_cid = VMADDR_CID_HOST,
		.dst_cid = c->px->cid,
		.src_port = c->host_port,
		.dst_port = c->guest_port,
		.len = len,
		.type = VIRTIO_VSOCK_TYPE_STREAM,
		.op = op,
		.flags = flags,
		.buf_alloc = c->buf_alloc,
		.fwd_cnt = c->fwd_cnt,
	};
}

static bool send_control(struct vconn *c, unsigned which, uint16_t op, uint32_t flags)
{
	if (!(c->send & which))
		return true;
	struct packet pkt = make_packet(c, op, flags, 0);
	if (!send_packet(c->px, &pkt)) {
		c->send |= which;
		return false;
	}
	c->send &= ~which;
	return true;
}

/* Adds px->chain. Return: false when it must be put back and taken in a later batch. */
static bool add_slot(struct proxy *px, struct batch *b, uint32_t want)
{
	const struct vq_chain *chain = &px->chain;
	bool scattered = chain->iov[0].iov_len < PACKET_HEADER_LEN;
	size_t room = MIN(chain->in_len - PACKET_HEADER_LEN, (size_t)MIN(PACKET_PAYLOAD_MAX, want));

	if (scattered && b->nr_slots)
		return false;
	int n = packet_slice(chain->iov, chain->nr_in, PACKET_HEADER_LEN, room, b->iov + b->nr_iov,
			     BATCH_IOV - b->nr_iov);
	size_t covered = 0;
	for (int i = 0; i < n; i++)
		covered += b->iov[b->nr_iov + (unsigned)i].iov_len;
	if (covered < room && b->nr_slots)
		return false;
	b->slots[b->nr_slots++] = (struct slot){
		.head = chain->head,
		.room = (uint32_t)covered,
		.header = scattered ? NULL : chain->iov[0].iov_base,
	};
	b->nr_iov += (unsigned)n;
	b->room += covered;
	return true;
}

/* Takes chains for up to @want bytes. */
static void gather(struct proxy *px, struct batch *b, uint32_t want)
{
	while (b->nr_slots < BATCH_CHAINS && b->room < want) {
		if (!next_chain(px))
			return;
		if (!add_slot(px, b, want - (uint32_t)b->room)) {
			vq_unpop(&px->vhost.rings[VHOST_RING_RX], 1);
			return;
		}
		if (!b->slots[0].header)
			return; /* its pieces are in px->chain, which the next one would overwrite */
	}
}

static void finish_slot(struct vconn *c, const struct slot *slot, uint32_t len)
{
	struct packet pkt = make_packet(c, VIRTIO_VSOCK_OP_RW, 0, len);
	struct iovec header = { .iov_base = slot->header, .iov_len = PACKET_HEADER_LEN };

	/* Whether the header fits was seen when the chain was taken. */
	if (slot->header)
		(void)packet_store(&pkt, &header, 1);
	else
		(void)packet_store(&pkt, c->px->chain.iov, c->px->chain.nr_in);
	c->tx_cnt += len;
	vq_push(&c->px->vhost.rings[VHOST_RING_RX], slot->head, PACKET_HEADER_LEN + len);
}

static enum turn send_data(struct vconn *c)
{
	struct proxy *px = c->px;
	struct batch b;
	uint32_t want = MIN(vconn_credit(c), BATCH_BYTES);
	unsigned used = 0;

	if (!want) {
		/*
		 * Its update may have been lost on a full socket of the guest; asking once costs
		 * little.
		 */
		if (!c->credit_asked)
			c->send |= VCONN_SEND_CREDIT_REQUEST;
		c->credit_asked = true;
		return TURN_IDLE;
	}
	b.nr_slots = b.nr_iov = 0; /* the arrays are filled as far as these say */
	b.room = 0;
	gather(px, &b, want);
	if (!b.room) {
		vq_unpop(&px->vhost.rings[VHOST_RING_RX], b.nr_slots);
		if (!b.nr_slots)
			return TURN_FULL;
		vq_fail(&px->vhost.rings
				 [VHOST_RING_RX]); /* buffers that hold a header and nothing else */
		proxy_ring_failed(px, VHOST_RING_RX, -EINVAL);
		return TURN_FULL;
	}
	ssize_t n = vconn_read(c, b.iov, b.nr_iov, b.room);
	for (size_t left = (size_t)n; left; used++) {
		uint32_t len = (uint32_t)MIN(left, (size_t)b.slots[used].room);

		finish_slot(c, &b.slots[used], len);
		left -= len;
	}
	vq_unpop(&px->vhost.rings[VHOST_RING_RX], b.nr_slots - used);
	return TURN_MORE;
}

static enum turn turn_established(struct vconn *c)
{
	enum turn turn = TURN_IDLE;

	if (!send_control(c, VCONN_SEND_RESPONSE, VIRTIO_VSOCK_OP_RESPONSE, 0))
		return TURN_FULL;
	if (c->readable)
		turn = send_data(c);
	if (turn == TURN_FULL || c->state != VCONN_ESTABLISHED)
		return turn;
	/*
	 * The end of the stream comes after its bytes; that nobody reads any more can be said at
	 * once.
	 */
	unsigned shut = c->readable ? c->shut_want & VIRTIO_VSOCK_SHUTDOWN_RCV : c->shut_want;
	if ((c->send & VCONN_SEND_SHUTDOWN) && (shut & ~c->shut_sent)) {
		if (!send_control(c, VCONN_SEND_SHUTDOWN, VIRTIO_VSOCK_OP_SHUTDOWN, shut))
			return TURN_FULL;
		c->shut_sent |= shut;
		if (c->shut_sent == (VIRTIO_VSOCK_SHUTDOWN_RCV | VIRTIO_VSOCK_SHUTDOWN_SEND)) {
			vconn_closing(c);
			return TURN_IDLE;
		}
		if (c->shut_want & ~c->shut_sent)
			c->send |= VCONN_SEND_SHUTDOWN;
	}
	if (!send_control(c, VCONN_SEND_CREDIT_REQUEST, VIRTIO_VSOCK_OP_CREDIT_REQUEST, 0) ||
	    !send_control(c, VCONN_SEND_CREDIT, VIRTIO_VSOCK_OP_CREDIT_UPDATE, 0))
		return TURN_FULL;
	return c->readable ? turn : TURN_IDLE;
}

static enum turn take_turn(struct vconn *c)
{
	enum turn turn = TURN_IDLE;

	if (c->state == VCONN_CONNECTING)
		turn = send_control(c, VCONN_SEND_REQUEST, VIRTIO_VSOCK_OP_REQUEST, 0) ? TURN_IDLE
										       : TURN_FULL;
	else if (c->state == VCONN_ESTABLISHED)
		turn = turn_established(c);
	if (c->state == VCONN_DEAD)
		return TURN_IDLE;
	/* Another turn follows at once after MORE: no need to stop watching. */
	if (turn != TURN_MORE && c->blocked != c->readable) {
		c->blocked = c->readable;
		vconn_update_io(c);
	} else if (c->eof && !c->hup_watched) {
		vconn_update_io(c);
	}
	return c->state == VCONN_DEAD ? TURN_IDLE : turn;
}

static bool send_replies(struct proxy *px)
{
	while (px->nr_replies) {
		const struct proxy_reply *reply = &px->replies[px->first_reply];
		struct packet pkt = {
			.src_cid = reply->src_cid,
			.dst_cid = px->cid,
			.src_port = reply->src_port,
			.dst_port = reply->dst_port,
			.type = reply->type,
			.op = VIRTIO_VSOCK_OP_RST,
		};

		if (!send_packet(px, &pkt))
			return false;
		px->first_reply++;
		px->nr_replies--;
	}
	px->first_reply = 0;
	return true;
}

/* Serves the line. Return: false when the guest has no buffers. */
static bool serve(struct proxy *px)
{
	if (!send_replies(px))
		return false;
	for (unsigned i = 0; i < TURNS_PER_RUN && !list_empty(&px->ready); i++) {
		struct vconn *c = list_entry(px->ready.next, struct vconn, ready);
		enum turn turn = take_turn(c);

		if (turn == TURN_FULL)
			return false;
		list_del(&c->ready);
		if (turn == TURN_MORE)
			list_add_tail(&px->ready, &c->ready);
	}
	return true;
}

/* The guest has no buffers: what cannot be delivered must not wake us up. */
static void block_line(struct proxy *px)
{
	list_for_each_safe(pos, tmp, &px->ready) {
		struct vconn *c = list_entry(pos, struct vconn, ready);

		if (c->state == VCONN_ESTABLISHED && c->readable && !c->blocked) {
			c->blocked = true;
			vconn_update_io(c);
		}
	}
}

/**
 * to_guest_run() - send what stands in line, callback of px->to_guest
 * @arg: proxy
 */
void to_guest_run(void *arg)
{
	struct proxy *px = arg;
	struct vq *vq = &px->vhost.rings[VHOST_RING_RX];

	if (!px->running) {
		block_line(px);
		return;
	}
	uint16_t used_before = vq->used_idx;
	proxy_active(px);
	(void)vq_want_kicks(vq, false);
	bool more = serve(px);
	while (!more && px->running && vq_want_kicks(vq, true)) {
		(void)vq_want_kicks(vq, false);
		more = serve(px);
	}
	if (vq->used_idx != used_before)
		vq_signal(vq);
	if (!more)
		block_line(px);
	else if (!list_empty(&px->ready))
		loop_trigger(px->to_guest);
	/* from_guest.c stops when too many answers stand in line. */
	if (px->nr_replies < PROXY_REPLIES_HIGH && px->from_guest_held)
		loop_trigger(px->from_guest);
}
