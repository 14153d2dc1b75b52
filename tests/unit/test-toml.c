/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unit tests of src/common/toml: tables of documents that are TOML 1.0, with what they mean, and
 * that are not, with what is said about them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arena-fixture.h"
#include "common/json.h"
#include "common/toml.h"

/* A tree as JSON; times are written <in angle brackets>, infinities and NaN are null. */
static void write_node(struct json_writer *w, const struct toml *node)
{
	char text[64];

	switch (node->type) {
	case TOML_STRING:
		json_put_str(w, node->s);
		break;
	case TOML_INTEGER:
		json_put_int(w, node->i);
		break;
	case TOML_FLOAT:
		json_put_double(w, node->f);
		break;
	case TOML_BOOL:
		json_put_bool(w, node->b);
		break;
	case TOML_ARRAY:
		json_array(w);
		toml_for_each(item, node)
			write_node(w, item);
		json_array_end(w);
		break;
	case TOML_TABLE:
		json_object(w);
		toml_for_each(member, node) {
			json_put_key(w, member->key);
			write_node(w, member);
		}
		json_object_end(w);
		break;
	default:
		(void)snprintf(text, sizeof(text), "<%s>", node->s);
		json_put_str(w, text);
	}
}

struct valid {
	const char *text, *json;
};

static void check_valid(const struct valid *cases, size_t nr)
{
	for (size_t i = 0; i < nr; i++) {
		cleanup_strbuf struct strbuf out = STRBUF_NULL;
		struct json_writer w;
		struct toml *root;

		if (toml_parse(arena, cases[i].text, strlen(cases[i].text), "doc", &root, &err) < 0)
			fail_msg("case %zu: %s: %s", i, cases[i].text, err.text);
		json_writer_init(&w, &out, 0);
		write_node(&w, root);
		assert_int_equal(json_writer_finish(&w), 0);
		assert_string_equal(out.data, cases[i].json);
	}
}

static void check_invalid(const struct valid *cases, size_t nr)
{
	for (size_t i = 0; i < nr; i++) {
		struct toml *root;

		if (toml_parse(arena, cases[i].text, strlen(cases[i].text), "d", &root, &err) == 0)
			fail_msg("case %zu was accepted: %s", i, cases[i].text);
		assert_string_equal(err.text, cases[i].json);
	}
}

static void keys_may_be_bare_quoted_and_dotted(void **state)
{
	static const struct valid cases[] = {
		{ "", "{}" },
		{ "# only a comment", "{}" },
		{ "a-b_C9 = 1", "{\"a-b_C9\":1}" },
		{ "1234 = 1\r\n", "{\"1234\":1}" },
		{ "\"a b\" = 1\n'c.\"d' = 2 # c\n", "{\"a b\":1,\"c.\\\"d\":2}" },
		{ "\"\" = 1", "{\"\":1}" },
		{ "a . \"b.c\" . d = 1\na.e=2", "{\"a\":{\"b.c\":{\"d\":1},\"e\":2}}" },
		{ "3.14 = 1", "{\"3\":{\"14\":1}}" },
	};

	(void)state;
	check_valid(cases, ARRAY_SIZE(cases));
}

static void strings_come_in_four_kinds(void **state)
{
	static const struct valid cases[] = {
		{ "a = \"\"", "{\"a\":\"\"}" },
		{ "a = \"\\b\\t\\n\\f\\r\\\"\\\\\\u00e9\\U0001F600\"",
		  "{\"a\":\"\\b\\t\\n\\f\\r\\\"\\\\\xc3\xa9\xf0\x9f\x98\x80\"}" },
		{ "a = 'C:\\n\"'", "{\"a\":\"C:\\\\n\\\"\"}" },
		{ "a = \"\"\"\nx\r\ny\"\"\"", "{\"a\":\"x\\ny\"}" },
		{ "a = \"\"\"x \\\n  \t\n  y\"\"\"", "{\"a\":\"x y\"}" },
		{ "a = \"\"\"\"\"x\"\"\"\"\"", "{\"a\":\"\\\"\\\"x\\\"\\\"\"}" },
		{ "a = '''\n\\'' '\n'''", "{\"a\":\"\\\\'' '\\n\"}" },
		{ "a = ''''x'''''", "{\"a\":\"'x''\"}" },
	};

	(void)state;
	check_valid(cases, ARRAY_SIZE(cases));
}

