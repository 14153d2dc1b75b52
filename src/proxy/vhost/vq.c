/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DOC: Split virtqueues, device side
 *
 * The ring lies in memory that the guest changes at any time, on any CPU. So every field is loaded
 * once, into a local variable, and checked there; the guest can only harm itself. Chains are
 * bounded by VQ_NUM_MAX descriptors, which also ends loops, and by VQ_IOV_MAX pieces of memory.
 *
 * Ordering: the driver writes descriptors, then avail->idx (our acquire load pairs with its
 * barrier); we write used elements, then used->idx (release). For notifications both sides write
 * their index or wish and then read the other's, which needs a full fence between.
 */
#include "proxy/vhost/vq.h"

#include <endian.h>
#include <linux/virtio_ring.h>
#include <string.h>
#include <unistd.h>

#include "common/err.h"
#include "common/fd.h"

/**
 * vq_init() - the state before anything is known of a ring
 * @vq: ring
 */
void vq_init(struct vq *vq)
{
	*vq = (struct vq){ .kick_fd = -1, .call_fd = -1, .err_fd = -1 };
}

/**
 * vq_deinit() - close what the ring owns
 * @vq: ring; as after vq_init() afterwards
 */
void vq_deinit(struct vq *vq)
{
	(void)fd_close(vq->kick_fd);
	(void)fd_close(vq->call_fd);
	(void)fd_close(vq->err_fd);
	vq_init(vq);
}

/**
 * vq_map() - find the ring in guest memory, at start or after the memory changed
 * @vq: ring with num and addresses set
 * @mem: guest memory
 *
 * Return: 0, -EINVAL for impossible parameters, -EFAULT when a part is not guest memory.
 */
int vq_map(struct vq *vq, const struct gmem *mem)
{
	size_t num = vq->num;

	vq->desc = NULL;
	vq->avail = NULL;
	vq->used = NULL;
	if (!vq->addr_set || !num || num > VQ_NUM_MAX || (num & (num - 1)))
		return -EINVAL;
	if (vq->desc_uva % 16 || vq->avail_uva % 2 || vq->used_uva % 4)
		return -EINVAL;
	/*
	 * Both index rings end with the event field of VIRTIO_RING_F_EVENT_IDX; drivers allocate it
	 * always.
	 */
	void *desc = gmem_from_uva(mem, vq->desc_uva, num * sizeof(struct vring_desc));
	void *avail = gmem_from_uva(mem, vq->avail_uva, 4 + 2 * num + 2);
	void *used = gmem_from_uva(mem, vq->used_uva, 4 + sizeof(struct vring_used_elem) * num + 2);
	if (!desc || !avail || !used)
		return -EFAULT;
	vq->desc = desc;
	vq->avail = avail;
	vq->used = used;
	return 0;
}

/**
 * vq_start() - begin to serve a mapped ring
 * @vq: ring; last_avail says where to go on
 */
void vq_start(struct vq *vq)
{
	vq->signalled_valid = false;
	/* Ours is the only writer, so after a stop and start this is where we were. */
	vq->used_idx = vq->told = le16toh(__atomic_load_n(&vq->used->idx, __ATOMIC_RELAXED));
}

static uint16_t avail_idx(const struct vq *vq)
{
	return le16toh(__atomic_load_n(&vq->avail->idx, __ATOMIC_ACQUIRE));
}

/* The guest may write while we read: one copy, and only the copy is looked at. */
static struct vring_desc load_desc(const void *p)
{
	const struct vring_desc *shared = p;

	return (struct vring_desc){
		.addr = le64toh(__atomic_load_n(&shared->addr, __ATOMIC_RELAXED)),
		.len = le32toh(__atomic_load_n(&shared->len, __ATOMIC_RELAXED)),
		.flags = le16toh(__atomic_load_n(&shared->flags, __ATOMIC_RELAXED)),
		.next = le16toh(__atomic_load_n(&shared->next, __ATOMIC_RELAXED)),
	};
}

static int add_piece(const struct gmem *mem, const struct vring_desc *d, struct vq_chain *chain)
{
	unsigned nr = (unsigned)chain->nr_out + chain->nr_in;
	int n = gmem_iov(mem, d->addr, d->len, chain->iov + nr, VQ_IOV_MAX - nr);

	if (n < 0)
		return n;
	if (d->flags & VRING_DESC_F_WRITE) {
		chain->nr_in = (uint16_t)(chain->nr_in + n);
		chain->in_len += d->len;
		return 0;
	}
	if (chain->nr_in)
		return -EINVAL; /* readable after writable: forbidden by the specification */
	chain->nr_out = (uint16_t)(chain->nr_out + n);
	chain->out_len += d->len;
	return 0;
}

static int walk_indirect(const struct gmem *mem, const struct vring_desc *table,
			 struct vq_chain *chain)
{
	uint32_t nr = table->len / sizeof(struct vring_desc), i = 0;

	if (!nr || table->len % sizeof(struct vring_desc) || nr > VQ_NUM_MAX || table->addr % 8)
		return -EINVAL;
	for (uint32_t seen = 0; seen < nr; seen++) {
		const void *p = gmem_from_gpa(mem, table->addr + i * sizeof(struct vring_desc),
					      sizeof(struct vring_desc));
		if (!p)
			return -EFAULT;
		struct vring_desc d = load_desc(p);
		if (d.flags & VRING_DESC_F_INDIRECT)
			return -EINVAL;
		int r = add_piece(mem, &d, chain);
		if (r < 0 || !(d.flags & VRING_DESC_F_NEXT))
			return r;
		i = d.next;
		if (i >= nr)
			return -EINVAL;
	}
	return -ELOOP;
}

