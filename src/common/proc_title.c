/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DOC: Process titles
 *
 * /proc/PID/cmdline, proc_pid_cmdline(5), shows the memory where the kernel put the words of the
 * command line at exec, one behind the other; whoever writes there changes what ps(1) shows. The
 * environment lies right behind. A loader that was called by name stands before the program.
 */
#include "common/proc_title.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "common/io.h"
#include "common/macros.h"
#include "common/str.h"

#define WORDS_MAX (2U << 20) /* ARG_MAX of most hosts */

/* The words, and what lies there of the environment. */
static struct {
	char *first;
	size_t words_len, len;
} area;

static void extend_over_environment(void)
{
	for (char **variable = environ; variable && *variable; variable++)
		if (area.first + area.len == *variable)
			area.len += strlen(*variable) + 1;
}

/* A process that is forked later knows it from its parent, whether it sees /proc or not. */
static void find_area(void)
{
	if (area.first)
		return;
	cleanup_free char *words = NULL;
	ssize_t len = io_read_file_at(AT_FDCWD, "/proc/self/cmdline", WORDS_MAX, &words);
	char *own = program_invocation_name, *word = words;

	while (len > 0 && word < words + len && !str_eq(word, own))
		word += strlen(word) + 1;
	if (len <= 0 || word >= words + len)
		return;
	area.first = own - (word - words);
	area.words_len = area.len = (size_t)len;
	extend_over_environment();
}

static void write_title(const char *words, size_t len, size_t room)
{
	if (room < 2)
		return;
	size_t n = MIN(len, room - 1);

	memcpy(area.first, words, n);
	memset(area.first + n, 0, room - n);
}

/**
 * proc_title_set() - take over another command's name
 * @words: its words, each with a NUL behind it
 * @len: length of them all
 *
 * The command line and the environment of this process are overwritten: neither may be used
 * afterwards. What does not fit is cut. The first time it needs procfs at /proc, and sets the comm
 * only where there is none.
 */
void proc_title_set(const char *words, size_t len)
{
	if (len == 0)
		return;
	find_area();
	const char *slash = strrchr(words, '/');

	(void)prctl(PR_SET_NAME,
		    slash && slash[1] ? slash + 1 : words); /* the kernel cuts it to 15 bytes */
	write_title(words, len, area.len);
}

/**
 * proc_take_name() - be found by another name than the process that this one was forked from
 * @name: name, for ps(1) and pgrep(1)
 *
 * The environment stays.
 */
void proc_take_name(const char *name)
{
	find_area();
	(void)prctl(PR_SET_NAME, name); /* cannot fail for a string */
	write_title(name, strlen(name), area.words_len);
}
