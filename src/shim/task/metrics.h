/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counters in the form that clients on this host expect.
 */
#pragma once

#include "common/err.h"
#include "rpc/pb/common_msg.h"

struct agent_stats_container_response;

int metrics_of_host(void);
int metrics_pack(const struct agent_stats_container_response *stats, int version,
		 struct arena *arena, struct pb_any *ret, struct err *err) must_check;
