/* SPDX-License-Identifier: Apache-2.0 */
#include "arena-fixture.h"

struct arena *arena;
struct err err;

int arena_setup(void **state)
{
	(void)state;
	err = ERR_NULL;
	return arena_new(&arena);
}

int arena_teardown(void **state)
{
	(void)state;
	arena = arena_free(arena);
	return 0;
}
