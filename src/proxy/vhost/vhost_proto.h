/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The vhost-user protocol as it lies on the wire, as far as this backend speaks it. All fields are
 * in host byte order.
 */
#pragma once

#include <stdint.h>

enum vhost_request {
	VHOST_GET_FEATURES = 1,
	VHOST_SET_FEATURES = 2,
	VHOST_SET_OWNER = 3,
	VHOST_RESET_OWNER = 4,
	VHOST_SET_MEM_TABLE = 5,
	VHOST_SET_VRING_NUM = 8,
	VHOST_SET_VRING_ADDR = 9,
	VHOST_SET_VRING_BASE = 10,
	VHOST_GET_VRING_BASE = 11,
	VHOST_SET_VRING_KICK = 12,
	VHOST_SET_VRING_CALL = 13,
	VHOST_SET_VRING_ERR = 14,
	VHOST_GET_PROTOCOL_FEATURES = 15,
	VHOST_SET_PROTOCOL_FEATURES = 16,
	VHOST_GET_QUEUE_NUM = 17,
	VHOST_SET_VRING_ENABLE = 18,
	VHOST_GET_CONFIG = 24,
	VHOST_SET_CONFIG = 25,
	VHOST_GET_MAX_MEM_SLOTS = 36,
	VHOST_ADD_MEM_REG = 37,
	VHOST_REM_MEM_REG = 38,
	VHOST_REQUEST_MAX
};

/* Flags of the header. */
#define VHOST_FLAG_VERSION_MASK 0x3u
#define VHOST_FLAG_VERSION 0x1u
#define VHOST_FLAG_REPLY 0x4u
#define VHOST_FLAG_NEED_REPLY 0x8u

/* Bit numbers. */
#define VHOST_F_PROTOCOL_FEATURES 30
#define VHOST_PROTOCOL_F_MQ 0
#define VHOST_PROTOCOL_F_REPLY_ACK 3
#define VHOST_PROTOCOL_F_CONFIG 9
#define VHOST_PROTOCOL_F_CONFIGURE_MEM_SLOTS 15

/* In the value of SET_VRING_KICK, _CALL and _ERR. */
#define VHOST_VRING_INDEX_MASK 0xffu
#define VHOST_VRING_NO_FD 0x100u

#define VHOST_MEM_TABLE_MAX 8
#define VHOST_CONFIG_MAX 256
#define VHOST_FDS_MAX 8

struct vhost_mem_region {
	uint64_t gpa, size, uva, offset;
};

struct vhost_msg_header {
	uint32_t request, flags, size;
};

/*
 * Every payload starts on an 8-byte boundary here; on the wire it follows the 12-byte header at
 * once.
 */
union vhost_payload {
	uint64_t u64;
	struct {
		uint32_t index, num;
	} state;
	struct {
		uint32_t index, flags;
		uint64_t desc, used, avail, log;
	} addr;
	struct {
		uint32_t nr, padding;
		struct vhost_mem_region regions[VHOST_MEM_TABLE_MAX];
	} table;
	struct {
		uint64_t padding;
		struct vhost_mem_region region;
	} mem;
	struct {
		uint32_t offset, size, flags;
		uint8_t data[VHOST_CONFIG_MAX];
	} config;
};

#define VHOST_CONFIG_HEADER_LEN 12

struct vhost_msg {
	struct vhost_msg_header header;
	union vhost_payload payload;
	int fds[VHOST_FDS_MAX]; /* owned; -1 once somebody took one */
	unsigned nr_fds;
};
