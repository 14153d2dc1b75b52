/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzzer of the TOML reader and of the configuration on top of it. Annotations are fuzzed with it:
 * each string at the top of a document is applied as one to the configuration the document makes.
 */
#include <stdint.h>
#include <string.h>

#include "common/toml.h"
#include "config/config.h"
#include "faults.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void annotate(const struct toml *root, struct config *config, struct arena *arena)
{
	toml_for_each(node, root) {
		struct err err = ERR_NULL;
		struct kv kv;

		if (toml_get(root, node->key) == NULL || !*toml_type_name(node->type) ||
		    toml_get(node, "a") == node)
			__builtin_trap();
		if (node->type != TOML_STRING)
			continue;
		kv.key = arena_printf(arena, "io.katacontainers.config.%s", node->key);
		kv.value = arena_strdup(arena, node->s);
		if (kv.key && kv.value)
			(void)!config_apply_annotations(config, &kv, 1, arena,
							&err); /* either answer is fine */
	}
}

static void one(const uint8_t *data, size_t size)
{
	cleanup_arena struct arena *arena = NULL;
	struct err err = ERR_NULL;
	struct config *config;
	struct toml *root;

	if (arena_new(&arena) < 0 ||
	    toml_parse(arena, (const char *)data, size, "fuzz", &root, &err) < 0)
		return;
	if (config_parse_for_test((const char *)data, size, "fuzz", arena, &config, &err) == 0)
		annotate(root, config, arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	faults_each(one, data, size);
	return 0;
}
