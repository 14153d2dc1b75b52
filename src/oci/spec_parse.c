/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads the OCI runtime specification's documents into the structs of src/oci/oci_spec.h, driven by
 * the tables of spec_fields.c. Members nobody knows are ignored, as the specification demands; a
 * known member of a wrong type is an error that names file, line and path.
 */
#include "oci/spec.h"

#include <errno.h>
#include <string.h>

#include "oci/spec_fields.h"

struct reader {
	struct arena *arena; /* of the structs; the JSON tree lives in another */
	struct err *err;
};

static int read_members(struct reader *rd, const struct json *object,
			const struct spec_table *table, void *base);

/* Pointer fields have many types; copying their bytes is the one access that is legal for all. */
static void *load_pointer(const void *base, size_t offset)
{
	void *p;

	memcpy(&p, (const char *)base + offset, sizeof(p));
	return p;
}

static void store_pointer(void *base, size_t offset, void *p)
{
	memcpy((char *)base + offset, &p, sizeof(p));
}

static int no_memory(struct reader *rd)
{
	return err_set(rd->err, ENOMEM, "out of memory");
}

static int read_string(struct reader *rd, const struct json *node, char **ret)
{
	const char *s;
	int r = json_to_str(node, &s, rd->err);

	if (r < 0)
		return r;
	s = arena_strdup(rd->arena, s);
	if (!s)
		return no_memory(rd);
	*ret = (char *)(uintptr_t)s;
	return 0;
}

static int read_strv(struct reader *rd, const struct json *node, struct strv *strv)
{
	int r = json_expect(node, JSON_ARRAY, rd->err);

	if (r < 0)
		return r;
	json_for_each(item, node) {
		const char *s;

		r = json_to_str(item, &s, rd->err);
		if (r < 0)
			return r;
		if (arena_strv_add(rd->arena, strv, s) < 0)
			return no_memory(rd);
	}
	return 0;
}

static int read_u32s(struct reader *rd, const struct json *node, uint32_t **array, size_t *nr)
{
	int r = json_expect(node, JSON_ARRAY, rd->err);

	if (r < 0)
		return r;
	json_for_each(item, node) {
		uint64_t v;

		r = json_to_u64(item, UINT32_MAX, &v, rd->err);
		if (r < 0)
			return r;
		if (arena_grow(rd->arena, array, nr, sizeof(**array)) < 0)
			return no_memory(rd);
		(*array)[*nr - 1] = (uint32_t)v;
	}
	return 0;
}

static int read_map(struct reader *rd, const struct json *node, struct kv **map, size_t *nr)
{
	int r = json_expect(node, JSON_OBJECT, rd->err);

	if (r < 0)
		return r;
	json_for_each(member, node) {
		struct kv kv = { 0 };

		kv.key = arena_strdup(rd->arena, member->key);
		if (!kv.key)
			return no_memory(rd);
		if (member->type ==
		    JSON_NULL) /* as encoders of other languages write an empty value */
			kv.value = arena_strdup(rd->arena, "");
		else if ((r = read_string(rd, member, &kv.value)) < 0)
			return r;
		if (!kv.value)
			return no_memory(rd);
		if (arena_grow(rd->arena, map, nr, sizeof(kv)) < 0)
			return no_memory(rd);
		(*map)[*nr - 1] = kv;
	}
	return 0;
}

/* An array of structs, from an array or, with the keys kept, from an object. */
static int read_list(struct reader *rd, const struct json *node, const struct spec_field *field,
		     void *base)
{
	void *array = load_pointer(base, field->offset);
	size_t *nr = SPEC_AT(size_t, base, field->nr_offset);
	bool named = field->kind == SPEC_NAMED;
	int r = json_expect(node, named ? JSON_OBJECT : JSON_ARRAY, rd->err);

	if (r < 0)
		return r;
	json_for_each(item, node) {
		void *element;

		if (arena_grow(rd->arena, &array, nr, field->table->size) < 0)
			return no_memory(rd);
		store_pointer(base, field->offset, array);
		element = (char *)array + (*nr - 1) * field->table->size;
		if (named) {
			*(char **)element = arena_strdup(rd->arena, item->key);
			if (!*(char **)element)
				return no_memory(rd);
		}
		r = json_expect(item, JSON_OBJECT, rd->err);
		if (r == 0)
			r = read_members(rd, item, field->table, element);
		if (r < 0)
			return r;
	}
	return 0;
}

