/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Packets from the guest: takes them out of the transmit ring and acts on each. The header is
 * checked here; payload goes on unread.
 */
#include "proxy/vsock/from_guest.h"

#include <linux/virtio_vsock.h>
#include <linux/vm_sockets.h>

#include "common/fd.h"
#include "common/log.h"
#include "proxy/vsock/hybrid.h"
#include "proxy/vsock/proxy.h"

/* Packets per run, then the loop looks at other things. */
#define PACKETS_PER_RUN 128
/*
 * The guest only frees what it sent when it hears that packets were taken, so it is told of many at
 * once: of this part of the ring, or what there is after a time. For each interrupt its kernel runs
 * a work item, which costs more than the packet itself.
 */
#define TAKEN_RING_PART 8U
#define TAKEN_DELAY_MS 5
#define SHUTDOWN_BOTH (VIRTIO_VSOCK_SHUTDOWN_RCV | VIRTIO_VSOCK_SHUTDOWN_SEND)

static void refuse(struct proxy *px, const struct packet *pkt)
{
	struct proxy_reply rst = {
		.src_cid = pkt->dst_cid,
		.src_port = pkt->dst_port,
		.dst_port = pkt->src_port,
		.type = pkt->type,
	};

	if (pkt->op != VIRTIO_VSOCK_OP_RST)
		proxy_reply_rst(px, &rst);
}

static void on_request(struct proxy *px, const struct packet *pkt)
{
	/* The guest is alive and its processes are getting somewhere: see hybrid.c. */
	hybrid_wake(px);
	if (px->nr_conns >= px->max_conns) {
		log_debug("guest connects to port %u: too many connections", pkt->dst_port);
		refuse(px, pkt);
		return;
	}
	int fd = hybrid_dial(px, pkt->dst_port);
	struct vconn *c = fd >= 0 ? vconn_new(px, fd, VCONN_ESTABLISHED, NULL) : NULL;
	if (!c) {
		log_debug("guest connects to port %u: nobody there", pkt->dst_port);
		refuse(px, pkt);
		return;
	}
	vconn_insert(c, pkt->dst_port, pkt->src_port);
	vconn_see_credit(c, pkt);
	vconn_mark(c, VCONN_SEND_RESPONSE);
}

static void on_response(struct vconn *c)
{
	if (c->state != VCONN_CONNECTING || (c->send & VCONN_SEND_REQUEST)) {
		vconn_reset(c);
		return;
	}
	if (hybrid_accepted(c) < 0)
		vconn_reset(c);
	hybrid_wake(c->px);
}

static void on_rst(struct vconn *c)
{
	if (c->state == VCONN_CONNECTING && !(c->send & VCONN_SEND_REQUEST))
		hybrid_refused(c);
	else if (c->state == VCONN_ESTABLISHED || c->state == VCONN_CLOSING)
		vconn_guest_gone(c);
}

static void on_shutdown(struct vconn *c, const struct packet *pkt)
{
	unsigned flags = pkt->flags & SHUTDOWN_BOTH;

	if (c->state == VCONN_ESTABLISHED && ((c->shut_recv | flags) != SHUTDOWN_BOTH)) {
		vconn_guest_shutdown(c, flags);
		return;
	}
	if (c->state == VCONN_CLOSING && flags != SHUTDOWN_BOTH)
		return;
	if (c->state == VCONN_WAITING)
		return;
	/* The guest closed: RST is the answer it waits for. */
	refuse(c->px, pkt);
	if (c->state == VCONN_ESTABLISHED)
		vconn_guest_gone(c);
	else
		vconn_kill(c);
}

static void on_data(struct vconn *c, const struct packet *pkt, const struct iovec *iov, unsigned nr)
{
	struct iovec payload[VQ_IOV_MAX];

	if (c->state == VCONN_CLOSING)
		return; /* was under way when the client closed */
	if (c->state != VCONN_ESTABLISHED || (c->shut_recv & VIRTIO_VSOCK_SHUTDOWN_SEND)) {
		vconn_reset(c);
		return;
	}
	int n = packet_slice(iov, nr, PACKET_HEADER_LEN, pkt->len, payload, VQ_IOV_MAX);
	vconn_write(c, payload, (unsigned)n, pkt->len);
}

