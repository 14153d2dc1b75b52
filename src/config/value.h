/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One value between the three forms it has: in a TOML file, in an annotation, in struct config.
 * Private to src/config.
 */
#pragma once

#include <stddef.h>

#include "common/arena.h"
#include "common/err.h"
#include "common/toml.h"
#include "config/config.h"
#include "config/keys.h"

struct json_writer;

int config_set_default(const struct config_key *key, struct config *config, struct arena *arena,
		       struct err *err) must_check;
int config_set_toml(const struct config_key *key, const struct toml *node, struct config *config,
		    struct arena *arena, struct err *err) must_check;
int config_set_text(const struct config_key *key, const char *text, struct config *config,
		    struct arena *arena, struct err *err) must_check;
void config_write_value(struct json_writer *w, const struct config_key *key,
			const struct config *config);

/* A field of @config by its offset. */
#define CONFIG_FIELD(type, config, offset) ((type *)(void *)((char *)(config) + (offset)))
#define CONFIG_FIELD_CONST(type, config, offset) \
	((const type *)(const void *)((const char *)(config) + (offset)))
