/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads links, addresses, routes and neighbours of a network namespace through libnl. See
 * rtnetlink(7).
 */
#include "sandbox/network/snapshot.h"

#include <errno.h>
#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/if_arp.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <netlink/msg.h>
#include <netlink/route/addr.h>
#include <netlink/route/link.h>
#include <netlink/route/neighbour.h>
#include <netlink/route/route.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "sandbox/network/routers.h"

/* Address with prefix length as text. */
#define NET_ADDR_TEXT 64
/* More of one kind than this is not a pod's network; bounds what is sent to the guest. */
#define NET_OBJECTS_MAX 1024

/* What the callbacks of one cache walk share. */
struct walk {
	struct arena *arena;
	struct net_snapshot *snap;
	struct nlmsghdr *hdr; /* of the route that is read */
	int r;
};

static int nl_fail(struct err *err, int r, const char *what)
{
	return err_set(err, EIO, "%s: %s", what, nl_geterror(r));
}

static char *addr_text(struct arena *arena, struct nl_addr *addr)
{
	char text[NET_ADDR_TEXT];

	if (!addr || nl_addr_get_len(addr) == 0)
		return arena_strdup(arena, "");
	(void)nl_addr2str(addr, text, sizeof(text));
	return arena_strdup(arena, text);
}

/* The same without "/len". */
static char *host_text(struct arena *arena, struct nl_addr *addr)
{
	char *text = addr_text(arena, addr);
	char *slash = text ? strchr(text, '/') : NULL;

	if (slash)
		*slash = '\0';
	return text;
}

/**
 * net_snapshot_find() - look a link up
 * @snap: snapshot
 * @ifindex: index
 *
 * Return: the link or NULL.
 */
const struct net_link *net_snapshot_find(const struct net_snapshot *snap, int ifindex)
{
	for (size_t i = 0; i < snap->nr_links; i++)
		if (snap->links[i].ifindex == ifindex)
			return &snap->links[i];
	return NULL;
}

static struct net_link *find_link(struct walk *w, int ifindex)
{
	return (struct net_link *)(uintptr_t)net_snapshot_find(w->snap, ifindex);
}

static void add_link(struct nl_object *object, void *arg)
{
	struct rtnl_link *link = (struct rtnl_link *)object;
	struct nl_addr *mac = rtnl_link_get_addr(link);
	struct walk *w = arg;

	if (w->r < 0 || rtnl_link_get_arptype(link) != ARPHRD_ETHER || !mac ||
	    nl_addr_get_len(mac) != ETH_ALEN)
		return;
	if (w->snap->nr_links == NET_OBJECTS_MAX) {
		w->r = -E2BIG;
		return;
	}
	w->r = arena_grow(w->arena, &w->snap->links, &w->snap->nr_links, sizeof(struct net_link));
	if (w->r < 0)
		return;
	struct net_link *l = &w->snap->links[w->snap->nr_links - 1];
	const char *kind = rtnl_link_get_type(link);
	l->ifindex = rtnl_link_get_ifindex(link);
	l->mtu = rtnl_link_get_mtu(link);
	l->flags = rtnl_link_get_flags(link);
	/* Not IFF_RUNNING, which follows the carrier up to a second later. */
	l->carrier = l->flags & IFF_LOWER_UP;
	memcpy(l->mac, nl_addr_get_binary_addr(mac), ETH_ALEN);
	(void)snprintf(l->name, sizeof(l->name), "%s", rtnl_link_get_name(link));
	(void)snprintf(l->kind, sizeof(l->kind), "%s", kind ? kind : "");
}

static int on_ipv6_conf(struct nl_msg *msg, void *arg)
{
	struct nlmsghdr *hdr = nlmsg_hdr(msg);
	struct net_link *link =
		find_link(arg, ((const struct ifinfomsg *)NLMSG_DATA(hdr))->ifi_index);
	struct nlattr *info = nlmsg_find_attr(hdr, sizeof(struct ifinfomsg), IFLA_PROTINFO);
	struct nlattr *conf = info ? nla_find(nla_data(info), nla_len(info), IFLA_INET6_CONF)
				   : NULL;

	if (link && conf)
		routers_read_conf(link, nla_data(conf), (size_t)nla_len(conf) / sizeof(int32_t));
	return NL_OK;
}

