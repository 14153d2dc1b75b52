/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What differs between two looks at a network namespace.
 */
#pragma once

#include "sandbox/network/snapshot.h"

/* Same name, MAC, MTU, flags the guest sees, IPv6 settings, addresses. */
bool net_link_equal(const struct net_link *a, const struct net_link *b);
/* Same routes and neighbours, in the same order. */
bool net_snapshot_routes_equal(const struct net_snapshot *a, const struct net_snapshot *b);
bool net_snapshot_neighbors_equal(const struct net_snapshot *a, const struct net_snapshot *b);

/* What @old has and @now has not; the strings stay @old's. */
int net_diff_addresses(const struct net_link *old, const struct net_link *now, struct arena *arena,
		       struct agent_ip_address **ret, size_t *ret_nr) must_check;
int net_diff_routes(const struct net_snapshot *old, const struct net_snapshot *now,
		    struct arena *arena, struct agent_routes *ret) must_check;
int net_diff_neighbors(const struct net_snapshot *old, const struct net_snapshot *now,
		       struct arena *arena, struct agent_arp_neighbors *ret) must_check;
