/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checks a value and stores it where its key's row says. Errors hold only what is wrong with the
 * value; the caller puts in front where it was found.
 */
#include "config/value.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "common/str.h"

static int set_number(const struct config_key *key, uint64_t v, struct config *config,
		      struct err *err)
{
	if (v < key->min || v > key->max)
		return err_set(err, ERANGE, "%ju is not between %ju and %ju", (uintmax_t)v,
			       (uintmax_t)key->min, (uintmax_t)key->max);
	if ((key->flags & CONFIG_POWER_OF_TWO) && (v & (v - 1)))
		return err_set(err, ERANGE, "%ju is not a power of two", (uintmax_t)v);
	if (key->kind == CONFIG_SECONDS)
		*CONFIG_FIELD(uint64_t, config, key->offset) = v * 1000;
	else if (key->kind == CONFIG_U64)
		*CONFIG_FIELD(uint64_t, config, key->offset) = v;
	else
		*CONFIG_FIELD(uint32_t, config, key->offset) = (uint32_t)v;
	return 0;
}

/*
 * A fraction is rounded up, because a VM has whole CPUs. 0 means one CPU, a negative number all
 * CPUs of the host.
 */
static int set_vcpus(const struct config_key *key, double v, struct config *config, struct err *err)
{
	if (!(v <= (double)key->max)) /* refuses NaN, too */
		return err_set(err, ERANGE, "%g is not a number of CPUs up to %ju", v,
			       (uintmax_t)key->max);
	if (v < 0)
		v = 0;
	else
		v = v > 1 ? ceil(v) : 1;
	*CONFIG_FIELD(uint32_t, config, key->offset) =
		(uint32_t)v; /* 0 is replaced once the host's count is known */
	return 0;
}

static int word_index(const char *const *words, const char *word)
{
	for (int i = 0; words[i]; i++)
		if (str_eq(words[i], word))
			return i;
	return -1;
}

static int set_enum(const struct config_key *key, const char *word, struct config *config,
		    struct err *err)
{
	int i = word_index(key->words, word);

	if (i < 0) {
		char known[256] = "";

		for (const char *const *w = key->words; *w; w++) {
			size_t len = strlen(known);

			(void)snprintf(known + len, sizeof(known) - len, "%s\"%s\"",
				       len ? ", " : "", *w);
		}
		return err_set(err, EINVAL, "\"%s\" is not one of %s", word, known);
	}
	if (key->kind == CONFIG_ENUM)
		*CONFIG_FIELD(unsigned, config, key->offset) = (unsigned)i;
	return 0;
}

static bool has_only(const char *s, const char *punctuation)
{
	for (; *s; s++)
		if (!isalnum((unsigned char)*s) && !strchr(punctuation, *s))
			return false;
	return true;
}

/*
 * Strings end up on command lines and in the guest's; none of them has a use for control
 * characters.
 */
static bool has_control(const char *s)
{
	for (; *s; s++)
		if ((unsigned char)*s < ' ' || *s == 0x7f)
			return true;
	return false;
}

static int check_string(const struct config_key *key, const char *s, struct err *err)
{
	if (has_control(s))
		return err_set(err, EINVAL, "control characters are not allowed");
	if (key->kind == CONFIG_WORD && !has_only(s, "._-"))
		return err_set(err, EINVAL, "\"%s\" may hold only letters, digits and \"._-\"", s);
	if (key->kind == CONFIG_OPTIONS && !has_only(s, "._-,=+:/"))
		return err_set(err, EINVAL, "\"%s\" may hold only letters, digits and \"._-,=+:/\"",
			       s);
	if (key->kind == CONFIG_PATH && *s && *s != '/')
		return err_set(err, EINVAL, "\"%s\" is not an absolute path", s);
	return 0;
}

static int set_string(const struct config_key *key, const char *s, struct config *config,
		      struct arena *arena, struct err *err)
{
	int r = check_string(key, s, err);
	const char *copy;

	if (r < 0)
		return r;
	copy = arena_strdup(arena, s);
	if (!copy)
		return err_set(err, ENOMEM, "out of memory");
	*CONFIG_FIELD(const char *, config, key->offset) = copy;
	return 0;
}

static int add_string(struct strv *list, const char *s, struct arena *arena, struct err *err)
{
	if (has_control(s))
		return err_set(err, EINVAL, "control characters are not allowed");
	return arena_strv_add(arena, list, s) < 0 ? err_set(err, ENOMEM, "out of memory") : 0;
}

static int expect_toml(const struct toml *node, enum toml_type type, struct err *err)
{
	if (node->type == type)
		return 0;
	return err_set(err, EINVAL, "expected %s, found %s", toml_type_name(type),
		       toml_type_name(node->type));
}

