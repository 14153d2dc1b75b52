/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The calls about the guest's network, which is the pod's.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>

#include "agent/core/agent.h"
#include "agent/device/hotplug.h"
#include "agent/net/net_link.h"
#include "agent/net/net_route.h"
#include "agent/net/nlsock.h"
#include "agent/rpc/service.h"
#include "common/fd.h"
#include "common/io.h"
#include "common/str.h"

/* Largest MTU the kernel knows. */
#define MTU_MAX 65536

/* A netlink socket and the interfaces as they are now. */
struct net {
	int sock;
	struct net_link *links;
	size_t nr;
};

static int net_look(struct net *net, struct arena *arena, struct err *err)
{
	int r = net->sock < 0 ? nlsock_open() : net->sock;

	if (r >= 0) {
		net->sock = r;
		r = net_link_list(net->sock, arena, &net->links, &net->nr);
	}
	return r < 0 ? err_set_errno(err, r, "list interfaces") : 0;
}

static bool is_if_name(const char *name)
{
	return *name && strlen(name) < IF_NAMESIZE && !strchr(name, '/') && !strchr(name, ' ') &&
	       !str_eq(name, ".") && !str_eq(name, "..");
}

/*
 * The interface a request means: the one at a PCI path, or with its MAC, or, as a last resort (a
 * template's NIC has another MAC), with its name. It leaves here with the MAC it is to have.
 */
static int find_link(struct agent *agent, struct net *net, const struct agent_interface *itf,
		     struct arena *arena, const struct net_link **ret, struct err *err)
{
	const struct net_link *link = NULL;
	uint8_t mac[ETH_ALEN];
	bool has_mac = !str_empty(itf->hw_addr);
	char plugged[IF_NAMESIZE] = "";
	int r = 0;

	if (has_mac && net_mac_parse(itf->hw_addr, mac) < 0)
		return err_set(err, EINVAL, "interface %.16s: bad hardware address %.32s",
			       itf->name, itf->hw_addr);
	if (!str_empty(itf->device_path))
		r = hotplug_wait_net(&agent->hotplug, itf->device_path, plugged, sizeof(plugged),
				     err);
	if (r >= 0)
		r = net_look(net, arena, err);
	if (r < 0)
		return r;
	if (*plugged)
		link = net_link_by_name(net->links, net->nr, plugged);
	else if (has_mac)
		link = net_link_by_mac(net->links, net->nr, mac);
	if (!link)
		link = net_link_by_name(net->links, net->nr, itf->name);
	if (!link || (link->flags & IFF_LOOPBACK))
		return err_set(err, ENODEV, "Link not found (interface %.16s, %.32s)", itf->name,
			       itf->hw_addr);
	bool other_mac = has_mac && memcmp(link->mac, mac, ETH_ALEN) != 0;
	/*
	 * Setting the interface down removes its routes and IPv6 addresses, those that the
	 * container made, too.
	 */
	if (other_mac || !str_eq(link->name, itf->name))
		r = net_link_set_flags(net->sock, link->index, 0, IFF_UP);
	if (r >= 0 && other_mac)
		r = net_link_set_mac(net->sock, link->index, mac);
	if (r >= 0 && itf->exact && net_ipv6_is_on())
		r = net_link_keep_link_local(net->sock, link->index);
	if (r < 0)
		return err_set_errno(err, r, "interface %s", link->name);
	*ret = link;
	return 0;
}

/* One address of a request in the kernel's terms; *ret_peer stays NULL where there is none. */
static int parse_address(const struct net_link *link, const struct agent_ip_address *ip,
			 struct net_addr *addr, struct net_addr *peer,
			 const struct net_addr **ret_peer, struct err *err)
{
	*ret_peer = NULL;
	if (net_addr_parse(ip->address, ip->mask, addr) < 0)
		return err_set(err, EINVAL, "interface %s: bad address %.64s/%.8s", link->name,
			       ip->address, ip->mask);
	if (str_empty(ip->peer))
		return 0;
	if (net_addr_parse(ip->peer, NULL, peer) < 0 || peer->family != addr->family)
		return err_set(err, EINVAL, "interface %s: bad peer %.64s of %.64s", link->name,
			       ip->peer, ip->address);
	*ret_peer = peer;
	return 0;
}

static int add_addresses(struct net *net, const struct net_link *link,
			 const struct agent_interface *itf, struct err *err)
{
	bool ipv6 = net_ipv6_is_on();

	for (size_t i = 0; i < itf->nr_ip_addresses; i++) {
		const struct agent_ip_address *ip = &itf->ip_addresses[i];
		const struct net_addr *has_peer;
		struct net_addr addr, peer;
		int r = parse_address(link, ip, &addr, &peer, &has_peer, err);

		if (r < 0)
			return r;
		if (addr.family == AF_INET6 && !ipv6)
			continue;
		const struct ifa_cacheinfo life = { .ifa_valid = ip->valid,
						    .ifa_prefered = ip->preferred };
		r = net_link_add_addr(net->sock, link->index, &addr, has_peer, ip->flags,
				      ip->valid ? &life : NULL);
		if (r < 0 && r != -EEXIST)
			return err_set_errno(err, r, "interface %s: add %.64s/%.8s", link->name,
					     ip->address, ip->mask);
	}
	return 0;
}

