/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzzer of the protobuf bridge: the first two bytes choose a message, the rest is decoded as it.
 * What is accepted must encode, and encoding must be stable from there on.
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "rpc/pb/pb_bridge.h"
#include "rpc/ttrpc/rpc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool good)
{
	if (!good)
		__builtin_trap();
}

static const struct pb_type *choose(size_t index)
{
	if (index < pb_catalog_nr_types)
		return pb_catalog_types[index];
	index -= pb_catalog_nr_types;
	const struct rpc_method *method = pb_catalog_methods[index / 2 % pb_catalog_nr_methods];
	return index % 2 ? method->response : method->request;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *arena;
	struct err err = ERR_NULL;
	uint8_t *once, *twice;
	size_t once_len, twice_len;

	if (size < 2)
		return 0;
	const struct pb_type *type = choose(((size_t)data[0] << 8 | data[1]) %
					    (pb_catalog_nr_types + 2 * pb_catalog_nr_methods));
	if (!type || arena_new(&arena) < 0)
		return 0;
	void *plain = arena_alloc(arena, pb_type_size(type));
	int r = plain ? pb_decode(type, data + 2, size - 2, arena, plain, &err) : -ENOMEM;
	if (r >= 0) {
		r = pb_encode(type, plain, arena, &once, &once_len);
		check(r >= 0);
		plain = arena_alloc(arena, pb_type_size(type));
		check(pb_decode(type, once, once_len, arena, plain, &err) >= 0);
		check(pb_encode(type, plain, arena, &twice, &twice_len) >= 0);
		check(once_len == twice_len && memcmp(once, twice, once_len) == 0);
	}
	(void)arena_free(arena);
	return 0;
}
