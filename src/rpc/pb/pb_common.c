/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Types that several protocols share: tables only (rpc/pb/pb_table.h says how to read them).
 */
#include "rpc/pb/common_msg.h"

#include "containerd_types.pb-c.h"
#include "google.pb-c.h"
#include "rpc/pb/pb_table.h"

/* clang-format off */

const struct pb_type pb_any_type = PB_TYPE(pb_any, google__protobuf__any__descriptor,
	PB_FIELD(pb_any, type_url, 1),
	PB_BYTES(pb_any, value, 2));

const struct pb_type pb_timestamp_type = PB_TYPE(pb_timestamp, google__protobuf__timestamp__descriptor,
	PB_FIELD(pb_timestamp, seconds, 1),
	PB_FIELD(pb_timestamp, nanos, 2));

const struct pb_type pb_containerd_mount_type = PB_TYPE(containerd_mount,
	containerd__types__mount__descriptor,
	PB_FIELD(containerd_mount, type, 1),
	PB_FIELD(containerd_mount, source, 2),
	PB_FIELD(containerd_mount, target, 3),
	PB_FIELD(containerd_mount, options, 4));
