/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Endpoints: what is made on the host for one interface.
 */
#include "sandbox/network/endpoint.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/fd.h"
#include "common/log.h"
#include "sandbox/network/macvtap.h"
#include "sandbox/network/tap.h"

/**
 * endpoint_free() - close the tap; it goes away with its last descriptor
 * @ep: endpoint or NULL
 *
 * Return: NULL.
 */
struct endpoint *endpoint_free(struct endpoint *ep)
{
	if (!ep)
		return NULL;
	list_del(&ep->node);
	for (unsigned i = 0; i < ep->nr_queues; i++) {
		(void)fd_close(ep->tap_fds[i]);
		if (ep->vhost)
			(void)fd_close(ep->vhost_fds[i]);
	}
	free(ep);
	return NULL;
}

/**
 * endpoint_let_go() - take what is ours off the manager's interface
 * @ep: endpoint
 * @sock: route socket in the namespace
 */
void endpoint_let_go(struct endpoint *ep, struct nl_sock *sock)
{
	if (ep->mirrored)
		tap_unmirror(sock, ep->link.ifindex);
	if (ep->limited)
		tap_unlimit(sock, ep->link.ifindex);
	if (ep->macvtap)
		macvtap_delete(sock, ep->tap);
	ep->mirrored = ep->limited = ep->macvtap = false;
}

/* What the guest receives leaves through the tap, what it sends through the manager's interface. */
static int limit_rates(struct nl_sock *sock, struct endpoint *ep, int tap,
		       const struct network_params *params, struct err *err)
{
	if (params->rx_rate && ep->macvtap)
		return err_set(err, ENOTSUP,
			       "rx_rate_limiter_max_rate is not supported with macvtap");
	int r = params->rx_rate ? tap_limit(sock, tap, params->rx_rate, err) : 0;

	if (r < 0 || !params->tx_rate)
		return r;
	r = tap_limit(sock, ep->link.ifindex, params->tx_rate, err);
	ep->limited = r >= 0;
	return r;
}

/* Return: the index of the interface that carries the guest's frames, or -errno. */
static int open_tap(struct nl_sock *sock, struct endpoint *ep, const struct network_params *params,
		    struct err *err)
{
	unsigned nr_queues = MIN(MAX(params->nr_queues, 1U), (unsigned)VM_QUEUES_MAX);
	bool macvtap = params->model == CONFIG_NET_MACVTAP;
	char name[IFNAMSIZ];

	(void)snprintf(name, sizeof(name), "tap%u" NETWORK_TAP_SUFFIX, ep->number);
	int tap = macvtap ? macvtap_open(sock, ep->link.ifindex, name, nr_queues, ep->tap_fds, err)
			  : tap_open(name, nr_queues, ep->tap_fds, err);
	if (tap < 0)
		return tap;
	ep->tap = tap;
	ep->macvtap = macvtap;
	ep->nr_queues = nr_queues;
	ep->vhost = params->vhost && tap_open_vhost(nr_queues, ep->vhost_fds) >= 0;
	log_debug("interface %s: %s, %u queues, vhost %d", ep->link.name, name, nr_queues,
		  ep->vhost);
	return tap;
}

/**
 * endpoint_new() - make the host side of one interface
 * @sock: route socket in the namespace; the process is inside it too
 * @link: the manager's interface
 * @number: unique in the sandbox
 * @params: model, queues, vhost
 * @ret: receives it
 * @err: names the interface
 *
 * Return: 0 or -errno.
 */
int endpoint_new(struct nl_sock *sock, const struct net_link *link, unsigned number,
		 const struct network_params *params, struct endpoint **ret, struct err *err)
{
	struct endpoint *ep = calloc(1, sizeof(*ep));

	if (!ep)
		return err_set(err, ENOMEM, "out of memory");
	list_init(&ep->node);
	ep->link = *link;
	ep->link.addresses = NULL;
	ep->link.nr_addresses = 0;
	ep->number = number;
	int tap = open_tap(sock, ep, params, err);
	int r = tap < 0 ? tap : tap_set_up(sock, tap, link->mtu, err);
	if (r >= 0 && !ep->macvtap) {
		r = tap_mirror(sock, link->ifindex, tap, err);
		ep->mirrored = r >= 0;
	}
	if (r >= 0)
		r = limit_rates(sock, ep, tap, params, err);
	if (r < 0) {
		endpoint_let_go(ep, sock);
		(void)endpoint_free(ep);
		return err_wrap(err, "interface %s", link->name);
	}
	*ret = ep;
	return 0;
}

/**
 * endpoint_set_mtu() - follow the manager's interface
 * @ep: endpoint
 * @sock: route socket in the namespace
 * @mtu: its MTU now
 * @err: names the interface
 *
 * Return: 0 or -errno.
 */
int endpoint_set_mtu(struct endpoint *ep, struct nl_sock *sock, unsigned mtu, struct err *err)
{
	int r = mtu == ep->link.mtu ? 0 : tap_set_up(sock, ep->tap, mtu, err);

	if (r < 0)
		return err_wrap(err, "interface %s", ep->link.name);
	ep->link.mtu = mtu;
	return 0;
}

/**
 * endpoint_describe() - the virtio-net device of an endpoint
 * @ep: endpoint
 * @ret: receives it; descriptors stay the endpoint's
 */
void endpoint_describe(const struct endpoint *ep, struct vm_device *ret)
{
	*ret = (struct vm_device){ .type = VM_DEVICE_NET };
	(void)snprintf(ret->id, sizeof(ret->id), "net-%u", ep->number);
	memcpy(ret->net.tap_fds, ep->tap_fds, sizeof(ep->tap_fds));
	memcpy(ret->net.vhost_fds, ep->vhost_fds, sizeof(ep->vhost_fds));
	ret->net.nr_queues = ep->nr_queues;
	ret->net.vhost = ep->vhost;
	memcpy(ret->net.mac, ep->link.mac, ETH_ALEN);
	/* No MTU: the guest could not be given a larger one later. The agent sets it. */
}
