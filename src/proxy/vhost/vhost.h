/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A vhost-user backend for one connection: features, guest memory and rings, and when the device
 * runs. What the rings carry is the business of the owner, who is called back.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/err.h"
#include "common/loop.h"
#include "common/macros.h"
#include "proxy/vhost/gmem.h"
#include "proxy/vhost/vhost_proto.h"
#include "proxy/vhost/vq.h"

/* Receive, transmit, and the event queue, which QEMU keeps for itself. */
enum { VHOST_RING_RX, VHOST_RING_TX, VHOST_RING_EVENT, VHOST_NR_RINGS };

struct vhost_ops {
	/*
	 * Both data rings are served from now on; @kept: they go on where they stopped, the guest
	 * did not reset.
	 */
	void (*started)(void *arg, bool kept);
	void (*stopped)(void *arg);
	void (*kicked)(void *arg, unsigned ring);
	/* The connection ended, in good order (0) or with an error. The last call. */
	void (*closed)(void *arg, int r, const struct err *err);
};

struct vhost {
	struct loop *loop;
	const struct vhost_ops *ops;
	void *arg;
	uint64_t config_le; /* the device's whole configuration space: the guest's CID */

	uint64_t features, protocol_features; /* acknowledged */
	bool owned, running;
	struct gmem mem;
	struct vq rings[VHOST_NR_RINGS];
	struct loop_source *kicks[VHOST_NR_RINGS];
	/* Where the data rings were when they were stopped last. */
	bool stopped_once;
	uint16_t stopped_at[2];

	int fd; /* -1 without a connection (tests, fuzzers) */
	struct loop_source *io;
	struct vhost_msg msg; /* being received */
	size_t have;
};

void vhost_init(struct vhost *vh, struct loop *loop, uint64_t cid, const struct vhost_ops *ops,
		void *arg);
void vhost_deinit(struct vhost *vh);
/* vhost_conn.c */
int vhost_attach(struct vhost *vh, int fd, struct err *err) must_check;
void vhost_detach(struct vhost *vh);
/*
 * vhost_msg.c; takes the descriptors of @msg and turns it into the answer. Return: 1 with an
 * answer, 0 without.
 */
int vhost_handle(struct vhost *vh, struct vhost_msg *msg, struct err *err) must_check;
void vhost_msg_close_fds(struct vhost_msg *msg);
/* vhost.c, for vhost_msg.c */
void vhost_set_memory(struct vhost *vh, struct gmem *mem_consume);
void vhost_memory_changed(struct vhost *vh);
int vhost_set_kick(struct vhost *vh, unsigned ring, int fd_consume, struct err *err) must_check;
uint16_t vhost_stop_ring(struct vhost *vh, unsigned ring);
void vhost_update(struct vhost *vh);
void vhost_reset(struct vhost *vh);
