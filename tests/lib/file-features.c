/* SPDX-License-Identifier: Apache-2.0 */
/*
 * file-features DIR: what not every file system can do. One line per feature, "<feature> yes" or
 * "<feature> no". Linked statically, so that it runs in any root file system.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <linux/falloc.h>

#define BLOCK 4096

static void say(const char *feature, int good)
{
	printf("%s %s\n", feature, good ? "yes" : "no");
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int mode;
	} modes[] = {
		{ "allocate", 0 },
		{ "punch-hole", FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE },
		{ "zero-range", FALLOC_FL_ZERO_RANGE },
		{ "collapse-range", FALLOC_FL_COLLAPSE_RANGE },
		{ "insert-range", FALLOC_FL_INSERT_RANGE },
	};
	struct statx st = { 0 };
	int fd;

	if (argc != 2 || chdir(argv[1]) < 0)
		return 2;
	fd = open(".", O_TMPFILE | O_RDWR, 0600);
	say("O_TMPFILE", fd >= 0);
	fd = open("features", O_CREAT | O_RDWR | O_TRUNC, 0600);
	if (fd < 0 || ftruncate(fd, 8 * BLOCK) < 0)
		return 2;
	for (size_t i = 0; i < sizeof(modes) / sizeof(*modes); i++)
		say(modes[i].name, fallocate(fd, modes[i].mode, BLOCK, BLOCK) == 0);
	say("btime",
	    statx(fd, "", AT_EMPTY_PATH, STATX_BTIME, &st) == 0 && (st.stx_mask & STATX_BTIME));
	return 0;
}
