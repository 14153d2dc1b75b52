/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DOC: TOML reader
 *
 * Recursive descent over the text, one function per construct. The hard part of TOML is
 * the rules about who may add to a table that exists already; so each table and array remembers how
 * it was made:
 *
 *	IMPLICIT	only as a parent in a header; a header of its own or dotted keys may still
 *			define it
 *	HEADER		by [header]; sub-tables may follow, keys and a second header may not
 *	DOTTED		by a dotted key; further dotted keys and sub-tables by header may follow, no
 *			header of its own
 *	INLINE		by a value { } or [ ]; closed for ever
 *	ELEMENTS	an array made by [[header]]; further headers add elements or reach into the
 *			last one
 *
 * Strings are UTF-8 without NUL. The text of a document is bounded, so are depth and number of
 * values.
 */
#include "common/toml.h"

#include <errno.h>
#include <string.h>

#include "common/toml_parser.h"
#include "common/utf8.h"

enum origin { ORIGIN_IMPLICIT, ORIGIN_HEADER, ORIGIN_DOTTED, ORIGIN_INLINE, ORIGIN_ELEMENTS };

/* The parts of a dotted key. */
struct key_path {
	const char *parts[TOML_DEPTH_MAX];
	size_t nr;
	unsigned line, col;
};

static int read_value(struct toml_parser *t, struct toml *node);

static int fail_at_key(struct toml_parser *t, const struct key_path *path, size_t part,
		       const char *what)
{
	return err_set(t->err, EINVAL, "%s:%u:%u: \"%s\" %s", t->name, path->line, path->col,
		       path->parts[part], what);
}

static void skip_blanks(struct toml_parser *t)
{
	while (*t->p == ' ' || *t->p == '\t')
		t->p++;
}

static int skip_comment(struct toml_parser *t)
{
	if (*t->p != '#')
		return 0;
	while (t->p < t->end && *t->p != '\n' && !(t->p[0] == '\r' && t->p[1] == '\n')) {
		if (toml_is_control(*t->p))
			return toml_fail(t, "control character in a comment");
		t->p++;
	}
	return 0;
}

/*
 * Blanks, comments and line ends, as they may stand between the elements of an array and between
 * expressions.
 */
static int skip_space(struct toml_parser *t)
{
	do {
		int r;

		skip_blanks(t);
		r = skip_comment(t);
		if (r < 0)
			return r;
	} while (toml_skip_newline(t));
	return 0;
}

static struct toml *find(const struct toml *table, const char *key)
{
	for (struct toml *c = table->first; c; c = c->next)
		if (strcmp(c->key, key) == 0)
			return c;
	return NULL;
}

static struct toml *add_child(struct toml_parser *t, struct toml *parent, const char *key,
			      unsigned line, unsigned col)
{
	struct toml *node;

	if (++t->nr_nodes > TOML_NODES_MAX) {
		(void)toml_fail(t, "more than %d values", TOML_NODES_MAX);
		return NULL;
	}
	node = arena_alloc(t->arena, sizeof(*node));
	if (!node) {
		(void)err_set(t->err, ENOMEM, "out of memory");
		return NULL;
	}
	node->key = key;
	node->line = line;
	node->col = col;
	node->parent = parent;
	if (parent->last)
		parent->last->next = node;
	else
		parent->first = node;
	parent->last = node;
	parent->nr++;
	return node;
}

static struct toml *add_table(struct toml_parser *t, struct toml *parent,
			      const struct key_path *path, size_t part, enum origin origin)
{
	struct toml *node = add_child(t, parent, path->parts[part], path->line, path->col);

	if (node) {
		node->type = TOML_TABLE;
		node->origin = origin;
	}
	return node;
}

static bool is_bare(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '_' || c == '-';
}

static int read_key_part(struct toml_parser *t, const char **ret)
{
	size_t len = 0;

	if (*t->p == '"' || *t->p == '\'')
		return toml_read_string(t, false, ret);
	while (is_bare(t->p[len]))
		len++;
	if (!len)
		return toml_fail(t, "expected a key");
	*ret = arena_strndup(t->arena, t->p, len);
	if (!*ret)
		return err_set(t->err, ENOMEM, "out of memory");
	t->p += len;
	return 0;
}

static int read_key(struct toml_parser *t, struct key_path *path)
{
	path->nr = 0;
	path->line = t->line;
	path->col = toml_column(t);
	for (;;) {
		int r;

		if (path->nr == ARRAY_SIZE(path->parts))
			return toml_fail(t, "a key with more than %d parts", TOML_DEPTH_MAX);
		r = read_key_part(t, &path->parts[path->nr]);
		if (r < 0)
			return r;
		path->nr++;
		skip_blanks(t);
		if (*t->p != '.')
			return 0;
		t->p++;
		skip_blanks(t);
	}
}

