/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DOC: The device behind the messages
 *
 * The device runs while both data rings are mapped, kicked for the first time, enabled and not
 * broken. vhost_update() is called after everything that may change this and tells the owner about
 * the edges. A stop followed by a start is either a paused VM, where the rings go on at the index
 * we returned, or a driver that reset the device, where they begin at 0: the protocol has no other
 * sign that every QEMU gives.
 */
#include "proxy/vhost/vhost.h"

#include <endian.h>
#include <linux/virtio_ring.h>
#include <string.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/log.h"

static const char *const ring_names[VHOST_NR_RINGS] = { "receive", "transmit", "event" };

/**
 * vhost_init() - make a backend without a connection
 * @vh: memory for it
 * @loop: event loop
 * @cid: the guest's CID
 * @ops: whom to tell
 * @arg: first argument of the callbacks
 *
 * Release it with vhost_deinit().
 */
void vhost_init(struct vhost *vh, struct loop *loop, uint64_t cid, const struct vhost_ops *ops,
		void *arg)
{
	memset(vh, 0, sizeof(*vh));
	vh->loop = loop;
	vh->ops = ops;
	vh->arg = arg;
	vh->config_le = htole64(cid);
	vh->fd = -1;
	for (unsigned i = 0; i < VHOST_NR_RINGS; i++)
		vq_init(&vh->rings[i]);
}

static void drop_ring(struct vhost *vh, unsigned ring)
{
	vh->kicks[ring] = loop_source_free(vh->kicks[ring]);
	vq_deinit(&vh->rings[ring]);
}

/**
 * vhost_deinit() - release everything but the memory of @vh
 * @vh: backend; nobody is called back
 */
void vhost_deinit(struct vhost *vh)
{
	vhost_detach(vh);
	for (unsigned i = 0; i < VHOST_NR_RINGS; i++)
		drop_ring(vh, i);
	gmem_deinit(&vh->mem);
	vh->running = false;
}

static bool ring_ready(const struct vq *vq)
{
	return vq->used && vq->kick_fd >= 0 && vq->enabled && !vq->broken;
}

static bool goes_on(const struct vhost *vh)
{
	for (unsigned i = 0; i < ARRAY_SIZE(vh->stopped_at); i++)
		if (vh->rings[i].last_avail != vh->stopped_at[i])
			return false;
	return vh->stopped_once;
}

/**
 * vhost_update() - start or stop the device if its conditions changed
 * @vh: backend
 */
void vhost_update(struct vhost *vh)
{
	bool ready = ring_ready(&vh->rings[VHOST_RING_RX]) && ring_ready(&vh->rings[VHOST_RING_TX]);

	if (ready == vh->running)
		return;
	vh->running = ready;
	if (!ready) {
		for (unsigned i = 0; i < ARRAY_SIZE(vh->stopped_at); i++)
			vh->stopped_at[i] = vh->rings[i].last_avail;
		vh->stopped_once = true;
		vh->ops->stopped(vh->arg);
		return;
	}
	bool kept = goes_on(vh);
	for (unsigned i = 0; i < ARRAY_SIZE(vh->stopped_at); i++)
		vq_start(&vh->rings[i]);
	log_debug("device started%s", kept ? ", rings go on" : "");
	vh->ops->started(vh->arg, kept);
}

/**
 * vhost_memory_changed() - find the rings again after a change of vh->mem
 * @vh: backend
 *
 * A hypervisor that changes the shape of a region takes it away and gives it back in a second
 * message: a ring that is nowhere for now only waits.
 */
void vhost_memory_changed(struct vhost *vh)
{
	for (unsigned i = 0; i < VHOST_NR_RINGS; i++) {
		struct vq *vq = &vh->rings[i];

		if (vq->kick_fd >= 0 && vq_map(vq, &vh->mem) < 0)
			log_debug("the %s ring is not in guest memory", ring_names[i]);
	}
	vhost_update(vh);
}