static void numbers_and_booleans_are_read(void **state)
{
	static const struct valid cases[] = {
		{ "a = +99\nb = -0\nc = 1_000_000", "{\"a\":99,\"b\":0,\"c\":1000000}" },
		{ "a = 9223372036854775807\nb = -9223372036854775808",
		  "{\"a\":9223372036854775807,\"b\":-9223372036854775808}" },
		{ "a = 0xDEAD_beef\nb = 0o755\nc = 0b1101_0110\nd = 0x00f",
		  "{\"a\":3735928559,\"b\":493,\"c\":214,\"d\":15}" },
		{ "a = 3.5\nb = -0.25\nc = 5e+22\nd = 1E0_6\ne = 9_224.5e-1",
		  "{\"a\":3.5,\"b\":-0.25,\"c\":5e+22,\"d\":1000000,\"e\":922.45}" },
		{ "a = inf\nb = -inf\nc = nan", "{\"a\":null,\"b\":null,\"c\":null}" },
		{ "a = true\nb = false", "{\"a\":true,\"b\":false}" },
	};

	(void)state;
	check_valid(cases, ARRAY_SIZE(cases));
}

static void times_are_checked_and_kept_as_text(void **state)
{
	static const struct valid cases[] = {
		{ "a = 1979-05-27T07:32:00Z", "{\"a\":\"<1979-05-27T07:32:00Z>\"}" },
		{ "a = 1979-05-27 00:32:00.999999-07:00",
		  "{\"a\":\"<1979-05-27 00:32:00.999999-07:00>\"}" },
		{ "a = 1979-05-27t07:32:00", "{\"a\":\"<1979-05-27t07:32:00>\"}" },
		{ "a = 2000-02-29 # leap", "{\"a\":\"<2000-02-29>\"}" },
		{ "a = 23:59:60.5", "{\"a\":\"<23:59:60.5>\"}" },
	};

	(void)state;
	check_valid(cases, ARRAY_SIZE(cases));
}

static void arrays_and_tables_nest(void **state)
{
	static const struct valid cases[] = {
		{ "a = [ ]\nb = [1,\n # c\n \"x\", [2.5],\n]", "{\"a\":[],\"b\":[1,\"x\",[2.5]]}" },
		{ "a = {}\nb = { x = 1, y.z = [\n1], \"q\" = { } }",
		  "{\"a\":{},\"b\":{\"x\":1,\"y\":{\"z\":[1]},\"q\":{}}}" },
		{ "[a.b]\nc = 1\n[ a . 'd' ]\ne = 2\n[a]\nf = 3",
		  "{\"a\":{\"b\":{\"c\":1},\"d\":{\"e\":2},\"f\":3}}" },
		{ "[[p]]\nn = 1\n[p.s]\nm = 1\n[[p.q]]\n[[p]]\n[[p.q]]\nx=1\n[[p.q]]",
		  "{\"p\":[{\"n\":1,\"s\":{\"m\":1},\"q\":[{}]},{\"q\":[{\"x\":1},{}]}]}" },
		{ "[f]\na.c = 1\na.t.s = true\n[f.a.x]\ny = 1",
		  "{\"f\":{\"a\":{\"c\":1,\"t\":{\"s\":true},\"x\":{\"y\":1}}}}" },
		{ "[x.y.z]\n[x]\nk = 1", "{\"x\":{\"y\":{\"z\":{}},\"k\":1}}" },
	};

	(void)state;
	check_valid(cases, ARRAY_SIZE(cases));
}

