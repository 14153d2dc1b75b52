/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Compiler attributes and the cleanup helpers that ownership in this code base rests on. No logic
 * lives here.
 */
#pragma once

#include <stddef.h>
#include <stdlib.h>

/*
 * gcc ignores the cast to void that marks a deliberate ignore (GCC bug 66425), so clang alone
 * checks this.
 */
#ifdef __clang__
#define must_check __attribute__((warn_unused_result))
#else
#define must_check
#endif
#define printf_format(fmt, args) __attribute__((format(printf, fmt, args)))
#define attr_unused __attribute__((unused))
#define attr_noreturn __attribute__((noreturn))

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
/* Both evaluate an argument twice: no calls in them. */
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))
#define container_of(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))

/* Gives the variable's cleanup function the duty to release it when the scope ends. */
#define cleanup_with(fn) __attribute__((cleanup(fn)))

/*
 * DEFINE_CLEANUP(struct foo, foo_free) makes cleanup_foo_free usable as
 * cleanup_with(cleanup_foo_free) on a `struct foo *` variable. The free function accepts NULL.
 */
#define DEFINE_CLEANUP(type, free_fn)                   \
	static inline void cleanup_##free_fn(type **pp) \
	{                                               \
		if (*pp)                                \
			free_fn(*pp);                   \
	}

/* Moves a pointer out of a cleanup variable: the caller of TAKE_PTR owns it from here on. */
#define TAKE_PTR(p)                     \
	({                              \
		__typeof__(p) p_ = (p); \
		(p) = NULL;             \
		p_;                     \
	})

/* The same for a descriptor. */
#define TAKE_FD(fd)             \
	({                      \
		int fd_ = (fd); \
		(fd) = -1;      \
		fd_;            \
	})

static inline void cleanup_free_fn(void *p)
{
	free(*(void **)p);
}
#define cleanup_free cleanup_with(cleanup_free_fn)
