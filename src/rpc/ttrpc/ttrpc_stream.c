/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A stream socket that carries ttrpc frames both ways.
 *
 * Reading and writing are loop callbacks, so an idle connection costs no fiber. A frame is written
 * at once when nothing is queued before it; what the socket does not take waits in a queue that the
 * loop empties. While the queue is long the socket is not read, so a peer that does not read cannot
 * make this side work for it. What the frames mean is the business of rpc/ttrpc/ttrpc_server.c and
 * rpc/ttrpc/ttrpc_client.c.
 */
#include "rpc/ttrpc/ttrpc_stream.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "common/err.h"
#include "common/fd.h"

struct out_frame {
	struct list node;
	size_t sent, len;
	uint8_t bytes[];
};

static void stream_watch(struct ttrpc_stream *stream)
{
	unsigned events = 0;

	if (stream->failed)
		/* the socket is shut down, thus readable: on_io() reports the end */
		events = LOOP_READ;
	else
		events = (stream->out_bytes <= TTRPC_OUT_HIGH ? LOOP_READ : 0U) |
			 (list_empty(&stream->out) ? 0U : LOOP_WRITE);
	if (events == stream->watched)
		return;
	stream->watched = events;
	int r = loop_io_set_events(stream->io, events);
	if (r < 0 && !stream->failed)
		ttrpc_stream_fail(stream, r);
}

/**
 * ttrpc_stream_fail() - end a stream
 * @stream: stream
 * @r: -errno for the closed() callback, which the loop calls later
 */
void ttrpc_stream_fail(struct ttrpc_stream *stream, int r)
{
	if (stream->failed)
		return;
	stream->failed = r;
	(void)shutdown(stream->fd, SHUT_RDWR); /* may be gone already */
	stream_watch(stream);
	fiber_cond_broadcast(&stream->drained);
}

/* Writes the front of the queue as far as the socket takes it. */
static int flush_some(struct ttrpc_stream *stream)
{
	struct out_frame *frame = list_entry(stream->out.next, struct out_frame, node);
	ssize_t n = neg_errno_sz(send(stream->fd, frame->bytes + frame->sent,
				      frame->len - frame->sent, MSG_NOSIGNAL | MSG_DONTWAIT));

	if (n < 0)
		return n == -EINTR ? 0 : (int)n;
	frame->sent += (size_t)n;
	stream->out_bytes -= (size_t)n;
	if (frame->sent == frame->len) {
		list_del(&frame->node);
		free(frame);
	}
	return 0;
}

static void stream_flush(struct ttrpc_stream *stream)
{
	bool was_full = stream->out_bytes > TTRPC_OUT_HIGH;

	while (!stream->failed && !list_empty(&stream->out)) {
		int r = flush_some(stream);

		if (r == -EAGAIN)
			break;
		if (r < 0) {
			ttrpc_stream_fail(stream, r == -EPIPE ? -ECONNRESET : r);
			return;
		}
	}
	if (was_full && stream->out_bytes <= TTRPC_OUT_HIGH)
		fiber_cond_broadcast(&stream->drained);
	stream_watch(stream);
}

static void stream_read(struct ttrpc_stream *stream)
{
	uint8_t *place;
	size_t room;
	struct ttrpc_frame frame;
	int r = ttrpc_reader_space(&stream->in, &place, &room);

	if (r < 0) {
		ttrpc_stream_fail(stream, r);
		return;
	}
	ssize_t n = neg_errno_sz(recv(stream->fd, place, room, MSG_DONTWAIT));
	if (n == -EAGAIN || n == -EINTR)
		return;
	if (n <= 0) {
		/* A peer that hangs up does so between frames; an end inside one is an error. */
		r = n < 0 ? (int)n : ttrpc_reader_is_idle(&stream->in) ? -ECONNRESET : -EPROTO;
		ttrpc_stream_fail(stream, r);
		return;
	}
	ttrpc_reader_commit(&stream->in, (size_t)n);
	while (!stream->failed) {
		r = ttrpc_reader_next(&stream->in, &frame);
		if (r == 0)
			break;
		if (r < 0)
			ttrpc_stream_fail(stream, r);
		else
			stream->ops->frame(stream->owner, &frame);
	}
}

