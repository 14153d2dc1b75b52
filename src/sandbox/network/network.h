/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DOC: Network of a sandbox
 *
 * Whoever set the network namespace up put interfaces into it; the guest gets one virtio-net device
 * for each, with the same name, addresses, routes and neighbours. The namespace is looked at before
 * the VM starts and watched afterwards, so that interfaces may come and go. Only what we made is
 * ever changed, and never in the host's own namespace.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"
#include "common/loop.h"
#include "config/config.h"
#include "sandbox/hypervisor/vm_config.h"

struct network;
struct rpc_client;

struct network_params {
	int netns_fd; /* borrowed for the call */
	bool joined;  /* somebody else made it and may live in it */
	enum config_net_model model;
	unsigned nr_queues;	   /* wanted queue pairs per interface */
	uint64_t rx_rate, tx_rate; /* bit/s as the guest sees it, 0: unlimited */
	bool vhost;		   /* use vhost-net where the host has it */
};

/* Looks at the namespace and makes what each interface needs on the host. */
int network_new(struct loop *loop, const struct network_params *params, struct network **ret,
		struct err *err) must_check;
struct network *network_free(struct network *net);
/*
 * Removes what a sandbox that was killed left; no sandbox of ours may be in the namespace.
 */
int network_undo(int netns_fd, struct err *err) must_check;

/*
 * The devices to start the VM with; descriptors stay the network's. Return: how many were written.
 */
size_t network_devices(struct network *net, struct vm_device *devices, size_t max);
/* Their places in the guest, once the VM runs. */
void network_find_devices(struct network *net, const struct vm_device *devices, size_t nr);

/* In fibers. Tells the agent about interfaces, routes and neighbours. */
int network_configure_guest(struct network *net, struct rpc_client *agent, uint64_t deadline_ns,
			    struct err *err) must_check;
/* Follows the namespace from now on; @hv and @agent must outlive the network. */
int network_watch(struct network *net, struct hypervisor *hv, struct rpc_client *agent,
		  struct err *err) must_check;
/* Unplugs an interface of the namespace from the guest, until it is plugged by this again. */
int network_exclude(struct network *net, const char *name, bool out, struct err *err) must_check;