/* Not what the guest will make for itself, nor what must not be used. */
static bool address_is_wanted(struct rtnl_addr *addr, const struct net_link *link)
{
	int family = rtnl_addr_get_family(addr);
	unsigned flags = rtnl_addr_get_flags(addr);
	const struct nl_addr *local = rtnl_addr_get_local(addr);

	if (!local || family != AF_INET6)
		return local && family == AF_INET;
	return !(flags & (IFA_F_TEMPORARY | IFA_F_DADFAILED)) &&
	       (!(flags & IFA_F_MANAGETEMPADDR) ||
		routers_would_make(link, nl_addr_get_binary_addr(local)));
}

/* An address that a router asked for has its life time, and a route to its prefix of its own. */
static void describe_routers_address(struct rtnl_addr *addr, struct agent_ip_address *ip)
{
	uint32_t valid = rtnl_addr_get_valid_lifetime(addr);

	ip->flags |= IFA_F_MANAGETEMPADDR;
	if (valid == UINT32_MAX)
		return;
	ip->flags |= IFA_F_NOPREFIXROUTE;
	ip->valid = MAX(valid, 1U);
	ip->preferred = rtnl_addr_get_preferred_lifetime(addr);
}

static void add_address(struct nl_object *object, void *arg)
{
	struct rtnl_addr *addr = (struct rtnl_addr *)object;
	struct walk *w = arg;
	struct net_link *link = find_link(w, rtnl_addr_get_ifindex(addr));

	if (w->r < 0 || !link || !address_is_wanted(addr, link) ||
	    link->nr_addresses == NET_OBJECTS_MAX)
		return;
	w->r = arena_grow(w->arena, &link->addresses, &link->nr_addresses,
			  sizeof(struct agent_ip_address));
	if (w->r < 0)
		return;
	struct agent_ip_address *ip = &link->addresses[link->nr_addresses - 1];
	*ip = (struct agent_ip_address){
		.family = rtnl_addr_get_family(addr) == AF_INET ? AGENT_IP_FAMILY_V4
								: AGENT_IP_FAMILY_V6,
		.address = host_text(w->arena, rtnl_addr_get_local(addr)),
		.mask = arena_printf(w->arena, "%d", rtnl_addr_get_prefixlen(addr)),
		.flags = rtnl_addr_get_flags(addr) & IFA_F_NOPREFIXROUTE,
		.peer = host_text(w->arena, rtnl_addr_get_peer(addr)),
	};
	if (rtnl_addr_get_flags(addr) & IFA_F_MANAGETEMPADDR)
		describe_routers_address(addr, ip);
	if (!ip->address || !ip->mask || !ip->peer)
		w->r = -ENOMEM;
}

static bool leads_nowhere(struct rtnl_route *route)
{
	uint8_t type = rtnl_route_get_type(route);

	return type == RTN_BLACKHOLE || type == RTN_UNREACHABLE || type == RTN_PROHIBIT ||
	       type == RTN_THROW;
}

/* In seconds; the library keeps this to itself. */
static uint32_t route_expires(struct nlmsghdr *hdr)
{
	struct nlattr *attr = nlmsg_find_attr(hdr, sizeof(struct rtmsg), RTA_CACHEINFO);
	struct rta_cacheinfo info = { 0 };
	long ticks = sysconf(_SC_CLK_TCK);

	if (attr)
		(void)nla_memcpy(&info, attr, sizeof(info));
	int32_t expires = (int32_t)info.rta_expires;
	return expires > 0 ? (uint32_t)((expires + ticks - 1) / ticks) : 0;
}