/**
 * vhost_set_memory() - replace the guest's memory
 * @vh: backend
 * @mem_consume: new memory, empty afterwards
 */
void vhost_set_memory(struct vhost *vh, struct gmem *mem_consume)
{
	struct gmem old = vh->mem;

	vh->mem = *mem_consume;
	*mem_consume = GMEM_NULL;
	vhost_memory_changed(vh);
	gmem_deinit(&old);
}

static void on_kick(struct vhost *vh, unsigned ring)
{
	uint64_t count;

	if (read(vh->rings[ring].kick_fd, &count, sizeof(count)) != sizeof(count))
		return; /* EAGAIN: somebody was faster; a broken descriptor is the hypervisor's own loss */
	if (vh->running)
		vh->ops->kicked(vh->arg, ring);
}

static void on_rx_kick(void *arg, unsigned events)
{
	(void)events;
	on_kick(arg, VHOST_RING_RX);
}

static void on_tx_kick(void *arg, unsigned events)
{
	(void)events;
	on_kick(arg, VHOST_RING_TX);
}

/**
 * vhost_set_kick() - take the descriptor that announces new chains, which starts the ring
 * @vh: backend
 * @ring: its number
 * @fd_consume: eventfd
 * @err: error
 *
 * Return: 0 or -errno.
 */
int vhost_set_kick(struct vhost *vh, unsigned ring, int fd_consume, struct err *err)
{
	static const loop_io_fn fns[] = { on_rx_kick, on_tx_kick };
	struct vq *vq = &vh->rings[ring];

	vh->kicks[ring] = loop_source_free(vh->kicks[ring]);
	(void)fd_close(vq->kick_fd);
	vq->kick_fd = fd_consume;
	int r = vq_map(vq, &vh->mem);
	if (r < 0)
		return err_set_errno(err, r, "the %s ring of %u descriptors cannot be used",
				     ring_names[ring], vq->num);
	vq->broken = false;
	vq->event_idx = vh->features >> VIRTIO_RING_F_EVENT_IDX & 1;
	vq->indirect = vh->features >> VIRTIO_RING_F_INDIRECT_DESC & 1;
	/* Without PROTOCOL_FEATURES there is no SET_VRING_ENABLE: the first kick is enough. */
	if (!(vh->features >> VHOST_F_PROTOCOL_FEATURES & 1))
		vq->enabled = true;
	if (ring < ARRAY_SIZE(fns)) {
		r = loop_add_io(vh->loop, vq->kick_fd, LOOP_READ, fns[ring], vh, &vh->kicks[ring]);
		if (r < 0)
			return err_set_errno(err, r, "watch the kick of the %s ring",
					     ring_names[ring]);
	}
	vhost_update(vh);
	return 0;
}

/**
 * vhost_stop_ring() - do not touch a ring any more
 * @vh: backend
 * @ring: its number
 *
 * Return: the index at which it would go on.
 */
uint16_t vhost_stop_ring(struct vhost *vh, unsigned ring)
{
	struct vq *vq = &vh->rings[ring];
	uint16_t base = vq->last_avail;

	vh->kicks[ring] = loop_source_free(vh->kicks[ring]);
	vq->kick_fd = fd_close(vq->kick_fd);
	vhost_update(vh);
	vq->call_fd = fd_close(vq->call_fd);
	vq->desc = NULL;
	vq->avail = NULL;
	vq->used = NULL;
	return base;
}

/**
 * vhost_reset() - forget everything that was negotiated, as RESET_OWNER asks
 * @vh: backend
 */
void vhost_reset(struct vhost *vh)
{
	for (unsigned i = 0; i < VHOST_NR_RINGS; i++) {
		(void)vhost_stop_ring(vh, i); /* its index is lost, as a reset demands */
		drop_ring(vh, i);
	}
	gmem_deinit(&vh->mem);
	vh->features = 0;
	vh->owned = false;
	vh->stopped_once = false;
}
