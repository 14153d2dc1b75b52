/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The runtime options of a manager: which configuration file a sandbox is to use.
 */
#pragma once

#include "common/arena.h"
#include "common/err.h"
#include "rpc/pb/common_msg.h"

/* @ret is NULL when the options name no file. */
int runtime_options_config(const struct pb_any *any, struct arena *arena, const char **ret,
			   struct err *err) must_check;
