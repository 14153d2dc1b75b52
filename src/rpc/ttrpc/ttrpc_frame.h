/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ttrpc framing: bytes in any portions to whole frames, without I/O.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/macros.h"
#include "rpc/ttrpc/rpc.h"

#define TTRPC_HEADER_LEN 10

enum ttrpc_type { TTRPC_REQUEST = 1, TTRPC_RESPONSE = 2, TTRPC_DATA = 3 };

/* Of no meaning for unary calls; old peers send none, new ones may set REMOTE_CLOSED. */
enum ttrpc_flags { TTRPC_REMOTE_CLOSED = 1, TTRPC_REMOTE_OPEN = 2, TTRPC_NO_DATA = 4 };

struct ttrpc_frame {
	uint32_t stream_id;
	uint8_t type; /* enum ttrpc_type */
	uint8_t flags;
	bool oversize; /* longer than RPC_MESSAGE_MAX: the payload is discarded, data is NULL */
	uint32_t len;  /* as announced */
	const uint8_t *data; /* valid until the next call on the reader */
};

/* TTRPC_READER_NULL is the static start state. */
struct ttrpc_reader {
	uint8_t *buf;
	size_t start, end, cap;
	size_t skip; /* bytes of an oversize payload still to come */
};

#define TTRPC_READER_NULL ((struct ttrpc_reader){ 0 })

void ttrpc_reader_deinit(struct ttrpc_reader *reader);
int ttrpc_reader_space(struct ttrpc_reader *reader, uint8_t **ret, size_t *ret_len) must_check;
void ttrpc_reader_commit(struct ttrpc_reader *reader, size_t len);
int ttrpc_reader_next(struct ttrpc_reader *reader, struct ttrpc_frame *ret) must_check;
bool ttrpc_reader_is_idle(const struct ttrpc_reader *reader);
void ttrpc_frame_put_header(uint8_t header[TTRPC_HEADER_LEN], uint32_t stream_id,
			    enum ttrpc_type type, size_t len);
