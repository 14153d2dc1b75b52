/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reverse of spec_parse.c: structs to JSON, driven by the same tables. What is absent is not
 * written, so that reading the result gives the same structs.
 */
#include "oci/spec.h"

#include <errno.h>
#include <string.h>

#include "oci/spec_fields.h"

static const void *pointer_at(const void *base, size_t offset)
{
	const void *p;

	memcpy(&p, (const char *)base + offset, sizeof(p)); /* pointer fields have many types */
	return p;
}

/* The scalar itself, or NULL when there is nothing to write. */
static const void *scalar_at(const struct spec_field *field, const void *base, size_t size)
{
	static const char zero[sizeof(uint64_t)];
	const void *place;

	if (field->kind >= SPEC_OPT_BOOL)
		return pointer_at(base, field->offset);
	place = SPEC_AT_CONST(char, base, field->offset);
	return field->always || memcmp(place, zero, size) ? place : NULL;
}

static void write_signed(struct json_writer *w, const struct spec_field *field, const void *base,
			 size_t size)
{
	const void *place = scalar_at(field, base, size);

	if (place)
		json_member_int(w, field->name,
				size == sizeof(int64_t) ? *(const int64_t *)place
							: *(const int32_t *)place);
}

static void write_unsigned(struct json_writer *w, const struct spec_field *field, const void *base,
			   size_t size)
{
	const void *place = scalar_at(field, base, size);

	if (!place)
		return;
	if (size == sizeof(uint64_t))
		json_member_uint(w, field->name, *(const uint64_t *)place);
	else if (size == sizeof(uint32_t))
		json_member_uint(w, field->name, *(const uint32_t *)place);
	else
		json_member_uint(w, field->name, *(const uint16_t *)place);
}

static void write_u32s(struct json_writer *w, const char *name, const uint32_t *array, size_t nr)
{
	if (!nr)
		return;
	json_member_array(w, name);
	for (size_t i = 0; i < nr; i++)
		json_put_uint(w, array[i]);
	json_array_end(w);
}

static void write_list(struct json_writer *w, const struct spec_field *field, const void *base)
{
	const char *element = pointer_at(base, field->offset);
	size_t nr = *SPEC_AT_CONST(size_t, base, field->nr_offset);

	if (!nr)
		return;
	if (field->kind == SPEC_LIST)
		json_member_array(w, field->name);
	else
		json_member_object(w, field->name);
	for (size_t i = 0; i < nr; i++, element += field->table->size) {
		if (field->kind == SPEC_NAMED)
			json_put_key(w, pointer_at(element, 0));
		spec_object_write(w, field->table, element);
	}
	if (field->kind == SPEC_LIST)
		json_array_end(w);
	else
		json_object_end(w);
}

static void write_object(struct json_writer *w, const struct spec_field *field, const void *base)
{
	const void *object = field->kind == SPEC_EMBEDDED ? SPEC_AT_CONST(char, base, field->offset)
							  : pointer_at(base, field->offset);

	if (!object)
		return;
	json_put_key(w, field->name);
	spec_object_write(w, field->table, object);
}

static void write_field(struct json_writer *w, const struct spec_field *field, const void *base)
{
	const bool *b;

	switch (field->kind) {
	case SPEC_BOOL:
	case SPEC_OPT_BOOL:
		b = scalar_at(field, base, sizeof(*b));
		if (b)
			json_member_bool(w, field->name, *b);
		break;
	case SPEC_I32:
	case SPEC_OPT_I32:
		write_signed(w, field, base, sizeof(int32_t));
		break;
	case SPEC_I64:
	case SPEC_OPT_I64:
		write_signed(w, field, base, sizeof(int64_t));
		break;
	case SPEC_OPT_U16:
		write_unsigned(w, field, base, sizeof(uint16_t));
		break;
	case SPEC_U32:
	case SPEC_OPT_U32:
		write_unsigned(w, field, base, sizeof(uint32_t));
		break;
	case SPEC_U64:
	case SPEC_OPT_U64:
		write_unsigned(w, field, base, sizeof(uint64_t));
		break;
	case SPEC_STR:
		json_member_str(w, field->name, *SPEC_AT_CONST(char *, base, field->offset));
		break;
	case SPEC_STRV:
		json_member_strv(w, field->name, SPEC_AT_CONST(struct strv, base, field->offset));
		break;
	case SPEC_U32S:
		write_u32s(w, field->name, *SPEC_AT_CONST(uint32_t *, base, field->offset),
			   *SPEC_AT_CONST(size_t, base, field->nr_offset));
		break;
	case SPEC_MAP:
		json_member_map(w, field->name, *SPEC_AT_CONST(struct kv *, base, field->offset),
				*SPEC_AT_CONST(size_t, base, field->nr_offset));
		break;
	case SPEC_OBJECT:
	case SPEC_EMBEDDED:
		write_object(w, field, base);
		break;
	case SPEC_LIST:
	case SPEC_NAMED:
		write_list(w, field, base);
		break;
	}
}

/**
 * spec_object_write() - write one struct as a JSON object
 * @w: writer, where a value may stand
 * @table: describes the struct
 * @object: the struct
 */
void spec_object_write(struct json_writer *w, const struct spec_table *table, const void *object)
{
	json_object(w);
	for (size_t i = 0; i < table->nr_fields; i++)
		write_field(w, &table->fields[i], object);
	json_object_end(w);
}

/**
 * oci_spec_write() - write a specification as config.json has it
 * @w: writer, where a value may stand
 * @spec: the specification
 */
void oci_spec_write(struct json_writer *w, const struct oci_spec *spec)
{
	spec_object_write(w, &spec_table_spec, spec);
}

/**
 * oci_process_write() - write one process, as the Exec request carries it
 * @w: writer, where a value may stand
 * @process: the process
 */
void oci_process_write(struct json_writer *w, const struct oci_process *process)
{
	spec_object_write(w, &spec_table_process, process);
}

/**
 * oci_resources_write() - write resources, as the Update request carries them
 * @w: writer, where a value may stand
 * @resources: the resources
 */
void oci_resources_write(struct json_writer *w, const struct oci_resources *resources)
{
	spec_object_write(w, &spec_table_resources, resources);
}

/**
 * oci_spec_format() - a whole config.json as text
 * @spec: the specification
 * @indent: blanks per level, 0 for one line
 * @out: buffer it is appended to
 *
 * Return: 0 or -ENOMEM.
 */
int oci_spec_format(const struct oci_spec *spec, unsigned indent, struct strbuf *out)
{
	struct json_writer w;

	json_writer_init(&w, out, indent);
	oci_spec_write(&w, spec);
	return json_writer_finish(&w);
}
