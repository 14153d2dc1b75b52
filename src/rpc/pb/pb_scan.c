/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The gate before unpacking: one pass over the bytes of a message, without allocating, that bounds
 * the number of fields and the depth and refuses strings with a NUL inside, which the unpacked form
 * could not show any more. It does not judge anything else; what it lets through may still be
 * refused by protobuf-c.
 */
#include "rpc/pb/pb_table.h"

#include <string.h>

enum wire_type { WIRE_VARINT = 0, WIRE_64BIT = 1, WIRE_LENGTH = 2, WIRE_32BIT = 5 };

struct scan {
	const uint8_t *at, *end;
	uint32_t *nr_fields; /* of the whole message, shared by the levels */
	uint32_t max_fields;
	unsigned depth;
};

static int scan_varint(struct scan *s, uint64_t *ret)
{
	uint64_t value = 0;

	for (unsigned shift = 0; shift < 64 && s->at < s->end; shift += 7) {
		uint8_t byte = *s->at++;

		value |= (uint64_t)(byte & 0x7f) << shift;
		if (!(byte & 0x80)) {
			*ret = value;
			return 0;
		}
	}
	return -EBADMSG;
}

static int scan_message(const ProtobufCMessageDescriptor *desc, struct scan *s);

static bool is_fixed(ProtobufCType type, size_t *ret_size)
{
	switch (type) {
	case PROTOBUF_C_TYPE_FIXED32:
	case PROTOBUF_C_TYPE_SFIXED32:
	case PROTOBUF_C_TYPE_FLOAT:
		*ret_size = 4;
		return true;
	case PROTOBUF_C_TYPE_FIXED64:
	case PROTOBUF_C_TYPE_SFIXED64:
	case PROTOBUF_C_TYPE_DOUBLE:
		*ret_size = 8;
		return true;
	default:
		return false;
	}
}

/* Numbers one behind the other: each counts as a field, and takes eight times its byte unpacked. */
static int scan_packed(ProtobufCType type, const uint8_t *data, size_t len, struct scan *s)
{
	size_t nr = 0, size;

	if (is_fixed(type, &size))
		nr = len / size;
	else
		for (size_t i = 0; i < len; i++)
			nr += !(data[i] & 0x80);
	if (nr > s->max_fields - *s->nr_fields)
		return -EMSGSIZE;
	*s->nr_fields += (uint32_t)nr;
	return 0;
}

static int scan_bytes(const ProtobufCFieldDescriptor *field, struct scan *s)
{
	uint64_t len;

	if (scan_varint(s, &len) < 0 || len > (uint64_t)(s->end - s->at))
		return -EBADMSG;
	const uint8_t *data = s->at;
	s->at += len;
	if (!field)
		return 0;
	if (field->type == PROTOBUF_C_TYPE_STRING)
		return memchr(data, 0, len) ? -EBADMSG : 0;
	if (field->type == PROTOBUF_C_TYPE_BYTES)
		return 0;
	if (field->type != PROTOBUF_C_TYPE_MESSAGE)
		return scan_packed(field->type, data, len, s);
	struct scan inner = *s;
	inner.at = data;
	inner.end = data + len;
	inner.depth++;
	return scan_message(field->descriptor, &inner);
}

static int scan_field(const ProtobufCMessageDescriptor *desc, struct scan *s)
{
	uint64_t tag, value;

	if (scan_varint(s, &tag) < 0 || tag >> 3 == 0 || tag > UINT32_MAX)
		return -EBADMSG;
	switch (tag & 7) {
	case WIRE_VARINT:
		return scan_varint(s, &value);
	case WIRE_64BIT:
	case WIRE_32BIT: {
		ptrdiff_t len = (tag & 7) == WIRE_64BIT ? 8 : 4;

		if (s->end - s->at < len)
			return -EBADMSG;
		s->at += len;
		return 0;
	}
	case WIRE_LENGTH:
		return scan_bytes(
			protobuf_c_message_descriptor_get_field(desc, (unsigned)(tag >> 3)), s);
	default:
		return -EBADMSG; /* groups went out of use long before the protocols spoken here */
	}
}

static int scan_message(const ProtobufCMessageDescriptor *desc, struct scan *s)
{
	if (s->depth > PB_DEPTH_MAX)
		return -EMSGSIZE;
	while (s->at < s->end) {
		if (++*s->nr_fields > s->max_fields)
			return -EMSGSIZE;
		int r = scan_field(desc, s);
		if (r < 0)
			return r;
	}
	return 0;
}

/**
 * pb_scan() - check the outer form of a message before it is unpacked
 * @desc: what the message claims to be
 * @data: its bytes
 * @len: their number
 * @max_fields: most fields it may have, with those of messages in it
 * @err: filled on failure
 *
 * Return: 0, -EMSGSIZE beyond a limit, or -EBADMSG.
 */
int pb_scan(const ProtobufCMessageDescriptor *desc, const uint8_t *data, size_t len,
	    uint32_t max_fields, struct err *err)
{
	uint32_t nr_fields = 0;
	/* @data may be NULL when @len is 0, and C forbids to add even 0 to that. */
	struct scan s = { .at = data,
			  .end = len ? data + len : data,
			  .nr_fields = &nr_fields,
			  .max_fields = max_fields };

	if (len > RPC_MESSAGE_MAX)
		return err_set(err, EMSGSIZE, "%s: %zu bytes, the limit is %u", desc->name, len,
			       RPC_MESSAGE_MAX);
	int r = scan_message(desc, &s);
	if (r == -EMSGSIZE)
		return err_set(err, EMSGSIZE, "%s: more than %u fields or deeper than %u",
			       desc->name, max_fields, PB_DEPTH_MAX);
	if (r < 0)
		return err_set(err, EBADMSG, "%s: malformed message", desc->name);
	return 0;
}
