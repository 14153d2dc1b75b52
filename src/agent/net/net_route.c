/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Routes and neighbours by rtnetlink.
 */
#include "agent/net/net_route.h"

#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/ipv6_route.h>
#include <linux/neighbour.h>
#include <linux/route.h>

#include "agent/net/nlsock.h"
#include "common/fd.h"
#include "common/str.h"
#include "rpc/pb/agent_msg.h"

#define NET_ROUTES_MAX 16384

static bool is_default(const char *dest)
{
	return str_empty(dest) || str_eq(dest, "default") || str_eq(dest, "0.0.0.0/0") ||
	       str_eq(dest, "::/0");
}

static int add_addr(struct nlreq *req, uint16_t type, const char *text, int family, struct err *err)
{
	struct net_addr addr;

	if (net_addr_parse(text, NULL, &addr) < 0 || addr.family != family)
		return err_set(err, EINVAL, "%.64s is not an address of the route's family", text);
	nlreq_add(req, type, addr.bytes, net_addr_len(&addr));
	return 0;
}

static int add_details(struct nlreq *req, const struct agent_route *route, int family,
		       struct err *err)
{
	int r = 0;

	if (!str_empty(route->gateway))
		r = add_addr(req, RTA_GATEWAY, route->gateway, family, err);
	if (r >= 0 && !str_empty(route->source))
		r = add_addr(req, RTA_PREFSRC, route->source, family, err);
	if (route->mtu) {
		/* RTA_METRICS nests one attribute here. */
		struct {
			struct rtattr attr;
			uint32_t mtu;
		} metrics = { { RTA_LENGTH(sizeof(uint32_t)), RTAX_MTU }, route->mtu };
		nlreq_add(req, RTA_METRICS, &metrics, sizeof(metrics));
	}
	if (route->expires)
		nlreq_add_u32(req, RTA_EXPIRES, route->expires);
	if (route->preference) {
		uint8_t preference = (uint8_t)route->preference;
		nlreq_add(req, RTA_PREF, &preference, sizeof(preference));
	}
	return r;
}

static const char *dest_text(const struct agent_route *route)
{
	return is_default(route->dest) ? "default" : route->dest;
}

/* What adding and removing a route have in common. */
static int route_request(struct nlreq *req, uint16_t type, uint16_t how,
			 const struct net_link *link, const struct agent_route *route,
			 struct err *err)
{
	int family = route->family == AGENT_IP_FAMILY_V6 ? AF_INET6 : AF_INET;
	struct net_addr dest = { .family = family };

	if (!is_default(route->dest) &&
	    (net_addr_parse(route->dest, NULL, &dest) < 0 || dest.family != family))
		return err_set(err, EINVAL, "route to %.64s: bad destination", route->dest);
	struct rtmsg msg = {
		.rtm_family = (uint8_t)family,
		.rtm_dst_len = is_default(route->dest) ? 0 : (uint8_t)dest.prefix_len,
		.rtm_table = RT_TABLE_MAIN,
		.rtm_protocol = type != RTM_NEWROUTE ? RTPROT_UNSPEC
				: route->protocol    ? (uint8_t)route->protocol
						     : RTPROT_BOOT,
		.rtm_scope = (uint8_t)route->scope,
		.rtm_type = route->type ? (uint8_t)route->type : RTN_UNICAST,
		.rtm_flags = route->flags & RTNH_F_ONLINK,
	};
	nlreq_init(req, type, how, &msg, sizeof(msg));
	if (msg.rtm_dst_len)
		nlreq_add(req, RTA_DST, dest.bytes, net_addr_len(&dest));
	if (link)
		nlreq_add_u32(req, RTA_OIF, (uint32_t)link->index);
	if (route->metric)
		nlreq_add_u32(req, RTA_PRIORITY, route->metric);
	int r = add_details(req, route, family, err);
	return r < 0 ? err_wrap(err, "route to %.64s", route->dest) : 0;
}

/* Blackholes and their like lead nowhere, the others need an interface. */
static bool needs_link(const struct agent_route *route)
{
	return !route->type || route->type == RTN_UNICAST;
}

