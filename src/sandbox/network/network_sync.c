/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keeps VM and guest in step with the network namespace: devices that come and go, carriers, and
 * what the agent is told.
 */
#include <errno.h>
#include <linux/rtnetlink.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "common/log.h"
#include "common/str.h"
#include "rpc/ttrpc/rpc.h"
#include "sandbox/network/diff.h"
#include "sandbox/network/netns.h"
#include "sandbox/network/network_internal.h"
#include "sandbox/network/routers.h"

/*
 * A manager makes a link, its addresses and its routes in a row: looked at once, this long after
 * the last change.
 */
#define NETWORK_SETTLE_MS 20
#define NETWORK_PLUG_MS 10000

static int tell_interface(struct network *net, struct rpc_client *agent, const struct endpoint *ep,
			  uint64_t deadline_ns, struct err *err)
{
	const struct net_link *link = net_snapshot_find(&net->snap, ep->link.ifindex);
	const struct net_link *old = net_snapshot_find(&net->told, ep->link.ifindex);
	char mac[18];

	if (!link || !ep->plugged || (ep->told && old && net_link_equal(link, old)))
		return 0;
	(void)snprintf(mac, sizeof(mac), "%02x:%02x:%02x:%02x:%02x:%02x", link->mac[0],
		       link->mac[1], link->mac[2], link->mac[3], link->mac[4], link->mac[5]);
	struct agent_interface interface = {
		.device = link->name,
		.name = link->name,
		.ip_addresses = link->addresses,
		.nr_ip_addresses = link->nr_addresses,
		.mtu = link->mtu,
		.hw_addr = mac,
		.device_path = ep->guest_path,
		.raw_flags = link->flags & (IFF_NOARP | IFF_UP),
		.exact = true,
	};
	if (old &&
	    net_diff_addresses(old, link, net->arena, &interface.gone, &interface.nr_gone) < 0)
		return err_set(err, ENOMEM, "out of memory");
	if (routers_list_conf(ep->told ? old : NULL, link, net->arena, &interface.ipv6_conf) < 0)
		return err_set(err, ENOMEM, "out of memory");
	struct agent_update_interface_request req = { .interface = &interface };
	int r = rpc_call(agent, &agent_update_interface, &req, NULL, NULL, deadline_ns, err);
	return r < 0 ? err_wrap(err, "interface %s", link->name) : 0;
}

static bool guest_has(struct network *net, const char *name)
{
	list_for_each(node, &net->endpoints) {
		const struct endpoint *ep = list_entry(node, struct endpoint, node);
		const struct net_link *link = net_snapshot_find(&net->snap, ep->link.ifindex);

		if (ep->plugged && link && str_eq(link->name, name))
			return true;
	}
	return false;
}

/*
 * Routes and neighbours by interfaces the guest does not have, ours or ones that are down, are none
 * of its business.
 */
static void drop_what_is_others(struct network *net)
{
	struct net_snapshot *snap = &net->snap;
	size_t nr = 0;

	for (size_t i = 0; i < snap->nr_routes; i++)
		if (snap->routes[i].type != 0 || guest_has(net, snap->routes[i].device))
			snap->routes[nr++] = snap->routes[i];
	snap->nr_routes = nr;
	nr = 0;
	for (size_t i = 0; i < snap->nr_neighbors; i++)
		if (guest_has(net, snap->neighbors[i].device))
			snap->neighbors[nr++] = snap->neighbors[i];
	snap->nr_neighbors = nr;
}

/* Router advertisements reach the guest's own kernel once it has the interface. */
static void drop_what_routers_said(struct network *net, struct net_snapshot *snap)
{
	list_for_each(node, &net->endpoints) {
		const struct endpoint *ep = list_entry(node, struct endpoint, node);

		if (ep->told)
			routers_drop(snap, ep->link.ifindex);
	}
}

static int tell_routes(struct network *net, struct rpc_client *agent, uint64_t deadline_ns,
		       struct err *err)
{
	struct agent_routes routes = { .routes = net->snap.routes,
				       .nr_routes = net->snap.nr_routes },
			    gone;
	struct agent_update_routes_request req = { .routes = &routes, .gone = &gone };

	if (net_diff_routes(&net->told, &net->snap, net->arena, &gone) < 0)
		return err_set(err, ENOMEM, "out of memory");
	return routes.nr_routes || gone.nr_routes
		       ? rpc_call(agent, &agent_update_routes, &req, NULL, NULL, deadline_ns, err)
		       : 0;
}

static int tell_neighbors(struct network *net, struct rpc_client *agent, uint64_t deadline_ns,
			  struct err *err)
{
	struct agent_arp_neighbors neighbors = { net->snap.neighbors, net->snap.nr_neighbors },
				   gone;
	struct agent_add_arp_neighbors_request req = { .neighbors = &neighbors, .gone = &gone };

