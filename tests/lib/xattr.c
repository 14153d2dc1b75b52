/* SPDX-License-Identifier: Apache-2.0 */
/*
 * xattr FILE NAME: prints an extended attribute. Linked statically, so that it runs in any root file
 * system.
 */
#include <stdio.h>
#include <sys/xattr.h>

int main(int argc, char **argv)
{
	char value[256];
	ssize_t n = argc == 3 ? lgetxattr(argv[1], argv[2], value, sizeof(value)) : -1;

	if (n < 0) {
		perror("xattr");
		return 1;
	}
	printf("%.*s\n", (int)n, value);
	return 0;
}