static int remove_addresses(struct net *net, const struct net_link *link,
			    const struct agent_interface *itf, struct err *err)
{
	for (size_t i = 0; i < itf->nr_gone; i++) {
		const struct agent_ip_address *ip = &itf->gone[i];
		const struct net_addr *has_peer;
		struct net_addr addr, peer;
		int r = parse_address(link, ip, &addr, &peer, &has_peer, err);

		if (r < 0)
			return r;
		r = net_link_del_addr(net->sock, link->index, &addr, has_peer);
		/* The container may have removed it itself. */
		if (r < 0 && r != -EADDRNOTAVAIL)
			return err_set_errno(err, r, "interface %s: remove %.64s/%.8s", link->name,
					     ip->address, ip->mask);
	}
	return 0;
}

/*
 * Two interfaces may be about to swap names: the one that has the wanted name now gets another one
 * first.
 */
static int rename_link(struct net *net, const struct net_link *link, const char *name,
		       struct err *err)
{
	const struct net_link *holder = net_link_by_name(net->links, net->nr, name);
	char aside[IF_NAMESIZE];
	int r = 0;

	if (str_eq(link->name, name))
		return 0;
	if (holder) {
		(void)snprintf(aside, sizeof(aside), "%.10s_temp", name);
		r = net_link_set_flags(net->sock, holder->index, 0, IFF_UP);
		if (r >= 0)
			r = net_link_set_name(net->sock, holder->index, aside);
	}
	if (r >= 0)
		r = net_link_set_name(net->sock, link->index, name);
	return r < 0 ? err_set_errno(err, r, "rename interface %s to %s", link->name, name) : 0;
}

/*
 * What the kernel does with router advertisements. A setting that the kernel does not know belongs
 * to something it cannot do, so it is left out.
 */
static int set_ipv6_conf(const struct agent_interface *itf, struct err *err)
{
	for (size_t i = 0; i < itf->ipv6_conf.nr; i++) {
		const char *setting = itf->ipv6_conf.v[i], *value = strchr(setting, '=');
		size_t len = value ? (size_t)(value - setting) : 0;
		char path[128];

		if (!len || len > 64 || memchr(setting, '/', len) || memchr(setting, '.', len))
			return err_set(err, EINVAL, "interface %.16s: bad setting %.64s", itf->name,
				       setting);
		(void)snprintf(path, sizeof(path), "/proc/sys/net/ipv6/conf/%s/%.*s", itf->name,
			       (int)len, setting);
		int r = io_write_str_at(AT_FDCWD, path, value + 1);
		if (r < 0 && r != -ENOENT)
			return err_set_errno(err, r, "interface %.16s: %.64s", itf->name, setting);
	}
	return 0;
}

static int update(struct agent *agent, struct net *net, const struct agent_interface *itf,
		  struct arena *arena, struct err *err)
{
	const struct net_link *link = NULL;
	int r = find_link(agent, net, itf, arena, &link, err);

	if (r >= 0)
		r = rename_link(net, link, itf->name, err);
	if (r < 0)
		return r;
	if (itf->mtu)
		r = net_link_set_mtu(net->sock, link->index, (unsigned)itf->mtu);
	if (r < 0)
		return err_set_errno(err, r, "interface %.16s: MTU %u", itf->name,
				     (unsigned)itf->mtu);
	r = set_ipv6_conf(itf, err);
	if (r >= 0)
		r = remove_addresses(net, link, itf, err);
	if (r >= 0)
		r = add_addresses(net, link, itf, err);
	if (r < 0)
		return r;
	/* Kata's own shim says nothing about this. */
	unsigned up = itf->exact ? itf->raw_flags & IFF_UP : IFF_UP,
		 noarp = itf->raw_flags & IFF_NOARP;
	r = net_link_set_flags(net->sock, link->index, up | noarp, IFF_UP | noarp);
	if (r < 0)
		return err_set_errno(err, r, "interface %.16s: %s", itf->name, up ? "up" : "down");
	net_link_settle(itf->name);
	return 0;
}

/**
 * network_rpc_update_interface() - UpdateInterface: name, addresses, MTU of one interface, and up
 * @ctx: agent
 * @call: request
 * @request: struct agent_update_interface_request
 * @response: struct agent_interface, the request's
 * @err: filled on failure; "Link not found" makes Kata's own shim try again
 *
 * Return: 0 or -errno.
 */
