/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a plain struct is bound to a protobuf-c message, and the macros that write it down. Private
 * to rpc/pb/pb_*.c.
 *
 * A table lists every field number of the message; pb_type_check() refuses a table that misses one,
 * and the C type of a member is taken from its declaration, so neither end can drift.
 */
#pragma once

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/arena.h"
#include "common/err.h"
#include "rpc/pb/pb_bridge.h"
#include "rpc/pb/rpc_method.h"

/* Deepest nesting that is accepted. */
#define PB_DEPTH_MAX 16
/* Most memory that unpacking one message may take before it is converted. */
#define PB_UNPACK_MAX ((size_t)32 << 20)

/* The C type of a member, or of what it points to. */
enum pb_ctype {
	PB_C_STRING,
	PB_C_U16,
	PB_C_U32,
	PB_C_I32,
	PB_C_U64,
	PB_C_I64,
	PB_C_BOOL,
	PB_C_DOUBLE,
	PB_C_OTHER
};

enum pb_shape {
	PB_SHAPE_VALUE,	   /* the scalar or string itself */
	PB_SHAPE_OPTIONAL, /* pointer to a scalar, NULL when absent */
	PB_SHAPE_STRV,	   /* struct strv */
	PB_SHAPE_BYTES,	   /* pointer, and the length in x_len */
	PB_SHAPE_LIST,	   /* pointer to scalars, and their number in nr_x */
	PB_SHAPE_MESSAGE,  /* pointer to one struct, NULL when absent */
	PB_SHAPE_EMBEDDED, /* the struct itself; empty means absent */
	PB_SHAPE_MESSAGES, /* pointer to structs, and their number in nr_x; maps too */
	/* no member: numbers of the PB_SHAPE_OPTIONAL fields that are present and 0 */
	PB_SHAPE_ZEROS,
	PB_SHAPE_IGNORED, /* no member */
};

struct pb_field {
	uint16_t number;
	uint8_t shape; /* enum pb_shape */
	uint8_t ctype; /* enum pb_ctype */
	uint32_t offset, count_offset;
	const struct pb_type *type; /* of messages */
};

struct pb_type {
	const ProtobufCMessageDescriptor *desc;
	size_t size;
	const struct pb_field *fields;
	size_t nr_fields;
	bool null_strings; /* absent strings become NULL, as in src/oci/oci_spec.h */
};

#define PB_CTYPE(expr) \
	_Generic((expr), char *: PB_C_STRING, const char *: PB_C_STRING, uint16_t: PB_C_U16, uint16_t *: PB_C_U16, \
		uint32_t: PB_C_U32, uint32_t *: PB_C_U32, int32_t: PB_C_I32, int32_t *: PB_C_I32,               \
		uint64_t: PB_C_U64, uint64_t *: PB_C_U64, int64_t: PB_C_I64, int64_t *: PB_C_I64,               \
		bool: PB_C_BOOL, bool *: PB_C_BOOL, double: PB_C_DOUBLE, default: PB_C_OTHER)
#define PB_SHAPE(expr) \
	_Generic((expr), uint16_t *: PB_SHAPE_OPTIONAL, uint32_t *: PB_SHAPE_OPTIONAL, int32_t *: PB_SHAPE_OPTIONAL, \
		uint64_t *: PB_SHAPE_OPTIONAL, int64_t *: PB_SHAPE_OPTIONAL, bool *: PB_SHAPE_OPTIONAL,       \
		struct strv: PB_SHAPE_STRV, default: PB_SHAPE_VALUE)
#define PB_MEMBER(name, member) (((struct name *)NULL)->member)

/* A scalar, a string, a pointer to an optional scalar or a struct strv. */
#define PB_FIELD(name, member, no)                                          \
	{                                                                   \
		.number = (no), .shape = PB_SHAPE(PB_MEMBER(name, member)), \
		.ctype = PB_CTYPE(PB_MEMBER(name, member)),                 \
		.offset = offsetof(struct name, member)                     \
	}
