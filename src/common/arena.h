/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Arena: memory with one life time. A parsed document or a decoded message lives in one arena and
 * is released with it, so its parts need no destructors. Everything returned is zeroed and suitably
 * aligned for any type.
 */
#pragma once

#include <stdarg.h>
#include <stddef.h>

#include "common/macros.h"

struct arena;

/* A NULL-terminated array of strings that also knows its length; v may be NULL when nr is 0. */
struct strv {
	char **v;
	size_t nr;
};

/* One entry of a string map (annotations, sysctls). */
struct kv {
	char *key;
	char *value;
};

int arena_new(struct arena **ret) must_check;
struct arena *arena_free(struct arena *arena);
void *arena_alloc(struct arena *arena, size_t size) must_check;
void *arena_calloc(struct arena *arena, size_t nr, size_t size) must_check;
void *arena_memdup(struct arena *arena, const void *data, size_t len) must_check;
char *arena_strdup(struct arena *arena, const char *s) must_check;
char *arena_strndup(struct arena *arena, const char *s, size_t len) must_check;
char *arena_printf(struct arena *arena, const char *fmt, ...) must_check printf_format(2, 3);
int arena_strv_add(struct arena *arena, struct strv *strv, const char *s) must_check;
void *arena_extend(struct arena *arena, const void *array, size_t nr, size_t elem_size) must_check;
int arena_grow(struct arena *arena, void *array_ptr, size_t *nr, size_t elem_size) must_check;

static inline void cleanup_arena_fn(struct arena **arena)
{
	(void)arena_free(*arena);
}
#define cleanup_arena cleanup_with(cleanup_arena_fn)
