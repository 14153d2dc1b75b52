/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DOC: Protobuf and plain structs
 *
 * Logic never sees generated code. For every message there is a plain struct (the _msg.h headers)
 * and a table that binds its members to field numbers (rpc/pb/pb_<protocol>.c); two walkers over
 * those tables do all conversion (rpc/pb/pb_encode.c, rpc/pb/pb_decode.c), and pb_type_check() here
 * proves a table complete and its types compatible, so that a field added to a .proto or a changed
 * member is noticed by the unit tests and not by a peer.
 */
#include "rpc/pb/pb_bridge.h"

#include <string.h>
#include <time.h>

#include "common/str.h"
#include "rpc/pb/pb_scalar.h"

/**
 * pb_type_size() - size of the plain struct
 * @type: its type, or NULL for a message without fields
 *
 * Return: bytes.
 */
size_t pb_type_size(const struct pb_type *type)
{
	return type ? type->size : 0;
}

static bool has_zeros(const struct pb_type *type)
{
	return type->nr_fields > 0 && type->fields[type->nr_fields - 1].shape == PB_SHAPE_ZEROS;
}

static bool field_fits(const struct pb_type *type, const struct pb_field *field,
		       const ProtobufCFieldDescriptor *desc)
{
	bool list = desc->label == PROTOBUF_C_LABEL_REPEATED;
	/*
	 * Scalars of proto3 have no label: absent and 0 are the same, unless they are in a oneof.
	 */
	bool plain = desc->label == PROTOBUF_C_LABEL_NONE;
	bool oneof = desc->flags & PROTOBUF_C_FIELD_FLAG_ONEOF;

	switch ((enum pb_shape)field->shape) {
	case PB_SHAPE_VALUE:
		if (field->ctype == PB_C_STRING)
			return desc->type == PROTOBUF_C_TYPE_STRING && !list;
		return plain && !oneof && pb_scalar_fits(field->ctype, desc->type);
	case PB_SHAPE_OPTIONAL:
		return !list && (oneof || (plain && has_zeros(type))) &&
		       pb_scalar_fits(field->ctype, desc->type);
	case PB_SHAPE_STRV:
		return list && desc->type == PROTOBUF_C_TYPE_STRING;
	case PB_SHAPE_BYTES:
		return !list && !oneof && desc->type == PROTOBUF_C_TYPE_BYTES;
	case PB_SHAPE_LIST:
		return list && pb_scalar_fits(field->ctype, desc->type);
	case PB_SHAPE_MESSAGE:
	case PB_SHAPE_EMBEDDED:
		return !list && !oneof && desc->type == PROTOBUF_C_TYPE_MESSAGE &&
		       field->type->desc == desc->descriptor;
	case PB_SHAPE_MESSAGES:
		return list && desc->type == PROTOBUF_C_TYPE_MESSAGE &&
		       field->type->desc == desc->descriptor;
	case PB_SHAPE_ZEROS:
		return has_zeros(type) && list && desc->type == PROTOBUF_C_TYPE_UINT32;
	case PB_SHAPE_IGNORED:
		return true;
	}
	return false;
}

/**
 * pb_type_check() - prove a table against the generated descriptor
 * @type: type to check, with all it contains
 * @err: filled on failure
 *
 * Return: 0, or -EINVAL naming the first message and field that do not match.
 */
int pb_type_check(const struct pb_type *type, struct err *err)
{
	for (size_t i = 0; i < type->nr_fields; i++) {
		const struct pb_field *field = &type->fields[i];
		const ProtobufCFieldDescriptor *desc =
			protobuf_c_message_descriptor_get_field(type->desc, field->number);

		if (!desc)
			return err_set(err, EINVAL, "%s has no field %u", type->desc->name,
				       field->number);
		for (size_t j = 0; j < i; j++)
			if (type->fields[j].number == field->number)
				return err_set(err, EINVAL, "%s: field %u is bound twice",
					       type->desc->name, field->number);
		if (!field_fits(type, field, desc))
			return err_set(err, EINVAL, "%s: the member bound to %s has another type",
				       type->desc->name, desc->name);
		if (field->type) {
			int r = pb_type_check(field->type, err);
			if (r < 0)
				return r;
		}
	}
	if (type->nr_fields != type->desc->n_fields)
		return err_set(err, EINVAL, "%s: %u fields, %zu bound", type->desc->name,
			       type->desc->n_fields, type->nr_fields);
	return 0;
}

/**
 * pb_any_is() - does an Any hold a message of this type
 * @any: from a peer
 * @type: the type asked for
 *
 * The type URL may be the bare full name or end in it after a '/'.
 *
 * Return: true when it does.
 */
bool pb_any_is(const struct pb_any *any, const struct pb_type *type)
{
	const char *slash = any->type_url ? strrchr(any->type_url, '/') : NULL;

	return str_eq(slash ? slash + 1 : any->type_url, type->desc->name);
}

/**
 * pb_any_pack() - put a message into an Any
 * @arena: receives the encoded message
 * @type: its type
 * @plain: the message
 * @ret: receives the Any; its type URL is the bare full name, as containerd expects
 *
 * Return: 0 or the error of pb_encode().
 */
int pb_any_pack(struct arena *arena, const struct pb_type *type, const void *plain,
		struct pb_any *ret)
{
	uint8_t *value;
	size_t len;
	int r = pb_encode(type, plain, arena, &value, &len);

	if (r < 0)
		return r;
	*ret = (struct pb_any){ .type_url = type->desc->name, .value = value, .value_len = len };
	return 0;
}

/**
 * pb_any_unpack_for_test() - read the message in an Any
 * @any: from a peer
 * @type: what it must be
 * @arena: receives the parts of the struct
 * @plain: zeroed struct
 * @err: filled on failure
 *
 * Return: 0, -EINVAL for another type, or the error of pb_decode().
 */
int pb_any_unpack_for_test(const struct pb_any *any, const struct pb_type *type,
			   struct arena *arena, void *plain, struct err *err)
{
	if (!pb_any_is(any, type))
		return err_set(err, EINVAL, "a %s was expected, not \"%.128s\"", type->desc->name,
			       any->type_url ? any->type_url : "");
	return pb_decode(type, any->value, any->value_len, arena, plain, err);
}

/**
 * pb_timestamp_now() - the time of day for a message
 *
 * Return: it.
 */
struct pb_timestamp pb_timestamp_now(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_REALTIME, &ts); /* cannot fail for this clock */
	return (struct pb_timestamp){ .seconds = ts.tv_sec, .nanos = (int32_t)ts.tv_nsec };
}
