/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Plain structs that several protocols share: protobuf's well-known types and containerd's mount.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/arena.h"

/* google.protobuf.Any, embedded by value; absent when both parts are empty. */
struct pb_any {
	const char *type_url;
	const uint8_t *value;
	size_t value_len;
};

/* google.protobuf.Timestamp, embedded by value; absent when both parts are 0. */
struct pb_timestamp {
	int64_t seconds;
	int32_t nanos;
};

/* One entry of a map<string, uint64>. */
struct pb_kv_u64 {
	const char *key;
	uint64_t value;
};

/* containerd.types.Mount */
struct containerd_mount {
	const char *type, *source, *target;
	struct strv options;
};
