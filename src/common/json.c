/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON reader: yajl tells tokens from text, this file builds the tree, enforces the limits and
 * words the errors. Numbers are kept exactly. The tree is read-only once built; writing is
 * json_write.c.
 */
#include "common/json.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yajl/yajl_parse.h>

#include "common/utf8.h"

#define PATH_TEXT_MAX 256
#define KEY_TEXT_MAX 64
#define MAX_DEPTH \
	128 /* no caller's limit may exceed it: paths are built in an array of this size */

struct parser {
	struct arena *arena;
	struct json_limits limits;
	struct json *root;
	struct json *container; /* the innermost open array or object */
	const char *key;	/* of the next member */
	const char *name;
	const char *data;
	yajl_handle yajl;
	size_t counted; /* bytes whose newlines are in line */
	size_t nr_nodes;
	unsigned line;
	unsigned depth;
	int r;
	struct err *err;
};

static unsigned current_line(struct parser *p)
{
	size_t pos = yajl_get_bytes_consumed(p->yajl);

	for (; p->counted < pos; p->counted++)
		p->line += p->data[p->counted] == '\n';
	return p->line;
}

/* Ends the parse: the yajl callbacks return 0 for "stop". */
static int stop(struct parser *p, int code, const char *what)
{
	p->r = err_set(p->err, code, "%s:%u: %s", p->name, current_line(p), what);
	return 0;
}

static struct json *add_node(struct parser *p, enum json_type type)
{
	struct json *node;

	if (++p->nr_nodes > p->limits.max_nodes) {
		(void)stop(p, E2BIG, "too many values");
		return NULL;
	}
	node = arena_alloc(p->arena, sizeof(*node));
	if (!node) {
		(void)stop(p, ENOMEM, "out of memory");
		return NULL;
	}
	node->type = type;
	node->line = current_line(p);
	node->parent = p->container;
	if (!p->container) {
		node->key = p->name;
		p->root = node;
		return node;
	}
	if (p->container->type == JSON_OBJECT)
		node->key = p->key;
	if (p->container->last)
		p->container->last->next = node;
	else
		p->container->first = node;
	p->container->last = node;
	p->container->nr++;
	return node;
}

static int on_null(void *ctx)
{
	return add_node(ctx, JSON_NULL) != NULL;
}

static int on_bool(void *ctx, int value)
{
	struct json *node = add_node(ctx, JSON_BOOL);

	if (node)
		node->b = value;
	return node != NULL;
}

static int on_number(void *ctx, const char *text, size_t len)
{
	struct json *node = add_node(ctx, JSON_DOUBLE);
	char buf[320]; /* any double has a shorter exact form than this */

	if (!node)
		return 0;
	if (len >= sizeof(buf))
		return stop(ctx, ERANGE, "number with too many digits");
	memcpy(buf, text, len);
	buf[len] = '\0';
	if (str_to_i64(buf, &node->i) == 0)
		node->type = JSON_INT;
	else if (str_to_u64(buf, &node->u) == 0)
		node->type = JSON_UINT;
	else
		node->d = strtod(buf, NULL);
	return 1;
}

static char *copy_text(struct parser *p, const unsigned char *text, size_t len)
{
	char *s;

	if (memchr(text, '\0', len)) {
		(void)stop(p, EINVAL, "a string holds a NUL character");
		return NULL;
	}
	s = arena_strndup(p->arena, (const char *)text, len);
	if (!s)
		(void)stop(p, ENOMEM, "out of memory");
	return s;
}

static int on_string(void *ctx, const unsigned char *text, size_t len)
{
	struct json *node = add_node(ctx, JSON_STRING);

	if (!node)
		return 0;
	node->s = copy_text(ctx, text, len);
	return node->s != NULL;
}

static int on_key(void *ctx, const unsigned char *text, size_t len)
{
	struct parser *p = ctx;

	p->key = copy_text(p, text, len);
	return p->key != NULL;
}

static int open_container(struct parser *p, enum json_type type)
{
	struct json *node;

	if (++p->depth > p->limits.max_depth)
		return stop(p, E2BIG, "nested too deeply");
	node = add_node(p, type);
	if (node)
		p->container = node;
	return node != NULL;
}

static int close_container(struct parser *p)
{
	p->depth--;
	p->container = p->container->parent;
	return 1;
}

struct member {
	struct json *node;
	size_t pos;
};

static int compare_members(const void *a, const void *b)
{
	const struct member *x = a, *y = b;
	int r = strcmp(x->node->key, y->node->key);

	return r ? r : (x->pos > y->pos) - (x->pos < y->pos);
}

/*
 * Keeps the last of members with the same key, in n log n because a hostile document may have
 * 100,000.
 */
