/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One interface of the sandbox: the manager's on the host, a tap of ours beside it, a virtio-net
 * device in the guest.
 */
#pragma once

#include "common/list.h"
#include "sandbox/network/network.h"
#include "sandbox/network/snapshot.h"

#define NETWORK_TAP_SUFFIX "_kata"

struct endpoint {
	struct list node;
	struct net_link link; /* as last seen; addresses are not kept */
	unsigned number;      /* of its tap, unique in the sandbox */
	int tap_fds[VM_QUEUES_MAX], vhost_fds[VM_QUEUES_MAX];
	unsigned nr_queues;
	bool vhost;
	bool plugged;		/* the VM has its device */
	bool carrierless;	/* the VM's device has no carrier */
	bool told;		/* the guest knows its name and addresses */
	int tap;		/* index of ours */
	bool macvtap;		/* it is one, and has to be deleted */
	bool mirrored, limited; /* the manager's interface has rules of ours */
	bool present;		/* still in the namespace, for the walk that looks */
	char guest_path[VM_GUEST_PATH_MAX];
};

/* In the sandbox's network namespace. */
int endpoint_new(struct nl_sock *sock, const struct net_link *link, unsigned number,
		 const struct network_params *params, struct endpoint **ret,
		 struct err *err) must_check;
/* Before endpoint_free(), while the interface is there. */
void endpoint_let_go(struct endpoint *ep, struct nl_sock *sock);
struct endpoint *endpoint_free(struct endpoint *ep);
int endpoint_set_mtu(struct endpoint *ep, struct nl_sock *sock, unsigned mtu,
		     struct err *err) must_check;
void endpoint_describe(const struct endpoint *ep, struct vm_device *ret);
