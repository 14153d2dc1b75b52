/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Routes of the main table and static neighbours.
 */
#pragma once

#include <stddef.h>

#include "agent/net/net_link.h"
#include "common/arena.h"
#include "common/err.h"

struct agent_arp_neighbor;
struct agent_route;

/* A route or neighbour that is there already is no error. */
int net_route_add(int sock, const struct net_link *links, size_t nr_links,
		  const struct agent_route *route, struct err *err) must_check;
int net_route_del(int sock, const struct net_link *links, size_t nr_links,
		  const struct agent_route *route, struct err *err) must_check;
int net_route_list(int sock, const struct net_link *links, size_t nr_links, struct arena *arena,
		   struct agent_route **ret, size_t *ret_nr) must_check;
int net_neighbor_del(int sock, const struct net_link *links, size_t nr_links,
		     const struct agent_arp_neighbor *neighbor, struct err *err) must_check;
int net_neighbor_add(int sock, const struct net_link *links, size_t nr_links,
		     const struct agent_arp_neighbor *neighbor, struct err *err) must_check;
