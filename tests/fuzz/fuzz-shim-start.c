/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzzer of the start action's standard input. Paths that come out of it must be absolute, since
 * the shim opens and makes what they name.
 */
#include <stddef.h>
#include <stdint.h>

#include "shim/containerd/start_input.h"
#include "shim/core/options.h"
#include "faults.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool good)
{
	if (!good)
		__builtin_trap();
}

static void one(const uint8_t *data, size_t size)
{
	const struct shim_options options = { .namespace = "n", .id = "i" };
	struct start_input input;
	struct err err = ERR_NULL;
	struct arena *arena;

	if (arena_new(&arena) < 0)
		return;
	int r = start_input_read(&options, (const char *)data, size, arena, &input, &err);
	check(r >= 0 || (r == -err.code && *err.text));
	if (r >= 0) {
		check(!input.config || *input.config == '/');
		check(!input.socket_dir || *input.socket_dir == '/');
		check(!input.ttrpc_address || *input.ttrpc_address);
	}
	(void)arena_free(arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	faults_each(one, data, size);
	return 0;
}