RPC_FN(network_rpc_update_interface)
{
	const struct agent_update_interface_request *req = request;
	struct agent_interface *resp = response;
	struct net net = { .sock = -1 };

	if (!req->interface)
		return err_set(err, EINVAL, "no interface given");
	if (!is_if_name(req->interface->name) || req->interface->mtu > MTU_MAX)
		return err_set(err, EINVAL, "interface %.16s: bad name or MTU",
			       req->interface->name);
	int r = update(ctx, &net, req->interface, call->arena, err);
	(void)fd_close(net.sock);
	if (r >= 0)
		*resp = *req->interface;
	return r;
}

static int list_routes(struct net *net, struct arena *arena, struct agent_routes *ret,
		       struct err *err)
{
	int r = net_look(net, arena, err);

	if (r < 0)
		return r;
	r = net_route_list(net->sock, net->links, net->nr, arena, &ret->routes, &ret->nr_routes);
	return r < 0 ? err_set_errno(err, r, "list routes") : 0;
}

/* Routes to where the gateways are come before the routes through them. */
static int add_routes(struct net *net, const struct agent_routes *routes, struct err *err)
{
	bool ipv6 = net_ipv6_is_on();
	int r = 0;

	for (int pass = 0; r >= 0 && pass < 2; pass++) {
		for (size_t i = 0; r >= 0 && i < routes->nr_routes; i++) {
			const struct agent_route *route = &routes->routes[i];

			if (str_empty(route->gateway) != (pass == 0) ||
			    (route->family == AGENT_IP_FAMILY_V6 && !ipv6))
				continue;
			r = net_route_add(net->sock, net->links, net->nr, route, err);
		}
	}
	return r;
}

/**
 * network_rpc_update_routes() - UpdateRoutes: remove what the request says, add what is missing
 * @ctx: agent
 * @call: request
 * @request: struct agent_update_routes_request
 * @response: struct agent_routes, all there are now
 * @err: filled on failure
 *
 * Return: 0 or -errno.
 */
RPC_FN(network_rpc_update_routes)
{
	const struct agent_update_routes_request *req = request;
	struct net net = { .sock = -1 };

	(void)ctx;
	if (!req->routes && !req->gone)
		return err_set(err, EINVAL, "no routes given");
	int r = net_look(&net, call->arena, err);
	for (size_t i = 0; r >= 0 && req->gone && i < req->gone->nr_routes; i++)
		r = net_route_del(net.sock, net.links, net.nr, &req->gone->routes[i], err);
	if (r >= 0 && req->routes)
		r = add_routes(&net, req->routes, err);
	if (r >= 0)
		r = list_routes(&net, call->arena, response, err);
	(void)fd_close(net.sock);
	return r;
}

/**
 * network_rpc_list_interfaces() - ListInterfaces
 * @ctx: agent
 * @call: request
 * @request: NULL
 * @response: struct agent_interfaces
 * @err: filled on failure
 *
 * Return: 0 or -errno.
 */
RPC_FN(network_rpc_list_interfaces)
{
	struct agent_interfaces *resp = response;
	cleanup_close int sock = nlsock_open();

	(void)ctx;
	(void)request;
	int r = sock < 0 ? sock
			 : net_link_describe(sock, call->arena, &resp->interfaces,
					     &resp->nr_interfaces);
	return r < 0 ? err_set_errno(err, r, "list interfaces") : 0;
}

/**
 * network_rpc_list_routes() - ListRoutes: routes of the main table
 * @ctx: agent
 * @call: request
 * @request: NULL
 * @response: struct agent_routes
 * @err: filled on failure
 *
 * Return: 0 or -errno.
 */
RPC_FN(network_rpc_list_routes)
{
	struct net net = { .sock = -1 };
	int r = list_routes(&net, call->arena, response, err);

	(void)ctx;
	(void)request;
	(void)fd_close(net.sock);
	return r;
}

/**
 * network_rpc_add_neighbors() - AddARPNeighbors: static neighbours to remove and to add
 * @ctx: agent
 * @call: request
 * @request: struct agent_add_arp_neighbors_request
 * @response: NULL
 * @err: filled on failure
 *
 * Return: 0 or -errno.
 */
RPC_FN(network_rpc_add_neighbors)
{
	const struct agent_add_arp_neighbors_request *req = request;
	struct net net = { .sock = -1 };

	(void)ctx;
	(void)response;
	if (!req->neighbors && !req->gone)
		return err_set(err, EINVAL, "no neighbours given");
	int r = net_look(&net, call->arena, err);
	for (size_t i = 0; r >= 0 && req->gone && i < req->gone->nr_arp_neighbors; i++)
		r = net_neighbor_del(net.sock, net.links, net.nr, &req->gone->arp_neighbors[i],
				     err);
	for (size_t i = 0; r >= 0 && req->neighbors && i < req->neighbors->nr_arp_neighbors; i++)
		r = net_neighbor_add(net.sock, net.links, net.nr, &req->neighbors->arp_neighbors[i],
				     err);
	(void)fd_close(net.sock);
	return r;
}
