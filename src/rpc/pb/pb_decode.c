/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Protobuf bytes to plain structs. What a peer sends is scanned first (rpc/pb/pb_scan.c), then
 * unpacked by protobuf-c under a memory budget, then copied into the caller's arena.
 */
#include "rpc/pb/pb_scalar.h"

#include <string.h>

#include "common/str.h"

/* A field being read: both descriptions and both places. */
struct take {
	struct arena *arena;
	const struct pb_type *type;
	const struct pb_field *field;
	const ProtobufCFieldDescriptor *desc;
	const uint8_t *message;
	uint8_t *plain; /* the struct, not the member */
};

static int take_message(struct arena *arena, const struct pb_type *type,
			const ProtobufCMessage *message, uint8_t *plain);

static const void *wire_place(const struct take *t)
{
	return t->message + t->desc->offset;
}

static void set_pointer(const struct take *t, const void *value)
{
	memcpy(t->plain + t->field->offset, &value, sizeof(value));
}

static void set_count(const struct take *t, size_t count)
{
	memcpy(t->plain + t->field->count_offset, &count, sizeof(count));
}

static size_t wire_count(const struct take *t)
{
	size_t count;

	memcpy(&count, t->message + t->desc->quantifier_offset, sizeof(count));
	return count;
}

static bool oneof_is_set(const struct take *t)
{
	uint32_t which;

	memcpy(&which, t->message + t->desc->quantifier_offset, sizeof(which));
	return which == t->desc->id;
}

static int take_value(const struct take *t)
{
	bool oneof = t->desc->flags & PROTOBUF_C_FIELD_FLAG_ONEOF;

	if (oneof && !oneof_is_set(t))
		return 0;
	if (t->field->ctype != PB_C_STRING)
		return pb_scalar_to_plain(t->desc->type, wire_place(t), t->field->ctype,
					  t->plain + t->field->offset);
	const char *s = *(char *const *)wire_place(t);
	if (str_empty(s) && t->type->null_strings)
		return 0;
	char *copy = arena_strdup(t->arena, s ? s : "");
	if (!copy)
		return -ENOMEM;
	set_pointer(t, copy);
	return 0;
}

/* Is a scalar that reads 0 named in the message's list of present zeros? */
static bool is_present_zero(const struct take *t)
{
	for (size_t i = 0; i < t->type->nr_fields; i++) {
		struct take zeros = *t;

		if (t->type->fields[i].shape != PB_SHAPE_ZEROS)
			continue;
		zeros.desc = protobuf_c_message_descriptor_get_field(t->type->desc,
								     t->type->fields[i].number);
		const uint32_t *v = *(uint32_t *const *)wire_place(&zeros);
		for (size_t j = 0; j < wire_count(&zeros) && j < t->type->nr_fields; j++)
			if (v[j] == t->field->number)
				return true;
	}
	return false;
}

static int take_optional(const struct take *t)
{
	bool oneof = t->desc->flags & PROTOBUF_C_FIELD_FLAG_ONEOF;
	bool present = oneof ? oneof_is_set(t)
			     : !pb_wire_scalar_is_zero(t->desc->type, wire_place(t)) ||
				       is_present_zero(t);

	if (!present)
		return 0;
	void *value = arena_alloc(t->arena, pb_plain_scalar_size(t->field->ctype));
	if (!value)
		return -ENOMEM;
	int r = pb_scalar_to_plain(t->desc->type, wire_place(t), t->field->ctype, value);
	if (r < 0)
		return r;
	set_pointer(t, value);
	return 0;
}

static int take_strv(const struct take *t)
{
	char *const *from = *(char *const *const *)wire_place(t);
	struct strv strv = { .nr = wire_count(t) };

	if (strv.nr == 0)
		return 0;
	strv.v = arena_calloc(t->arena, strv.nr + 1, sizeof(*strv.v));
	if (!strv.v)
		return -ENOMEM;
	for (size_t i = 0; i < strv.nr; i++) {
		strv.v[i] = arena_strdup(t->arena, from[i]);
		if (!strv.v[i])
			return -ENOMEM;
	}
	memcpy(t->plain + t->field->offset, &strv, sizeof(strv));
	return 0;
}

static int take_bytes(const struct take *t)
{
	const ProtobufCBinaryData *bytes = wire_place(t);

	if (bytes->len == 0)
		return 0;
	void *copy = arena_memdup(t->arena, bytes->data, bytes->len);
	if (!copy)
		return -ENOMEM;
	set_pointer(t, copy);
	set_count(t, bytes->len);
	return 0;
}

static int take_list(const struct take *t)
{
	size_t to_size = pb_plain_scalar_size(t->field->ctype),
	       from_size = pb_wire_scalar_size(t->desc->type);
	const uint8_t *from = *(uint8_t *const *)wire_place(t);
	size_t nr = wire_count(t);

	if (nr == 0)
		return 0;
	uint8_t *to = arena_calloc(t->arena, nr, to_size);
	if (!to)
		return -ENOMEM;
	for (size_t i = 0; i < nr; i++) {
		int r = pb_scalar_to_plain(t->desc->type, from + i * from_size, t->field->ctype,
					   to + i * to_size);
		if (r < 0)
			return r;
	}
	set_pointer(t, to);
	set_count(t, nr);
	return 0;
}

