/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rtnetlink, as much as the agent needs. The kernel answers within the call, so nothing here waits.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <linux/rtnetlink.h>

#include "common/macros.h"

#define NLREQ_MAX 512

/* A request being built. The first failure to fit sticks and is reported by nlreq_send(). */
struct nlreq {
	union {
		struct nlmsghdr hdr;
		char buf[NLREQ_MAX];
	};
	int r;
};

/* @body is the family's fixed part (struct ifinfomsg ...). */
void nlreq_init(struct nlreq *req, uint16_t type, uint16_t flags, const void *body, size_t len);
void nlreq_add(struct nlreq *req, uint16_t type, const void *data, size_t len);
void nlreq_add_u32(struct nlreq *req, uint16_t type, uint32_t value);

/* One part of a dump; a negative return ends it. */
typedef int (*nl_part_fn)(void *arg, const struct nlmsghdr *hdr);

int nlsock_open(void) must_check;
/* Sends and waits for the acknowledgement. */
int nlreq_send(int sock, struct nlreq *req) must_check;
int nlreq_dump(int sock, struct nlreq *req, nl_part_fn fn, void *arg) must_check;

/*
 * Sorts the attributes behind a fixed part of @fixed bytes by type; those above @max are left out.
 */
int nl_parse(const struct nlmsghdr *hdr, size_t fixed, const struct rtattr *ret[],
	     size_t max) must_check;
uint32_t nl_attr_u32(const struct rtattr *attr);