static void dispatch(struct proxy *px, const struct packet *pkt, const struct iovec *iov,
		     unsigned nr)
{
	struct vconn *c = vconn_find(px, pkt->dst_port, pkt->src_port);

	if (pkt->dst_cid != VMADDR_CID_HOST || pkt->type != VIRTIO_VSOCK_TYPE_STREAM) {
		refuse(px, pkt);
		return;
	}
	if (!c) {
		if (pkt->op == VIRTIO_VSOCK_OP_REQUEST)
			on_request(px, pkt);
		else
			refuse(px, pkt);
		return;
	}
	vconn_see_credit(c, pkt);
	switch (pkt->op) {
	case VIRTIO_VSOCK_OP_RESPONSE:
		on_response(c);
		return;
	case VIRTIO_VSOCK_OP_RST:
		on_rst(c);
		return;
	case VIRTIO_VSOCK_OP_SHUTDOWN:
		on_shutdown(c, pkt);
		return;
	case VIRTIO_VSOCK_OP_RW:
		on_data(c, pkt, iov, nr);
		return;
	case VIRTIO_VSOCK_OP_CREDIT_UPDATE:
		return;
	case VIRTIO_VSOCK_OP_CREDIT_REQUEST:
		if (c->state == VCONN_ESTABLISHED)
			vconn_mark(c, VCONN_SEND_CREDIT);
		return;
	default:
		vconn_reset(c); /* REQUEST for ports in use, or nothing we know */
		return;
	}
}

static void take_packet(struct proxy *px)
{
	struct packet pkt;

	/*
	 * What is no packet, or not from this guest, gets no answer: there is nobody to answer to.
	 */
	if (packet_load(&pkt, px->chain.iov, px->chain.nr_out) < 0) {
		log_debug("guest sent a packet of %zu bytes", px->chain.out_len);
		return;
	}
	if (pkt.src_cid != px->cid || pkt.len > px->chain.out_len - PACKET_HEADER_LEN ||
	    pkt.len > PACKET_PAYLOAD_MAX) {
		log_debug("guest sent a packet from CID %llu with %u bytes in %zu",
			  (unsigned long long)pkt.src_cid, pkt.len, px->chain.out_len);
		return;
	}
	dispatch(px, &pkt, px->chain.iov, px->chain.nr_out);
}

/* Without indirect descriptors a few packets fill the ring: its driver waits for each. */
static void signal_taken(struct proxy *px)
{
	struct vq *vq = &px->vhost.rings[VHOST_RING_TX];

	if (!vq->indirect || vq_unsignalled(vq) >= vq->num / TAKEN_RING_PART) {
		vq_signal(vq);
		return;
	}
	if (!px->taken_armed)
		px->taken_armed = loop_timer_set(px->taken, loop_deadline_ms(TAKEN_DELAY_MS)) == 0;
	if (!px->taken_armed)
		vq_signal(vq);
}

/**
 * from_guest_taken() - tell the guest of the packets that were taken, callback of px->taken
 * @arg: proxy
 */
void from_guest_taken(void *arg)
{
	struct proxy *px = arg;
	struct vq *vq = &px->vhost.rings[VHOST_RING_TX];

	px->taken_armed = false;
	if (px->running && vq_unsignalled(vq))
		vq_signal(vq);
}

/**
 * from_guest_drain() - take packets out of the transmit ring
 * @px: proxy with a running device
 * @max: most packets to take
 *
 * Return: true when the ring is empty, false when there is more.
 */
bool from_guest_drain(struct proxy *px, unsigned max)
{
	struct vq *vq = &px->vhost.rings[VHOST_RING_TX];
	unsigned i = 0;
	int r = 0;

	for (; i < max; i++) {
		px->from_guest_held = px->nr_replies >= PROXY_REPLIES_HIGH;
		if (px->from_guest_held)
			break;
		r = vq_pop(vq, &px->vhost.mem, &px->chain);
		if (r <= 0)
			break;
		take_packet(px);
		vq_push(vq, px->chain.head, 0);
	}
	if (i)
		signal_taken(px);
	if (r < 0)
		proxy_ring_failed(px, VHOST_RING_TX, r);
	return r <= 0 && i < max;
}

/**
 * from_guest_run() - serve the transmit ring, callback of px->from_guest
 * @arg: proxy
 */
void from_guest_run(void *arg)
{
	struct proxy *px = arg;
	struct vq *vq = &px->vhost.rings[VHOST_RING_TX];

	if (!px->running)
		return;
	proxy_active(px);
	(void)vq_want_kicks(vq, false);
	bool empty = from_guest_drain(px, PACKETS_PER_RUN);
	/*
	 * When the ring is held, to_guest.c triggers this again. Otherwise look once more: packets
	 * may have come before the kick was asked for.
	 */
	if (!px->running || px->from_guest_held)
		return;
	if (!empty || vq_want_kicks(vq, true))
		loop_trigger(px->from_guest);
}