static int drop_duplicates(struct parser *p, struct json *object)
{
	cleanup_free struct member *members = calloc(object->nr, sizeof(*members));
	struct json *last = NULL;
	size_t n = 0;

	if (!members)
		return stop(p, ENOMEM, "out of memory");
	for (struct json *m = object->first; m; m = m->next, n++)
		members[n] = (struct member){ m, n };
	qsort(members, n, sizeof(*members), compare_members);
	for (size_t i = 0; i + 1 < n; i++)
		if (strcmp(members[i].node->key, members[i + 1].node->key) == 0)
			members[i].node->parent = NULL; /* marks it for removal below */
	for (struct json *m = object->first; m; m = m->next) {
		if (!m->parent) {
			object->nr--;
			continue;
		}
		if (last)
			last->next = m;
		else
			object->first = m;
		last = m;
	}
	last->next = NULL;
	object->last = last;
	return 1;
}

static int on_map_start(void *ctx)
{
	return open_container(ctx, JSON_OBJECT);
}

static int on_map_end(void *ctx)
{
	struct parser *p = ctx;

	if (p->container->nr > 1 && !drop_duplicates(p, p->container))
		return 0;
	return close_container(p);
}

static int on_array_start(void *ctx)
{
	return open_container(ctx, JSON_ARRAY);
}

static int on_array_end(void *ctx)
{
	return close_container(ctx);
}

static const yajl_callbacks callbacks = {
	.yajl_null = on_null,
	.yajl_boolean = on_bool,
	.yajl_number = on_number,
	.yajl_string = on_string,
	.yajl_start_map = on_map_start,
	.yajl_map_key = on_key,
	.yajl_end_map = on_map_end,
	.yajl_start_array = on_array_start,
	.yajl_end_array = on_array_end,
};

/* Fills the error with @what, and with the line that the byte at @pos is in. */
static int syntax_error(struct parser *p, size_t pos, const char *what)
{
	unsigned line = 1;
	size_t start = 0;

	for (size_t i = 0; i < pos; i++) {
		if (p->data[i] == '\n') {
			line++;
			start = i + 1;
		}
	}
	return err_set(p->err, EINVAL, "%s:%u:%zu: %s", p->name, line, pos - start + 1, what);
}

static int yajl_error(struct parser *p, size_t pos)
{
	unsigned char *text;
	char what[128];

	if (p->r < 0) /* one of the callbacks stopped it and has said why */
		return p->r;
	text = yajl_get_error(p->yajl, 0, NULL, 0);
	(void)snprintf(what, sizeof(what), "%s", text ? (const char *)text : "not JSON");
	if (text)
		yajl_free_error(p->yajl, text);
	what[strcspn(what, "\n")] = '\0';
	return syntax_error(p, pos, what);
}

/**
 * json_parse() - read one JSON document
 * @arena: the tree and its strings are allocated here, also when parsing fails half-way
 * @data: the text, UTF-8, not necessarily terminated
 * @len: its length
 * @name: what errors call the document; must live as long as the tree
 * @limits: bounds, NULL for JSON_LIMITS_DEFAULT
 * @ret: the root value
 * @err: receives "name:line:column: what"
 *
 * Return: 0, -EINVAL for malformed text, -E2BIG beyond a limit, -ERANGE for a number too long,
 * -ENOMEM.
 */
int json_parse(struct arena *arena, const char *data, size_t len, const char *name,
	       const struct json_limits *limits, struct json **ret, struct err *err)
{
	struct parser p = {
		.arena = arena,
		.limits = limits ? *limits : JSON_LIMITS_DEFAULT,
		.name = name,
		.data = data,
		.line = 1,
		.err = err,
	};
	size_t valid, pos;
	int r = 0;

	p.limits.max_depth = MIN(p.limits.max_depth, MAX_DEPTH);
	if (len > p.limits.max_len)
		return err_set(err, E2BIG, "%s: %zu bytes long, at most %zu are accepted", name,
			       len, p.limits.max_len);
	valid = utf8_valid_prefix(data, len);
	if (valid < len)
		return syntax_error(&p, valid, "invalid UTF-8");
	p.yajl = yajl_alloc(&callbacks, NULL, &p);
	if (!p.yajl)
		return err_set(err, ENOMEM, "%s: out of memory", name);
	if (yajl_parse(p.yajl, (const unsigned char *)data, len) != yajl_status_ok) {
		pos = yajl_get_bytes_consumed(p.yajl); /* the offending byte is consumed */
		r = yajl_error(&p, pos ? pos - 1 : 0);
	} else if (yajl_complete_parse(p.yajl) != yajl_status_ok) {
		r = yajl_error(&p, len);
	}
	yajl_free(p.yajl);
	if (r < 0)
		return r;
	*ret = p.root;
	return 0;
}

