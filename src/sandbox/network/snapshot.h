/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is in a network namespace at one moment, as plain data in the agent's words.
 */
#pragma once

#include <net/ethernet.h>
#include <net/if.h>
#include <stdbool.h>

#include "common/arena.h"
#include "common/err.h"
#include "rpc/pb/agent_msg.h"

struct nl_sock;

#define NET_IPV6_CONF_MAX 15

struct net_link {
	int ifindex;
	char name[IFNAMSIZ];
	char kind[16]; /* "veth", "macvlan", "tun", ...; "" for hardware */
	uint8_t mac[ETH_ALEN];
	unsigned mtu, flags; /* IFF_* */
	bool carrier;	     /* never when it is down */
	struct agent_ip_address *addresses;
	size_t nr_addresses;
	bool has_ipv6;
	int32_t ipv6_conf[NET_IPV6_CONF_MAX]; /* see routers.c */
};

struct net_snapshot {
	struct net_link *links; /* Ethernet-like ones, without loopback */
	size_t nr_links;
	struct agent_route *routes;
	size_t nr_routes;
	struct agent_arp_neighbor *neighbors; /* permanent ones */
	size_t nr_neighbors;
};

int net_snapshot_take(struct nl_sock *sock, struct arena *arena, struct net_snapshot *ret,
		      struct err *err) must_check;
const struct net_link *net_snapshot_find(const struct net_snapshot *snap, int ifindex);