static int set_toml_strv(const struct config_key *key, const struct toml *node,
			 struct config *config, struct arena *arena, struct err *err)
{
	struct strv list = { 0 };
	int r = expect_toml(node, TOML_ARRAY, err);

	if (r < 0)
		return r;
	toml_for_each(item, node) {
		r = expect_toml(item, TOML_STRING, err);
		if (r == 0)
			r = add_string(&list, item->s, arena, err);
		if (r < 0)
			return r;
	}
	*CONFIG_FIELD(struct strv, config, key->offset) = list;
	return 0;
}

static int set_toml_number(const struct config_key *key, const struct toml *node,
			   struct config *config, struct err *err)
{
	int r;

	if (key->kind == CONFIG_VCPUS && node->type == TOML_FLOAT)
		return set_vcpus(key, node->f, config, err);
	r = expect_toml(node, TOML_INTEGER, err);
	if (r < 0)
		return r;
	if (key->kind == CONFIG_VCPUS)
		return set_vcpus(key, (double)node->i, config, err);
	if (node->i < 0)
		return err_set(err, ERANGE, "%jd is not between %ju and %ju", (intmax_t)node->i,
			       (uintmax_t)key->min, (uintmax_t)key->max);
	return set_number(key, (uint64_t)node->i, config, err);
}

/**
 * config_set_toml() - store a value of a configuration file
 * @key: what it is
 * @node: the value
 * @config: configuration to store it in
 * @arena: receives strings
 * @err: receives what is wrong with the value
 *
 * Return: 0, -EINVAL for a wrong type or form, -ERANGE, -EOPNOTSUPP for something that is not
 * supported, -ENOMEM.
 */
int config_set_toml(const struct config_key *key, const struct toml *node, struct config *config,
		    struct arena *arena, struct err *err)
{
	int r;

	switch (key->kind) {
	case CONFIG_BOOL:
	case CONFIG_ONLY_FALSE:
		r = expect_toml(node, TOML_BOOL, err);
		if (r < 0)
			return r;
		if (key->kind == CONFIG_BOOL)
			*CONFIG_FIELD(bool, config, key->offset) = node->b;
		else if (node->b)
			return err_set(err, EOPNOTSUPP, "true is not supported");
		return 0;
	case CONFIG_U32:
	case CONFIG_U64:
	case CONFIG_SECONDS:
	case CONFIG_VCPUS:
		return set_toml_number(key, node, config, err);
	case CONFIG_ENUM:
	case CONFIG_ONLY_WORD:
		r = expect_toml(node, TOML_STRING, err);
		return r < 0 ? r : set_enum(key, node->s, config, err);
	case CONFIG_STR:
	case CONFIG_WORD:
	case CONFIG_OPTIONS:
	case CONFIG_PATH:
		r = expect_toml(node, TOML_STRING, err);
		return r < 0 ? r : set_string(key, node->s, config, arena, err);
	case CONFIG_STRV:
		return set_toml_strv(key, node, config, arena, err);
	}
	return err_set(err, EINVAL, "not a kind of value");
}

static int set_text_bool(const struct config_key *key, const char *text, struct config *config,
			 struct err *err)
{
	bool on = str_eq(text, "true") || str_eq(text, "1");

	if (!on && !str_eq(text, "false") && !str_eq(text, "0"))
		return err_set(err, EINVAL, "\"%s\" is neither \"true\" nor \"false\"", text);
	*CONFIG_FIELD(bool, config, key->offset) = on;
	return 0;
}

static int set_text_number(const struct config_key *key, const char *text, struct config *config,
			   struct err *err)
{
	uint64_t v;

	if (key->kind == CONFIG_VCPUS) {
		char *end;
		double d = strtod(text, &end);

		/* Only plain decimals: strtod() would take "0x10", "inf" and "1e9" as well. */
		if (strspn(text, "0123456789.-") != strlen(text) || end == text || *end)
			return err_set(err, EINVAL, "\"%s\" is not a number", text);
		return set_vcpus(key, d, config, err);
	}
	if (str_to_u64(text, &v) < 0)
		return err_set(err, EINVAL, "\"%s\" is not a number", text);
	return set_number(key, v, config, err);
}

/* Lists in annotations are JSON, or words separated by semicolons. */
static int set_text_strv(const struct config_key *key, const char *text, struct config *config,
			 struct arena *arena, struct err *err)
{
	struct strv list = { 0 };
	int r = 0;

