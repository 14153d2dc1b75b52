/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Process titles. /proc/<pid>/cmdline shows the memory where the kernel put the arguments at exec;
 * whoever writes there changes what ps shows. The environment lies right behind it, and is given up
 * too.
 */
#include "runtime/standin/proctitle.h"

#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "common/macros.h"

extern char **environ;

static char *area;
static size_t area_len;

static void extend(char *const *strings)
{
	for (; *strings; strings++)
		if (area + area_len == *strings)
			area_len += strlen(*strings) + 1;
}

/**
 * proctitle_init() - remember where the arguments lie
 * @argc: main()'s
 * @argv: main()'s, before anybody moves its strings
 *
 * Without it proctitle_set() sets the comm only.
 */
void proctitle_init(int argc, char **argv)
{
	if (argc < 1)
		return;
	area = argv[0];
	area_len = 0;
	extend(argv);
	extend(environ);
}

/**
 * proctitle_set() - take over another command's name
 * @args: its arguments, each with a NUL behind it
 * @len: length of them all
 *
 * The arguments and the environment of this process are overwritten: neither may be used
 * afterwards. What does not fit is cut.
 */
void proctitle_set(const char *args, size_t len)
{
	if (len == 0)
		return;
	const char *slash = strrchr(args, '/');
	(void)prctl(PR_SET_NAME,
		    slash && slash[1] ? slash + 1 : args); /* cut to 15 bytes by the kernel */
	if (area_len < 2)
		return;
	size_t n = MIN(len, area_len - 1);
	memcpy(area, args, n);
	memset(area + n, 0, area_len - n);
}
