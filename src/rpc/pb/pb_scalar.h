/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scalars between the plain structs and protobuf-c, with range checks. Private to rpc/pb/pb_*.c.
 */
#pragma once

#include "rpc/pb/pb_table.h"

size_t pb_plain_scalar_size(enum pb_ctype ctype);
size_t pb_wire_scalar_size(ProtobufCType type);
bool pb_scalar_fits(enum pb_ctype ctype, ProtobufCType type);
int pb_scalar_to_wire(enum pb_ctype ctype, const void *plain, ProtobufCType type,
		      void *wire) must_check;
int pb_scalar_to_plain(ProtobufCType type, const void *wire, enum pb_ctype ctype,
		       void *plain) must_check;
bool pb_wire_scalar_is_zero(ProtobufCType type, const void *wire);
