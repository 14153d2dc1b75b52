/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the parts of the TOML reader share: the cursor (toml_cursor.c). Private to toml.c (structure)
 * and toml_scalar.c (strings, numbers, times).
 */
#pragma once

#include "common/str.h"
#include "common/toml.h"

struct toml_parser {
	struct arena *arena;
	const char *name;
	const char *p, *end; /* the rest of the text; *end is readable and NUL */
	const char *line_start;
	unsigned line;
	unsigned depth;
	size_t nr_nodes;
	struct strbuf text; /* the string being read */
	struct err *err;
};

unsigned toml_column(const struct toml_parser *t);
int toml_fail(struct toml_parser *t, const char *fmt, ...) printf_format(2, 3);
int toml_skip_newline(struct toml_parser *t);
int toml_read_string(struct toml_parser *t, bool may_be_multi_line, const char **ret) must_check;
int toml_read_scalar(struct toml_parser *t, struct toml *node) must_check;

/* Control characters that may stand neither in comments nor in strings; tab may. */
static inline bool toml_is_control(char c)
{
	return ((unsigned char)c < ' ' && c != '\t') || c == 0x7f;
}
