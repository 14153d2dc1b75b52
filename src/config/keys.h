/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of configuration keys: name, type, place in struct config, default, bounds, and what a
 * pod may do with it by annotation. Private to src/config.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum config_kind {
	CONFIG_BOOL,
	CONFIG_U32,
	CONFIG_U64,
	CONFIG_SECONDS, /* kept as milliseconds in 64 bits */
	CONFIG_VCPUS,	/* an integer or a fraction; negative means every CPU of the host */
	CONFIG_ENUM,	/* one of @words, kept as its index */
	CONFIG_STR,
	CONFIG_WORD,	/* letters, digits and "._-" */
	CONFIG_OPTIONS, /* a WORD plus ",=+:/", as it may stand on the VMM's command line */
	CONFIG_PATH,	/* absolute or empty */
	CONFIG_STRV,
	/* Keys without a field: only values that ask for nothing we do not do are accepted. */
	CONFIG_ONLY_WORD, /* a string, one of @words */
	CONFIG_ONLY_FALSE,
};

enum config_section { CONFIG_HYPERVISOR, CONFIG_FACTORY, CONFIG_AGENT, CONFIG_RUNTIME };
#define CONFIG_NR_SECTIONS 4

/* What a pod may do by annotation. */
enum config_access {
	CONFIG_ADMIN,  /* nothing */
	CONFIG_LISTED, /* set it if enable_annotations lists it */
	CONFIG_FREE,   /* set it: it affects the pod alone */
};

#define CONFIG_POWER_OF_TWO 1u	/* 0 is allowed if @min is 0 */
#define CONFIG_UNSET_IS_NULL 4u /* strings are "" when nobody sets them; these are NULL */
#define CONFIG_APPEND 2u /* an annotation is added behind a blank instead of replacing the value */

struct config_key {
	const char *name;
	enum config_section section;
	enum config_kind kind;
	size_t offset;	   /* in struct config */
	uint64_t min, max; /* of numbers */
	const char
		*fallback; /* the default, as an annotation would write it; NULL: zero or empty */
	const char *const *words;
	enum config_access access;
	unsigned flags;
	const char *annotation; /* when its name differs from the key's */
	size_t allowed_offset;	/* of the list of globs an annotation's path must match; 0: none */
};

extern const struct config_key config_keys[];
extern const size_t config_nr_keys;

const struct config_key *config_key_find(enum config_section section, const char *name);
const struct config_key *config_key_find_annotation(enum config_section section, const char *name);
bool config_key_has_no_effect(enum config_section section, const char *name);
