/* SPDX-License-Identifier: Apache-2.0 */
/*
 * "kata-wake 1 TIME ENTROPY SECRET" and a newline: the time in nanoseconds as 16 hexadecimal digits,
 * 64 random bytes, and both parts of the sandbox's secret or "-" where there is none. Another
 * version has another number there; a guest that does not know it does not wake.
 */
#include "common/guest_wake.h"

#include <errno.h>
#include <string.h>

#include "common/hex.h"

#define PREFIX "kata-wake 1 "
#define PREFIX_LEN (sizeof(PREFIX) - 1)
#define TIME_LEN 16
#define ENTROPY_AT (PREFIX_LEN + TIME_LEN + 1)
#define SECRET_AT (ENTROPY_AT + (size_t)2 * GUEST_WAKE_ENTROPY_LEN + 1)
#define SECRET_LEN (2 * sizeof(struct kata_secret))

_Static_assert(SECRET_AT + SECRET_LEN + 1 <= GUEST_WAKE_LINE_MAX, "room for the longest line");

/**
 * guest_wake_format() - write the line
 * @wake: what to say
 * @buf: receives it, its newline and a NUL
 *
 * Return: length without the NUL.
 */
size_t guest_wake_format(const struct guest_wake *wake, char buf[GUEST_WAKE_LINE_MAX + 1])
{
	uint8_t time[TIME_LEN / 2];

	for (size_t i = 0; i < sizeof(time); i++)
		time[i] = (uint8_t)(wake->realtime_ns >> (56 - 8 * i));
	memcpy(buf, PREFIX, PREFIX_LEN);
	hex_write(time, sizeof(time), buf + PREFIX_LEN);
	buf[ENTROPY_AT - 1] = ' ';
	hex_write(wake->entropy, sizeof(wake->entropy), buf + ENTROPY_AT);
	buf[SECRET_AT - 1] = ' ';
	if (wake->has_secret)
		hex_write(&wake->secret, sizeof(wake->secret), buf + SECRET_AT);
	else
		strcpy(buf + SECRET_AT, "-");
	strcat(buf + SECRET_AT, "\n");
	return SECRET_AT + strlen(buf + SECRET_AT);
}

/**
 * guest_wake_parse() - read the line
 * @line: bytes, with the newline at their end
 * @len: their number
 * @ret: receives it
 *
 * Return: 0, -EPROTONOSUPPORT for another version, or -EBADMSG.
 */
int guest_wake_parse(const char *line, size_t len, struct guest_wake *ret)
{
	struct guest_wake wake = { 0 };
	uint8_t time[TIME_LEN / 2];

	if (len < PREFIX_LEN || len > GUEST_WAKE_LINE_MAX ||
	    memcmp(line, PREFIX, sizeof("kata-wake ") - 1) != 0)
		return -EBADMSG;
	if (memcmp(line, PREFIX, PREFIX_LEN) != 0)
		return -EPROTONOSUPPORT;
	if (len < SECRET_AT + 2 || line[len - 1] != '\n' || line[ENTROPY_AT - 1] != ' ' ||
	    line[SECRET_AT - 1] != ' ')
		return -EBADMSG;
	if (hex_read(line + PREFIX_LEN, sizeof(time), time) < 0 ||
	    hex_read(line + ENTROPY_AT, sizeof(wake.entropy), wake.entropy) < 0)
		return -EBADMSG;
	for (size_t i = 0; i < sizeof(time); i++)
		wake.realtime_ns = wake.realtime_ns << 8 | time[i];
	wake.has_secret = len == SECRET_AT + SECRET_LEN + 1;
	if (wake.has_secret && hex_read(line + SECRET_AT, sizeof(wake.secret), &wake.secret) < 0)
		return -EBADMSG;
	if (!wake.has_secret && (len != SECRET_AT + 2 || line[SECRET_AT] != '-'))
		return -EBADMSG;
	*ret = wake;
	return 0;
}
