/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TOML 1.0 reader: a document becomes a tree in an arena. Strict: what the specification calls
 * invalid is an error with line and column. It does not write.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/arena.h"
#include "common/err.h"

#define TOML_LEN_MAX ((size_t)1 << 20)
#define TOML_DEPTH_MAX 64
#define TOML_NODES_MAX 16384

enum toml_type {
	TOML_STRING,
	TOML_INTEGER,
	TOML_FLOAT,
	TOML_BOOL,
	TOML_OFFSET_DATETIME, /* the four times are kept as their checked text */
	TOML_LOCAL_DATETIME,
	TOML_LOCAL_DATE,
	TOML_LOCAL_TIME,
	TOML_ARRAY,
	TOML_TABLE,
};

/* One value. Children of an array or table are linked in the order of the document. */
struct toml {
	enum toml_type type;
	unsigned line, col; /* of the key, or of the value in an array; from 1 */
	const char *key;    /* in a table */
	struct toml *parent;
	struct toml *next;
	union {
		const char *s; /* strings and times; holds no NUL */
		int64_t i;
		double f;
		bool b;
		struct {
			struct toml *first, *last;
			size_t nr;
		};
	};
	/* for the parser: how a table or array came to be, which decides who may add to it */
	uint8_t origin;
};

#define toml_for_each(pos, node) for (const struct toml *pos = (node)->first; pos; pos = pos->next)

int toml_parse(struct arena *arena, const char *data, size_t len, const char *name,
	       struct toml **ret, struct err *err) must_check;
const struct toml *toml_get(const struct toml *table, const char *key);
const char *toml_type_name(enum toml_type type);