/*
 * "process.args[2]" for an error; long or unprintable keys are shortened, the keys are as hostile
 * as the values.
 */
static void path_text(const struct json *node, char *buf, size_t size)
{
	const struct json *chain[MAX_DEPTH + 1];
	size_t n = 0, len = 0;

	for (; node->parent && n < ARRAY_SIZE(chain); node = node->parent)
		chain[n++] = node;
	buf[0] = '\0';
	while (n > 0 && len < size) {
		const struct json *part = chain[--n];

		if (part->parent->type == JSON_ARRAY) {
			size_t index = 0;

			for (const struct json *c = part->parent->first; c != part; c = c->next)
				index++;
			len += (size_t)snprintf(buf + len, size - len, "[%zu]", index);
		} else {
			len += (size_t)snprintf(buf + len, size - len, "%s%.*s", len ? "." : "",
						KEY_TEXT_MAX, part->key);
		}
	}
	for (; *buf; buf++)
		if ((unsigned char)*buf < ' ' || *buf == 0x7f)
			*buf = '?';
}

/**
 * json_error() - refuse a value, naming its place
 * @node: the value
 * @err: receives "document:line: path: text"
 * @fmt: what is wrong with it
 *
 * Return: -EINVAL, to be returned at once.
 */
int json_error(const struct json *node, struct err *err, const char *fmt, ...)
{
	char path[PATH_TEXT_MAX], text[ERR_TEXT_MAX / 2];
	const struct json *root = node;
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	while (root->parent)
		root = root->parent;
	path_text(node, path, sizeof(path));
	return err_set(err, EINVAL, "%s:%u: %s%s%s", root->key, node->line, path, *path ? ": " : "",
		       text);
}

/**
 * json_get() - look a member up
 * @object: an object; any other type has no members
 * @key: its name
 *
 * Return: the member, or NULL when there is none or it is null.
 */
const struct json *json_get(const struct json *object, const char *key)
{
	if (object->type != JSON_OBJECT)
		return NULL;
	json_for_each(m, object)
		if (strcmp(m->key, key) == 0)
			return m->type == JSON_NULL ? NULL : m;
	return NULL;
}

static const char *const type_names[] = {
	[JSON_NULL] = "null",	   [JSON_BOOL] = "a boolean",	[JSON_INT] = "a number",
	[JSON_UINT] = "a number",  [JSON_DOUBLE] = "a number",	[JSON_STRING] = "a string",
	[JSON_ARRAY] = "an array", [JSON_OBJECT] = "an object",
};
_Static_assert(ARRAY_SIZE(type_names) == JSON_OBJECT + 1, "one name per JSON type");

static int wrong_type(const struct json *node, const char *expected, struct err *err)
{
	return json_error(node, err, "expected %s, found %s", expected, type_names[node->type]);
}

/**
 * json_expect() - check the type of a value
 * @node: the value
 * @type: what it has to be; for numbers use the conversions
 * @err: says where something else was found
 *
 * Return: 0 or -EINVAL.
 */
int json_expect(const struct json *node, enum json_type type, struct err *err)
{
	return node->type == type ? 0 : wrong_type(node, type_names[type], err);
}

/**
 * json_to_bool() - the value of a boolean
 * @node: the value
 * @ret: receives it
 * @err: says where something else was found
 *
 * Return: 0 or -EINVAL.
 */
int json_to_bool(const struct json *node, bool *ret, struct err *err)
{
	if (node->type != JSON_BOOL)
		return wrong_type(node, type_names[JSON_BOOL], err);
	*ret = node->b;
	return 0;
}

/**
 * json_to_i64() - the value of an integer in a range
 * @node: the value
 * @min: smallest accepted
 * @max: greatest accepted
 * @ret: receives it
 * @err: says where something else was found
 *
 * Return: 0 or -EINVAL.
 */
int json_to_i64(const struct json *node, int64_t min, int64_t max, int64_t *ret, struct err *err)
{
	if (node->type != JSON_INT && node->type != JSON_UINT)
		return wrong_type(node, node->type == JSON_DOUBLE ? "an integer" : "a number", err);
	if (node->type == JSON_UINT || node->i < min || node->i > max)
		return json_error(node, err, "number out of range");
	*ret = node->i;
	return 0;
}

/**
 * json_to_u64() - the value of an integer that is not negative
 * @node: the value
 * @max: greatest accepted
 * @ret: receives it
 * @err: says where something else was found
 *
 * Return: 0 or -EINVAL.
 */