static bool is_known_type(const struct agent_route *route)
{
	return needs_link(route) || route->type == RTN_BLACKHOLE ||
	       route->type == RTN_UNREACHABLE || route->type == RTN_PROHIBIT ||
	       route->type == RTN_THROW;
}

/* Was it a router that told the kernel about it? */
static bool is_routers(const struct agent_route *route)
{
	return route->family == AGENT_IP_FAMILY_V6 && needs_link(route) &&
	       (route->protocol == RTPROT_RA || route->protocol == RTPROT_KERNEL);
}

/*
 * Marked as the kernel's own, which it looks for when routers tell it more: one without the marks
 * would keep it from listening to that router. Netlink cannot set them.
 */
static int add_routers_route(const struct net_link *link, const struct agent_route *route,
			     struct err *err)
{
	struct net_addr dest = { .family = AF_INET6 }, gateway = { .family = AF_INET6 };
	bool to_all = is_default(route->dest), direct = str_empty(route->gateway);

	if ((!to_all && net_addr_parse(route->dest, NULL, &dest) < 0) ||
	    (!direct && net_addr_parse(route->gateway, NULL, &gateway) < 0) ||
	    dest.family != AF_INET6 || gateway.family != AF_INET6)
		return err_set(err, EINVAL, "route to %.64s via %.64s: bad address",
			       dest_text(route), route->gateway);
	struct in6_rtmsg msg = {
		.rtmsg_dst_len = (uint16_t)(to_all ? 0 : dest.prefix_len),
		.rtmsg_metric = route->metric,
		.rtmsg_ifindex = link->index,
		.rtmsg_info = (unsigned long)route->expires * (unsigned long)sysconf(_SC_CLK_TCK),
		.rtmsg_flags = RTF_UP | RTF_ADDRCONF | RTF_PREF(route->preference & 3) |
			       (route->expires ? RTF_EXPIRES : 0) |
			       (direct	 ? RTF_PREFIX_RT
				: to_all ? RTF_GATEWAY | RTF_DEFAULT
					 : RTF_GATEWAY | RTF_ROUTEINFO),
	};
	memcpy(&msg.rtmsg_dst, dest.bytes, sizeof(msg.rtmsg_dst));
	memcpy(&msg.rtmsg_gateway, gateway.bytes, sizeof(msg.rtmsg_gateway));
	cleanup_close int fd = neg_errno(socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0));
	int r = fd < 0 ? fd : neg_errno(ioctl(fd, SIOCADDRT, &msg));
	return r < 0 && r != -EEXIST ? err_set_errno(err, r, "route to %.64s via %.64s by %s",
						     dest_text(route), route->gateway, link->name)
				     : 0;
}

/**
 * net_route_add() - add a route to the main table
 * @sock: netlink socket
 * @links: interfaces
 * @nr_links: their number
 * @route: route
 * @err: names the route
 *
 * A second route to the same place goes behind the first, as in the namespace it was read from.
 *
 * Return: 0, also when it is there already, or -errno.
 */
int net_route_add(int sock, const struct net_link *links, size_t nr_links,
		  const struct agent_route *route, struct err *err)
{
	const struct net_link *link = NULL;
	struct nlreq req;

	if (!is_known_type(route))
		return err_set(err, EINVAL, "route to %.64s: unknown type %u", dest_text(route),
			       route->type);
	if (needs_link(route)) {
		link = net_link_by_name(links, nr_links, route->device);
		if (!link)
			return err_set(err, ENODEV, "Link not found (route to %.64s by %.16s)",
				       dest_text(route), route->device);
	}
	if (is_routers(route))
		return add_routers_route(link, route, err);
	int r = route_request(&req, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_APPEND, link, route, err);
	if (r < 0)
		return r;
	r = nlreq_send(sock, &req);
	if (r < 0 && r != -EEXIST)
		return err_set_errno(err, r, "route to %.64s via %.64s by %s", dest_text(route),
				     route->gateway, link ? link->name : "none");
	return 0;
}

/**
 * net_route_del() - remove a route from the main table
 * @sock: netlink socket
 * @links: interfaces
 * @nr_links: their number
 * @route: route
 * @err: names the route
 *
 * Return: 0, also when it is not there, or -errno.
 */
