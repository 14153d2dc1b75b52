/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What IPv6 routers have told the kernel of a network namespace, and how it listens to them.
 */
#pragma once

#include "sandbox/network/snapshot.h"

/* @values: as in IFLA_INET6_CONF, by DEVCONF_* of linux/ipv6.h */
void routers_read_conf(struct net_link *link, const int32_t *values, size_t nr);
/* The settings that @old has not or has differently, "accept_ra=1"; @old may be NULL. */
int routers_list_conf(const struct net_link *old, const struct net_link *now, struct arena *arena,
		      struct strv *ret) must_check;
/* Would the kernel make this IPv6 address of a router's prefix and the MAC? */
bool routers_would_make(const struct net_link *link, const uint8_t address[16]);
/* Takes out addresses and routes of an interface that came from routers. */
void routers_drop(struct net_snapshot *snap, int ifindex);