/* The table a dotted key adds to, which is made where it does not exist. */
static int walk_dotted(struct toml_parser *t, struct toml *table, const struct key_path *path,
		       struct toml **ret)
{
	for (size_t i = 0; i + 1 < path->nr; i++) {
		struct toml *next = find(table, path->parts[i]);

		if (!next) {
			next = add_table(t, table, path, i, ORIGIN_DOTTED);
			if (!next)
				return -t->err->code;
		} else if (next->type != TOML_TABLE) {
			return fail_at_key(t, path, i, "is already defined and not a table");
		} else if (next->origin != ORIGIN_DOTTED && next->origin != ORIGIN_IMPLICIT) {
			return fail_at_key(t, path, i,
					   "is a finished table, keys cannot be added here");
		}
		next->origin = ORIGIN_DOTTED;
		table = next;
	}
	*ret = table;
	return 0;
}

static int read_key_value(struct toml_parser *t, struct toml *table)
{
	struct key_path path;
	struct toml *node;
	int r = read_key(t, &path);

	if (r < 0)
		return r;
	if (*t->p != '=')
		return toml_fail(t, "expected \"=\" after the key");
	t->p++;
	skip_blanks(t);
	r = walk_dotted(t, table, &path, &table);
	if (r < 0)
		return r;
	if (find(table, path.parts[path.nr - 1]))
		return fail_at_key(t, &path, path.nr - 1, "is already defined");
	node = add_child(t, table, path.parts[path.nr - 1], path.line, path.col);
	return node ? read_value(t, node) : -t->err->code;
}

static int read_array(struct toml_parser *t, struct toml *array)
{
	bool separated = true;

	array->type = TOML_ARRAY;
	array->origin = ORIGIN_INLINE;
	t->p++;
	for (;;) {
		struct toml *item;
		int r = skip_space(t);

		if (r < 0)
			return r;
		if (*t->p == ']') {
			t->p++;
			return 0;
		}
		if (!separated)
			return toml_fail(t, "expected \",\" or \"]\" in the array");
		item = add_child(t, array, NULL, t->line, toml_column(t));
		if (!item)
			return -t->err->code;
		r = read_value(t, item);
		if (r == 0)
			r = skip_space(t);
		if (r < 0)
			return r;
		separated = *t->p == ',';
		if (separated)
			t->p++;
	}
}

static void close_tables(struct toml *table)
{
	for (struct toml *c = table->first; c; c = c->next)
		if (c->type == TOML_TABLE && c->origin == ORIGIN_DOTTED)
			close_tables(c);
	table->origin = ORIGIN_INLINE;
}

static int read_inline_table(struct toml_parser *t, struct toml *table)
{
	table->type = TOML_TABLE;
	table->origin = ORIGIN_DOTTED; /* open until its brace */
	t->p++;
	skip_blanks(t);
	while (*t->p != '}' || table->nr) {
		int r = read_key_value(t, table);

		if (r < 0)
			return r;
		skip_blanks(t);
		if (*t->p == '}')
			break;
		if (*t->p != ',')
			return toml_fail(t, "expected \",\" or \"}\" in the inline table");
		t->p++;
		skip_blanks(t);
	}
	t->p++;
	close_tables(table);
	return 0;
}

static int read_value(struct toml_parser *t, struct toml *node)
{
	int r;

	if (*t->p == '"' || *t->p == '\'') {
		node->type = TOML_STRING;
		return toml_read_string(t, true, &node->s);
	}
	if (*t->p != '[' && *t->p != '{')
		return toml_read_scalar(t, node);
	if (++t->depth > TOML_DEPTH_MAX)
		return toml_fail(t, "nested more than %d deep", TOML_DEPTH_MAX);
	r = *t->p == '[' ? read_array(t, node) : read_inline_table(t, node);
	t->depth--;
	return r;
}

/* The table a header's last part belongs to; arrays of tables stand for their last element. */
static int walk_header(struct toml_parser *t, struct toml *table, const struct key_path *path,
		       struct toml **ret)
{
	for (size_t i = 0; i + 1 < path->nr; i++) {
		struct toml *next = find(table, path->parts[i]);

		if (!next) {
			next = add_table(t, table, path, i, ORIGIN_IMPLICIT);
			if (!next)
				return -t->err->code;
		}
		if (next->type == TOML_ARRAY && next->origin == ORIGIN_ELEMENTS)
			next = next->last;
		if (next->type != TOML_TABLE)
			return fail_at_key(t, path, i, "is already defined and not a table");
		if (next->origin == ORIGIN_INLINE)
			return fail_at_key(t, path, i,
					   "is an inline table, nothing can be added to it");
		table = next;
	}
	*ret = table;
	return 0;
}

static int open_table(struct toml_parser *t, struct toml *parent, const struct key_path *path,
		      struct toml **ret)
{
	struct toml *table = find(parent, path->parts[path->nr - 1]);

	if (!table)
		table = add_table(t, parent, path, path->nr - 1, ORIGIN_HEADER);
	else if (table->type != TOML_TABLE || table->origin != ORIGIN_IMPLICIT)
		return fail_at_key(t, path, path->nr - 1, "is already defined");
	if (!table)
		return -t->err->code;
	table->origin = ORIGIN_HEADER;
	table->line = path->line;
	table->col = path->col;
	*ret = table;
	return 0;
}