	if (net_snapshot_neighbors_equal(&net->told, &net->snap))
		return 0;
	if (net_diff_neighbors(&net->told, &net->snap, net->arena, &gone) < 0)
		return err_set(err, ENOMEM, "out of memory");
	return rpc_call(agent, &agent_add_arp_neighbors, &req, NULL, NULL, deadline_ns, err);
}

/*
 * Addresses and MACs that change take routes with them in the guest, so then all routes are told
 * again.
 */
static int tell_everything(struct network *net, struct rpc_client *agent, uint64_t deadline_ns,
			   struct err *err)
{
	bool changed = !net_snapshot_routes_equal(&net->told, &net->snap);
	int r = 0;

	list_for_each(node, &net->endpoints) {
		struct endpoint *ep = list_entry(node, struct endpoint, node);
		const struct net_link *link = net_snapshot_find(&net->snap, ep->link.ifindex);
		const struct net_link *old = net_snapshot_find(&net->told, ep->link.ifindex);

		changed |= ep->plugged &&
			   (!ep->told || !link || !old || !net_link_equal(link, old));
		if (r >= 0)
			r = tell_interface(net, agent, ep, deadline_ns, err);
		if (r >= 0)
			ep->told = ep->plugged;
	}
	if (r >= 0 && changed)
		r = tell_routes(net, agent, deadline_ns, err);
	return r < 0 ? r : tell_neighbors(net, agent, deadline_ns, err);
}

/**
 * network_configure_guest() - tell the agent what it does not know yet
 * @net: network or NULL
 * @agent: connection
 * @deadline_ns: absolute time
 * @err: filled on failure
 *
 * Return: 0 or -errno; after a failure the next call tells it again.
 */
int network_configure_guest(struct network *net, struct rpc_client *agent, uint64_t deadline_ns,
			    struct err *err)
{
	if (!net || !net->arena)
		return 0;
	drop_what_is_others(net);
	drop_what_routers_said(net, &net->snap);
	int r = tell_everything(net, agent, deadline_ns, err);
	if (r < 0)
		return r;
	/* The next look gets an arena of its own. */
	(void)arena_free(net->told_arena);
	net->told_arena = net->arena;
	net->told = net->snap;
	net->arena = NULL;
	drop_what_routers_said(net, &net->told);
	return 0;
}

static int plug(struct network *net, struct endpoint *ep, struct err *err)
{
	struct vm_device dev;

	endpoint_describe(ep, &dev);
	int r = hypervisor_attach(net->hv, &dev, loop_deadline_ms(NETWORK_PLUG_MS), err);
	if (r < 0)
		return err_wrap(err, "plug interface %s", ep->link.name);
	ep->plugged = true;
	memcpy(ep->guest_path, dev.guest_path, sizeof(ep->guest_path));
	return 0;
}

static void unplug(struct network *net, struct endpoint *ep)
{
	struct err err = ERR_NULL;
	struct vm_device dev;

	endpoint_describe(ep, &dev);
	if (ep->plugged &&
	    hypervisor_detach(net->hv, dev.id, loop_deadline_ms(NETWORK_PLUG_MS), &err) < 0)
		log_warn("unplug interface %s: %s", ep->link.name, err.text);
	if (net_snapshot_find(&net->snap, ep->link.ifindex))
		endpoint_let_go(ep, net->sock);
	(void)endpoint_free(ep);
}

/* One that is down shows no carrier here and needs none in the guest. */
static int follow_carrier(struct network *net, struct endpoint *ep, struct err *err)
{
	const struct net_link *link = net_snapshot_find(&net->snap, ep->link.ifindex);
	struct vm_device dev;

	if (!ep->plugged || !link || !(link->flags & IFF_UP) || link->carrier == !ep->carrierless)
		return 0;
	endpoint_describe(ep, &dev);
	int r = hypervisor_set_link(net->hv, dev.id, link->carrier,
				    loop_deadline_ms(NETWORK_PLUG_MS), err);
	if (r < 0)
		return err_wrap(err, "carrier of interface %s", ep->link.name);
	ep->carrierless = !link->carrier;
	return 0;
}

static int sync_locked(struct network *net, struct err *err)
{
	int r = network_take_snapshot(net, err);

	if (r >= 0)
		r = netns_run(net->netns_fd, network_add_endpoints, net, err);
	if (r < 0)
		return r;
	list_for_each_safe(node, next, &net->endpoints) {
		struct endpoint *ep = list_entry(node, struct endpoint, node);

		if (!ep->present) {
			unplug(net, ep);
			continue;
		}
		if (!ep->plugged)
			r = plug(net, ep, err);
		if (r >= 0)
			r = follow_carrier(net, ep, err);
		if (r < 0)
			return r;
	}
	return network_configure_guest(net, net->agent, loop_deadline_ms(NETWORK_PLUG_MS), err);
}