static int read_object(struct reader *rd, const struct json *node, const struct spec_field *field,
		       void *base)
{
	void *object = base;
	int r = json_expect(node, JSON_OBJECT, rd->err);

	if (r < 0)
		return r;
	if (field->kind == SPEC_EMBEDDED)
		return read_members(rd, node, field->table, SPEC_AT(char, base, field->offset));
	object = arena_alloc(rd->arena, field->table->size);
	if (!object)
		return no_memory(rd);
	store_pointer(base, field->offset, object);
	return read_members(rd, node, field->table, object);
}

/*
 * Where a scalar of @size bytes goes: into the struct, or for an optional one into memory of its
 * own.
 */
static void *scalar_place(struct reader *rd, const struct spec_field *field, void *base,
			  size_t size)
{
	void *place;

	if (field->kind < SPEC_OPT_BOOL)
		return SPEC_AT(char, base, field->offset);
	place = arena_alloc(rd->arena, size);
	if (!place)
		(void)no_memory(rd);
	store_pointer(base, field->offset, place);
	return place;
}

static int read_signed(struct reader *rd, const struct json *node, const struct spec_field *field,
		       void *base, size_t size)
{
	bool wide = size == sizeof(int64_t);
	void *place;
	int64_t v;
	int r = json_to_i64(node, wide ? INT64_MIN : INT32_MIN, wide ? INT64_MAX : INT32_MAX, &v,
			    rd->err);

	if (r < 0)
		return r;
	place = scalar_place(rd, field, base, size);
	if (!place)
		return -ENOMEM;
	if (wide)
		*(int64_t *)place = v;
	else
		*(int32_t *)place = (int32_t)v;
	return 0;
}

static int read_unsigned(struct reader *rd, const struct json *node, const struct spec_field *field,
			 void *base, size_t size)
{
	void *place;
	uint64_t v;
	int r = json_to_u64(node, UINT64_MAX >> (64 - 8 * size), &v, rd->err);

	if (r < 0)
		return r;
	place = scalar_place(rd, field, base, size);
	if (!place)
		return -ENOMEM;
	if (size == sizeof(uint64_t))
		*(uint64_t *)place = v;
	else if (size == sizeof(uint32_t))
		*(uint32_t *)place = (uint32_t)v;
	else
		*(uint16_t *)place = (uint16_t)v;
	return 0;
}

static int read_bool(struct reader *rd, const struct json *node, const struct spec_field *field,
		     void *base)
{
	bool v, *place;
	int r = json_to_bool(node, &v, rd->err);

	if (r < 0)
		return r;
	place = scalar_place(rd, field, base, sizeof(*place));
	if (!place)
		return -ENOMEM;
	*place = v;
	return 0;
}

static int read_field(struct reader *rd, const struct json *node, const struct spec_field *field,
		      void *base)
{
	switch (field->kind) {
	case SPEC_BOOL:
	case SPEC_OPT_BOOL:
		return read_bool(rd, node, field, base);
	case SPEC_I32:
	case SPEC_OPT_I32:
		return read_signed(rd, node, field, base, sizeof(int32_t));
	case SPEC_I64:
	case SPEC_OPT_I64:
		return read_signed(rd, node, field, base, sizeof(int64_t));
	case SPEC_OPT_U16:
		return read_unsigned(rd, node, field, base, sizeof(uint16_t));
	case SPEC_U32:
	case SPEC_OPT_U32:
		return read_unsigned(rd, node, field, base, sizeof(uint32_t));
	case SPEC_U64:
	case SPEC_OPT_U64:
		return read_unsigned(rd, node, field, base, sizeof(uint64_t));
	case SPEC_STR:
		return read_string(rd, node, SPEC_AT(char *, base, field->offset));
	case SPEC_STRV:
		return read_strv(rd, node, SPEC_AT(struct strv, base, field->offset));
	case SPEC_U32S:
		return read_u32s(rd, node, SPEC_AT(uint32_t *, base, field->offset),
				 SPEC_AT(size_t, base, field->nr_offset));
	case SPEC_MAP:
		return read_map(rd, node, SPEC_AT(struct kv *, base, field->offset),
				SPEC_AT(size_t, base, field->nr_offset));
	case SPEC_OBJECT:
	case SPEC_EMBEDDED:
		return read_object(rd, node, field, base);
	case SPEC_LIST:
	case SPEC_NAMED:
		return read_list(rd, node, field, base);
	}
	return err_set(rd->err, EINVAL, "%s: not a kind of field", field->name);
}

