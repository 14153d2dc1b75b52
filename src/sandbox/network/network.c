/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The network of a sandbox: which endpoints there are. Keeping the guest in step with the namespace
 * is network_sync.c's business.
 */
#include "sandbox/network/network.h"

#include <errno.h>
#include <fcntl.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/log.h"
#include "common/str.h"
#include "sandbox/network/macvtap.h"
#include "sandbox/network/netns.h"
#include "sandbox/network/network_internal.h"
#include "sandbox/network/tap.h"

/**
 * network_is_our_tap() - is it an interface that this made?
 * @link: interface
 *
 * Return: true when it is.
 */
bool network_is_our_tap(const struct net_link *link)
{
	size_t len = strlen(link->name), suffix = strlen(NETWORK_TAP_SUFFIX);

	return (str_eq(link->kind, "tun") || str_eq(link->kind, "macvtap")) && len > suffix &&
	       str_eq(link->name + len - suffix, NETWORK_TAP_SUFFIX);
}

static struct endpoint *find_endpoint(struct network *net, int ifindex)
{
	list_for_each(node, &net->endpoints) {
		struct endpoint *ep = list_entry(node, struct endpoint, node);

		if (ep->link.ifindex == ifindex)
			return ep;
	}
	return NULL;
}

/* Return: the lowest number no endpoint has, or -E2BIG. */
static int free_number(struct network *net)
{
	uint32_t used = 0;

	list_for_each(node, &net->endpoints)
		used |= 1U << list_entry(node, struct endpoint, node)->number;
	return used == UINT32_MAX ? -E2BIG : __builtin_ctz(~used);
}

/**
 * network_excluded_find() - is an interface one that the guest is not to have?
 * @net: network
 * @ifindex: interface
 *
 * Return: its place in net->out, net->nr_out when it is not there.
 */
size_t network_excluded_find(const struct network *net, int ifindex)
{
	size_t i = 0;

	while (i < net->nr_out && net->out[i] != ifindex)
		i++;
	return i;
}

/**
 * network_excluded_forget() - the guest may have an interface again
 * @net: network
 * @i: its place in net->out
 */
void network_excluded_forget(struct network *net, size_t i)
{
	net->out[i] = net->out[--net->nr_out];
}

/* An index may be used again once its interface has gone. */
static void forget_what_went(struct network *net)
{
	for (size_t i = net->nr_out; i-- > 0;)
		if (!net_snapshot_find(&net->snap, net->out[i]))
			network_excluded_forget(net, i);
}

/**
 * network_take_snapshot() - look at the namespace
 * @net: network; net->snap is the new look, unless it fails
 * @err: filled on failure
 *
 * Return: 0 or -errno.
 */
int network_take_snapshot(struct network *net, struct err *err)
{
	struct arena *arena;
	struct net_snapshot snap;

	if (arena_new(&arena) < 0)
		return err_set(err, ENOMEM, "out of memory");
	int r = net_snapshot_take(net->sock, arena, &snap, err);
	if (r < 0) {
		(void)arena_free(arena);
		return r;
	}
	(void)arena_free(net->arena);
	net->arena = arena;
	net->snap = snap;
	return 0;
}

/**
 * network_add_endpoints() - make endpoints for links that have none
 * @arg: struct network with a look at the namespace
 * @err: filled on failure
 *
 * Runs inside the namespace, where taps are born. Those that have gone are not present any more.
 *
 * Return: 0 or -errno.
 */
int network_add_endpoints(void *arg, struct err *err)
{
	struct network *net = arg;

	forget_what_went(net);
	list_for_each(node, &net->endpoints)
		list_entry(node, struct endpoint, node)->present = false;
	for (size_t i = 0; i < net->snap.nr_links; i++) {
		const struct net_link *link = &net->snap.links[i];
		struct endpoint *ep = find_endpoint(net, link->ifindex);

		/* A link that is down is still being prepared: its own event will come. */
		if (network_is_our_tap(link) ||
		    network_excluded_find(net, link->ifindex) < net->nr_out ||
		    (!ep && !(link->flags & IFF_UP)))
			continue;
		if (!ep) {
			int r = free_number(net);
			if (r < 0)
				return err_set(err, E2BIG, "more than %d interfaces",
					       NETWORK_ENDPOINTS_MAX);
			r = endpoint_new(net->sock, link, (unsigned)r, &net->params, &ep, err);
			if (r < 0)
				return r;
			list_add_tail(&net->endpoints, &ep->node);
		}
		ep->present = true;
		int r = endpoint_set_mtu(ep, net->sock, link->mtu, err);
		if (r < 0)
			return r;
	}
	return 0;
}

/**
 * network_open_socket() - open a route socket in the namespace the thread is in
 * @ret: receives it
 * @err: filled on failure
 *
 * Return: 0 or -errno.
 */
int network_open_socket(struct nl_sock **ret, struct err *err)
{
	struct nl_sock *sock = nl_socket_alloc();
	int r = sock ? nl_connect(sock, NETLINK_ROUTE) : -NLE_NOMEM;

	if (r >= 0)
		r = fd_set_cloexec(nl_socket_get_fd(sock), true) < 0 ? -NLE_FAILURE : 0;
	if (r < 0) {
		nl_socket_free(sock);
		return err_set(err, EIO, "open netlink: %s", nl_geterror(r));
	}
	*ret = sock;
	return 0;
}

/* Removes what outlives a sandbox that was killed: macvtaps, and rules on others' interfaces. */
static void clean_links(struct nl_sock *sock, const struct net_snapshot *snap)
{
	for (size_t i = 0; i < snap->nr_links; i++) {
		const struct net_link *link = &snap->links[i];

		if (!network_is_our_tap(link))
			tap_clean(sock, link->ifindex);
		else if (str_eq(link->kind, "macvtap"))
			macvtap_delete(sock, link->ifindex);
	}
}

