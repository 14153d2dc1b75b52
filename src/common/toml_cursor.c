/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the reader of TOML stands: what refuses the text there, and what steps over a line end.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "common/toml_parser.h"

/**
 * toml_column() - where in its line the cursor stands
 * @t: parser
 *
 * Return: the column, in bytes, from 1 on.
 */
unsigned toml_column(const struct toml_parser *t)
{
	return (unsigned)(t->p - t->line_start) + 1;
}

/**
 * toml_fail() - refuse the text at the cursor
 * @t: parser
 * @fmt: what is wrong
 *
 * Return: -EINVAL, to be returned at once.
 */
int toml_fail(struct toml_parser *t, const char *fmt, ...)
{
	char text[ERR_TEXT_MAX / 2];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return err_set(t->err, EINVAL, "%s:%u:%u: %s", t->name, t->line, toml_column(t), text);
}

/**
 * toml_skip_newline() - step over a line end
 * @t: parser
 *
 * Return: 1 when the cursor stood on one, 0 when not.
 */
int toml_skip_newline(struct toml_parser *t)
{
	size_t len = *t->p == '\n' ? 1 : t->p[0] == '\r' && t->p[1] == '\n' ? 2 : 0;

	if (!len)
		return 0;
	t->p += len;
	t->line++;
	t->line_start = t->p;
	return 1;
}