	if (text[strspn(text, " ")] == '[') {
		struct json *root;

		r = json_parse(arena, text, strlen(text), "list", NULL, &root, err);
		if (r < 0)
			return r;
		json_for_each(item, root) {
			const char *s;

			r = json_to_str(item, &s, err);
			if (r == 0)
				r = add_string(&list, s, arena, err);
			if (r < 0)
				return r;
		}
	} else {
		for (const char *p = text; r == 0 && *p; p += *p == ';') {
			size_t len = strcspn(p, ";");
			char *s = arena_strndup(arena, p, len);

			if (!s)
				return err_set(err, ENOMEM, "out of memory");
			if (*s)
				r = add_string(&list, s, arena, err);
			p += len;
		}
	}
	if (r == 0)
		*CONFIG_FIELD(struct strv, config, key->offset) = list;
	return r;
}

/**
 * config_set_text() - store a value that is written as plain text, as in an annotation
 * @key: what it is; must have a field
 * @text: the value
 * @config: configuration to store it in
 * @arena: receives strings
 * @err: receives what is wrong with the value
 *
 * Return: 0, -EINVAL, -ERANGE or -ENOMEM.
 */
int config_set_text(const struct config_key *key, const char *text, struct config *config,
		    struct arena *arena, struct err *err)
{
	switch (key->kind) {
	case CONFIG_BOOL:
		return set_text_bool(key, text, config, err);
	case CONFIG_U32:
	case CONFIG_U64:
	case CONFIG_SECONDS:
	case CONFIG_VCPUS:
		return set_text_number(key, text, config, err);
	case CONFIG_ENUM:
	case CONFIG_ONLY_WORD:
		return set_enum(key, text, config, err);
	case CONFIG_STR:
	case CONFIG_WORD:
	case CONFIG_OPTIONS:
	case CONFIG_PATH:
		return set_string(key, text, config, arena, err);
	case CONFIG_STRV:
		return set_text_strv(key, text, config, arena, err);
	case CONFIG_ONLY_FALSE:
		if (str_eq(text, "false"))
			return 0;
		return err_set(err, EOPNOTSUPP, "\"%s\" is not supported", text);
	}
	return err_set(err, EINVAL, "not a kind of value");
}

/**
 * config_set_default() - give a key's field the value it has when nobody sets it
 * @key: the key
 * @config: zeroed configuration
 * @arena: receives strings
 * @err: receives the reason
 *
 * Return: 0 or -ENOMEM.
 */
int config_set_default(const struct config_key *key, struct config *config, struct arena *arena,
		       struct err *err)
{
	bool is_string = key->kind == CONFIG_STR || key->kind == CONFIG_WORD ||
			 key->kind == CONFIG_OPTIONS || key->kind == CONFIG_PATH;

	if (key->fallback)
		return config_set_text(key, key->fallback, config, arena, err);
	if (is_string && !(key->flags & CONFIG_UNSET_IS_NULL))
		*CONFIG_FIELD(const char *, config, key->offset) = "";
	return 0; /* zero, an empty list or the first word */
}

/**
 * config_write_value() - a key and its value in force, as a member
 * @w: writer
 * @key: the key; one without a field writes nothing
 * @config: configuration
 */
void config_write_value(struct json_writer *w, const struct config_key *key,
			const struct config *config)
{
	const struct strv *list;

	switch (key->kind) {
	case CONFIG_BOOL:
		json_member_bool(w, key->name, *CONFIG_FIELD_CONST(bool, config, key->offset));
		break;
	case CONFIG_U32:
	case CONFIG_VCPUS:
		json_member_uint(w, key->name, *CONFIG_FIELD_CONST(uint32_t, config, key->offset));
		break;
	case CONFIG_U64:
		json_member_uint(w, key->name, *CONFIG_FIELD_CONST(uint64_t, config, key->offset));
		break;
	case CONFIG_SECONDS:
		json_member_uint(w, key->name,
				 *CONFIG_FIELD_CONST(uint64_t, config, key->offset) / 1000);
		break;
	case CONFIG_ENUM:
		json_member_str(w, key->name,
				key->words[*CONFIG_FIELD_CONST(unsigned, config, key->offset)]);
		break;
	case CONFIG_STR:
	case CONFIG_WORD:
	case CONFIG_OPTIONS:
	case CONFIG_PATH:
		json_member_str(w, key->name, *CONFIG_FIELD_CONST(char *, config, key->offset));
		break;
	case CONFIG_STRV:
		list = CONFIG_FIELD_CONST(struct strv, config, key->offset);
		json_member_array(w, key->name);
		for (size_t i = 0; i < list->nr; i++)
			json_put_str(w, list->v[i]);
		json_array_end(w);
		break;
	case CONFIG_ONLY_WORD:
	case CONFIG_ONLY_FALSE:
		break;
	}
}
