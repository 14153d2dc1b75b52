/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A container's statistics in the JSON form of "runc events".
 */
#pragma once

#include "common/json.h"
#include "rpc/pb/agent_msg.h"

void stats_json_write(struct json_writer *w, const struct agent_stats_container_response *stats);
