/* SPDX-License-Identifier: Apache-2.0 */
/*
 * syscall NUMBER ...: calls each without arguments and prints the errno it gives, 0 for none.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		long r = syscall(strtol(argv[i], NULL, 0), 0, 0, 0, 0, 0, 0);

		printf("%s: %d\n", argv[i], r < 0 ? errno : 0);
	}
	return 0;
}
