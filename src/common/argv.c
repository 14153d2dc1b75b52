/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Command lines of child processes.
 */
#include "common/argv.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

/**
 * argv_add() - add a word
 * @argv: builder
 * @word: copied
 */
void argv_add(struct argv *argv, const char *word)
{
	if (argv->r >= 0)
		argv->r = arena_strv_add(argv->arena, argv->words, word);
}

/**
 * argv_add2() - add an option and its value
 * @argv: builder
 * @option: copied
 * @value: copied, a word of its own
 */
void argv_add2(struct argv *argv, const char *option, const char *value)
{
	argv_add(argv, option);
	argv_add(argv, value);
}

/**
 * argv_addf() - add a word that is printed
 * @argv: builder
 * @fmt: printf format
 */
void argv_addf(struct argv *argv, const char *fmt, ...)
{
	cleanup_free char *word = NULL;
	va_list ap;

	va_start(ap, fmt);
	int n = vasprintf(&word, fmt, ap);
	va_end(ap);
	if (n < 0) {
		word = NULL; /* its content is undefined then */
		argv_fail(argv, -ENOMEM);
		return;
	}
	argv_add(argv, word);
}

/**
 * argv_fail() - note that something the command line needs could not be made
 * @argv: builder
 * @r: -errno; no failure when it is not negative
 */
void argv_fail(struct argv *argv, int r)
{
	if (argv->r >= 0 && r < 0)
		argv->r = r;
}