static void on_io(void *arg, unsigned events)
{
	struct ttrpc_stream *stream = arg;

	if (!stream->failed && (events & LOOP_WRITE) && !list_empty(&stream->out))
		stream_flush(stream);
	if (!stream->failed && (events & LOOP_READ))
		stream_read(stream);
	if (stream->failed)
		stream->ops->closed(stream->owner, stream->failed); /* may end *stream */
}

/**
 * ttrpc_stream_init() - start carrying frames
 * @stream: uninitialised memory of the owner
 * @loop: loop
 * @fd_consume: connected stream socket, closed even on failure
 * @ops: what to call
 * @owner: with which argument
 *
 * Return: 0, -ENOMEM, or an error of the descriptor.
 */
int ttrpc_stream_init(struct ttrpc_stream *stream, struct loop *loop, int fd_consume,
		      const struct ttrpc_stream_ops *ops, void *owner)
{
	*stream = (struct ttrpc_stream){
		.ops = ops, .owner = owner, .fd = fd_consume, .watched = LOOP_READ
	};
	list_init(&stream->out);
	fiber_cond_init(&stream->drained);
	int r = fd_set_nonblock(stream->fd, true);
	if (r >= 0)
		r = loop_add_io(loop, stream->fd, LOOP_READ, on_io, stream, &stream->io);
	if (r < 0)
		ttrpc_stream_deinit(stream);
	return r < 0 ? r : 0;
}

/**
 * ttrpc_stream_deinit() - close a stream without a callback
 * @stream: stream; deinit may be repeated
 *
 * Fibers in ttrpc_stream_wait_room() are woken and must still find @stream in memory.
 */
void ttrpc_stream_deinit(struct ttrpc_stream *stream)
{
	if (!stream->failed)
		stream->failed = -ECONNRESET;
	stream->io = loop_source_free(stream->io);
	list_for_each_safe(pos, tmp, &stream->out) {
		list_del(pos);
		free(list_entry(pos, struct out_frame, node));
	}
	stream->out_bytes = 0;
	ttrpc_reader_deinit(&stream->in);
	if (stream->fd >= 0)
		(void)close(stream->fd); /* nothing can be done about a failed close */
	stream->fd = -1;
	fiber_cond_broadcast(&stream->drained);
}

/**
 * ttrpc_stream_wait_room() - wait until the queue is short
 * @stream: stream, pinned by the caller
 * @deadline_ns: how long
 *
 * Suspends.
 *
 * Return: 0, -ETIMEDOUT, -ECANCELED, or the error the stream ended with.
 */
int ttrpc_stream_wait_room(struct ttrpc_stream *stream, uint64_t deadline_ns)
{
	while (!stream->failed && stream->out_bytes > TTRPC_OUT_HIGH) {
		int r = fiber_cond_wait(&stream->drained, deadline_ns);

		if (r < 0)
			return r;
	}
	return stream->failed;
}

/**
 * ttrpc_stream_send() - send a frame
 * @stream: stream
 * @stream_id: its call
 * @type: kind of payload
 * @data: payload, copied
 * @len: its length
 *
 * Never waits; a caller that may wait calls ttrpc_stream_wait_room() first.
 *
 * Return: 0 when the frame is sent or queued, -EMSGSIZE, -ENOMEM, or the error the stream ended
 * with.
 */
int ttrpc_stream_send(struct ttrpc_stream *stream, uint32_t stream_id, enum ttrpc_type type,
		      const uint8_t *data, size_t len)
{
	if (stream->failed)
		return stream->failed;
	if (len > RPC_MESSAGE_MAX)
		return -EMSGSIZE;
	struct out_frame *frame = malloc(sizeof(*frame) + TTRPC_HEADER_LEN + len);
	if (!frame)
		return -ENOMEM;
	frame->sent = 0;
	frame->len = TTRPC_HEADER_LEN + len;
	ttrpc_frame_put_header(frame->bytes, stream_id, type, len);
	if (len)
		memcpy(frame->bytes + TTRPC_HEADER_LEN, data, len);
	bool idle = list_empty(&stream->out);
	list_add_tail(&stream->out, &frame->node);
	stream->out_bytes += frame->len;
	if (idle)
		stream_flush(stream);
	else
		stream_watch(stream);
	return stream->failed;
}
