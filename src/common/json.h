/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON: a bounded reader that gives a tree in an arena, and a writer into a strbuf. Every node
 * knows its place, so an accessor given a wrong type can say "config.json:12: process.args[2]:
 * expected a string, found a number".
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/arena.h"
#include "common/err.h"
#include "common/str.h"

enum json_type {
	JSON_NULL,
	JSON_BOOL,
	JSON_INT,    /* any integer an int64_t holds */
	JSON_UINT,   /* integers above INT64_MAX */
	JSON_DOUBLE, /* a fraction, an exponent, or an integer that fits neither */
	JSON_STRING,
	JSON_ARRAY,
	JSON_OBJECT,
};

/*
 * One value. Members of an object are its children, each with its key; of two with one key only the
 * last is kept.
 */
struct json {
	enum json_type type;
	unsigned line; /* where it stands, an array or object where it opens; from 1 */
	struct json *parent;
	struct json *next; /* sibling */
	const char *key;   /* in an object; at the root: the name of the document */
	union {
		bool b;
		int64_t i;
		uint64_t u;
		double d;
		const char *s; /* holds no NUL */
		struct {
			struct json *first, *last;
			size_t nr;
		};
	};
};

struct json_limits {
	size_t max_len;
	size_t max_nodes;
	unsigned max_depth;
};

/* What json_parse() uses when it is given none. */
#define JSON_LIMITS_DEFAULT \
	((struct json_limits){ .max_len = 8 << 20, .max_nodes = 1 << 18, .max_depth = 64 })

#define json_for_each(pos, node) for (const struct json *pos = (node)->first; pos; pos = pos->next)

int json_parse(struct arena *arena, const char *data, size_t len, const char *name,
	       const struct json_limits *limits, struct json **ret, struct err *err) must_check;

/* Lookups. A member that is null counts as absent. */
const struct json *json_get(const struct json *object, const char *key);
int json_error(const struct json *node, struct err *err, const char *fmt, ...) printf_format(3, 4);

/* Conversions of one value; *ret is written on success only. */
int json_expect(const struct json *node, enum json_type type, struct err *err) must_check;
int json_to_bool(const struct json *node, bool *ret, struct err *err) must_check;
int json_to_i64(const struct json *node, int64_t min, int64_t max, int64_t *ret,
		struct err *err) must_check;
int json_to_u64(const struct json *node, uint64_t max, uint64_t *ret, struct err *err) must_check;
int json_to_str(const struct json *node, const char **ret, struct err *err) must_check;

/* The same for an optional member: absent leaves *ret alone and is no error. */
int json_get_bool(const struct json *object, const char *key, bool *ret,
		  struct err *err) must_check;
int json_get_i64(const struct json *object, const char *key, int64_t *ret,
		 struct err *err) must_check;
int json_get_u64(const struct json *object, const char *key, uint64_t *ret,
		 struct err *err) must_check;
int json_get_u32(const struct json *object, const char *key, uint32_t *ret,
		 struct err *err) must_check;
int json_get_str(const struct json *object, const char *key, const char **ret,
		 struct err *err) must_check;
int json_get_object(const struct json *object, const char *key, const struct json **ret,
		    struct err *err) must_check;
int json_get_array(const struct json *object, const char *key, const struct json **ret,
		   struct err *err) must_check;

/*
 * Writing. The first failure sticks and is reported by json_writer_finish(). Well-formed nesting is
 * the caller's duty. A writer holds no memory of its own.
 */
struct json_writer {
	struct strbuf *out;
	int r;
	unsigned indent; /* blanks per level, 0: everything on one line */
	unsigned depth;
	bool need_comma, after_key;
};

void json_writer_init(struct json_writer *w, struct strbuf *out, unsigned indent);
int json_writer_finish(struct json_writer *w) must_check;
void json_object(struct json_writer *w);
void json_object_end(struct json_writer *w);
void json_array(struct json_writer *w);
void json_array_end(struct json_writer *w);
void json_put_key(struct json_writer *w, const char *key);
void json_put_str(struct json_writer *w, const char *s);
void json_put_strn(struct json_writer *w, const char *s, size_t len);
void json_put_int(struct json_writer *w, int64_t v);
void json_put_uint(struct json_writer *w, uint64_t v);
void json_put_double(struct json_writer *w, double v);
void json_put_bool(struct json_writer *w, bool v);
void json_put_null(struct json_writer *w);
void json_put_node(struct json_writer *w, const struct json *node);

/* Key and value in one; a NULL string and an empty list or map write nothing. */
void json_member_str(struct json_writer *w, const char *key, const char *s);
void json_member_int(struct json_writer *w, const char *key, int64_t v);
void json_member_uint(struct json_writer *w, const char *key, uint64_t v);
void json_member_bool(struct json_writer *w, const char *key, bool v);
void json_member_strv(struct json_writer *w, const char *key, const struct strv *strv);
void json_member_map(struct json_writer *w, const char *key, const struct kv *kv, size_t nr);
void json_member_object(struct json_writer *w, const char *key);
void json_member_array(struct json_writer *w, const char *key);