static int add_element(struct toml_parser *t, struct toml *parent, const struct key_path *path,
		       struct toml **ret)
{
	struct toml *array = find(parent, path->parts[path->nr - 1]), *element;

	if (!array) {
		array = add_child(t, parent, path->parts[path->nr - 1], path->line, path->col);
		if (!array)
			return -t->err->code;
		array->type = TOML_ARRAY;
		array->origin = ORIGIN_ELEMENTS;
	}
	if (array->type != TOML_ARRAY || array->origin != ORIGIN_ELEMENTS)
		return fail_at_key(t, path, path->nr - 1,
				   "is already defined and not an array of tables");
	element = add_child(t, array, NULL, path->line, path->col);
	if (!element)
		return -t->err->code;
	element->type = TOML_TABLE;
	element->origin = ORIGIN_HEADER;
	*ret = element;
	return 0;
}

/* [table] or [[array]]; @ret is where the keys below it go. */
static int read_header(struct toml_parser *t, struct toml *root, struct toml **ret)
{
	bool is_array = t->p[1] == '[';
	struct key_path path;
	struct toml *parent = NULL;
	int r;

	t->p += is_array ? 2 : 1;
	skip_blanks(t);
	r = read_key(t, &path);
	if (r < 0)
		return r;
	if (t->p[0] != ']' || (is_array && t->p[1] != ']'))
		return toml_fail(t, "expected \"%s\" after the name", is_array ? "]]" : "]");
	t->p += is_array ? 2 : 1;
	r = walk_header(t, root, &path, &parent);
	if (r < 0)
		return r;
	return is_array ? add_element(t, parent, &path, ret) : open_table(t, parent, &path, ret);
}

static int read_document(struct toml_parser *t, struct toml *root)
{
	struct toml *table = root;

	for (;;) {
		int r = skip_space(t);

		if (r < 0 || t->p == t->end)
			return r;
		r = *t->p == '[' ? read_header(t, root, &table) : read_key_value(t, table);
		if (r < 0)
			return r;
		skip_blanks(t);
		r = skip_comment(t);
		if (r < 0)
			return r;
		if (t->p != t->end && !toml_skip_newline(t))
			return toml_fail(t, "unexpected text at the end of the line");
	}
}

/**
 * toml_parse() - read one document
 * @arena: the tree and its strings are allocated here
 * @data: the text, not necessarily terminated
 * @len: its length
 * @name: what errors call the document
 * @ret: the root table
 * @err: receives "name:line:column: what"
 *
 * Return: 0, -EINVAL, -E2BIG for a document that is too long, -ENOMEM.
 */
int toml_parse(struct arena *arena, const char *data, size_t len, const char *name,
	       struct toml **ret, struct err *err)
{
	struct toml_parser t = { .arena = arena, .name = name, .line = 1, .err = err };
	struct toml *root = arena_alloc(arena, sizeof(*root));
	size_t valid;
	int r;

	if (len > TOML_LEN_MAX)
		return err_set(err, E2BIG, "%s: %zu bytes long, at most %zu are accepted", name,
			       len, TOML_LEN_MAX);
	t.p = t.line_start =
		arena_strndup(arena, data, len); /* a NUL behind it lets the reader look ahead */
	if (!root || !t.p)
		return err_set(err, ENOMEM, "out of memory");
	t.end = t.p + len;
	valid = utf8_valid_prefix(t.p, len);
	if (valid < len) {
		for (const char *p = t.p; p < t.line_start + valid; p++)
			t.line += *p == '\n';
		return err_set(err, EINVAL, "%s:%u: invalid UTF-8", name, t.line);
	}
	root->type = TOML_TABLE;
	root->origin = ORIGIN_HEADER;
	root->line = root->col = 1;
	r = read_document(&t, root);
	strbuf_deinit(&t.text);
	if (r < 0)
		return r;
	*ret = root;
	return 0;
}

/**
 * toml_get() - look a key up
 * @table: a table; other values have no keys
 * @key: one part, dots have no meaning here
 *
 * Return: the value or NULL.
 */
const struct toml *toml_get(const struct toml *table, const char *key)
{
	return table->type == TOML_TABLE ? find(table, key) : NULL;
}

/**
 * toml_type_name() - a type in the words of an error message
 * @type: the type
 *
 * Return: "a string" and the like.
 */
const char *toml_type_name(enum toml_type type)
{
	static const char *const names[] = {
		[TOML_STRING] = "a string",
		[TOML_INTEGER] = "an integer",
		[TOML_FLOAT] = "a float",
		[TOML_BOOL] = "a boolean",
		[TOML_OFFSET_DATETIME] = "a date and time",
		[TOML_LOCAL_DATETIME] = "a date and time",
		[TOML_LOCAL_DATE] = "a date",
		[TOML_LOCAL_TIME] = "a time",
		[TOML_ARRAY] = "an array",
		[TOML_TABLE] = "a table",
	};
	_Static_assert(ARRAY_SIZE(names) == TOML_TABLE + 1, "one name per TOML type");

	return names[type];
}
