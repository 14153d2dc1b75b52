/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What tests of parsers and writers start with: an empty arena and an error that is not set.
 */
#pragma once

#include "common/arena.h"
#include "common/err.h"

extern struct arena *arena;
extern struct err err;

int arena_setup(void **state);
int arena_teardown(void **state);

#define ARENA_TEST(f) cmocka_unit_test_setup_teardown(f, arena_setup, arena_teardown)
