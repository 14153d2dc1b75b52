/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON writer: text into a strbuf, in the shape of Go's encoder (what callers of runc are used to
 * see). It is not yajl's generator, because that refuses strings a guest may well send and cannot
 * print an empty list on one line.
 */
#include "common/json.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>

#include "common/utf8.h"

#define REPLACEMENT "\xef\xbf\xbd" /* U+FFFD, for bytes that are not UTF-8 */

static void put(struct json_writer *w, const char *s, size_t len)
{
	if (w->r == 0)
		w->r = strbuf_add(w->out, s, len);
}

static void new_line(struct json_writer *w)
{
	if (!w->indent)
		return;
	put(w, "\n", 1);
	for (unsigned i = 0; i < w->depth * w->indent; i++)
		put(w, " ", 1);
}

/* What stands between the previous token and a value or key that begins here. */
static void separate(struct json_writer *w)
{
	if (w->after_key) {
		w->after_key = false;
		return;
	}
	if (w->need_comma)
		put(w, ",", 1);
	if (w->depth)
		new_line(w);
}

static void put_escaped(struct json_writer *w, unsigned char c)
{
	static const char names[] = {
		['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r'
	};
	char text[8];
	int len;

	if (c == '"' || c == '\\')
		len = snprintf(text, sizeof(text), "\\%c", c);
	else if (c < sizeof(names) && names[c])
		len = snprintf(text, sizeof(text), "\\%c", names[c]);
	else
		len = snprintf(text, sizeof(text), "\\u%04x", c);
	put(w, text, (size_t)len);
}

static void put_quoted(struct json_writer *w, const char *s, size_t len)
{
	size_t start = 0;

	put(w, "\"", 1);
	while (start < len) {
		size_t valid = start + utf8_valid_prefix(s + start, len - start);

		for (size_t i = start; i < valid; i++) {
			unsigned char c = (unsigned char)s[i];

			if (c >= ' ' && c != '"' && c != '\\' && c != 0x7f)
				continue;
			put(w, s + start, i - start);
			put_escaped(w, c);
			start = i + 1;
		}
		put(w, s + start, valid - start);
		start = valid;
		if (start < len) {
			put(w, REPLACEMENT, sizeof(REPLACEMENT) - 1);
			start++;
		}
	}
	put(w, "\"", 1);
}

static void put_value(struct json_writer *w, const char *text, size_t len)
{
	separate(w);
	put(w, text, len);
	w->need_comma = true;
}

/**
 * json_writer_init() - start a document
 * @w: writer
 * @out: buffer the text is appended to; stays the caller's
 * @indent: blanks per level of nesting, 0 for everything on one line
 */
void json_writer_init(struct json_writer *w, struct strbuf *out, unsigned indent)
{
	*w = (struct json_writer){ .out = out, .indent = indent };
}

/**
 * json_writer_finish() - end a document
 * @w: writer
 *
 * Return: 0, -ENOMEM when some text was lost, -EINVAL when an array or object is still open.
 */
int json_writer_finish(struct json_writer *w)
{
	if (w->r == 0 && (w->depth || w->after_key))
		w->r = -EINVAL;
	return w->r;
}

static void open_container(struct json_writer *w, const char *bracket)
{
	separate(w);
	put(w, bracket, 1);
	w->depth++;
	w->need_comma = false;
}

static void close_container(struct json_writer *w, const char *bracket)
{
	if (!w->depth) {
		w->r = -EINVAL;
		return;
	}
	w->depth--;
	if (w->need_comma) /* the array or object is not empty */
		new_line(w);
	put(w, bracket, 1);
	w->need_comma = true;
}

/**
 * json_object() - open an object
 * @w: writer
 */
void json_object(struct json_writer *w)
{
	open_container(w, "{");
}

/**
 * json_object_end() - close the object opened last
 * @w: writer
 */
void json_object_end(struct json_writer *w)
{
	close_container(w, "}");
}

/**
 * json_array() - open an array
 * @w: writer
 */
void json_array(struct json_writer *w)
{
	open_container(w, "[");
}

/**
 * json_array_end() - close the array opened last
 * @w: writer
 */
void json_array_end(struct json_writer *w)
{
	close_container(w, "]");
}

/**
 * json_put_key() - name the member whose value comes next
 * @w: writer
 * @key: its name
 */
void json_put_key(struct json_writer *w, const char *key)
{
	separate(w);
	put_quoted(w, key, strlen(key));
	put(w, ": ", w->indent ? 2 : 1);
	w->after_key = true;
}

/**
 * json_put_strn() - a string value of known length
 * @w: writer
 * @s: bytes; what is not UTF-8 becomes U+FFFD
 * @len: their number
 */
void json_put_strn(struct json_writer *w, const char *s, size_t len)
{
	separate(w);
	put_quoted(w, s, len);
	w->need_comma = true;
}

/**
 * json_put_str() - a string value
 * @w: writer
 * @s: string, or NULL for null
 */
void json_put_str(struct json_writer *w, const char *s)
{
	if (s)
		json_put_strn(w, s, strlen(s));
	else
		json_put_null(w);
}

/**
 * json_put_int() - an integer value
 * @w: writer
 * @v: value
 */
void json_put_int(struct json_writer *w, int64_t v)
{
	char text[32];

	put_value(w, text, (size_t)snprintf(text, sizeof(text), "%lld", (long long)v));
}

/**
 * json_put_uint() - an unsigned integer value
 * @w: writer
 * @v: value
 */
void json_put_uint(struct json_writer *w, uint64_t v)
{
	char text[32];

	put_value(w, text, (size_t)snprintf(text, sizeof(text), "%llu", (unsigned long long)v));
}

/**
 * json_put_double() - a number value
 * @w: writer
 * @v: value; JSON has no infinities and no NaN, they become null
 */
void json_put_double(struct json_writer *w, double v)
{
	char text[40];

	if (!isfinite(v)) {
		json_put_null(w);
		return;
	}
	if (v == 0)
		v = 0; /* readers that take "-0" for an integer lose the sign, so it is not written */
	/*
	 * 15 digits give back what a person wrote ("0.1"); some doubles need 17 to be read back
	 * unchanged.
	 */
	(void)snprintf(text, sizeof(text), "%.15g", v);
	if (strtod(text, NULL) != v)
		(void)snprintf(text, sizeof(text), "%.17g", v);
	put_value(w, text, strlen(text));
}

/**
 * json_put_bool() - a boolean value
 * @w: writer
 * @v: value
 */
void json_put_bool(struct json_writer *w, bool v)
{
	put_value(w, v ? "true" : "false", v ? 4 : 5);
}

/**
 * json_put_null() - a null
 * @w: writer
 */
void json_put_null(struct json_writer *w)
{
	put_value(w, "null", 4);
}

/**
 * json_put_node() - copy a parsed value
 * @w: writer
 * @node: the value; json_parse() has bounded its depth
 */
void json_put_node(struct json_writer *w, const struct json *node)
{
	switch (node->type) {
	case JSON_NULL:
		json_put_null(w);
		break;
	case JSON_BOOL:
		json_put_bool(w, node->b);
		break;
	case JSON_INT:
		json_put_int(w, node->i);
		break;
	case JSON_UINT:
		json_put_uint(w, node->u);
		break;
	case JSON_DOUBLE:
		json_put_double(w, node->d);
		break;
	case JSON_STRING:
		json_put_str(w, node->s);
		break;
	case JSON_ARRAY:
		json_array(w);
		json_for_each(item, node)
			json_put_node(w, item);
		json_array_end(w);
		break;
	case JSON_OBJECT:
		json_object(w);
		json_for_each(m, node) {
			json_put_key(w, m->key);
			json_put_node(w, m);
		}
		json_object_end(w);
		break;
	}
}

/**
 * json_member_str() - a member that is a string
 * @w: writer
 * @key: name
 * @s: value; NULL leaves the member out
 */
void json_member_str(struct json_writer *w, const char *key, const char *s)
{
	if (!s)
		return;
	json_put_key(w, key);
	json_put_str(w, s);
}

/**
 * json_member_int() - a member that is an integer
 * @w: writer
 * @key: name
 * @v: value
 */
void json_member_int(struct json_writer *w, const char *key, int64_t v)
{
	json_put_key(w, key);
	json_put_int(w, v);
}

/**
 * json_member_uint() - a member that is an unsigned integer
 * @w: writer
 * @key: name
 * @v: value
 */
void json_member_uint(struct json_writer *w, const char *key, uint64_t v)
{
	json_put_key(w, key);
	json_put_uint(w, v);
}

/**
 * json_member_bool() - a member that is a boolean
 * @w: writer
 * @key: name
 * @v: value
 */
void json_member_bool(struct json_writer *w, const char *key, bool v)
{
	json_put_key(w, key);
	json_put_bool(w, v);
}

/**
 * json_member_strv() - a member that is a list of strings
 * @w: writer
 * @key: name
 * @strv: value; an empty list leaves the member out
 */
void json_member_strv(struct json_writer *w, const char *key, const struct strv *strv)
{
	if (!strv->nr)
		return;
	json_member_array(w, key);
	for (size_t i = 0; i < strv->nr; i++)
		json_put_str(w, strv->v[i]);
	json_array_end(w);
}

/**
 * json_member_map() - a member that is an object of strings
 * @w: writer
 * @key: name
 * @kv: entries
 * @nr: their number; 0 leaves the member out
 */
void json_member_map(struct json_writer *w, const char *key, const struct kv *kv, size_t nr)
{
	if (!nr)
		return;
	json_member_object(w, key);
	for (size_t i = 0; i < nr; i++) {
		json_put_key(w, kv[i].key);
		json_put_str(w, kv[i].value);
	}
	json_object_end(w);
}

/**
 * json_member_object() - open a member that is an object; json_object_end() closes it
 * @w: writer
 * @key: name
 */
void json_member_object(struct json_writer *w, const char *key)
{
	json_put_key(w, key);
	json_object(w);
}

/**
 * json_member_array() - open a member that is an array; json_array_end() closes it
 * @w: writer
 * @key: name
 */
void json_member_array(struct json_writer *w, const char *key)
{
	json_put_key(w, key);
	json_array(w);
}
