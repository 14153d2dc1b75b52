/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzzer of the ttrpc frame reader: the input is fed in portions, and the frames must be the same
 * as when it is fed at once. Payloads are decoded as the server and the client would.
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "faults.h"
#include "rpc/pb/pb_bridge.h"
#include "rpc/ttrpc/ttrpc_frame.h"
#include "rpc/pb/ttrpc_msg.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool good)
{
	if (!good)
		__builtin_trap();
}

static void decode(const struct ttrpc_frame *frame)
{
	struct arena *arena;
	struct err err = ERR_NULL;
	struct ttrpc_request request = { 0 };
	struct ttrpc_response response = { 0 };
	int r = arena_new(&arena);

	if (r < 0)
		return;
	if (frame->type == TTRPC_REQUEST)
		r = pb_decode(&ttrpc_request_type, frame->data, frame->len, arena, &request, &err);
	else
		r = pb_decode(&ttrpc_response_type, frame->data, frame->len, arena, &response,
			      &err);
	check(r <= 0 && (r < 0) == (err.code != 0));
	(void)arena_free(arena);
}

/* Returns a digest of the frames read, so that two ways of feeding can be compared. */
static uint64_t read_frames(const uint8_t *data, size_t size, size_t portion, bool payloads)
{
	struct ttrpc_reader reader = TTRPC_READER_NULL;
	struct ttrpc_frame frame;
	uint64_t digest = 0;
	int r = 0;

	while (size > 0 && r >= 0) {
		uint8_t *place;
		size_t room;

		if (ttrpc_reader_space(&reader, &place, &room) < 0)
			break;
		check(room > 0);
		size_t n = MIN(MIN(room, portion), size);
		memcpy(place, data, n);
		ttrpc_reader_commit(&reader, n);
		data += n;
		size -= n;
		while ((r = ttrpc_reader_next(&reader, &frame)) > 0) {
			check(frame.oversize == (frame.len > RPC_MESSAGE_MAX));
			digest = digest * 31 + frame.stream_id * 7 + frame.len * 3 + frame.type +
				 frame.flags;
			if (!frame.oversize && payloads)
				decode(&frame);
		}
	}
	ttrpc_reader_deinit(&reader);
	return digest * 2 + (r < 0);
}

/* A frame that is as we write it, before the rest: the reader lets go of its memory afterwards. */
static void check_large(const uint8_t *data, size_t size)
{
	static uint8_t all[TTRPC_HEADER_LEN + (1 << 17) + 4096];
	const size_t len = 1 << 17;
	struct ttrpc_reader reader = TTRPC_READER_NULL;

	check(ttrpc_reader_is_idle(&reader));
	ttrpc_frame_put_header(all, 7, TTRPC_REQUEST, len);
	size = MIN(size, sizeof(all) - len - TTRPC_HEADER_LEN);
	memcpy(all + TTRPC_HEADER_LEN + len, data, size);
	size += TTRPC_HEADER_LEN + len;
	uint64_t whole = read_frames(all, size, SIZE_MAX, false);
	if (!faults_hit())
		check(whole == read_frames(all, size, 60000, false) || faults_hit());
}

static void one(const uint8_t *data, size_t size)
{
	uint64_t whole = read_frames(data + 1, size - 1, SIZE_MAX, true);
	bool same = whole == read_frames(data + 1, size - 1, 1 + (size_t)data[0], false);

	check(same || faults_hit());
	if (data[0] == 255)
		check_large(data + 1, size - 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size)
		faults_each(one, data, size);
	return 0;
}
