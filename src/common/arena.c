/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Arena: a list of chunks; allocations move a mark, one free releases all. Big requests get a chunk
 * of their own so that they do not waste the rest of the current one.
 */
#include "common/arena.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#ifndef ARENA_CHUNK /* fuzzers have 0: each allocation has bounds of its own, and may fail */
#define ARENA_CHUNK 4096
#endif
#define ARENA_ALIGN (sizeof(max_align_t))

struct arena_chunk {
	struct arena_chunk *next;
	size_t used, size;
	max_align_t data[];
};

struct arena {
	struct arena_chunk *chunks; /* the first one is the one being filled */
};

/**
 * arena_new() - make an empty arena
 * @ret: receives it; released with arena_free()
 *
 * Return: 0 or -ENOMEM.
 */
int arena_new(struct arena **ret)
{
	struct arena *arena = calloc(1, sizeof(*arena));

	if (!arena)
		return -ENOMEM;
	*ret = arena;
	return 0;
}

/**
 * arena_free() - release an arena and everything in it
 * @arena: arena or NULL
 *
 * Return: NULL.
 */
struct arena *arena_free(struct arena *arena)
{
	if (!arena)
		return NULL;
	for (struct arena_chunk *c = arena->chunks, *next; c; c = next) {
		next = c->next;
		free(c);
	}
	free(arena);
	return NULL;
}

static struct arena_chunk *chunk_new(struct arena *arena, size_t size)
{
	bool big = size > ARENA_CHUNK / 2;
	size_t room = big ? size : ARENA_CHUNK;
	struct arena_chunk *c = calloc(1, sizeof(*c) + room);

	if (!c)
		return NULL;
	c->size = room;
	if (big && arena->chunks) {
		/* Behind the current chunk, which still has room. */
		c->next = arena->chunks->next;
		arena->chunks->next = c;
	} else {
		c->next = arena->chunks;
		arena->chunks = c;
	}
	return c;
}

/**
 * arena_alloc() - zeroed memory that lives as long as the arena
 * @arena: arena
 * @size: bytes; 0 is allowed and gives a valid pointer
 *
 * Return: the memory, or NULL when there is none left.
 */
void *arena_alloc(struct arena *arena, size_t size)
{
	struct arena_chunk *c = arena->chunks;

	if (size > SIZE_MAX - ARENA_ALIGN - sizeof(*c))
		return NULL;
	size = (size + ARENA_ALIGN - 1) / ARENA_ALIGN * ARENA_ALIGN;
	if (!c || c->size - c->used < size) {
		c = chunk_new(arena, size);
		if (!c)
			return NULL;
	}
	void *p = (char *)c->data + c->used;
	c->used += size;
	return p;
}

/**
 * arena_calloc() - a zeroed array
 * @arena: arena
 * @nr: number of elements
 * @size: size of one
 *
 * Return: the array, or NULL when memory is short or @nr * @size overflows.
 */
void *arena_calloc(struct arena *arena, size_t nr, size_t size)
{
	size_t bytes;

	if (__builtin_mul_overflow(nr, size, &bytes))
		return NULL;
	return arena_alloc(arena, bytes);
}

/**
 * arena_memdup() - copy bytes into the arena
 * @arena: arena
 * @data: bytes, may be NULL when @len is 0
 * @len: number of bytes
 *
 * Return: the copy or NULL.
 */
void *arena_memdup(struct arena *arena, const void *data, size_t len)
{
	void *p = arena_alloc(arena, len);

	if (p && len)
		memcpy(p, data, len);
	return p;
}

/**
 * arena_strndup() - copy part of a string into the arena
 * @arena: arena
 * @s: bytes
 * @len: number of bytes to copy; a NUL is added
 *
 * Return: the copy or NULL.
 */
char *arena_strndup(struct arena *arena, const char *s, size_t len)
{
	char *p = len == SIZE_MAX ? NULL : arena_alloc(arena, len + 1);

	if (p && len)
		memcpy(p, s, len);
	return p;
}

/**
 * arena_strdup() - copy a string into the arena
 * @arena: arena
 * @s: string
 *
 * Return: the copy or NULL.
 */
char *arena_strdup(struct arena *arena, const char *s)
{
	return arena_strndup(arena, s, strlen(s));
}

/**
 * arena_printf() - format a string into the arena
 * @arena: arena
 * @fmt: printf format
 *
 * Return: the string or NULL.
 */
char *arena_printf(struct arena *arena, const char *fmt, ...)
{
	va_list ap;
	char *p = NULL;

	va_start(ap, fmt);
	int len = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (len >= 0)
		p = arena_alloc(arena, (size_t)len + 1);
	if (p) {
		va_start(ap, fmt);
		(void)vsnprintf(p, (size_t)len + 1, fmt, ap);
		va_end(ap);
	}
	return p;
}

/**
 * arena_grow() - make room for one more element at the end of an array
 * @arena: arena the array lives in
 * @array_ptr: address of the array's pointer; the array may be NULL when *@nr is 0
 * @nr: number of elements; one is added
 * @elem_size: size of one
 *
 * The capacity is the power of two at or above *@nr, so growing costs amortised constant time. The
 * new element is zeroed; earlier pointers into the array are no longer valid.
 *
 * Return: 0 or -ENOMEM.
 */
int arena_grow(struct arena *arena, void *array_ptr, size_t *nr, size_t elem_size)
{
	void **array = array_ptr;

	if (!(*nr & (*nr - 1))) { /* 0 or a power of two: full */
		void *p = arena_calloc(arena, *nr ? *nr * 2 : 1, elem_size);

		if (!p)
			return -ENOMEM;
		if (*nr)
			memcpy(p, *array, *nr * elem_size);
		*array = p;
	}
	(*nr)++;
	return 0;
}

/**
 * arena_extend() - copy an array with room for one more element
 * @arena: arena the copy lives in
 * @array: array that must stay as it is, or whose capacity is not known to be that of
 *	arena_grow(); may be NULL when @nr is 0
 * @nr: number of elements
 * @elem_size: size of one
 *
 * Return: the copy, its last element zeroed, or NULL.
 */
void *arena_extend(struct arena *arena, const void *array, size_t nr, size_t elem_size)
{
	void *p = arena_calloc(arena, nr + 1, elem_size);

	if (p && nr)
		memcpy(p, array, nr * elem_size);
	return p;
}

/**
 * arena_strv_add() - append a copy of a string to a string list
 * @arena: arena the list lives in
 * @strv: list; stays NULL-terminated
 * @s: string to copy
 *
 * Return: 0 or -ENOMEM.
 */
int arena_strv_add(struct arena *arena, struct strv *strv, const char *s)
{
	char *copy = arena_strdup(arena, s);
	size_t slots = strv->nr + 1; /* the terminator counts as an element */

	if (!copy)
		return -ENOMEM;
	if (!strv->v) {
		slots = 0;
		if (arena_grow(arena, &strv->v, &slots, sizeof(char *)) < 0)
			return -ENOMEM;
	}
	if (arena_grow(arena, &strv->v, &slots, sizeof(char *)) < 0)
		return -ENOMEM;
	strv->v[strv->nr++] = copy;
	strv->v[strv->nr] = NULL;
	return 0;
}