static int read_members(struct reader *rd, const struct json *object,
			const struct spec_table *table, void *base)
{
	for (size_t i = 0; i < table->nr_fields; i++) {
		const struct spec_field *field = &table->fields[i];
		const struct json *node = json_get(object, field->name);
		int r = node ? read_field(rd, node, field, base) : 0;

		if (r < 0)
			return r;
	}
	return 0;
}

/**
 * spec_document_parse() - read a JSON document into a struct
 * @data: its text
 * @len: length of it
 * @name: what errors call it
 * @table: describes the struct
 * @arena: receives the struct
 * @ret: the struct
 * @err: receives the reason, with line and path
 *
 * Return: 0, -EINVAL, -E2BIG or -ENOMEM.
 */
int spec_document_parse(const char *data, size_t len, const char *name,
			const struct spec_table *table, struct arena *arena, void **ret,
			struct err *err)
{
	const struct json_limits limits = { .max_len = OCI_SPEC_MAX,
					    .max_nodes = 1 << 18,
					    .max_depth = 32 };
	struct reader rd = { .arena = arena, .err = err };
	cleanup_arena struct arena *scratch = NULL;
	struct json *root;
	void *object = arena_alloc(arena, table->size);
	int r;

	if (!object || arena_new(&scratch) < 0)
		return no_memory(&rd);
	r = json_parse(scratch, data, len, name, &limits, &root, err);
	if (r == 0)
		r = json_expect(root, JSON_OBJECT, err);
	if (r == 0)
		r = read_members(&rd, root, table, object);
	if (r < 0)
		return r;
	*ret = object;
	return 0;
}

/**
 * oci_spec_parse() - read a config.json from memory
 * @data: its text
 * @len: length of it
 * @name: what errors call it
 * @arena: receives the structs
 * @ret: the specification; types are checked, contents are not
 * @err: receives the reason, with line and path
 *
 * Return: 0, -EINVAL, -E2BIG or -ENOMEM.
 */
int oci_spec_parse(const char *data, size_t len, const char *name, struct arena *arena,
		   struct oci_spec **ret, struct err *err)
{
	void *object;
	int r = spec_document_parse(data, len, name, &spec_table_spec, arena, &object, err);

	if (r == 0)
		*ret = object;
	return r;
}

/**
 * oci_process_parse() - read one "process" object, as `exec --process` and the Exec request carry
 * it
 * @data: its text
 * @len: length of it
 * @name: what errors call it
 * @arena: receives the structs
 * @ret: the process
 * @err: receives the reason, with line and path
 *
 * Return: 0, -EINVAL, -E2BIG or -ENOMEM.
 */
int oci_process_parse(const char *data, size_t len, const char *name, struct arena *arena,
		      struct oci_process **ret, struct err *err)
{
	void *object;
	int r = spec_document_parse(data, len, name, &spec_table_process, arena, &object, err);

	if (r == 0)
		*ret = object;
	return r;
}

/**
 * oci_resources_parse() - read one "resources" object, as `update --resources` and the Update
 * request carry it
 * @data: its text
 * @len: length of it
 * @name: what errors call it
 * @arena: receives the structs
 * @ret: the resources
 * @err: receives the reason, with line and path
 *
 * Return: 0, -EINVAL, -E2BIG or -ENOMEM.
 */
int oci_resources_parse(const char *data, size_t len, const char *name, struct arena *arena,
			struct oci_resources **ret, struct err *err)
{
	void *object;
	int r = spec_document_parse(data, len, name, &spec_table_resources, arena, &object, err);

	if (r == 0)
		*ret = object;
	return r;
}
