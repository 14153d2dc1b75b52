/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tables that tie JSON names to the fields of src/oci/oci_spec.h. One table serves the reader
 * and the writer, so the two cannot disagree. Private to src/oci.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "common/arena.h"
#include "common/err.h"
#include "common/json.h"

enum spec_kind {
	SPEC_BOOL,
	SPEC_I32,
	SPEC_I64,
	SPEC_U32,
	SPEC_U64,
	SPEC_OPT_BOOL, /* the optional ones are pointers */
	SPEC_OPT_I32,
	SPEC_OPT_I64,
	SPEC_OPT_U16,
	SPEC_OPT_U32,
	SPEC_OPT_U64,
	SPEC_STR,
	SPEC_STRV,
	SPEC_U32S, /* array of uint32_t; nr_offset is its length, as for SPEC_MAP, SPEC_LIST and SPEC_NAMED */
	SPEC_MAP,      /* of strings, into struct kv */
	SPEC_OBJECT,   /* pointer to a struct of @table */
	SPEC_EMBEDDED, /* the struct itself */
	SPEC_LIST,     /* array of structs of @table */
	SPEC_NAMED, /* an object whose members are structs of @table, each with its key in a leading char * */
};

struct spec_table;

struct spec_field {
	const char *name;
	enum spec_kind kind;
	bool always; /* written even when it is zero, because readers demand it */
	size_t offset, nr_offset;
	const struct spec_table *table;
};

struct spec_table {
	size_t size;
	const struct spec_field *fields;
	size_t nr_fields;
};

extern const struct spec_table spec_table_spec, spec_table_process, spec_table_resources,
	spec_table_state;

int spec_document_parse(const char *data, size_t len, const char *name,
			const struct spec_table *table, struct arena *arena, void **ret,
			struct err *err) must_check;
void spec_object_write(struct json_writer *w, const struct spec_table *table, const void *object);

/* The members of a struct by kind; offsets are applied to the struct's address. */
#define SPEC_AT(type, base, offset) ((type *)(void *)((char *)(base) + (offset)))
#define SPEC_AT_CONST(type, base, offset) \
	((const type *)(const void *)((const char *)(base) + (offset)))
