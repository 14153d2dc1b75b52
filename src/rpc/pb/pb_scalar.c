/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scalars between the plain structs and protobuf-c. The OCI structs and Kata's messages disagree
 * about some widths (int32 and int64, uint16 and uint32), so every integer goes through a type that
 * holds them all and is checked against the range of where it goes.
 */
#include "rpc/pb/pb_scalar.h"

#include <string.h>

/* Holds every int64_t and every uint64_t. */
typedef __int128 pb_wide;

struct int_range {
	size_t size;
	pb_wide min, max;
};

static struct int_range plain_range(enum pb_ctype ctype)
{
	switch (ctype) {
	case PB_C_U16:
		return (struct int_range){ 2, 0, UINT16_MAX };
	case PB_C_U32:
		return (struct int_range){ 4, 0, UINT32_MAX };
	case PB_C_I32:
		return (struct int_range){ 4, INT32_MIN, INT32_MAX };
	case PB_C_U64:
		return (struct int_range){ 8, 0, UINT64_MAX };
	case PB_C_I64:
		return (struct int_range){ 8, INT64_MIN, INT64_MAX };
	case PB_C_BOOL:
		return (struct int_range){ sizeof(bool), 0, 1 };
	case PB_C_STRING:
	case PB_C_DOUBLE:
	case PB_C_OTHER:
		break;
	}
	return (struct int_range){ 0, 0, 0 };
}

static struct int_range wire_range(ProtobufCType type)
{
	switch (type) {
	case PROTOBUF_C_TYPE_UINT32:
		return (struct int_range){ 4, 0, UINT32_MAX };
	case PROTOBUF_C_TYPE_INT32:
	case PROTOBUF_C_TYPE_ENUM:
		return (struct int_range){ 4, INT32_MIN, INT32_MAX };
	case PROTOBUF_C_TYPE_UINT64:
		return (struct int_range){ 8, 0, UINT64_MAX };
	case PROTOBUF_C_TYPE_INT64:
		return (struct int_range){ 8, INT64_MIN, INT64_MAX };
	case PROTOBUF_C_TYPE_BOOL: /* protobuf_c_boolean is an int */
		return (struct int_range){ sizeof(protobuf_c_boolean), 0, 1 };
	default:
		return (struct int_range){ 0, 0, 0 };
	}
}

static pb_wide load(const struct int_range *range, const void *from)
{
	bool is_signed = range->min < 0;
	uint64_t u64 = 0;

	memcpy(&u64, from, range->size); /* little endian, the only kind of machine supported */
	switch (range->size) {
	case 4:
		return is_signed ? (pb_wide)(int32_t)(uint32_t)u64 : (pb_wide)(uint32_t)u64;
	case 8:
		return is_signed ? (pb_wide)(int64_t)u64 : (pb_wide)u64;
	default:
		return (pb_wide)u64;
	}
}

static int store(const struct int_range *range, pb_wide value, void *to)
{
	if (value < range->min || value > range->max)
		return -ERANGE;
	uint64_t u64 = (uint64_t)value;
	memcpy(to, &u64, range->size);
	return 0;
}

/**
 * pb_plain_scalar_size() - bytes of a scalar in a plain struct
 * @ctype: its type
 *
 * Return: the size, 0 when it is no scalar.
 */
size_t pb_plain_scalar_size(enum pb_ctype ctype)
{
	return ctype == PB_C_DOUBLE ? sizeof(double) : plain_range(ctype).size;
}

/**
 * pb_wire_scalar_size() - bytes of a scalar in a protobuf-c struct
 * @type: its type
 *
 * Return: the size, 0 when it is no scalar known here.
 */
size_t pb_wire_scalar_size(ProtobufCType type)
{
	return type == PROTOBUF_C_TYPE_DOUBLE ? sizeof(double) : wire_range(type).size;
}

/**
 * pb_scalar_fits() - may these two be bound to each other
 * @ctype: type of the plain member
 * @type: type of the protobuf field
 *
 * Return: true when conversion between them is defined (ranges are checked when it happens).
 */
bool pb_scalar_fits(enum pb_ctype ctype, ProtobufCType type)
{
	if (ctype == PB_C_DOUBLE || type == PROTOBUF_C_TYPE_DOUBLE)
		return ctype == PB_C_DOUBLE && type == PROTOBUF_C_TYPE_DOUBLE;
	if (ctype == PB_C_BOOL || type == PROTOBUF_C_TYPE_BOOL)
		return ctype == PB_C_BOOL && type == PROTOBUF_C_TYPE_BOOL;
	return plain_range(ctype).size && wire_range(type).size;
}

/**
 * pb_scalar_to_wire() - copy a scalar into a protobuf-c struct
 * @ctype: type of @plain
 * @plain: where it is
 * @type: type of @wire
 * @wire: where it goes
 *
 * Return: 0, or -ERANGE when the value does not fit.
 */
int pb_scalar_to_wire(enum pb_ctype ctype, const void *plain, ProtobufCType type, void *wire)
{
	if (ctype == PB_C_DOUBLE) {
		memcpy(wire, plain, sizeof(double));
		return 0;
	}
	struct int_range from = plain_range(ctype), to = wire_range(type);
	return store(&to, load(&from, plain), wire);
}

/**
 * pb_scalar_to_plain() - copy a scalar into a plain struct
 * @type: type of @wire
 * @wire: where it is
 * @ctype: type of @plain
 * @plain: where it goes
 *
 * Return: 0, or -ERANGE when the value does not fit.
 */
int pb_scalar_to_plain(ProtobufCType type, const void *wire, enum pb_ctype ctype, void *plain)
{
	if (ctype == PB_C_DOUBLE) {
		memcpy(plain, wire, sizeof(double));
		return 0;
	}
	struct int_range from = wire_range(type), to = plain_range(ctype);
	pb_wide value = load(&from, wire);
	return store(&to, ctype == PB_C_BOOL ? value != 0 : value, plain);
}

/**
 * pb_wire_scalar_is_zero() - does a field have proto3's default value
 * @type: its type
 * @wire: where it is
 *
 * Return: true when all its bytes are 0.
 */
bool pb_wire_scalar_is_zero(ProtobufCType type, const void *wire)
{
	static const uint8_t zero[8];

	return memcmp(wire, zero, pb_wire_scalar_size(type)) == 0;
}