static uint32_t route_preference(struct nlmsghdr *hdr)
{
	struct nlattr *attr = nlmsg_find_attr(hdr, sizeof(struct rtmsg), RTA_PREF);

	return attr ? nla_get_u8(attr) : 0;
}

static bool route_is_wanted(struct rtnl_route *route, const struct walk *w)
{
	uint8_t protocol = rtnl_route_get_protocol(route);

	return rtnl_route_get_table(route) == RT_TABLE_MAIN &&
	       !(rtnl_route_get_flags(route) & RTM_F_CLONED) &&
	       /*
		* The guest's kernel makes these itself, from addresses and what gateways say. What
		* expires a router has told the kernel.
		*/
	       (protocol != RTPROT_KERNEL || route_expires(w->hdr)) && protocol != RTPROT_REDIRECT;
}

/* @nh is NULL for a route that leads nowhere. */
static void add_nexthop(struct walk *w, struct rtnl_route *route, struct rtnl_nexthop *nh)
{
	const struct net_link *link = nh ? net_snapshot_find(w->snap, rtnl_route_nh_get_ifindex(nh))
					 : NULL;
	uint32_t mtu = 0;

	if (w->r < 0 || (nh && !link) || w->snap->nr_routes == NET_OBJECTS_MAX)
		return;
	w->r = arena_grow(w->arena, &w->snap->routes, &w->snap->nr_routes,
			  sizeof(struct agent_route));
	if (w->r < 0)
		return;
	(void)rtnl_route_get_metric(route, RTAX_MTU, &mtu); /* stays 0 when there is none */
	struct agent_route *r = &w->snap->routes[w->snap->nr_routes - 1];
	*r = (struct agent_route){
		.dest = addr_text(w->arena, rtnl_route_get_dst(route)),
		.gateway = host_text(w->arena, nh ? rtnl_route_nh_get_gateway(nh) : NULL),
		.device = link ? link->name : "",
		.source = host_text(w->arena, rtnl_route_get_pref_src(route)),
		.scope = rtnl_route_get_scope(route),
		.family = rtnl_route_get_family(route) == AF_INET ? AGENT_IP_FAMILY_V4
								  : AGENT_IP_FAMILY_V6,
		.flags = nh ? rtnl_route_nh_get_flags(nh) & RTNH_F_ONLINK : 0,
		.mtu = mtu,
		.metric = rtnl_route_get_priority(route),
		.type = nh ? 0 : rtnl_route_get_type(route),
		.protocol = rtnl_route_get_protocol(route),
		.expires = route_expires(w->hdr),
		.preference = route_preference(w->hdr),
	};
	if (!r->dest || !r->gateway || !r->source)
		w->r = -ENOMEM;
}

static void add_route(struct rtnl_route *route, struct walk *w)
{
	int family = rtnl_route_get_family(route);

	if (!route_is_wanted(route, w) || (family != AF_INET && family != AF_INET6))
		return;
	if (leads_nowhere(route))
		add_nexthop(w, route, NULL);
	else if (rtnl_route_get_type(route) == RTN_UNICAST)
		for (int i = 0; i < rtnl_route_get_nnexthops(route); i++)
			add_nexthop(w, route, rtnl_route_nexthop_n(route, i));
}

static void add_neighbor(struct nl_object *object, void *arg)
{
	struct rtnl_neigh *neigh = (struct rtnl_neigh *)object;
	struct walk *w = arg;
	struct nl_addr *dst = rtnl_neigh_get_dst(neigh), *lladdr = rtnl_neigh_get_lladdr(neigh);
	const struct net_link *link = net_snapshot_find(w->snap, rtnl_neigh_get_ifindex(neigh));

	if (w->r < 0 || !link || !dst || !lladdr ||
	    !(rtnl_neigh_get_state(neigh) & NUD_PERMANENT) ||
	    w->snap->nr_neighbors == NET_OBJECTS_MAX)
		return;
	struct agent_ip_address *ip = arena_alloc(w->arena, sizeof(*ip));
	w->r = ip ? arena_grow(w->arena, &w->snap->neighbors, &w->snap->nr_neighbors,
			       sizeof(struct agent_arp_neighbor))
		  : -ENOMEM;
	if (w->r < 0)
		return;
	ip->family = nl_addr_get_family(dst) == AF_INET ? AGENT_IP_FAMILY_V4 : AGENT_IP_FAMILY_V6;
	ip->address = host_text(w->arena, dst);
	w->snap->neighbors[w->snap->nr_neighbors - 1] = (struct agent_arp_neighbor){
		.to_ip_address = ip,
		.device = link->name,
		.lladdr = addr_text(w->arena, lladdr),
		.state = NUD_PERMANENT,
		.flags = (int32_t)rtnl_neigh_get_flags(neigh),
	};
}