/* Brings VM and guest to what the namespace holds now. */
static int sync_guest(struct network *net, struct err *err)
{
	int r = fiber_lock(&net->syncing, LOOP_FOREVER);

	if (r < 0)
		return err_set_errno(err, r, "network");
	r = sync_locked(net, err);
	fiber_unlock(&net->syncing);
	return r;
}

static void sync_main(void *arg)
{
	struct network *net = arg;

	while (!net->ending) {
		struct err err = ERR_NULL;

		if (!net->dirty && fiber_cond_wait(&net->changed, LOOP_FOREVER) < 0)
			return;
		do {
			net->dirty = false;
			if (fiber_sleep_until(loop_deadline_ms(NETWORK_SETTLE_MS)) < 0)
				return;
		} while (net->dirty);
		if (sync_guest(net, &err) < 0 && !net->ending)
			log_warn("network change: %s", err.text);
	}
}

static void on_change(void *arg, unsigned events)
{
	struct network *net = arg;
	char buf[8192];

	(void)events;
	/*
	 * What changed is read from the namespace itself; a lost message (ENOBUFS) is a change like
	 * any other.
	 */
	while (recv(nl_socket_get_fd(net->monitor), buf, sizeof(buf), MSG_DONTWAIT) > 0)
		;
	net->dirty = true;
	fiber_cond_broadcast(&net->changed);
}

static int open_monitor(void *arg, struct err *err)
{
	struct network *net = arg;
	int r = network_open_socket(&net->monitor, err);

	if (r < 0)
		return r;
	nl_socket_disable_seq_check(net->monitor);
	r = nl_socket_add_memberships(net->monitor, RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR,
				      RTNLGRP_IPV6_IFADDR, RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE,
				      RTNLGRP_NEIGH, 0);
	return r < 0 ? err_set(err, EIO, "watch network namespace: %s", nl_geterror(r)) : 0;
}

/**
 * network_watch() - follow the namespace
 * @net: network, configured; NULL is fine
 * @hv: running VM; must outlive the network
 * @agent: connection; must outlive the network
 * @err: filled on failure
 *
 * Return: 0 or -errno.
 */
int network_watch(struct network *net, struct hypervisor *hv, struct rpc_client *agent,
		  struct err *err)
{
	if (!net || net->params.model == CONFIG_NET_NONE)
		return 0;
	net->hv = hv;
	net->agent = agent;
	int r = netns_run(net->netns_fd, open_monitor, net, err);
	if (r < 0)
		return r;
	r = loop_add_io(net->loop, nl_socket_get_fd(net->monitor), LOOP_READ, on_change, net,
			&net->monitor_source);
	if (r >= 0)
		r = fiber_spawn(net->loop, "network", sync_main, net, &net->syncer);
	if (r < 0)
		return err_set_errno(err, r, "watch network namespace");
	/* Whatever came between the first look and now. */
	net->dirty = true;
	fiber_cond_broadcast(&net->changed);
	return 0;
}

static const struct net_link *find_link(struct network *net, const char *name)
{
	for (size_t i = 0; i < net->snap.nr_links; i++)
		if (str_eq(net->snap.links[i].name, name) &&
		    !network_is_our_tap(&net->snap.links[i]))
			return &net->snap.links[i];
	return NULL;
}

/* -ENODEV: there is no such interface. */
static int set_out(struct network *net, const char *name, bool out, struct err *err)
{
	int r = network_take_snapshot(net, err);

	if (r < 0)
		return r;
	const struct net_link *link = find_link(net, name);
	if (!link)
		return err_set(err, ENODEV,
			       "the sandbox's network namespace has no interface %.16s", name);
	size_t i = network_excluded_find(net, link->ifindex);
	if (out == (i < net->nr_out))
		return 0;
	if (out && net->nr_out == NETWORK_ENDPOINTS_MAX)
		return err_set(err, E2BIG, "more than %d interfaces", NETWORK_ENDPOINTS_MAX);
	if (out)
		net->out[net->nr_out++] = link->ifindex;
	else
		network_excluded_forget(net, i);
	return sync_locked(net, err);
}

/**
 * network_exclude() - unplug an interface from the guest, or plug it again
 * @net: network, watched; NULL and unwatched ones have no interfaces
 * @name: of the interface in the namespace, where it stays either way
 * @out: unplug
 * @err: filled on failure
 *
 * In a fiber. What is so already is left.
 *
 * Return: 0 or -errno, -ENODEV when the namespace has no such interface.
 */
int network_exclude(struct network *net, const char *name, bool out, struct err *err)
{
	if (!net || !net->syncer)
		return err_set(err, ENODEV, "the sandbox has no network");
	int r = fiber_lock(&net->syncing, loop_deadline_ms(NETWORK_PLUG_MS));
	if (r < 0)
		return err_set_errno(err, r, "network");
	r = set_out(net, name, out, err);
	fiber_unlock(&net->syncing);
	return r;
}
