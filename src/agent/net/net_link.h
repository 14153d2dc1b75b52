/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Network interfaces and their addresses.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include <linux/if_ether.h>
#include <net/if.h>

#include "common/arena.h"
#include "common/err.h"

struct agent_interface;
struct ifa_cacheinfo;

#define NET_LINK_KIND_MAX 16

struct net_link {
	int index;
	char name[IF_NAMESIZE];
	char kind[NET_LINK_KIND_MAX]; /* "veth", "" for a device */
	uint8_t mac[ETH_ALEN];
	bool has_mac;
	unsigned flags; /* IFF_* */
	unsigned mtu;
};

/* An address in text, with an optional "/prefix". */
struct net_addr {
	int family; /* AF_INET, AF_INET6 */
	unsigned prefix_len;
	uint8_t bytes[16];
};

static inline size_t net_addr_len(const struct net_addr *addr)
{
	return addr->family == AF_INET ? 4 : 16;
}

int net_addr_parse(const char *text, const char *prefix, struct net_addr *ret) must_check;
char *net_addr_format(int family, const void *bytes, struct arena *arena) must_check;
int net_mac_parse(const char *text, uint8_t ret[ETH_ALEN]) must_check;
bool net_ipv6_is_on(void);

int net_link_list(int sock, struct arena *arena, struct net_link **ret, size_t *ret_nr) must_check;
const struct net_link *net_link_by_name(const struct net_link *links, size_t nr, const char *name);
const struct net_link *net_link_by_mac(const struct net_link *links, size_t nr,
				       const uint8_t mac[ETH_ALEN]);
const struct net_link *net_link_by_index(const struct net_link *links, size_t nr, int index);

int net_link_set_flags(int sock, int index, unsigned flags, unsigned mask) must_check;
void net_link_settle(const char *name);
int net_link_set_name(int sock, int index, const char *name) must_check;
int net_link_set_mac(int sock, int index, const uint8_t mac[ETH_ALEN]) must_check;
int net_link_set_mtu(int sock, int index, unsigned mtu) must_check;
/* @addr's prefix is @peer's where there is one; @peer may be NULL. */
int net_link_add_addr(int sock, int index, const struct net_addr *addr, const struct net_addr *peer,
		      uint32_t flags, const struct ifa_cacheinfo *life) must_check;
int net_link_del_addr(int sock, int index, const struct net_addr *addr,
		      const struct net_addr *peer) must_check;
int net_link_keep_link_local(int sock, int index) must_check;

/* Interfaces with their addresses, as the protocol has them. */
int net_link_describe(int sock, struct arena *arena, struct agent_interface **ret,
		      size_t *ret_nr) must_check;
