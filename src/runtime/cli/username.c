/* SPDX-License-Identifier: Apache-2.0 */
/*
 * User names, read from /etc/passwd by hand: the C library's lookup loads modules and may ask a
 * network.
 */
#include "runtime/cli/username.h"

#include <stdio.h>
#include <string.h>

/**
 * username_of() - the name of a user
 * @uid: user
 * @buf: receives the name; "root" for 0, the number in decimal when there is no name
 * @len: size of @buf
 */
void username_of(uint32_t uid, char *buf, size_t len)
{
	char line[512], name[USERNAME_MAX];
	unsigned found;

	snprintf(buf, len, "%u", uid);
	if (uid == 0) {
		snprintf(buf, len, "root");
		return;
	}
	FILE *f = fopen("/etc/passwd", "re");
	if (!f)
		return;
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%63[^:]:%*[^:]:%u:", name, &found) == 2 && found == uid) {
			snprintf(buf, len, "%s", name);
			break;
		}
	}
	(void)fclose(f); /* read-only */
}
