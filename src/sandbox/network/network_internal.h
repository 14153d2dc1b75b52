/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What network.c and network_sync.c share; nobody else includes it.
 */
#pragma once

#include "common/fiber.h"
#include "sandbox/network/endpoint.h"

#define NETWORK_ENDPOINTS_MAX 32 /* bits of what free_number() keeps */

struct network {
	struct loop *loop;
	struct network_params params;
	int netns_fd;
	struct nl_sock *sock, *monitor;
	struct loop_source *monitor_source;
	struct list endpoints;
	int out[NETWORK_ENDPOINTS_MAX]; /* indices of interfaces the guest is not to have */
	size_t nr_out;
	struct arena *arena; /* of the last snapshot */
	struct net_snapshot snap;
	struct arena *told_arena;
	struct net_snapshot told; /* what the guest knows */
	/* watching */
	struct hypervisor *hv;
	struct rpc_client *agent;
	struct fiber *syncer;
	struct fiber_mutex syncing;
	struct fiber_cond changed;
	bool dirty, ending;
};

bool network_is_our_tap(const struct net_link *link);
int network_open_socket(struct nl_sock **ret, struct err *err) must_check;
int network_take_snapshot(struct network *net, struct err *err) must_check;
/* Inside the namespace: netns_run(). Makes endpoints for links of the snapshot that have none. */
int network_add_endpoints(void *arg, struct err *err) must_check;
/* Return: the place in net->out of an interface the guest is not to have, or net->nr_out. */
size_t network_excluded_find(const struct network *net, int ifindex);
void network_excluded_forget(struct network *net, size_t i);
