/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Plain structs to protobuf bytes: builds the protobuf-c message in an arena, guided by the type's
 * table, and packs it. Strings and bytes are borrowed from the plain struct, not copied.
 */
#include "rpc/pb/pb_scalar.h"

#include <string.h>

#include "common/str.h"

/* A field being built: both descriptions and both places. */
struct build {
	struct arena *arena;
	const struct pb_field *field;
	const ProtobufCFieldDescriptor *desc;
	const uint8_t *plain; /* the member */
	size_t count;	      /* of lists and bytes */
	uint8_t *message;     /* the protobuf-c message that contains the field */
};

static int build_message(struct arena *arena, const struct pb_type *type, const void *plain,
			 ProtobufCMessage **ret);

static void *wire_place(const struct build *b)
{
	return b->message + b->desc->offset;
}

/*
 * What protobuf-c calls the quantifier: the number of elements, or which member of a oneof is set.
 */
static void set_count(const struct build *b, size_t count)
{
	memcpy(b->message + b->desc->quantifier_offset, &count, sizeof(count));
}

static void set_present(const struct build *b)
{
	uint32_t id = b->desc->id;

	if (b->desc->flags & PROTOBUF_C_FIELD_FLAG_ONEOF)
		memcpy(b->message + b->desc->quantifier_offset, &id, sizeof(id));
}

static int build_value(const struct build *b)
{
	if (b->field->ctype == PB_C_STRING) {
		const char *s = *(char *const *)b->plain;

		if (!s)
			return 0; /* the message was initialised with the empty string */
		memcpy(wire_place(b), &s, sizeof(s));
		set_present(b);
		return 0;
	}
	set_present(b);
	return pb_scalar_to_wire(b->field->ctype, b->plain, b->desc->type, wire_place(b));
}

static int build_optional(const struct build *b)
{
	const void *value = *(void *const *)b->plain;

	if (!value)
		return 0;
	set_present(b);
	return pb_scalar_to_wire(b->field->ctype, value, b->desc->type, wire_place(b));
}

static int build_strv(const struct build *b)
{
	const struct strv *strv = (const struct strv *)b->plain;

	if (strv->nr == 0)
		return 0;
	const char **v = arena_calloc(b->arena, strv->nr, sizeof(*v));
	if (!v)
		return -ENOMEM;
	for (size_t i = 0; i < strv->nr; i++)
		v[i] = strv->v[i] ? strv->v[i] : "";
	memcpy(wire_place(b), &v, sizeof(v));
	set_count(b, strv->nr);
	return 0;
}

static int build_bytes(const struct build *b)
{
	ProtobufCBinaryData bytes = { .len = b->count, .data = *(uint8_t *const *)b->plain };

	memcpy(wire_place(b), &bytes, sizeof(bytes));
	return 0;
}

static int build_list(const struct build *b)
{
	size_t from_size = pb_plain_scalar_size(b->field->ctype),
	       to_size = pb_wire_scalar_size(b->desc->type);
	const uint8_t *from = *(uint8_t *const *)b->plain;

	if (b->count == 0)
		return 0;
	uint8_t *to = arena_calloc(b->arena, b->count, to_size);
	if (!to)
		return -ENOMEM;
	for (size_t i = 0; i < b->count; i++) {
		int r = pb_scalar_to_wire(b->field->ctype, from + i * from_size, b->desc->type,
					  to + i * to_size);
		if (r < 0)
			return r;
	}
	memcpy(wire_place(b), &to, sizeof(to));
	set_count(b, b->count);
	return 0;
}

static int build_one(const struct build *b)
{
	bool embedded = b->field->shape == PB_SHAPE_EMBEDDED;
	const void *plain = embedded ? b->plain : *(void *const *)b->plain;
	ProtobufCMessage *message;

	if (!plain)
		return 0;
	int r = build_message(b->arena, b->field->type, plain, &message);
	if (r < 0)
		return r;
	if (embedded && protobuf_c_message_get_packed_size(message) == 0)
		return 0;
	memcpy(wire_place(b), &message, sizeof(message));
	return 0;
}

