/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Compares looks at a network namespace. Telling the guest about the difference is network_sync.c's
 * business.
 */
#include "sandbox/network/diff.h"

#include <string.h>

#include "common/str.h"

static bool address_equal(const struct agent_ip_address *a, const struct agent_ip_address *b)
{
	return a->family == b->family && a->flags == b->flags && str_eq(a->address, b->address) &&
	       str_eq(a->mask, b->mask) && str_eq(a->peer, b->peer);
}

static bool route_equal(const struct agent_route *a, const struct agent_route *b)
{
	return a->family == b->family && a->scope == b->scope && a->flags == b->flags &&
	       a->mtu == b->mtu && a->metric == b->metric && a->type == b->type &&
	       a->protocol == b->protocol && a->preference == b->preference &&
	       str_eq(a->dest, b->dest) && str_eq(a->gateway, b->gateway) &&
	       str_eq(a->device, b->device) && str_eq(a->source, b->source);
}

/* A neighbour is known by its address: a new MAC replaces the old one. */
static bool neighbor_same(const struct agent_arp_neighbor *a, const struct agent_arp_neighbor *b)
{
	return str_eq(a->to_ip_address->address, b->to_ip_address->address) &&
	       str_eq(a->device, b->device);
}

static const struct agent_ip_address *find_address(const struct net_link *link,
						   const struct agent_ip_address *ip)
{
	for (size_t i = 0; i < link->nr_addresses; i++)
		if (address_equal(&link->addresses[i], ip))
			return &link->addresses[i];
	return NULL;
}

/**
 * net_link_equal() - does the guest see no difference between two looks at an interface?
 * @a: one
 * @b: the other
 *
 * Return: true when it does not.
 */
bool net_link_equal(const struct net_link *a, const struct net_link *b)
{
	if (!str_eq(a->name, b->name) || a->mtu != b->mtu ||
	    memcmp(a->mac, b->mac, sizeof(a->mac)) != 0 ||
	    ((a->flags ^ b->flags) & (IFF_NOARP | IFF_UP)) || a->has_ipv6 != b->has_ipv6 ||
	    memcmp(a->ipv6_conf, b->ipv6_conf, sizeof(a->ipv6_conf)) != 0 ||
	    a->nr_addresses != b->nr_addresses)
		return false;
	for (size_t i = 0; i < a->nr_addresses; i++)
		if (!address_equal(&a->addresses[i], &b->addresses[i]))
			return false;
	return true;
}

/**
 * net_snapshot_routes_equal() - are the routes the same?
 * @a: one look
 * @b: the other
 *
 * Return: true when they are, in the same order.
 */
bool net_snapshot_routes_equal(const struct net_snapshot *a, const struct net_snapshot *b)
{
	if (a->nr_routes != b->nr_routes)
		return false;
	for (size_t i = 0; i < a->nr_routes; i++)
		if (!route_equal(&a->routes[i], &b->routes[i]))
			return false;
	return true;
}

/**
 * net_snapshot_neighbors_equal() - are the static neighbours the same?
 * @a: one look
 * @b: the other
 *
 * Return: true when they are.
 */
bool net_snapshot_neighbors_equal(const struct net_snapshot *a, const struct net_snapshot *b)
{
	if (a->nr_neighbors != b->nr_neighbors)
		return false;
	for (size_t i = 0; i < a->nr_neighbors; i++)
		if (!neighbor_same(&a->neighbors[i], &b->neighbors[i]) ||
		    !str_eq(a->neighbors[i].lladdr, b->neighbors[i].lladdr))
			return false;
	return true;
}

/**
 * net_diff_addresses() - addresses that an interface has lost
 * @old: as it was
 * @now: as it is
 * @arena: of the list
 * @ret: receives it; strings are @old's
 * @ret_nr: its length
 *
 * Return: 0 or -ENOMEM.
 */
int net_diff_addresses(const struct net_link *old, const struct net_link *now, struct arena *arena,
		       struct agent_ip_address **ret, size_t *ret_nr)
{
	int r = 0;

	*ret = NULL;
	*ret_nr = 0;
	for (size_t i = 0; i < old->nr_addresses && r >= 0; i++) {
		if (find_address(now, &old->addresses[i]))
			continue;
		r = arena_grow(arena, ret, ret_nr, sizeof(**ret));
		if (r >= 0)
			(*ret)[*ret_nr - 1] = old->addresses[i];
	}
	return r;
}

static bool has_route(const struct net_snapshot *snap, const struct agent_route *route)
{
	for (size_t i = 0; i < snap->nr_routes; i++)
		if (route_equal(&snap->routes[i], route))
			return true;
	return false;
}

/**
 * net_diff_routes() - routes that a namespace has lost
 * @old: as it was
 * @now: as it is
 * @arena: of the list
 * @ret: receives it; strings are @old's
 *
 * Return: 0 or -ENOMEM.
 */
int net_diff_routes(const struct net_snapshot *old, const struct net_snapshot *now,
		    struct arena *arena, struct agent_routes *ret)
{
	int r = 0;

	*ret = (struct agent_routes){ 0 };
	for (size_t i = 0; i < old->nr_routes && r >= 0; i++) {
		if (has_route(now, &old->routes[i]))
			continue;
		r = arena_grow(arena, &ret->routes, &ret->nr_routes, sizeof(*ret->routes));
		if (r >= 0)
			ret->routes[ret->nr_routes - 1] = old->routes[i];
	}
	return r;
}

static bool has_neighbor(const struct net_snapshot *snap, const struct agent_arp_neighbor *neighbor)
{
	for (size_t i = 0; i < snap->nr_neighbors; i++)
		if (neighbor_same(&snap->neighbors[i], neighbor))
			return true;
	return false;
}

/**
 * net_diff_neighbors() - static neighbours that a namespace has lost
 * @old: as it was
 * @now: as it is
 * @arena: of the list
 * @ret: receives it; strings are @old's
 *
 * Return: 0 or -ENOMEM.
 */
int net_diff_neighbors(const struct net_snapshot *old, const struct net_snapshot *now,
		       struct arena *arena, struct agent_arp_neighbors *ret)
{
	int r = 0;

	*ret = (struct agent_arp_neighbors){ 0 };
	for (size_t i = 0; i < old->nr_neighbors && r >= 0; i++) {
		if (has_neighbor(now, &old->neighbors[i]))
			continue;
		r = arena_grow(arena, &ret->arp_neighbors, &ret->nr_arp_neighbors,
			       sizeof(*ret->arp_neighbors));
		if (r >= 0)
			ret->arp_neighbors[ret->nr_arp_neighbors - 1] = old->neighbors[i];
	}
	return r;
}
