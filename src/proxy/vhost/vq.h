/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The device's side of a split virtqueue: takes descriptor chains, gives them back, and decides
 * about notifications in both directions. Knows nothing of vsock.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "common/macros.h"
#include "proxy/vhost/gmem.h"

/* Largest ring we serve; QEMU uses 128 for vsock. Also the most descriptors one chain may have. */
#define VQ_NUM_MAX 1024
/*
 * Most pieces of memory one chain may name; a 64 KiB packet of single pages and its header need 18.
 */
#define VQ_IOV_MAX 64

struct vring_desc;
struct vring_avail;
struct vring_used;

struct vq {
	uint16_t num;
	bool addr_set; /* the three addresses below were given */
	uint64_t desc_uva, avail_uva, used_uva;
	/* Mapped, NULL while the ring is not served. */
	struct vring_desc *desc;
	struct vring_avail *avail;
	struct vring_used *used;
	bool event_idx, indirect; /* negotiated features */
	bool enabled;
	bool broken; /* the driver broke the rules: not served until it sets the ring up again */
	bool signalled_valid;
	uint16_t last_avail, used_idx, signalled;
	uint16_t told;		      /* used_idx of the last vq_signal() */
	int kick_fd, call_fd, err_fd; /* owned, -1 when absent */
};

/* One chain: what the device reads (out), then what it may write (in). */
struct vq_chain {
	uint16_t head;
	uint16_t nr_out, nr_in;
	size_t out_len, in_len;
	struct iovec iov[VQ_IOV_MAX];
};

void vq_init(struct vq *vq);
void vq_deinit(struct vq *vq);
int vq_map(struct vq *vq, const struct gmem *mem) must_check;
void vq_start(struct vq *vq);
int vq_pop(struct vq *vq, const struct gmem *mem, struct vq_chain *ret) must_check;
void vq_fail(struct vq *vq);
void vq_unpop(struct vq *vq, unsigned nr);
void vq_push(struct vq *vq, uint16_t head, uint32_t len);
void vq_signal(struct vq *vq);
unsigned vq_unsignalled(const struct vq *vq);
bool vq_want_kicks(struct vq *vq, bool want);
