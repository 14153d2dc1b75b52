/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Strings: a growing buffer, strict number parsing, the check every id passes.
 */
#include "common/str.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* As containerd and runc limit container ids; keeps paths below NAME_MAX with our suffixes. */
#define STR_ID_MAX 128

/**
 * strbuf_deinit() - release a buffer
 * @buf: buffer; is STRBUF_NULL afterwards
 */
void strbuf_deinit(struct strbuf *buf)
{
	free(buf->data);
	*buf = STRBUF_NULL;
}

static int strbuf_reserve(struct strbuf *buf, size_t more)
{
	size_t need, cap = buf->cap ? buf->cap : 128;

	if (__builtin_add_overflow(buf->len, more + 1, &need) || need > SIZE_MAX / 2)
		return -ENOMEM;
	if (need <= buf->cap)
		return 0;
	while (cap < need)
		cap *= 2;
	char *data = realloc(buf->data, cap);
	if (!data)
		return -ENOMEM;
	buf->data = data;
	buf->cap = cap;
	return 0;
}

/**
 * strbuf_add() - append bytes
 * @buf: buffer
 * @data: bytes
 * @len: number of bytes
 *
 * Return: 0 or -ENOMEM, and then the buffer is unchanged.
 */
int strbuf_add(struct strbuf *buf, const void *data, size_t len)
{
	int r = strbuf_reserve(buf, len);

	if (r < 0)
		return r;
	if (len)
		memcpy(buf->data + buf->len, data, len);
	buf->len += len;
	buf->data[buf->len] = '\0';
	return 0;
}

/**
 * strbuf_puts() - append a string
 * @buf: buffer
 * @s: string
 *
 * Return: 0 or -ENOMEM.
 */
int strbuf_puts(struct strbuf *buf, const char *s)
{
	return strbuf_add(buf, s, strlen(s));
}

/**
 * strbuf_printf() - append formatted text
 * @buf: buffer
 * @fmt: printf format
 *
 * Return: 0, -ENOMEM, or -EINVAL for a format the C library refuses.
 */
int strbuf_printf(struct strbuf *buf, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	int len = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (len < 0)
		return -EINVAL;
	int r = strbuf_reserve(buf, (size_t)len);
	if (r < 0)
		return r;
	va_start(ap, fmt);
	(void)vsnprintf(buf->data + buf->len, (size_t)len + 1, fmt, ap);
	va_end(ap);
	buf->len += (size_t)len;
	return 0;
}

/**
 * strbuf_consume() - drop bytes from the front
 * @buf: buffer
 * @len: number of bytes, at most buf->len
 */
void strbuf_consume(struct strbuf *buf, size_t len)
{
	if (!len)
		return;
	buf->len -= len;
	memmove(buf->data, buf->data + len, buf->len);
	buf->data[buf->len] = '\0';
}

/**
 * str_to_u64() - parse a decimal number, the whole string
 * @s: string; no blanks, no sign
 * @ret: result
 *
 * Return: 0, -EINVAL, or -ERANGE when it does not fit.
 */
int str_to_u64(const char *s, uint64_t *ret)
{
	uint64_t value = 0;

	if (!*s)
		return -EINVAL;
	for (; *s; s++) {
		if (*s < '0' || *s > '9')
			return -EINVAL;
		if (__builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, (uint64_t)(*s - '0'), &value))
			return -ERANGE;
	}
	*ret = value;
	return 0;
}

/**
 * str_to_i64() - parse a decimal number with an optional minus sign, the whole string
 * @s: string
 * @ret: result
 *
 * Return: 0, -EINVAL, or -ERANGE when it does not fit.
 */
int str_to_i64(const char *s, int64_t *ret)
{
	bool negative = *s == '-';
	uint64_t value;
	int r = str_to_u64(negative ? s + 1 : s, &value);

	if (r < 0)
		return r;
	if (value > (uint64_t)INT64_MAX + negative)
		return -ERANGE;
	*ret = negative ? (int64_t)(0 - value) : (int64_t)value;
	return 0;
}

/**
 * str_to_u32() - parse a decimal number that fits 32 bits, the whole string
 * @s: string
 * @ret: result
 *
 * Return: 0, -EINVAL or -ERANGE.
 */
int str_to_u32(const char *s, uint32_t *ret)
{
	uint64_t value;
	int r = str_to_u64(s, &value);

	if (r < 0)
		return r;
	if (value > UINT32_MAX)
		return -ERANGE;
	*ret = (uint32_t)value;
	return 0;
}

/**
 * str_is_valid_id() - may this string be a container, sandbox or exec id?
 * @id: string or NULL
 *
 * Ids become path components, so they start with a letter, digit or underscore and hold only
 * letters, digits and "_.+-", 128 characters at most.
 *
 * Return: true when it may.
 */
bool str_is_valid_id(const char *id)
{
	if (str_empty(id) || strlen(id) > STR_ID_MAX ||
	    (!isalnum((unsigned char)*id) && *id != '_'))
		return false;
	for (; *id; id++)
		if (!isalnum((unsigned char)*id) && !strchr("_.+-", *id))
			return false;
	return true;
}

/**
 * str_skip_prefix() - what follows a prefix
 * @s: string
 * @prefix: prefix
 *
 * Return: pointer into @s behind the prefix, or NULL when @s does not begin with it.
 */
const char *str_skip_prefix(const char *s, const char *prefix)
{
	size_t len = strlen(prefix);

	return strncmp(s, prefix, len) == 0 ? s + len : NULL;
}
