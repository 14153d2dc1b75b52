/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ttrpc framing: a ten byte header (length, stream id, type, flags; integers big endian) before
 * each payload. This file turns a stream of bytes into frames; it does no I/O and does not look
 * into payloads.
 */
#include "rpc/ttrpc/ttrpc_frame.h"

#include <errno.h>
#include <string.h>

/*
 * The buffer starts this small and doubles with what really arrives, not with what a header
 * promises.
 */
#define READER_CAP_MIN ((size_t)4096)
#define READER_CAP_MAX (TTRPC_HEADER_LEN + (size_t)RPC_MESSAGE_MAX)

static uint32_t get_be32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void put_be32(uint8_t *p, uint32_t value)
{
	p[0] = (uint8_t)(value >> 24);
	p[1] = (uint8_t)(value >> 16);
	p[2] = (uint8_t)(value >> 8);
	p[3] = (uint8_t)value;
}

/**
 * ttrpc_reader_deinit() - release the buffer
 * @reader: reader; may be used again afterwards
 */
void ttrpc_reader_deinit(struct ttrpc_reader *reader)
{
	free(reader->buf);
	*reader = TTRPC_READER_NULL;
}

/**
 * ttrpc_reader_space() - where to put the next bytes
 * @reader: reader from which ttrpc_reader_next() has taken every whole frame
 * @ret: receives the place, valid until the next call
 * @ret_len: receives its size, at least 1
 *
 * Return: 0 or -ENOMEM.
 */
int ttrpc_reader_space(struct ttrpc_reader *reader, uint8_t **ret, size_t *ret_len)
{
	size_t held = reader->end - reader->start;

	if (held == 0) {
		reader->start = reader->end = 0;
		if (reader->cap >
		    READER_CAP_MIN * 16) { /* after a big message, do not keep its memory */
			free(reader->buf);
			reader->buf = NULL;
			reader->cap = 0;
		}
	} else if (reader->start > 0 && reader->cap - reader->end < held) {
		memmove(reader->buf, reader->buf + reader->start, held);
		reader->start = 0;
		reader->end = held;
	}
	if (reader->end == reader->cap) {
		size_t cap = MIN(MAX(reader->cap * 2, READER_CAP_MIN), READER_CAP_MAX);
		uint8_t *buf = realloc(reader->buf, cap);

		if (!buf)
			return -ENOMEM;
		reader->buf = buf;
		reader->cap = cap;
	}
	*ret = reader->buf + reader->end;
	*ret_len = reader->cap - reader->end;
	return 0;
}

/**
 * ttrpc_reader_commit() - say how many bytes arrived
 * @reader: reader
 * @len: at most what ttrpc_reader_space() offered
 */
void ttrpc_reader_commit(struct ttrpc_reader *reader, size_t len)
{
	reader->end += len;
}

/**
 * ttrpc_reader_is_idle() - is the stream between two frames
 * @reader: reader
 *
 * Return: false when part of a frame has arrived.
 */
bool ttrpc_reader_is_idle(const struct ttrpc_reader *reader)
{
	return reader->start == reader->end && reader->skip == 0;
}

/**
 * ttrpc_reader_next() - take the next frame
 * @reader: reader
 * @ret: receives it
 *
 * An oversize frame is returned as soon as its header is there, without its payload, which is then
 * thrown away as it arrives.
 *
 * Return: 1 with a frame, 0 when more bytes are needed, or -EBADMSG when what comes is not ttrpc.
 */
int ttrpc_reader_next(struct ttrpc_reader *reader, struct ttrpc_frame *ret)
{
	size_t dropped = MIN(reader->skip, reader->end - reader->start);

	reader->start += dropped;
	reader->skip -= dropped;
	if (reader->end - reader->start < TTRPC_HEADER_LEN)
		return 0;
	const uint8_t *header = reader->buf + reader->start;
	struct ttrpc_frame frame = { .len = get_be32(header),
				     .stream_id = get_be32(header + 4),
				     .type = header[8],
				     .flags = header[9] };
	if (frame.type < TTRPC_REQUEST || frame.type > TTRPC_DATA)
		return -EBADMSG;
	frame.oversize = frame.len > RPC_MESSAGE_MAX;
	if (frame.oversize) {
		reader->skip = frame.len;
	} else {
		if (reader->end - reader->start - TTRPC_HEADER_LEN < frame.len)
			return 0;
		frame.data = header + TTRPC_HEADER_LEN;
		reader->start += frame.len;
	}
	reader->start += TTRPC_HEADER_LEN;
	*ret = frame;
	return 1;
}

/**
 * ttrpc_frame_put_header() - write the header of a frame
 * @header: where
 * @stream_id: its call
 * @type: kind of payload
 * @len: length of the payload, at most RPC_MESSAGE_MAX
 *
 * The flags are 0, as unary peers of every age expect.
 */
void ttrpc_frame_put_header(uint8_t header[TTRPC_HEADER_LEN], uint32_t stream_id,
			    enum ttrpc_type type, size_t len)
{
	put_be32(header, (uint32_t)len);
	put_be32(header + 4, stream_id);
	header[8] = (uint8_t)type;
	header[9] = 0;
}