#define PB_BYTES(name, member, no)                                            \
	{                                                                     \
		.number = (no), .shape = PB_SHAPE_BYTES, .ctype = PB_C_OTHER, \
		.offset = offsetof(struct name, member),                      \
		.count_offset = offsetof(struct name, member##_len)           \
	}
#define PB_LIST(name, member, no)                                  \
	{                                                          \
		.number = (no), .shape = PB_SHAPE_LIST,            \
		.ctype = PB_CTYPE(*PB_MEMBER(name, member)),       \
		.offset = offsetof(struct name, member),           \
		.count_offset = offsetof(struct name, nr_##member) \
	}
#define PB_MESSAGE_AS(name, member, no, shape_, count, type_)                                      \
	{                                                                                          \
		.number = (no), .shape = (shape_), .ctype = PB_C_OTHER,                            \
		.offset = offsetof(struct name, member), .count_offset = (count), .type = &(type_) \
	}
#define PB_MESSAGE(name, member, no, type) \
	PB_MESSAGE_AS(name, member, no, PB_SHAPE_MESSAGE, 0, type)
#define PB_EMBED(name, member, no, type) PB_MESSAGE_AS(name, member, no, PB_SHAPE_EMBEDDED, 0, type)
#define PB_MESSAGES(name, member, no, type) \
	PB_MESSAGE_AS(name, member, no, PB_SHAPE_MESSAGES, offsetof(struct name, nr_##member), type)
#define PB_ZEROS(no)                                    \
	{                                               \
		.number = (no), .shape = PB_SHAPE_ZEROS \
	}
#define PB_IGNORE(no)                                     \
	{                                                 \
		.number = (no), .shape = PB_SHAPE_IGNORED \
	}

#define PB_TYPE_AS(name, descriptor, null_strings_, ...)                        \
	{                                                                       \
		.desc = &(descriptor), .size = sizeof(struct name),             \
		.fields = (const struct pb_field[]){ __VA_ARGS__ },             \
		.nr_fields = sizeof((const struct pb_field[]){ __VA_ARGS__ }) / \
			     sizeof(struct pb_field),                           \
		.null_strings = (null_strings_)                                 \
	}
#define PB_TYPE(name, descriptor, ...) PB_TYPE_AS(name, descriptor, false, __VA_ARGS__)
#define PB_TYPE_OCI(name, descriptor, ...) PB_TYPE_AS(name, descriptor, true, __VA_ARGS__)
/* A type that only its own file needs: t_<name>. */
#define PB_STATIC(name, ...) static const struct pb_type t_##name = PB_TYPE(name, __VA_ARGS__)
#define PB_STATIC_OCI(name, ...) \
	static const struct pb_type t_##name = PB_TYPE_OCI(name, __VA_ARGS__)
/* A map entry: every map has a descriptor of its own. */
#define PB_TYPE_KV(descriptor) PB_TYPE(kv, descriptor, PB_FIELD(kv, key, 1), PB_FIELD(kv, value, 2))

int pb_scan(const ProtobufCMessageDescriptor *desc, const uint8_t *data, size_t len,
	    uint32_t max_fields, struct err *err) must_check;

/* Shared between the tables. */
extern const struct pb_type pb_timestamp_type;
extern const struct pb_type pb_containerd_mount_type;
extern const struct pb_type pb_agent_interface_type;
extern const struct pb_type pb_agent_interfaces_type;
extern const struct pb_type pb_agent_routes_type;
extern const struct pb_type pb_agent_update_interface_request_type;
extern const struct pb_type pb_agent_update_routes_request_type;
extern const struct pb_type pb_agent_get_iptables_request_type;
extern const struct pb_type pb_agent_get_iptables_response_type;
extern const struct pb_type pb_agent_set_iptables_request_type;
extern const struct pb_type pb_agent_set_iptables_response_type;
extern const struct pb_type pb_agent_stats_container_response_type;
extern const struct pb_type pb_oci_spec_type;
extern const struct pb_type pb_oci_process_type;
extern const struct pb_type pb_oci_resources_type;