int json_to_u64(const struct json *node, uint64_t max, uint64_t *ret, struct err *err)
{
	uint64_t v;

	if (node->type != JSON_INT && node->type != JSON_UINT)
		return wrong_type(node, node->type == JSON_DOUBLE ? "an integer" : "a number", err);
	if (node->type == JSON_INT && node->i < 0)
		return json_error(node, err, "number out of range");
	v = node->type == JSON_INT ? (uint64_t)node->i : node->u;
	if (v > max)
		return json_error(node, err, "number out of range");
	*ret = v;
	return 0;
}

/**
 * json_to_str() - the value of a string
 * @node: the value
 * @ret: receives it; lives as long as the tree
 * @err: says where something else was found
 *
 * Return: 0 or -EINVAL.
 */
int json_to_str(const struct json *node, const char **ret, struct err *err)
{
	if (node->type != JSON_STRING)
		return wrong_type(node, type_names[JSON_STRING], err);
	*ret = node->s;
	return 0;
}

/**
 * json_get_bool() - an optional boolean member
 * @object: the object
 * @key: the member's name
 * @ret: receives it; untouched when it is absent
 * @err: says where something else was found
 *
 * Return: 0 or -EINVAL.
 */
int json_get_bool(const struct json *object, const char *key, bool *ret, struct err *err)
{
	const struct json *m = json_get(object, key);

	return m ? json_to_bool(m, ret, err) : 0;
}

/**
 * json_get_i64() - an optional integer member; otherwise as json_get_bool()
 * @object: the object
 * @key: the member's name
 * @ret: receives it; untouched when it is absent
 * @err: says where something else was found
 *
 * Return: 0 or -EINVAL.
 */
int json_get_i64(const struct json *object, const char *key, int64_t *ret, struct err *err)
{
	const struct json *m = json_get(object, key);

	return m ? json_to_i64(m, INT64_MIN, INT64_MAX, ret, err) : 0;
}

/**
 * json_get_u64() - an optional unsigned member; otherwise as json_get_bool()
 * @object: the object
 * @key: the member's name
 * @ret: receives it; untouched when it is absent
 * @err: says where something else was found
 *
 * Return: 0 or -EINVAL.
 */
int json_get_u64(const struct json *object, const char *key, uint64_t *ret, struct err *err)
{
	const struct json *m = json_get(object, key);

	return m ? json_to_u64(m, UINT64_MAX, ret, err) : 0;
}

/**
 * json_get_u32() - an optional unsigned member of 32 bits; otherwise as json_get_bool()
 * @object: the object
 * @key: the member's name
 * @ret: receives it; untouched when it is absent
 * @err: says where something else was found
 *
 * Return: 0 or -EINVAL.
 */
int json_get_u32(const struct json *object, const char *key, uint32_t *ret, struct err *err)
{
	const struct json *m = json_get(object, key);
	uint64_t v;
	int r;

	if (!m)
		return 0;
	r = json_to_u64(m, UINT32_MAX, &v, err);
	if (r < 0)
		return r;
	*ret = (uint32_t)v;
	return 0;
}

/**
 * json_get_str() - an optional string member; otherwise as json_get_bool()
 * @object: the object
 * @key: the member's name
 * @ret: receives it, living as long as the tree; untouched when it is absent
 * @err: says where something else was found
 *
 * Return: 0 or -EINVAL.
 */
int json_get_str(const struct json *object, const char *key, const char **ret, struct err *err)
{
	const struct json *m = json_get(object, key);

	return m ? json_to_str(m, ret, err) : 0;
}

static int get_typed(const struct json *object, const char *key, enum json_type type,
		     const struct json **ret, struct err *err)
{
	const struct json *m = json_get(object, key);
	int r = m ? json_expect(m, type, err) : 0;

	if (r == 0 && m)
		*ret = m;
	return r;
}

/**
 * json_get_object() - an optional member that is an object; otherwise as json_get_bool()
 * @object: the object
 * @key: the member's name
 * @ret: receives the member; untouched when it is absent
 * @err: says where something else was found
 *
 * Return: 0 or -EINVAL.
 */
int json_get_object(const struct json *object, const char *key, const struct json **ret,
		    struct err *err)
{
	return get_typed(object, key, JSON_OBJECT, ret, err);
}

/**
 * json_get_array() - an optional member that is an array; otherwise as json_get_bool()
 * @object: the object
 * @key: the member's name
 * @ret: receives the member; untouched when it is absent
 * @err: says where something else was found
 *
 * Return: 0 or -EINVAL.
 */
int json_get_array(const struct json *object, const char *key, const struct json **ret,
		   struct err *err)
{
	return get_typed(object, key, JSON_ARRAY, ret, err);
}
