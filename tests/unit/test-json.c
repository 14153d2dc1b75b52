/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unit tests of src/common/json: what the reader keeps, refuses and says, and what the writer
 * prints.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "arena-fixture.h"
#include "common/json.h"

static struct json *parse(const char *text)
{
	struct json *root = NULL;
	int r = json_parse(arena, text, strlen(text), "doc", NULL, &root, &err);

	if (r < 0)
		print_message("# %s\n", err.text);
	assert_int_equal(r, 0);
	return root;
}

static void refuses(const char *text, size_t len, int code, const char *message)
{
	struct json *root;

	assert_int_equal(json_parse(arena, text, len, "doc", NULL, &root, &err), code);
	assert_string_equal(err.text, message);
}

static void integers_are_kept_exactly(void **state)
{
	struct json *root = parse(
		"{\"a\":-9223372036854775808,\"b\":9223372036854775807,\"c\":18446744073709551615,"
		"\"d\":18446744073709551616,\"e\":1.5,\"f\":1e3}");

	(void)state;
	assert_int_equal(json_get(root, "a")->type, JSON_INT);
	assert_true(json_get(root, "a")->i == INT64_MIN);
	assert_true(json_get(root, "b")->i == INT64_MAX);
	assert_int_equal(json_get(root, "c")->type, JSON_UINT);
	assert_true(json_get(root, "c")->u == UINT64_MAX);
	assert_int_equal(json_get(root, "d")->type, JSON_DOUBLE);
	assert_true(json_get(root, "e")->d == 1.5);
	assert_int_equal(json_get(root, "f")->type, JSON_DOUBLE);
}

static void the_last_of_two_equal_keys_wins(void **state)
{
	struct json *root = parse("{\"a\":1,\"b\":2,\"a\":3,\"c\":4,\"a\":5}");
	int64_t v = 0;

	(void)state;
	assert_int_equal(root->nr, 3);
	assert_int_equal(json_get_i64(root, "a", &v, &err), 0);
	assert_int_equal(v, 5);
	assert_string_equal(root->first->key, "b");
	assert_string_equal(root->last->key, "a");
	assert_null(root->last->next);
}

static void null_counts_as_absent(void **state)
{
	struct json *root = parse("{\"a\":null}");
	int64_t v = 7;

	(void)state;
	assert_null(json_get(root, "a"));
	assert_int_equal(json_get_i64(root, "a", &v, &err), 0);
	assert_int_equal(v, 7);
}

static void wrong_types_are_named_by_line_and_path(void **state)
{
	struct json *root = parse("{\n\"process\": {\n\"args\": [\"a\", \"b\",\n7]}}");
	const struct json *args = NULL;
	const char *s;
	bool b;

	(void)state;
	assert_int_equal(json_get_array(json_get(root, "process"), "args", &args, &err), 0);
	assert_int_equal(json_to_str(args->last, &s, &err), -EINVAL);
	assert_string_equal(err.text, "doc:4: process.args[2]: expected a string, found a number");
	assert_int_equal(json_get_bool(root, "process", &b, &err), -EINVAL);
	assert_string_equal(err.text, "doc:2: process: expected a boolean, found an object");
	assert_int_equal(json_expect(root, JSON_ARRAY, &err), -EINVAL);
	assert_string_equal(err.text, "doc:1: expected an array, found an object");
}

static void numbers_out_of_range_are_refused(void **state)
{
	struct json *root = parse("[-1, 4294967296, 1.0, 18446744073709551615]");
	const struct json *minus = root->first, *big = minus->next, *fraction = big->next,
			  *huge = fraction->next;
	uint64_t u;
	int64_t i;

	(void)state;
	assert_int_equal(json_to_u64(minus, UINT64_MAX, &u, &err), -EINVAL);
	assert_string_equal(err.text, "doc:1: [0]: number out of range");
	assert_int_equal(json_to_u64(big, UINT32_MAX, &u, &err), -EINVAL);
	assert_int_equal(json_to_i64(fraction, 0, 9, &i, &err), -EINVAL);
	assert_string_equal(err.text, "doc:1: [2]: expected an integer, found a number");
	assert_int_equal(json_to_i64(huge, INT64_MIN, INT64_MAX, &i, &err), -EINVAL);
	assert_int_equal(json_to_u64(huge, UINT64_MAX, &u, &err), 0);
}

static void syntax_errors_name_line_and_column(void **state)
{
	static const char text[] = "{\n  \"a\": 1,\n  \"b\" 2\n}";

	(void)state;
	refuses(text, strlen(text), -EINVAL,
		"doc:3:7: parse error: object key and value must be separated by a colon (':')");
	refuses("", 0, -EINVAL, "doc:1:1: parse error: premature EOF");
	refuses("[1,2", 4, -EINVAL, "doc:1:5: parse error: premature EOF");
	refuses("{} x", 4, -EINVAL, "doc:1:4: parse error: trailing garbage");
	refuses("\"a\n\xff\"", 5, -EINVAL, "doc:2:1: invalid UTF-8");
	refuses("[\"a\\u0000b\"]", 12, -EINVAL, "doc:1: a string holds a NUL character");
}