static int on_route(struct nl_msg *msg, void *arg)
{
	struct rtnl_route *route;
	struct walk *w = arg;

	w->hdr = nlmsg_hdr(msg);
	if (rtnl_route_parse(w->hdr, &route) < 0)
		return NL_SKIP; /* of a kind the library does not know */
	add_route(route, w);
	rtnl_route_put(route);
	return NL_OK;
}

/* Message by message, for what the library's objects do not hold. */
static int list_raw(struct nl_sock *sock, int type, int family, nl_recvmsg_msg_cb_t fn,
		    struct walk *w, const char *what, struct err *err)
{
	struct nl_cb *cb = nl_cb_alloc(NL_CB_DEFAULT);
	int r = cb ? nl_cb_set(cb, NL_CB_VALID, NL_CB_CUSTOM, fn, w) : -NLE_NOMEM;

	if (r >= 0)
		r = nl_rtgen_request(sock, type, family, NLM_F_DUMP);
	if (r >= 0)
		r = nl_recvmsgs(sock, cb);
	nl_cb_put(cb);
	if (r < 0)
		return nl_fail(err, r, what);
	return w->r < 0 ? err_set_errno(err, w->r, "%s", what) : 0;
}

static int walk_cache(struct walk *w, int r, struct nl_cache *cache,
		      void (*fn)(struct nl_object *, void *), const char *what, struct err *err)
{
	if (r < 0)
		return nl_fail(err, r, what);
	nl_cache_foreach(cache, fn, w);
	nl_cache_free(cache);
	return w->r < 0 ? err_set_errno(err, w->r, "%s", what) : 0;
}

/**
 * net_snapshot_take() - read a network namespace
 * @sock: route socket that was opened in the namespace
 * @arena: holds the result
 * @ret: receives it
 * @err: filled on failure
 *
 * Short and blocking: the peer is the kernel.
 *
 * Return: 0 or -errno.
 */
int net_snapshot_take(struct nl_sock *sock, struct arena *arena, struct net_snapshot *ret,
		      struct err *err)
{
	struct net_snapshot snap = { 0 };
	struct walk w = { .arena = arena, .snap = &snap };
	struct nl_cache *cache = NULL;
	int r = rtnl_link_alloc_cache(sock, AF_UNSPEC, &cache);

	r = walk_cache(&w, r, cache, add_link, "list links", err);
	if (r < 0)
		return r;
	r = list_raw(sock, RTM_GETLINK, AF_INET6, on_ipv6_conf, &w, "list IPv6 settings", err);
	if (r < 0)
		return r;
	r = rtnl_addr_alloc_cache(sock, &cache);
	r = walk_cache(&w, r, cache, add_address, "list addresses", err);
	if (r < 0)
		return r;
	/* A cache keeps one route of those to the same place with the same metric. */
	r = list_raw(sock, RTM_GETROUTE, AF_UNSPEC, on_route, &w, "list routes", err);
	if (r < 0)
		return r;
	r = rtnl_neigh_alloc_cache(sock, &cache);
	r = walk_cache(&w, r, cache, add_neighbor, "list neighbours", err);
	if (r < 0)
		return r;
	*ret = snap;
	return 0;
}