static int walk(const struct vq *vq, const struct gmem *mem, struct vq_chain *chain)
{
	uint16_t i = chain->head;

	for (unsigned seen = 0; seen < vq->num; seen++) {
		if (i >= vq->num)
			return -EINVAL;
		struct vring_desc d = load_desc(&vq->desc[i]);
		if (d.flags & VRING_DESC_F_INDIRECT) {
			if (!vq->indirect || (d.flags & VRING_DESC_F_NEXT))
				return -EINVAL;
			return walk_indirect(mem, &d, chain);
		}
		int r = add_piece(mem, &d, chain);
		if (r < 0 || !(d.flags & VRING_DESC_F_NEXT))
			return r;
		i = d.next;
	}
	return -ELOOP;
}

/**
 * vq_fail() - do not serve a ring any more
 * @vq: ring; its driver must set it up again
 */
void vq_fail(struct vq *vq)
{
	uint64_t one = 1;

	vq->broken = true;
	if (vq->err_fd >= 0)
		(void)!write(vq->err_fd, &one, sizeof(one)); /* only a hint to the hypervisor */
}

/**
 * vq_pop() - take the next chain the driver offers
 * @vq: started ring
 * @mem: guest memory
 * @ret: receives the chain; its pointers are valid until the guest memory changes
 *
 * Return: 1 for a chain, 0 when there is none, or -errno when the driver broke the rules, which
 * also marks the ring broken.
 */
int vq_pop(struct vq *vq, const struct gmem *mem, struct vq_chain *ret)
{
	if (vq->broken || !vq->avail)
		return 0;
	uint16_t offered = (uint16_t)(avail_idx(vq) - vq->last_avail);
	if (!offered)
		return 0;
	ret->head = le16toh(
		__atomic_load_n(&vq->avail->ring[vq->last_avail % vq->num], __ATOMIC_RELAXED));
	ret->nr_out = ret->nr_in = 0;
	ret->out_len = ret->in_len = 0;
	int r = offered > vq->num ? -EINVAL : walk(vq, mem, ret);
	if (r < 0) {
		vq_fail(vq);
		return r;
	}
	vq->last_avail++;
	return 1;
}

/**
 * vq_unpop() - put the chains taken last back
 * @vq: ring
 * @nr: number of chains that were popped and not pushed
 */
void vq_unpop(struct vq *vq, unsigned nr)
{
	vq->last_avail = (uint16_t)(vq->last_avail - nr);
}

/**
 * vq_push() - give a chain back to the driver
 * @vq: ring
 * @head: vq_chain.head
 * @len: bytes written to it
 */
void vq_push(struct vq *vq, uint16_t head, uint32_t len)
{
	struct vring_used_elem *elem = &vq->used->ring[vq->used_idx % vq->num];

	__atomic_store_n(&elem->id, htole32(head), __ATOMIC_RELAXED);
	__atomic_store_n(&elem->len, htole32(len), __ATOMIC_RELAXED);
	vq->used_idx++;
	__atomic_store_n(&vq->used->idx, htole16(vq->used_idx), __ATOMIC_RELEASE);
}

static bool driver_wants_signal(struct vq *vq)
{
	uint16_t old = vq->signalled, new = vq->used_idx;
	bool valid = vq->signalled_valid;

	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (!vq->event_idx)
		return !(le16toh(__atomic_load_n(&vq->avail->flags, __ATOMIC_RELAXED)) &
			 VRING_AVAIL_F_NO_INTERRUPT);
	vq->signalled = new;
	vq->signalled_valid = true;
	uint16_t event = le16toh(__atomic_load_n(&vq->avail->ring[vq->num], __ATOMIC_RELAXED));
	return !valid || vring_need_event(event, new, old);
}

/**
 * vq_signal() - interrupt the driver if it wants to hear of what was pushed
 * @vq: ring; call it once after a batch in which something was pushed
 */
void vq_signal(struct vq *vq)
{
	uint64_t one = 1;

	vq->told = vq->used_idx;
	if (!vq->used || !driver_wants_signal(vq) || vq->call_fd < 0)
		return;
	(void)!write(vq->call_fd, &one,
		     sizeof(one)); /* full counter: the driver has not run since, nothing is lost */
}

/**
 * vq_unsignalled() - how much was pushed since the last vq_signal()
 * @vq: ring
 *
 * Return: number of chains.
 */
unsigned vq_unsignalled(const struct vq *vq)
{
	return (uint16_t)(vq->used_idx - vq->told);
}

/**
 * vq_want_kicks() - say whether the driver shall kick when it offers chains
 * @vq: ring
 * @want: false while we look anyway
 *
 * Return: true when chains are there already, so that a kick may never come for them.
 */
bool vq_want_kicks(struct vq *vq, bool want)
{
	if (!vq->used || vq->broken)
		return false;
	if (vq->event_idx) {
		uint16_t event = htole16(vq->last_avail);
		uint16_t *field = (uint16_t *)(void *)&vq->used->ring[vq->num];

		if (!want)
			return false; /* the old index lies behind: it does not come round for 65536 chains */
		__atomic_store_n(field, event, __ATOMIC_RELAXED);
	} else {
		uint16_t flags = htole16(want ? 0 : VRING_USED_F_NO_NOTIFY);

		__atomic_store_n(&vq->used->flags, flags, __ATOMIC_RELAXED);
		if (!want)
			return false;
	}
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return avail_idx(vq) != vq->last_avail;
}
