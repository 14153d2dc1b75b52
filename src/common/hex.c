/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes as hexadecimal digits. Only lower case is read, so what was written has one form.
 */
#include "common/hex.h"

#include <errno.h>

static int value_of(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/**
 * hex_write() - bytes as digits
 * @data: bytes
 * @len: their number
 * @ret: receives 2 * @len digits and a NUL
 */
void hex_write(const void *data, size_t len, char *ret)
{
	static const char digits[] = "0123456789abcdef";
	const uint8_t *bytes = data;

	for (size_t i = 0; i < len; i++) {
		*ret++ = digits[bytes[i] >> 4];
		*ret++ = digits[bytes[i] & 15];
	}
	*ret = '\0';
}

/**
 * hex_read() - digits as bytes
 * @digits: 2 * @len of them; what follows is not looked at
 * @len: number of bytes
 * @ret: receives them
 *
 * Return: 0 or -EBADMSG.
 */
int hex_read(const char *digits, size_t len, void *ret)
{
	uint8_t *bytes = ret;

	for (size_t i = 0; i < len; i++) {
		int high = value_of(digits[2 * i]),
		    low = high < 0 ? -1 : value_of(digits[2 * i + 1]);

		if (low < 0)
			return -EBADMSG;
		bytes[i] = (uint8_t)(high << 4 | low);
	}
	return 0;
}
