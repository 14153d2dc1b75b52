/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mapping wait FILE | set FILE: one maps a file, says "mapped" and ends when its first byte changes, which the other does
 * through a mapping of its own. It runs in containers: link it statically.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	int set = argc == 3 && !strcmp(argv[1], "set");
	int fd = argc == 3 ? open(argv[2], set ? O_RDWR : O_RDONLY) : -1;
	volatile char *p;

	p = fd < 0 ? MAP_FAILED
		   : mmap(NULL, 1, PROT_READ | (set ? PROT_WRITE : 0), MAP_SHARED, fd, 0);
	if (p == MAP_FAILED) {
		perror("mapping");
		return 1;
	}
	char first = *p;
	if (set) {
		*p = '!';
		return 0;
	}
	puts("mapped");
	fflush(stdout);
	while (*p == first)
		usleep(10000);
	return puts("changed") < 0;
}