static void malformed_text_is_refused_with_its_place(void **state)
{
	static const struct valid cases[] = {
		{ "a", "d:1:2: expected \"=\" after the key" },
		{ "= 1", "d:1:1: expected a key" },
		{ "a. = 1", "d:1:4: expected a key" },
		{ "a b = 1", "d:1:3: expected \"=\" after the key" },
		{ "\"\"\"a\"\"\" = 1", "d:1:3: expected \"=\" after the key" },
		{ "a =\n1", "d:1:4: expected a value" },
		{ "\n\na = 1 b = 2", "d:3:7: unexpected text at the end of the line" },
		{ "a = 1\rb = 2", "d:1:6: unexpected text at the end of the line" },
		{ "[a]x", "d:1:4: unexpected text at the end of the line" },
		{ "[a", "d:1:3: expected \"]\" after the name" },
		{ "[]", "d:1:2: expected a key" },
		{ "[[a]", "d:1:4: expected \"]]\" after the name" },
		{ "# \x01", "d:1:3: control character in a comment" },
		{ "a = \"\xff\"", "d:1: invalid UTF-8" },
		{ "\xef\xbb\xbf"
		  "a = 1",
		  "d:1:1: expected a key" },
		{ "a = [1", "d:1:7: expected \",\" or \"]\" in the array" },
		{ "a = [1 2]", "d:1:8: expected \",\" or \"]\" in the array" },
		{ "a = [,1]", "d:1:6: expected a value" },
		{ "a = {x = 1,}", "d:1:12: expected a key" },
		{ "a = {x = 1\n}", "d:1:11: expected \",\" or \"}\" in the inline table" },
		{ "a = {x = 1 y = 2}", "d:1:12: expected \",\" or \"}\" in the inline table" },
	};

	(void)state;
	check_invalid(cases, ARRAY_SIZE(cases));
}

static void malformed_values_are_refused(void **state)
{
	static const struct valid cases[] = {
		{ "a = \"x", "d:1:7: the string is not closed on its line" },
		{ "a = 'x\n'", "d:1:7: the string is not closed on its line" },
		{ "a = \"\x02\"", "d:1:6: control character in a string" },
		{ "a = \"\"\"x", "d:1:9: the multi-line string is not closed" },
		{ "a = \"\\x41\"", "d:1:7: unknown escape in a string" },
		{ "a = \"\\u12\"", "d:1:10: a \\u escape needs 4 hexadecimal digits" },
		{ "a = \"\\ud800\"", "d:1:12: the escape is not a Unicode character" },
		{ "a = \"\\u0000\"", "d:1:12: strings with NUL characters are not supported" },
		{ "a = \"\"\"\n\\ x\"\"\"", "d:2:2: unknown escape in a string" },
		{ "a = 01", "d:1:5: \"01\" is not a value" },
		{ "a = yes", "d:1:5: \"yes\" is not a value" },
		{ "a = True", "d:1:5: \"True\" is not a value" },
		{ "a = 1__0", "d:1:5: \"1__0\" is not a value" },
		{ "a = 1_", "d:1:5: \"1_\" is not a value" },
		{ "a = _1", "d:1:5: \"_1\" is not a value" },
		{ "a = 1.", "d:1:5: \"1.\" is not a number" },
		{ "a = .5", "d:1:5: \".5\" is not a value" },
		{ "a = 1e", "d:1:5: \"1e\" is not a number" },
		{ "a = 1.e5", "d:1:5: \"1.e5\" is not a number" },
		{ "a = +0x1", "d:1:5: \"+0x1\" is not a number" },
		{ "a = 0xg", "d:1:5: \"0xg\" is not a number" },
		{ "a = 0b2", "d:1:5: \"0b2\" is not a number" },
		{ "a = 9223372036854775808",
		  "d:1:5: the number \"9223372036854775808\" does not fit into 64 bits" },
		{ "a = 0x8000000000000000",
		  "d:1:5: the number \"0x8000000000000000\" does not fit into 64 bits" },
		{ "a = 2001-02-29", "d:1:5: \"2001-02-29\" is not a date or time" },
		{ "a = 2000-13-01", "d:1:5: \"2000-13-01\" is not a date or time" },
		{ "a = 24:00:00", "d:1:5: \"24:00:00\" is not a date or time" },
		{ "a = 12:00", "d:1:5: \"12:00\" is not a date or time" },
		{ "a = 2000-01-01T", "d:1:5: \"2000-01-01T\" is not a date or time" },
		{ "a = 2000-01-01T00:00:00+24:00",
		  "d:1:5: \"2000-01-01T00:00:00+24:00\" is not a date or time" },
	};

	(void)state;
	check_invalid(cases, ARRAY_SIZE(cases));
}

