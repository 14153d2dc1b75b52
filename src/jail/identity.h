/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who a confined process is: a user that owns nothing, with no capabilities or a few, for good.
 */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "common/err.h"
#include "common/macros.h"

struct identity {
	uid_t uid;
	gid_t gid;
	uint64_t caps; /* what it keeps, also over an exec; a bit for each */
};

int identity_assume(const struct identity *id, struct err *err) must_check;
