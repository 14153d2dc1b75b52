/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzzer of the protobuf bridge: the first two bytes choose a message. After an even third one the
 * rest is decoded as it; after an odd one the rest says which of the message's fields are written,
 * and how. What is accepted must encode, and encoding must be stable from there on.
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "common/str.h"
#include "faults.h"
#include "rpc/pb/pb_table.h"
#include "rpc/ttrpc/rpc.h"
#include "steps.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool good)
{
	if (!good)
		__builtin_trap();
}

static const struct pb_type *choose(size_t index)
{
	if (index < pb_catalog_nr_types)
		return pb_catalog_types[index];
	index -= pb_catalog_nr_types;
	const struct rpc_method *method = pb_catalog_methods[index / 2 % pb_catalog_nr_methods];
	return index % 2 ? method->response : method->request;
}

static void emit_varint(struct strbuf *out, uint64_t value)
{
	do {
		uint8_t byte = (value & 0x7f) | (value > 0x7f ? 0x80 : 0);

		if (strbuf_add(out, &byte, 1) < 0)
			return;
		value >>= 7;
	} while (value);
}

static void emit_message(const ProtobufCMessageDescriptor *desc, struct input *in,
			 struct strbuf *out, unsigned depth);

static void emit_bytes(struct strbuf *out, uint64_t tag, const void *data, size_t len)
{
	emit_varint(out, tag << 3 | PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED);
	emit_varint(out, len);
	if (len && strbuf_add(out, data, len) < 0)
		return;
}

static void emit_fixed(const ProtobufCFieldDescriptor *field, uint8_t how, struct strbuf *out)
{
	bool wide = field->type == PROTOBUF_C_TYPE_FIXED64 ||
		    field->type == PROTOBUF_C_TYPE_SFIXED64 ||
		    field->type == PROTOBUF_C_TYPE_DOUBLE;
	static const uint8_t some[16] = { 1, 2, 3 };

	if (how & 8) {
		emit_bytes(out, field->id, some, sizeof(some));
		return;
	}
	emit_varint(out, field->id << 3 |
				 (wide ? PROTOBUF_C_WIRE_TYPE_64BIT : PROTOBUF_C_WIRE_TYPE_32BIT));
	(void)!strbuf_add(out, some, wide ? 8 : 4);
}

static void emit_value(const ProtobufCFieldDescriptor *field, uint8_t how, struct input *in,
		       struct strbuf *out, unsigned depth)
{
	static const uint64_t numbers[] = { 0,	       1,	   3,	      300,
					    INT32_MAX, UINT32_MAX, INT64_MAX, UINT64_MAX };
	cleanup_strbuf struct strbuf inner = STRBUF_NULL;
	uint64_t number = numbers[how & 7];

	switch (field->type) {
	case PROTOBUF_C_TYPE_MESSAGE:
		if (depth < PB_DEPTH_MAX + 2)
			emit_message(field->descriptor, in, &inner, depth + 1);
		emit_bytes(out, field->id, inner.data, inner.len);
		break;
	case PROTOBUF_C_TYPE_STRING:
	case PROTOBUF_C_TYPE_BYTES:
		emit_bytes(out, field->id, &"\0text"[how & 8 ? 0 : 1], how & 7 ? 4 : 0);
		break;
	case PROTOBUF_C_TYPE_FIXED32:
	case PROTOBUF_C_TYPE_FIXED64:
	case PROTOBUF_C_TYPE_DOUBLE:
	case PROTOBUF_C_TYPE_SFIXED32:
	case PROTOBUF_C_TYPE_FLOAT:
	case PROTOBUF_C_TYPE_SFIXED64:
		emit_fixed(field, how, out);
		break;
	default:
		if (how & 8 && field->label == PROTOBUF_C_LABEL_REPEATED) {
			emit_bytes(out, field->id, "\1\2\3", 3);
			break;
		}
		emit_varint(out, field->id << 3 | PROTOBUF_C_WIRE_TYPE_VARINT);
		emit_varint(out, number);
		break;
	}
}

static void emit_message(const ProtobufCMessageDescriptor *desc, struct input *in,
			 struct strbuf *out, unsigned depth)
{
	for (unsigned i = 0; i < desc->n_fields && out->len < 1 << 16; i++) {
		uint8_t how = u8(in);

		for (unsigned n = how >> 4 & 3; n; n--)
			emit_value(&desc->fields[i], how, in, out, depth);
	}
}

static void check_type(const struct pb_type *type, const uint8_t *data, size_t size)
{
	struct arena *arena;
	struct err err = ERR_NULL;
	uint8_t *once, *twice;
	size_t once_len, twice_len;

	if (arena_new(&arena) < 0)
		return;
	void *plain = arena_alloc(arena, pb_type_size(type));
	int r = plain ? pb_decode(type, data, size, arena, plain, &err) : -ENOMEM;
	if (r >= 0) {
		r = pb_encode(type, plain, arena, &once, &once_len);
		plain = r < 0 ? NULL : arena_alloc(arena, pb_type_size(type));
		if (plain && pb_decode(type, once, once_len, arena, plain, &err) >= 0 &&
		    pb_encode(type, plain, arena, &twice, &twice_len) >= 0)
			check(once_len == twice_len && memcmp(once, twice, once_len) == 0);
		else
			check(faults_hit());
	}
	(void)arena_free(arena);
}

/* Third bytes. */
enum { OVER_FIELDS = 0xf1, OVER_LENGTH = 0xf3 };

/* More than a message may have. */
static void exceed(struct strbuf *text, uint8_t what)
{
	static const char field[] = "\x78\x01";
	size_t limit = what == OVER_LENGTH ? RPC_MESSAGE_MAX : text->len + 2UL * RPC_FIELDS_MAX;

	while (text->len <= limit && strbuf_add(text, field, 2) >= 0)
		;
}

static void one(const uint8_t *data, size_t size)
{
	cleanup_strbuf struct strbuf text = STRBUF_NULL;
	struct input in = { data + 3, size - 3 };
	const struct pb_type *type = choose(((size_t)data[0] << 8 | data[1]) %
					    (pb_catalog_nr_types + 2 * pb_catalog_nr_methods));

	if (!type || !(data[2] & 1)) {
		check(type || pb_decode(NULL, data, size, NULL, NULL, NULL) == 0);
		if (type)
			check_type(type, data + 3, size - 3);
		return;
	}
	bool before = faults_hold(true);
	emit_message(type->desc, &in, &text, 1);
	if (data[2] == OVER_LENGTH || data[2] == OVER_FIELDS)
		exceed(&text, data[2]);
	(void)faults_hold(before);
	check_type(type, (const uint8_t *)text.data, text.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size >= 3)
		faults_each(one, data, size);
	return 0;
}
