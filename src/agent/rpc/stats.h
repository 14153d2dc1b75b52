/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counters of the guest's network interfaces.
 */
#pragma once

#include <stddef.h>

#include "common/arena.h"

struct agent_network_stats;

int stats_network(struct arena *arena, struct agent_network_stats **ret, size_t *ret_nr) must_check;
/* The same from the text of /proc/net/dev. */
int stats_parse_net_dev(char *text, struct arena *arena, struct agent_network_stats **ret,
			size_t *ret_nr) must_check;