static int take_one(const struct take *t)
{
	const ProtobufCMessage *from = *(ProtobufCMessage *const *)wire_place(t);

	if (t->field->shape == PB_SHAPE_EMBEDDED)
		return take_message(t->arena, t->field->type, from, t->plain + t->field->offset);
	if (!from)
		return 0;
	void *to = arena_alloc(t->arena, t->field->type->size);
	if (!to)
		return -ENOMEM;
	set_pointer(t, to);
	return take_message(t->arena, t->field->type, from, to);
}

static int take_many(const struct take *t)
{
	ProtobufCMessage *const *from = *(ProtobufCMessage *const *const *)wire_place(t);
	size_t nr = wire_count(t);

	if (nr == 0)
		return 0;
	uint8_t *to = arena_calloc(t->arena, nr, t->field->type->size);
	if (!to)
		return -ENOMEM;
	for (size_t i = 0; i < nr; i++) {
		int r = take_message(t->arena, t->field->type, from[i],
				     to + i * t->field->type->size);
		if (r < 0)
			return r;
	}
	set_pointer(t, to);
	set_count(t, nr);
	return 0;
}

static int take_field(struct take *t)
{
	t->desc = protobuf_c_message_descriptor_get_field(t->type->desc, t->field->number);
	if (!t->desc)
		return -EINVAL; /* pb_type_check() excludes it */
	switch ((enum pb_shape)t->field->shape) {
	case PB_SHAPE_VALUE:
		return take_value(t);
	case PB_SHAPE_OPTIONAL:
		return take_optional(t);
	case PB_SHAPE_STRV:
		return take_strv(t);
	case PB_SHAPE_BYTES:
		return take_bytes(t);
	case PB_SHAPE_LIST:
		return take_list(t);
	case PB_SHAPE_MESSAGE:
	case PB_SHAPE_EMBEDDED:
		return take_one(t);
	case PB_SHAPE_MESSAGES:
		return take_many(t);
	case PB_SHAPE_ZEROS:
	case PB_SHAPE_IGNORED:
		return 0;
	}
	return -EINVAL;
}

/* @message may be NULL: an absent embedded message still gets its empty strings. */
static int take_message(struct arena *arena, const struct pb_type *type,
			const ProtobufCMessage *message, uint8_t *plain)
{
	ProtobufCMessage *empty = NULL;

	if (!message) {
		empty = arena_alloc(arena, type->desc->sizeof_message);
		if (!empty)
			return -ENOMEM;
		protobuf_c_message_init(type->desc, empty);
		message = empty;
	}
	for (size_t i = 0; i < type->nr_fields; i++) {
		struct take t = { .arena = arena,
				  .type = type,
				  .field = &type->fields[i],
				  .message = (const uint8_t *)message,
				  .plain = plain };
		int r = take_field(&t);

		if (r < 0)
			return r;
	}
	return 0;
}

/*
 * Counts what is ever allocated, not what is held: it bounds the work of merging repeated
 * sub-messages as well.
 */
struct budget {
	size_t left;
};

static void *budget_alloc(void *data, size_t size)
{
	struct budget *budget = data;

	if (size > budget->left)
		return NULL;
	budget->left -= size;
	return malloc(size);
}

static void budget_free(void *data, void *p)
{
	(void)data;
	free(p);
}

/**
 * pb_decode() - turn protobuf bytes into a plain struct
 * @type: what they should be; NULL accepts anything and gives nothing
 * @data: bytes from a peer
 * @len: their number
 * @arena: receives the parts of the struct, which do not refer to @data
 * @plain: zeroed struct of pb_type_size() bytes
 * @err: filled on failure
 *
 * Unknown fields are skipped.
 *
 * Return: 0, -ENOMEM, -EMSGSIZE beyond a limit, -ERANGE for a number its member cannot hold, or
 * -EBADMSG.
 */
int pb_decode(const struct pb_type *type, const uint8_t *data, size_t len, struct arena *arena,
	      void *plain, struct err *err)
{
	return pb_decode_within(type, data, len, RPC_FIELDS_MAX, arena, plain, err);
}

/**
 * pb_decode_within() - as pb_decode(), of a peer that may say less
 * @type: what they should be; NULL accepts anything and gives nothing
 * @data: bytes from a peer
 * @len: their number
 * @max_fields: most fields that are accepted, which bounds the time that it takes
 * @arena: receives the parts of the struct, which do not refer to @data
 * @plain: zeroed struct of pb_type_size() bytes
 * @err: filled on failure
 *
 * Return: as pb_decode().
 */
int pb_decode_within(const struct pb_type *type, const uint8_t *data, size_t len,
		     uint32_t max_fields, struct arena *arena, void *plain, struct err *err)
{
	if (!type)
		return 0;
	int r = pb_scan(type->desc, data, len, max_fields, err);
	if (r < 0)
		return r;
	struct budget budget = { .left = MIN((size_t)65536 + len * 32, PB_UNPACK_MAX) };
	ProtobufCAllocator allocator = { .alloc = budget_alloc,
					 .free = budget_free,
					 .allocator_data = &budget };
	ProtobufCMessage *message = protobuf_c_message_unpack(type->desc, &allocator, len, data);
	if (!message)
		return err_set(err, EBADMSG, "%s: malformed message", type->desc->name);
	r = take_message(arena, type, message, plain);
	protobuf_c_message_free_unpacked(message, &allocator);
	if (r < 0)
		return err_set_errno(err, r, "%s", type->desc->name);
	return 0;
}