static void limits_hold(void **state)
{
	const struct json_limits limits = { .max_len = 20, .max_nodes = 3, .max_depth = 2 };
	struct json *root;

	(void)state;
	assert_int_equal(json_parse(arena, "[[1,2]]", 7, "doc", &limits, &root, &err), -E2BIG);
	assert_string_equal(err.text, "doc:1: too many values");
	assert_int_equal(json_parse(arena, "[[[]]]", 6, "doc", &limits, &root, &err), -E2BIG);
	assert_string_equal(err.text, "doc:1: nested too deeply");
	assert_int_equal(
		json_parse(arena, "                      1", 23, "doc", &limits, &root, &err),
		-E2BIG);
	assert_string_equal(err.text, "doc: 23 bytes long, at most 20 are accepted");
	assert_int_equal(json_parse(arena, "[[1]]", 5, "doc", &limits, &root, &err), 0);
}

static void a_hostile_path_stays_short_and_printable(void **state)
{
	char text[2000];
	struct json *root;
	const char *s;

	(void)state;
	(void)snprintf(text, sizeof(text), "{\"a\\u001bb\":{\"%01000d\":1}}", 0);
	root = parse(text);
	assert_int_equal(json_to_str(root->first->first, &s, &err), -EINVAL);
	assert_int_equal(strncmp(err.text, "doc:1: a?b.000", 14), 0);
	assert_true(strlen(err.text) < 200);
}

static void writer_prints_as_go_does(void **state)
{
	cleanup_strbuf struct strbuf out = STRBUF_NULL;
	struct json_writer w;

	(void)state;
	json_writer_init(&w, &out, 2);
	json_object(&w);
	json_member_str(&w, "id", "x");
	json_member_str(&w, "none", NULL);
	json_member_int(&w, "pid", -1);
	json_member_array(&w, "list");
	json_put_uint(&w, UINT64_MAX);
	json_put_double(&w, 0.1);
	json_put_double(&w, INFINITY);
	json_array_end(&w);
	json_member_array(&w, "empty");
	json_array_end(&w);
	json_member_object(&w, "o");
	json_object_end(&w);
	json_object_end(&w);
	assert_int_equal(json_writer_finish(&w), 0);
	assert_string_equal(
		out.data,
		"{\n  \"id\": \"x\",\n  \"pid\": -1,\n  \"list\": [\n    18446744073709551615,\n"
		"    0.1,\n    null\n  ],\n  \"empty\": [],\n  \"o\": {}\n}");
}

static void writer_escapes_and_repairs_strings(void **state)
{
	cleanup_strbuf struct strbuf out = STRBUF_NULL;
	struct json_writer w;

	(void)state;
	json_writer_init(&w, &out, 0);
	json_array(&w);
	json_put_str(&w, "a\"\\\n\t\x01\x7f/\xc3\xa9");
	json_put_str(&w, "\xff"
			 "x\xc3");
	json_put_str(&w, "");
	json_array_end(&w);
	assert_int_equal(json_writer_finish(&w), 0);
	assert_string_equal(
		out.data,
		"[\"a\\\"\\\\\\n\\t\\u0001\\u007f/\xc3\xa9\",\"\xef\xbf\xbdx\xef\xbf\xbd\",\"\"]");
}

static void writer_reports_what_was_left_open(void **state)
{
	cleanup_strbuf struct strbuf out = STRBUF_NULL;
	struct json_writer w;

	(void)state;
	json_writer_init(&w, &out, 0);
	json_object(&w);
	assert_int_equal(json_writer_finish(&w), -EINVAL);
	json_writer_init(&w, &out, 0);
	json_array_end(&w);
	assert_int_equal(json_writer_finish(&w), -EINVAL);
}

static void a_tree_is_written_as_it_was_read(void **state)
{
	static const char text[] =
		"{\"a\":[1,-2,18446744073709551615,1.5,true,false,null,\"x\"],\"b\":{\"c\":{}}}";
	cleanup_strbuf struct strbuf out = STRBUF_NULL;
	struct json_writer w;

	(void)state;
	json_writer_init(&w, &out, 0);
	json_put_node(&w, parse(text));
	assert_int_equal(json_writer_finish(&w), 0);
	assert_string_equal(out.data, text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ARENA_TEST(integers_are_kept_exactly),
		ARENA_TEST(the_last_of_two_equal_keys_wins),
		ARENA_TEST(null_counts_as_absent),
		ARENA_TEST(wrong_types_are_named_by_line_and_path),
		ARENA_TEST(numbers_out_of_range_are_refused),
		ARENA_TEST(syntax_errors_name_line_and_column),
		ARENA_TEST(limits_hold),
		ARENA_TEST(a_hostile_path_stays_short_and_printable),
		ARENA_TEST(writer_prints_as_go_does),
		ARENA_TEST(writer_escapes_and_repairs_strings),
		ARENA_TEST(writer_reports_what_was_left_open),
		ARENA_TEST(a_tree_is_written_as_it_was_read),
	};

	return cmocka_run_group_tests_name("json", tests, NULL, NULL);
}
