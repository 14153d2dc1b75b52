/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Strings: a growing buffer, strict number parsing, small predicates.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "common/macros.h"

/*
 * A growing, always NUL-terminated byte buffer. STRBUF_NULL is the static start state; deinit may
 * be repeated.
 */
struct strbuf {
	char *data; /* NULL until the first append */
	size_t len;
	size_t cap;
};

#define STRBUF_NULL ((struct strbuf){ 0 })

void strbuf_deinit(struct strbuf *buf);
int strbuf_add(struct strbuf *buf, const void *data, size_t len) must_check;
int strbuf_puts(struct strbuf *buf, const char *s) must_check;
int strbuf_printf(struct strbuf *buf, const char *fmt, ...) must_check printf_format(2, 3);
void strbuf_consume(struct strbuf *buf, size_t len);

#define cleanup_strbuf cleanup_with(strbuf_deinit)

int str_to_u64(const char *s, uint64_t *ret) must_check;
int str_to_i64(const char *s, int64_t *ret) must_check;
int str_to_u32(const char *s, uint32_t *ret) must_check;
bool str_is_valid_id(const char *id);
const char *str_skip_prefix(const char *s, const char *prefix);

static inline bool str_eq(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}
static inline bool str_empty(const char *s)
{
	return !s || !*s;
}