static int build_many(const struct build *b)
{
	const uint8_t *from = *(uint8_t *const *)b->plain;

	if (b->count == 0)
		return 0;
	ProtobufCMessage **to = arena_calloc(b->arena, b->count, sizeof(ProtobufCMessage *));
	if (!to)
		return -ENOMEM;
	for (size_t i = 0; i < b->count; i++) {
		int r = build_message(b->arena, b->field->type, from + i * b->field->type->size,
				      &to[i]);
		if (r < 0)
			return r;
	}
	memcpy(wire_place(b), &to, sizeof(to));
	set_count(b, b->count);
	return 0;
}

/* Lists the optional scalars that are present and 0, which the message by itself cannot say. */
static int build_zeros(const struct build *b, const struct pb_type *type, const uint8_t *plain)
{
	uint32_t *zeros = arena_calloc(b->arena, type->nr_fields, sizeof(*zeros));
	size_t nr = 0;

	if (!zeros)
		return -ENOMEM;
	for (size_t i = 0; i < type->nr_fields; i++) {
		const struct pb_field *field = &type->fields[i];
		const ProtobufCFieldDescriptor *desc =
			protobuf_c_message_descriptor_get_field(type->desc, field->number);

		if (field->shape == PB_SHAPE_OPTIONAL && *(void *const *)(plain + field->offset) &&
		    pb_wire_scalar_is_zero(desc->type, b->message + desc->offset))
			zeros[nr++] = field->number;
	}
	if (nr > 0) {
		memcpy(wire_place(b), &zeros, sizeof(zeros));
		set_count(b, nr);
	}
	return 0;
}

static int build_field(struct build *b, const struct pb_type *type, const uint8_t *plain)
{
	b->desc = protobuf_c_message_descriptor_get_field(type->desc, b->field->number);
	if (!b->desc)
		return -EINVAL; /* pb_type_check() excludes it */
	b->plain = plain + b->field->offset;
	b->count = b->field->count_offset ? *(const size_t *)(plain + b->field->count_offset) : 0;
	switch ((enum pb_shape)b->field->shape) {
	case PB_SHAPE_VALUE:
		return build_value(b);
	case PB_SHAPE_OPTIONAL:
		return build_optional(b);
	case PB_SHAPE_STRV:
		return build_strv(b);
	case PB_SHAPE_BYTES:
		return build_bytes(b);
	case PB_SHAPE_LIST:
		return build_list(b);
	case PB_SHAPE_MESSAGE:
	case PB_SHAPE_EMBEDDED:
		return build_one(b);
	case PB_SHAPE_MESSAGES:
		return build_many(b);
	case PB_SHAPE_ZEROS:
		return build_zeros(b, type, plain);
	case PB_SHAPE_IGNORED:
		return 0;
	}
	return -EINVAL;
}

static int build_message(struct arena *arena, const struct pb_type *type, const void *plain,
			 ProtobufCMessage **ret)
{
	ProtobufCMessage *message = arena_alloc(arena, type->desc->sizeof_message);

	if (!message)
		return -ENOMEM;
	protobuf_c_message_init(type->desc, message);
	/* Tables keep a type's PB_ZEROS last: it looks at what the other fields became. */
	for (size_t i = 0; i < type->nr_fields; i++) {
		struct build b = { .arena = arena,
				   .field = &type->fields[i],
				   .message = (uint8_t *)message };
		int r = build_field(&b, type, plain);

		if (r < 0)
			return r;
	}
	*ret = message;
	return 0;
}

/**
 * pb_encode() - turn a plain struct into protobuf bytes
 * @type: its type; NULL gives an empty message
 * @plain: the struct
 * @arena: receives the bytes and scratch data
 * @ret: receives the bytes
 * @ret_len: receives their number
 *
 * Return: 0, -ENOMEM, -ERANGE for a number its field cannot hold, or -EMSGSIZE beyond
 * RPC_MESSAGE_MAX.
 */
int pb_encode(const struct pb_type *type, const void *plain, struct arena *arena, uint8_t **ret,
	      size_t *ret_len)
{
	ProtobufCMessage *message;
	size_t len = 0;

	if (type) {
		int r = build_message(arena, type, plain, &message);
		if (r < 0)
			return r;
		len = protobuf_c_message_get_packed_size(message);
	}
	if (len > RPC_MESSAGE_MAX)
		return -EMSGSIZE;
	uint8_t *data = arena_alloc(arena, len ? len : 1);
	if (!data)
		return -ENOMEM;
	if (type)
		(void)protobuf_c_message_pack(message, data); /* returns len again */
	*ret = data;
	*ret_len = len;
	return 0;
}
