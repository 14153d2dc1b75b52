/* SPDX-License-Identifier: Apache-2.0 */
/*
 * UTF-8 as RFC 3629 defines it: no overlong forms, no surrogates, nothing above U+10FFFF.
 */
#include "common/utf8.h"

#include <stdbool.h>
#include <string.h>

#include "common/macros.h"

/* Length of the valid sequence at @s, 0 when there is none. */
static size_t sequence_len(const unsigned char *s, size_t len)
{
	/*
	 * The second byte's range is what excludes overlong forms, surrogates and values past the
	 * last plane.
	 */
	unsigned lo = 0x80, hi = 0xbf;
	size_t n;

	if (s[0] < 0x80)
		return 1;
	if (s[0] >= 0xc2 && s[0] <= 0xdf) {
		n = 2;
	} else if (s[0] >= 0xe0 && s[0] <= 0xef) {
		n = 3;
		if (s[0] == 0xe0)
			lo = 0xa0;
		if (s[0] == 0xed)
			hi = 0x9f;
	} else if (s[0] >= 0xf0 && s[0] <= 0xf4) {
		n = 4;
		if (s[0] == 0xf0)
			lo = 0x90;
		if (s[0] == 0xf4)
			hi = 0x8f;
	} else {
		return 0;
	}
	if (n > len || s[1] < lo || s[1] > hi)
		return 0;
	for (size_t i = 2; i < n; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	return n;
}

/**
 * utf8_valid_prefix - how much of a byte string is UTF-8
 * @s: the bytes; need not be terminated, may hold NUL
 * @len: their number
 *
 * Return: the length of the longest valid prefix; @len when all of it is valid.
 */
size_t utf8_valid_prefix(const char *s, size_t len)
{
	size_t pos = 0;

	while (pos < len) {
		size_t n = sequence_len((const unsigned char *)s + pos, len - pos);

		if (n == 0)
			break;
		pos += n;
	}
	return pos;
}

/* C0 and C1 of ISO/IEC 6429, and DEL: what a terminal obeys. */
static bool is_control(const unsigned char *s, size_t n)
{
	return n == 1 ? s[0] < 0x20 || s[0] == 0x7f : n == 2 && s[0] == 0xc2 && s[1] < 0xa0;
}

/**
 * utf8_make_printable - take from a text what a terminal would obey
 * @s: the text, changed in place: control characters and bytes that are no UTF-8 become question
 *	marks, white space among them spaces
 * @len: its length in bytes, which stays
 * @keep: control characters that may stay, such as "\n"
 */
void utf8_make_printable(char *s, size_t len, const char *keep)
{
	for (size_t pos = 0, n; pos < len; pos += n) {
		const unsigned char *at = (const unsigned char *)s + pos;

		n = sequence_len(at, len - pos);
		if (n > 0 && (!is_control(at, n) || (*at && strchr(keep, *at))))
			continue;
		n = MAX(n, 1);
		memset(s + pos, *at && strchr("\t\n\v\f\r", *at) ? ' ' : '?', n);
	}
}

/**
 * utf8_encode - write one code point
 * @code_point: the Unicode scalar value
 * @ret: receives the bytes, unterminated
 *
 * Return: the number of bytes written, 0 when @code_point is a surrogate or beyond U+10FFFF.
 */
size_t utf8_encode(uint32_t code_point, char ret[UTF8_MAX_LEN])
{
	if (code_point < 0x80) {
		ret[0] = (char)code_point;
		return 1;
	}
	if (code_point < 0x800) {
		ret[0] = (char)(0xc0 | code_point >> 6);
		ret[1] = (char)(0x80 | (code_point & 0x3f));
		return 2;
	}
	if (code_point >= 0xd800 && code_point <= 0xdfff)
		return 0;
	if (code_point < 0x10000) {
		ret[0] = (char)(0xe0 | code_point >> 12);
		ret[1] = (char)(0x80 | (code_point >> 6 & 0x3f));
		ret[2] = (char)(0x80 | (code_point & 0x3f));
		return 3;
	}
	if (code_point > 0x10ffff)
		return 0;
	ret[0] = (char)(0xf0 | code_point >> 18);
	ret[1] = (char)(0x80 | (code_point >> 12 & 0x3f));
	ret[2] = (char)(0x80 | (code_point >> 6 & 0x3f));
	ret[3] = (char)(0x80 | (code_point & 0x3f));
	return 4;
}