static void what_is_defined_cannot_be_defined_again(void **state)
{
	static const struct valid cases[] = {
		{ "a = 1\n\"a\" = 2", "d:2:1: \"a\" is already defined" },
		{ "a.b = 1\na.b.c = 2", "d:2:1: \"b\" is already defined and not a table" },
		{ "a.b = 1\na = 2", "d:2:1: \"a\" is already defined" },
		{ "[a]\n[a]", "d:2:2: \"a\" is already defined" },
		{ "[a]\nb = 1\n[a.b]", "d:3:2: \"b\" is already defined" },
		{ "a.b = 1\n[a]", "d:2:2: \"a\" is already defined" },
		{ "[f]\na.c = 1\n[f.a]", "d:3:2: \"a\" is already defined" },
		{ "[a.b.c]\nz = 9\n[a]\nb.c.t = 1",
		  "d:4:1: \"c\" is a finished table, keys cannot be added here" },
		{ "a = {x = 1}\na.y = 2",
		  "d:2:1: \"a\" is a finished table, keys cannot be added here" },
		{ "a = {x.y = 1}\n[a.x.z]",
		  "d:2:2: \"a\" is an inline table, nothing can be added to it" },
		{ "a = {b = {c = 1}, b.d = 2}",
		  "d:1:19: \"b\" is a finished table, keys cannot be added here" },
		{ "a = [{}]\n[[a]]", "d:2:3: \"a\" is already defined and not an array of tables" },
		{ "a = [{}]\n[a.b]", "d:2:2: \"a\" is already defined and not a table" },
		{ "[[a]]\n[a]", "d:2:2: \"a\" is already defined" },
		{ "[a]\n[[a]]", "d:2:3: \"a\" is already defined and not an array of tables" },
		{ "[[a.b]]\n[a]\nb.c = 1", "d:3:1: \"b\" is already defined and not a table" },
	};

	(void)state;
	check_invalid(cases, ARRAY_SIZE(cases));
}

static void depth_length_and_number_are_limited(void **state)
{
	size_t len = TOML_LEN_MAX + 1;
	char *text = malloc(len);
	struct toml *root;
	int n;

	(void)state;
	assert_non_null(text);
	memset(text, '\n', len);
	assert_int_equal(toml_parse(arena, text, len, "d", &root, &err), -E2BIG);
	assert_int_equal(toml_parse(arena, text, len - 1, "d", &root, &err), 0);
	n = sprintf(text, "a = ");
	memset(text + n, '[', 65);
	assert_int_equal(toml_parse(arena, text, (size_t)n + 65, "d", &root, &err), -EINVAL);
	assert_string_equal(err.text, "d:1:69: nested more than 64 deep");
	for (int i = 0; i < 130; i += 2)
		memcpy(text + i, "a.", 2);
	assert_int_equal(toml_parse(arena, text, 130, "d", &root, &err), -EINVAL);
	assert_string_equal(err.text, "d:1:129: a key with more than 64 parts");
	memcpy(text, "a=[", 3);
	for (int i = 0; i < 17000; i++)
		memcpy(text + 3 + 2 * i, "1,", 2);
	assert_int_equal(toml_parse(arena, text, 34003, "d", &root, &err), -EINVAL);
	assert_non_null(strstr(err.text, "more than 16384 values"));
	free(text);
}

static void values_know_their_line(void **state)
{
	static const char text[] = "\n[a]\n  b = 1\nc = [\n2,\n]\n";
	const struct toml *a, *c;
	struct toml *root;

	(void)state;
	assert_int_equal(toml_parse(arena, text, strlen(text), "d", &root, &err), 0);
	a = toml_get(root, "a");
	c = toml_get(a, "c");
	assert_int_equal(a->line, 2);
	assert_int_equal(toml_get(a, "b")->line, 3);
	assert_int_equal(toml_get(a, "b")->col, 3);
	assert_int_equal(c->first->line, 5);
	assert_null(toml_get(a, "x"));
	assert_null(toml_get(c, "x"));
	assert_string_equal(toml_type_name(c->type), "an array");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ARENA_TEST(keys_may_be_bare_quoted_and_dotted),
		ARENA_TEST(strings_come_in_four_kinds),
		ARENA_TEST(numbers_and_booleans_are_read),
		ARENA_TEST(times_are_checked_and_kept_as_text),
		ARENA_TEST(arrays_and_tables_nest),
		ARENA_TEST(malformed_text_is_refused_with_its_place),
		ARENA_TEST(malformed_values_are_refused),
		ARENA_TEST(what_is_defined_cannot_be_defined_again),
		ARENA_TEST(depth_length_and_number_are_limited),
		ARENA_TEST(values_know_their_line),
	};

	return cmocka_run_group_tests_name("toml", tests, NULL, NULL);
}
