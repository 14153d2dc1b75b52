/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A stream socket (unix or vsock) that carries ttrpc frames both ways on the loop. Owned by a
 * server's connection or by a client.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/fiber.h"
#include "common/list.h"
#include "common/loop.h"
#include "rpc/ttrpc/ttrpc_frame.h"

/* Above this many unsent bytes the peer is not read any more and senders should wait. */
#define TTRPC_OUT_HIGH ((size_t)1 << 20)

struct ttrpc_stream_ops {
	/* A frame came. Called in the loop; must not deinit the stream. */
	void (*frame)(void *owner, const struct ttrpc_frame *frame);
	/*
	 * The stream ended: -ECONNRESET at its end, -EPROTO when that was inside a frame, -EBADMSG
	 * after garbage, what ttrpc_stream_fail() was given, or an error of the socket. Called in
	 * the loop, once; may deinit the stream.
	 */
	void (*closed)(void *owner, int r);
};

struct ttrpc_stream {
	const struct ttrpc_stream_ops *ops;
	void *owner;
	int fd; /* -1 when deinitialised */
	struct loop_source *io;
	unsigned watched; /* enum loop_events */
	int failed;	  /* -errno once the stream has ended, 0 before */
	struct ttrpc_reader in;
	struct list out; /* struct out_frame */
	size_t out_bytes;
	struct fiber_cond drained; /* out_bytes fell below the mark, or the stream failed */
};

int ttrpc_stream_init(struct ttrpc_stream *stream, struct loop *loop, int fd_consume,
		      const struct ttrpc_stream_ops *ops, void *owner) must_check;
void ttrpc_stream_deinit(struct ttrpc_stream *stream);
int ttrpc_stream_send(struct ttrpc_stream *stream, uint32_t stream_id, enum ttrpc_type type,
		      const uint8_t *data, size_t len) must_check;
int ttrpc_stream_wait_room(struct ttrpc_stream *stream, uint64_t deadline_ns) must_check;
void ttrpc_stream_fail(struct ttrpc_stream *stream, int r);
