/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DOC: IPv6 routers
 *
 * The namespace's kernel takes addresses and routes from router advertisements, for as long as
 * routers say. With the first frame that goes to the guest instead, the guest's kernel is the one
 * that hears routers. So it gets the interface's settings for that, and, when it is told about the
 * interface first, what is known from routers, marked as such and with what is left of the life
 * times: there is no time without a default route, and the next advertisement renews, changes or
 * ends it as it would have on the host. From then on what routers say is the guest's own business;
 * that the namespace's kernel forgets it, having heard nothing, is not passed on.
 */
#include "sandbox/network/routers.h"

#include <linux/if_addr.h>
#include <linux/ipv6.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "common/str.h"

static const struct {
	uint16_t index;
	const char *name;
} conf[NET_IPV6_CONF_MAX] = {
	{ DEVCONF_DISABLE_IPV6, "disable_ipv6" },
	{ DEVCONF_FORWARDING, "forwarding" },
	{ DEVCONF_ACCEPT_RA, "accept_ra" },
	{ DEVCONF_ACCEPT_RA_DEFRTR, "accept_ra_defrtr" },
	{ DEVCONF_ACCEPT_RA_FROM_LOCAL, "accept_ra_from_local" },
	{ DEVCONF_ACCEPT_RA_MIN_HOP_LIMIT, "accept_ra_min_hop_limit" },
	{ DEVCONF_ACCEPT_RA_MTU, "accept_ra_mtu" },
	{ DEVCONF_ACCEPT_RA_PINFO, "accept_ra_pinfo" },
	{ DEVCONF_ACCEPT_RA_RT_INFO_MAX_PLEN, "accept_ra_rt_info_max_plen" },
	{ DEVCONF_ACCEPT_RA_RT_INFO_MIN_PLEN, "accept_ra_rt_info_min_plen" },
	{ DEVCONF_ACCEPT_RA_RTR_PREF, "accept_ra_rtr_pref" },
	{ DEVCONF_AUTOCONF, "autoconf" },
	{ DEVCONF_RA_DEFRTR_METRIC, "ra_defrtr_metric" },
	{ DEVCONF_RTR_SOLICITS, "router_solicitations" },
	{ DEVCONF_USE_TEMPADDR, "use_tempaddr" },
};

/**
 * routers_read_conf() - note an interface's settings
 * @link: interface
 * @values: the kernel's array
 * @nr: its length; an older kernel's is shorter
 */
void routers_read_conf(struct net_link *link, const int32_t *values, size_t nr)
{
	for (size_t i = 0; i < NET_IPV6_CONF_MAX; i++)
		if (conf[i].index < nr)
			link->ipv6_conf[i] = values[conf[i].index];
	link->has_ipv6 = true;
}

/**
 * routers_list_conf() - settings that the guest does not know
 * @old: what it knows, or NULL
 * @now: as it is
 * @arena: of the list
 * @ret: receives it at its end
 *
 * Return: 0 or -ENOMEM.
 */
int routers_list_conf(const struct net_link *old, const struct net_link *now, struct arena *arena,
		      struct strv *ret)
{
	int r = 0;

	for (size_t i = 0; now->has_ipv6 && i < NET_IPV6_CONF_MAX && r >= 0; i++) {
		if (old && old->has_ipv6 && old->ipv6_conf[i] == now->ipv6_conf[i])
			continue;
		const char *setting =
			arena_printf(arena, "%s=%d", conf[i].name, (int)now->ipv6_conf[i]);
		r = setting ? arena_strv_add(arena, ret, setting) : -ENOMEM;
	}
	return r;
}

/**
 * routers_would_make() - is an address made of the MAC?
 * @link: interface
 * @address: 16 bytes
 *
 * The guest's kernel makes those for itself; one made otherwise it would not know as its own, and
 * would have a second one soon.
 *
 * Return: true when it is.
 */
bool routers_would_make(const struct net_link *link, const uint8_t address[16])
{
	const uint8_t *m = link->mac;
	const uint8_t id[] = { m[0] ^ 2, m[1], m[2], 0xff, 0xfe, m[3], m[4], m[5] };

	return memcmp(address + 8, id, sizeof(id)) == 0;
}

/* The kernel's own ones are in a snapshot when they expire: then it is a router's prefix. */
static bool is_routers(const struct agent_route *route)
{
	return route->protocol == RTPROT_RA || route->protocol == RTPROT_KERNEL;
}

/**
 * routers_drop() - forget what an interface has from routers
 * @snap: snapshot
 * @ifindex: interface
 */
void routers_drop(struct net_snapshot *snap, int ifindex)
{
	struct net_link *link = (struct net_link *)(uintptr_t)net_snapshot_find(snap, ifindex);
	size_t nr = 0;

	if (!link)
		return;
	for (size_t i = 0; i < link->nr_addresses; i++)
		if (!(link->addresses[i].flags & IFA_F_MANAGETEMPADDR))
			link->addresses[nr++] = link->addresses[i];
	link->nr_addresses = nr;
	nr = 0;
	for (size_t i = 0; i < snap->nr_routes; i++)
		if (!is_routers(&snap->routes[i]) || !str_eq(snap->routes[i].device, link->name))
			snap->routes[nr++] = snap->routes[i];
	snap->nr_routes = nr;
}