int net_route_del(int sock, const struct net_link *links, size_t nr_links,
		  const struct agent_route *route, struct err *err)
{
	const struct net_link *link = net_link_by_name(links, nr_links, route->device);
	struct nlreq req;

	if (!link && needs_link(route))
		return 0; /* it went with its interface */
	int r = route_request(&req, RTM_DELROUTE, 0, link, route, err);
	if (r < 0)
		return r;
	r = nlreq_send(sock, &req);
	if (r < 0 && r != -ESRCH)
		return err_set_errno(err, r, "remove route to %.64s via %.64s", dest_text(route),
				     route->gateway);
	return 0;
}

struct route_list {
	struct arena *arena;
	const struct net_link *links;
	size_t nr_links;
	struct agent_route *routes;
	size_t nr;
};

static bool is_wanted(const struct rtmsg *msg, const struct rtattr **attrs)
{
	uint32_t table = attrs[RTA_TABLE] ? nl_attr_u32(attrs[RTA_TABLE]) : msg->rtm_table;

	return table == RT_TABLE_MAIN && !(msg->rtm_flags & RTM_F_CLONED) &&
	       (msg->rtm_family == AF_INET || msg->rtm_family == AF_INET6);
}

static const char *addr_text(const struct rtattr *attr, int family, struct arena *arena)
{
	if (!attr || RTA_PAYLOAD(attr) != (family == AF_INET ? 4 : 16))
		return "";
	return net_addr_format(family, RTA_DATA(attr), arena);
}

static uint32_t route_mtu(const struct rtattr *metrics)
{
	size_t len = metrics ? RTA_PAYLOAD(metrics) : 0;

	for (const struct rtattr *a = metrics ? RTA_DATA(metrics) : NULL; RTA_OK(a, len);
	     a = RTA_NEXT(a, len))
		if (a->rta_type == RTAX_MTU)
			return nl_attr_u32(a);
	return 0;
}

static int on_route(void *arg, const struct nlmsghdr *hdr)
{
	struct route_list *list = arg;
	const struct rtattr *attrs[RTA_TABLE + 1];
	const struct rtmsg *msg = NLMSG_DATA(hdr);

	if (hdr->nlmsg_type != RTM_NEWROUTE || nl_parse(hdr, sizeof(*msg), attrs, RTA_TABLE) < 0 ||
	    !is_wanted(msg, attrs))
		return 0;
	if (list->nr >= NET_ROUTES_MAX)
		return -E2BIG;
	int r = arena_grow(list->arena, &list->routes, &list->nr, sizeof(*list->routes));
	if (r < 0)
		return r;
	struct agent_route *route = &list->routes[list->nr - 1];
	const struct net_link *link =
		net_link_by_index(list->links, list->nr_links, (int)nl_attr_u32(attrs[RTA_OIF]));
	const char *dest = addr_text(attrs[RTA_DST], msg->rtm_family, list->arena);
	route->family = msg->rtm_family == AF_INET6 ? AGENT_IP_FAMILY_V6 : AGENT_IP_FAMILY_V4;
	route->dest = dest && *dest ? arena_printf(list->arena, "%s/%u", dest, msg->rtm_dst_len)
		      : msg->rtm_family == AF_INET6 ? "::/0"
						    : "0.0.0.0/0";
	route->gateway = addr_text(attrs[RTA_GATEWAY], msg->rtm_family, list->arena);
	route->source = addr_text(attrs[RTA_PREFSRC], msg->rtm_family, list->arena);
	route->device = link ? link->name : "";
	route->scope = msg->rtm_scope;
	route->flags = msg->rtm_flags & RTNH_F_ONLINK;
	route->metric = nl_attr_u32(attrs[RTA_PRIORITY]);
	route->type = msg->rtm_type == RTN_UNICAST ? 0 : msg->rtm_type;
	route->mtu = route_mtu(attrs[RTA_METRICS]);
	return route->dest && route->gateway && route->source ? 0 : -ENOMEM;
}