static int look_inside(void *arg, struct err *err)
{
	struct network *net = arg;
	int r = network_open_socket(&net->sock, err);

	if (r >= 0)
		r = network_take_snapshot(net, err);
	if (r < 0)
		return r;
	clean_links(net->sock, &net->snap);
	return network_add_endpoints(net, err);
}

static int check_namespace(const struct network_params *params, struct err *err)
{
	if (netns_is_hosts(params->netns_fd))
		return err_set(
			err, EPERM,
			"the host's network cannot be used: its interfaces would be taken away "
			"from the host; give the container a network of its own");
	int pid = params->joined ? netns_find_foreign_process(params->netns_fd) : 0;
	if (pid)
		return err_set(
			err, EPERM,
			"the network namespace is in use by process %d, whose interfaces would "
			"be taken away",
			pid);
	return 0;
}

/**
 * network_new() - look at a namespace and make the host side of each interface
 * @loop: loop
 * @params: what and how
 * @ret: receives it; released with network_free()
 * @err: filled on failure
 *
 * Return: 0 or -errno (-EPERM for a namespace that must not be touched).
 */
int network_new(struct loop *loop, const struct network_params *params, struct network **ret,
		struct err *err)
{
	struct network *net;
	int r = params->model == CONFIG_NET_NONE ? 0 : check_namespace(params, err);

	if (r < 0)
		return r;
	net = calloc(1, sizeof(*net));
	if (!net)
		return err_set(err, ENOMEM, "out of memory");
	net->loop = loop;
	net->params = *params;
	list_init(&net->endpoints);
	fiber_cond_init(&net->changed);
	fiber_mutex_init(&net->syncing);
	net->netns_fd = neg_errno(fcntl(params->netns_fd, F_DUPFD_CLOEXEC, 3));
	if (net->netns_fd < 0)
		r = err_set_errno(err, net->netns_fd, "network namespace");
	else if (params->model != CONFIG_NET_NONE)
		r = netns_run(net->netns_fd, look_inside, net, err);
	if (r < 0) {
		(void)network_free(net);
		return r;
	}
	*ret = net;
	return 0;
}

/**
 * network_free() - give everything back: rules, taps, the watch
 * @net: network or NULL; in a fiber when it was watched
 *
 * Return: NULL.
 */
struct network *network_free(struct network *net)
{
	if (!net)
		return NULL;
	net->ending = true;
	if (net->syncer) {
		fiber_cancel(net->syncer);
		if (fiber_join(net->syncer, LOOP_FOREVER) < 0)
			log_debug("network watch was not joined");
	}
	(void)loop_source_free(net->monitor_source);
	nl_socket_free(net->monitor);
	list_for_each_safe(node, next, &net->endpoints) {
		struct endpoint *ep = list_entry(node, struct endpoint, node);

		if (net->sock)
			endpoint_let_go(ep, net->sock);
		(void)endpoint_free(ep);
	}
	nl_socket_free(net->sock);
	(void)fd_close(net->netns_fd);
	(void)arena_free(net->arena);
	(void)arena_free(net->told_arena);
	free(net);
	return NULL;
}

static int clean_inside(void *arg, struct err *err)
{
	cleanup_arena struct arena *arena = NULL;
	struct net_snapshot snap = { 0 };
	struct nl_sock *sock = NULL;

	(void)arg;
	if (arena_new(&arena) < 0)
		return err_set(err, ENOMEM, "out of memory");
	int r = network_open_socket(&sock, err);
	if (r < 0)
		return r;
	r = net_snapshot_take(sock, arena, &snap, err);
	if (r >= 0)
		clean_links(sock, &snap);
	nl_socket_free(sock);
	return r;
}

/**
 * network_undo() - clean a namespace up after a sandbox whose shim is gone
 * @netns_fd: its namespace
 * @err: filled on failure
 *
 * Return: 0 or -errno.
 */
int network_undo(int netns_fd, struct err *err)
{
	return netns_is_hosts(netns_fd) ? 0 : netns_run(netns_fd, clean_inside, NULL, err);
}

/**
 * network_devices() - the devices to start the VM with
 * @net: network or NULL
 * @devices: receives them
 * @max: room in @devices; interfaces beyond it are plugged later
 *
 * Return: how many were written.
 */
size_t network_devices(struct network *net, struct vm_device *devices, size_t max)
{
	size_t nr = 0;

	if (!net)
		return 0;
	list_for_each(node, &net->endpoints) {
		struct endpoint *ep = list_entry(node, struct endpoint, node);

		if (nr == max)
			break;
		endpoint_describe(ep, &devices[nr++]);
		ep->plugged = true;
	}
	return nr;
}

/**
 * network_find_devices() - learn where the guest has the devices it was started with
 * @net: network or NULL
 * @devices: of the running VM, guest_path is filled
 * @nr: their number; others than the network's are passed over
 */
void network_find_devices(struct network *net, const struct vm_device *devices, size_t nr)
{
	for (size_t i = 0; net && i < nr; i++) {
		list_for_each(node, &net->endpoints) {
			struct endpoint *ep = list_entry(node, struct endpoint, node);
			struct vm_device own;

			endpoint_describe(ep, &own);
			if (devices[i].type == VM_DEVICE_NET && str_eq(own.id, devices[i].id))
				memcpy(ep->guest_path, devices[i].guest_path,
				       sizeof(ep->guest_path));
		}
	}
}
