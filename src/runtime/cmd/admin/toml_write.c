/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TOML from a JSON tree: objects become tables, values come before the tables of the same level.
 * Arrays hold values only; null has no form in TOML and is left out.
 */
#include "runtime/cmd/admin/toml_write.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#define TABLE_MAX 512
#define TABLE_DEPTH_MAX 16

static int put_string(struct strbuf *out, const char *s)
{
	int r = strbuf_puts(out, "\"");

	for (; *s && r == 0; s++) {
		unsigned char c = (unsigned char)*s;

		if (c == '"' || c == '\\')
			r = strbuf_printf(out, "\\%c", c);
		else if (c < ' ' || c == 0x7f)
			r = strbuf_printf(out, "\\u%04x", c);
		else
			r = strbuf_add(out, s, 1);
	}
	return r < 0 ? r : strbuf_puts(out, "\"");
}

static bool is_bare_key(const char *key)
{
	if (!*key)
		return false;
	for (; *key; key++)
		if (!isalnum((unsigned char)*key) && *key != '_' && *key != '-')
			return false;
	return true;
}

static int put_key(struct strbuf *out, const char *key)
{
	return is_bare_key(key) ? strbuf_puts(out, key) : put_string(out, key);
}

static int put_value(const struct json *value, struct strbuf *out);

static int put_array(const struct json *array, struct strbuf *out)
{
	bool first = true;
	int r = strbuf_puts(out, "[");

	json_for_each(item, array) {
		if (r == 0 && !first)
			r = strbuf_puts(out, ", ");
		if (r == 0)
			r = put_value(item, out);
		first = false;
	}
	return r < 0 ? r : strbuf_puts(out, "]");
}

static int put_value(const struct json *value, struct strbuf *out)
{
	switch (value->type) {
	case JSON_BOOL:
		return strbuf_puts(out, value->b ? "true" : "false");
	case JSON_INT:
		return strbuf_printf(out, "%" PRId64, value->i);
	case JSON_UINT:
		return strbuf_printf(out, "%" PRIu64, value->u);
	case JSON_DOUBLE:
		return strbuf_printf(out, "%.6f", value->d);
	case JSON_STRING:
		return put_string(out, value->s);
	case JSON_ARRAY:
		return put_array(value, out);
	case JSON_NULL:
	case JSON_OBJECT:
	default:
		return -EINVAL;
	}
}

static int put_table(const struct json *table, const char *name, unsigned depth, struct strbuf *out)
{
	bool titled = !*name;
	int r = depth > TABLE_DEPTH_MAX ? -E2BIG : 0;

	json_for_each(member, table) {
		if (r < 0 || member->type == JSON_OBJECT || member->type == JSON_NULL)
			continue;
		if (!titled)
			r = strbuf_printf(out, "%s[%s]\n", out->len ? "\n" : "", name);
		titled = true;
		if (r == 0)
			r = put_key(out, member->key);
		if (r == 0)
			r = strbuf_puts(out, " = ");
		if (r == 0)
			r = put_value(member, out);
		if (r == 0)
			r = strbuf_puts(out, "\n");
	}
	json_for_each(member, table) {
		char full[TABLE_MAX];

		if (r < 0 || member->type != JSON_OBJECT)
			continue;
		if (snprintf(full, sizeof(full), "%s%s%s", name, *name ? "." : "", member->key) >=
		    (int)sizeof(full))
			return -ENAMETOOLONG;
		r = put_table(member, full, depth + 1, out);
	}
	return r;
}

/**
 * toml_write() - print a tree as TOML
 * @doc: an object
 * @out: the text is appended
 *
 * Return: 0 or -errno, -EINVAL for objects inside arrays.
 */
int toml_write(const struct json *doc, struct strbuf *out)
{
	return put_table(doc, "", 0, out);
}
