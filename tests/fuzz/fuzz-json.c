/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzzer of the JSON reader and writer: a document that can be read comes back from its own
 * printing unchanged, and every value can be named in an error.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "common/utf8.h"
#include "faults.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Whatever is asked of a document, it is of some type. */
static void ask(const struct json *object)
{
	struct err err = ERR_NULL;
	const struct json *part = NULL;
	const char *s;
	uint64_t u;
	uint32_t n;
	int64_t i;
	bool b;

	(void)!json_get_bool(object, "b", &b, &err);
	(void)!json_get_i64(object, "i", &i, &err);
	(void)!json_get_u64(object, "u", &u, &err);
	(void)!json_get_u32(object, "n", &n, &err);
	(void)!json_get_str(object, "s", &s, &err);
	(void)!json_get_object(object, "o", &part, &err);
	(void)!json_get_array(object, "a", &part, &err);
}

static void visit(const struct json *node)
{
	struct err err = ERR_NULL;
	const char *s;
	uint64_t u;
	int64_t i;
	bool b;

	(void)!json_to_str(node, &s, &err); /* for the error's sake */
	(void)!json_to_i64(node, 0, 1, &i, &err);
	(void)!json_to_i64(node, INT64_MIN, INT64_MAX, &i, &err);
	(void)!json_to_u64(node, 1, &u, &err);
	(void)!json_to_bool(node, &b, &err);
	if (node->type == JSON_OBJECT)
		ask(node);
	if (node->type == JSON_ARRAY || node->type == JSON_OBJECT)
		json_for_each(child, node)
			visit(child);
}

static int print(const struct json *root, struct strbuf *out)
{
	struct json_writer w;

	json_writer_init(&w, out, 1);
	json_put_node(&w, root);
	return json_writer_finish(&w);
}

/* Whatever the bytes, what comes out of them is text that a terminal does not obey. */
static void check_text(const uint8_t *data, size_t size)
{
	char text[256], encoded[UTF8_MAX_LEN];
	size_t len = MIN(size, sizeof(text));
	uint32_t code_point = 0;

	memcpy(text, data, len);
	utf8_make_printable(text, len, "\n");
	if (utf8_valid_prefix(text, len) != len || memchr(text, 0x1b, len))
		abort();
	memcpy(&code_point, data, MIN(size, sizeof(code_point)));
	for (int i = 0; i < 4; i++, code_point >>= 8) {
		size_t n = utf8_encode(code_point, encoded);

		if (utf8_valid_prefix(encoded, n) != n)
			abort();
	}
}

static void one(const uint8_t *data, size_t size)
{
	const struct json_limits limits = { .max_len = 1 << 16,
					    .max_nodes = 1000,
					    .max_depth = 32 };
	cleanup_strbuf struct strbuf first = STRBUF_NULL, second = STRBUF_NULL;
	cleanup_arena struct arena *arena = NULL;
	struct err err = ERR_NULL;
	struct json *root;

	check_text(data, size);
	if (arena_new(&arena) < 0 ||
	    json_parse(arena, (const char *)data, size, "fuzz", &limits, &root, &err) < 0)
		return;
	visit(root);
	if (print(root, &first) < 0 ||
	    json_parse(arena, first.data, first.len, "again", NULL, &root, &err) < 0 ||
	    print(root, &second) < 0) {
		if (!faults_hit())
			abort();
		return;
	}
	if (strcmp(first.data, second.data) != 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	faults_each(one, data, size);
	return 0;
}