/**
 * net_route_list() - the routes of the main table
 * @sock: netlink socket
 * @links: interfaces; their names are borrowed
 * @nr_links: their number
 * @arena: arena of the result
 * @ret: receives them
 * @ret_nr: their number
 *
 * Return: 0 or -errno.
 */
int net_route_list(int sock, const struct net_link *links, size_t nr_links, struct arena *arena,
		   struct agent_route **ret, size_t *ret_nr)
{
	struct route_list list = { .arena = arena, .links = links, .nr_links = nr_links };
	struct rtmsg msg = { .rtm_family = AF_UNSPEC };
	struct nlreq req;

	nlreq_init(&req, RTM_GETROUTE, 0, &msg, sizeof(msg));
	int r = nlreq_dump(sock, &req, on_route, &list);
	if (r < 0)
		return r;
	*ret = list.routes;
	*ret_nr = list.nr;
	return 0;
}

static int neighbor_request(struct nlreq *req, uint16_t type, uint16_t how,
			    const struct net_link *link, const struct agent_arp_neighbor *neighbor,
			    struct err *err)
{
	const char *ip = neighbor->to_ip_address ? neighbor->to_ip_address->address : "";
	struct net_addr addr;
	uint8_t mac[ETH_ALEN];

	if (net_addr_parse(ip, NULL, &addr) < 0)
		return err_set(err, EINVAL, "neighbour %.64s: bad address", ip);
	if (!str_empty(neighbor->lladdr) && net_mac_parse(neighbor->lladdr, mac) < 0)
		return err_set(err, EINVAL, "neighbour %.64s: bad hardware address %.32s", ip,
			       neighbor->lladdr);
	struct ndmsg msg = {
		.ndm_family = (uint8_t)addr.family,
		.ndm_ifindex = link->index,
		.ndm_state = neighbor->state ? (uint16_t)neighbor->state : NUD_PERMANENT,
		.ndm_flags = (uint8_t)neighbor->flags,
	};
	nlreq_init(req, type, how, &msg, sizeof(msg));
	nlreq_add(req, NDA_DST, addr.bytes, net_addr_len(&addr));
	if (!str_empty(neighbor->lladdr))
		nlreq_add(req, NDA_LLADDR, mac, sizeof(mac));
	return 0;
}

/**
 * net_neighbor_add() - add a static neighbour
 * @sock: netlink socket
 * @links: interfaces
 * @nr_links: their number
 * @neighbor: neighbour
 * @err: names it
 *
 * Return: 0 or -errno.
 */
int net_neighbor_add(int sock, const struct net_link *links, size_t nr_links,
		     const struct agent_arp_neighbor *neighbor, struct err *err)
{
	const struct net_link *link = net_link_by_name(links, nr_links, neighbor->device);
	const char *ip = neighbor->to_ip_address ? neighbor->to_ip_address->address : "";
	struct nlreq req;

	if (!link)
		return err_set(err, ENODEV, "Link not found (neighbour %.64s by %.16s)", ip,
			       neighbor->device);
	int r = neighbor_request(&req, RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, link, neighbor,
				 err);
	if (r < 0)
		return r;
	r = nlreq_send(sock, &req);
	return r < 0 ? err_set_errno(err, r, "neighbour %.64s by %s", ip, link->name) : 0;
}

/**
 * net_neighbor_del() - remove a static neighbour
 * @sock: netlink socket
 * @links: interfaces
 * @nr_links: their number
 * @neighbor: neighbour
 * @err: names it
 *
 * Return: 0, also when it is not there, or -errno.
 */
int net_neighbor_del(int sock, const struct net_link *links, size_t nr_links,
		     const struct agent_arp_neighbor *neighbor, struct err *err)
{
	const struct net_link *link = net_link_by_name(links, nr_links, neighbor->device);
	struct nlreq req;

	if (!link)
		return 0;
	int r = neighbor_request(&req, RTM_DELNEIGH, 0, link, neighbor, err);
	if (r < 0)
		return r;
	r = nlreq_send(sock, &req);
	return r < 0 && r != -ENOENT ? err_set_errno(err, r, "remove neighbour by %s", link->name)
				     : 0;
}
