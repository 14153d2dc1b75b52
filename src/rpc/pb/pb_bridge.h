/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Protobuf bytes <-> the plain structs of the *_msg.h headers. A struct pb_type names one such
 * pair; its tables live in rpc/pb/pb_*.c, the only files that see generated code. A NULL type
 * stands for a message without fields.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/arena.h"
#include "common/err.h"
#include "rpc/pb/common_msg.h"

struct pb_type;
struct rpc_method;

size_t pb_type_size(const struct pb_type *type);
int pb_type_check(const struct pb_type *type, struct err *err) must_check;

int pb_encode(const struct pb_type *type, const void *plain, struct arena *arena, uint8_t **ret,
	      size_t *ret_len) must_check;
int pb_decode(const struct pb_type *type, const uint8_t *data, size_t len, struct arena *arena,
	      void *plain, struct err *err) must_check;
int pb_decode_within(const struct pb_type *type, const uint8_t *data, size_t len,
		     uint32_t max_fields, struct arena *arena, void *plain,
		     struct err *err) must_check;

bool pb_any_is(const struct pb_any *any, const struct pb_type *type);
int pb_any_pack(struct arena *arena, const struct pb_type *type, const void *plain,
		struct pb_any *ret) must_check;
int pb_any_unpack_for_test(const struct pb_any *any, const struct pb_type *type,
			   struct arena *arena, void *plain, struct err *err) must_check;
struct pb_timestamp pb_timestamp_now(void);

/* google.protobuf.Any by itself: containerd sends one on the standard input of start. */
extern const struct pb_type pb_any_type;

/* Every method and every message that travels by itself; for the tests and fuzzers. */
extern const struct rpc_method *const pb_catalog_methods[];
extern const size_t pb_catalog_nr_methods;
extern const struct pb_type *const pb_catalog_types[];
extern const size_t pb_catalog_nr_types;
