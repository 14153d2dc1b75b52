/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SHA-256, FIPS 180-4.
 */
#include "sandbox/snapshot/digest.h"

#include <errno.h>
#include <sha2.h>
#include <string.h>
#include <unistd.h>

/**
 * snapshot_digest() - of a file's first bytes
 * @fd: file
 * @size: how many
 * @ret: receives it
 *
 * Return: 0, -EBADMSG for a file that is shorter, or -errno.
 */
int snapshot_digest(int fd, uint64_t size, char ret[SNAPSHOT_DIGEST_LEN + 1])
{
	SHA2_CTX context;
	uint8_t buf[16384];
	uint64_t done = 0;

	SHA256Init(&context);
	while (done < size) {
		ssize_t n = pread(fd, buf, MIN(sizeof(buf), size - done), (off_t)done);

		if (n <= 0)
			return n < 0 ? -errno : -EBADMSG;
		SHA256Update(&context, buf, (size_t)n);
		done += (uint64_t)n;
	}
	(void)SHA256End(&context, ret);
	return 0;
}

/**
 * snapshot_is_digest() - is a text what digests are written as
 * @text: text
 *
 * Return: whether.
 */
bool snapshot_is_digest(const char *text)
{
	return strlen(text) == SNAPSHOT_DIGEST_LEN &&
	       strspn(text, "0123456789abcdef") == SNAPSHOT_DIGEST_LEN;
}
