/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Interfaces: finding, changing and describing them by rtnetlink.
 */
#include "agent/net/net_link.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/if_link.h>

#include "agent/net/nlsock.h"
#include "common/io.h"
#include "common/str.h"
#include "rpc/pb/agent_msg.h"

/* Interfaces and addresses of one guest; containers with CAP_NET_ADMIN can make many. */
#define NET_LINKS_MAX 4096

/**
 * net_addr_parse() - read an address
 * @text: "10.0.0.1", "fd00::1", both with an optional "/24"
 * @prefix: prefix length in text, used when @text has none; NULL or "": all bits
 * @ret: receives it
 *
 * Return: 0 or -EINVAL.
 */
int net_addr_parse(const char *text, const char *prefix, struct net_addr *ret)
{
	struct net_addr addr = { .family = strchr(text, ':') ? AF_INET6 : AF_INET };
	const char *slash = strchr(text, '/');
	char host[INET6_ADDRSTRLEN + 1];
	size_t len = slash ? (size_t)(slash - text) : strlen(text);

	if (len >= sizeof(host))
		return -EINVAL;
	memcpy(host, text, len);
	host[len] = '\0';
	if (inet_pton(addr.family, host, addr.bytes) != 1)
		return -EINVAL;
	uint32_t bits = (uint32_t)net_addr_len(&addr) * 8, max = bits;
	if (slash)
		prefix = slash + 1;
	if (!str_empty(prefix) && (str_to_u32(prefix, &bits) < 0 || bits > max))
		return -EINVAL;
	addr.prefix_len = bits;
	*ret = addr;
	return 0;
}

/**
 * net_addr_format() - write an address
 * @family: AF_INET or AF_INET6
 * @bytes: 4 or 16 bytes
 * @arena: arena of the result
 *
 * Return: the text or NULL.
 */
char *net_addr_format(int family, const void *bytes, struct arena *arena)
{
	char text[INET6_ADDRSTRLEN];

	return inet_ntop(family, bytes, text, sizeof(text)) ? arena_strdup(arena, text) : NULL;
}

/**
 * net_mac_parse() - read a hardware address
 * @text: "02:00:ca:fe:00:01"
 * @ret: receives it
 *
 * Return: 0 or -EINVAL.
 */
int net_mac_parse(const char *text, uint8_t ret[ETH_ALEN])
{
	unsigned b[ETH_ALEN];
	int len = 0;

	if (sscanf(text, "%2x:%2x:%2x:%2x:%2x:%2x%n", &b[0], &b[1], &b[2], &b[3], &b[4], &b[5],
		   &len) != ETH_ALEN ||
	    text[len])
		return -EINVAL;
	for (size_t i = 0; i < ETH_ALEN; i++)
		ret[i] = (uint8_t)b[i];
	return 0;
}

/**
 * net_ipv6_is_on() - may interfaces have IPv6 addresses?
 *
 * Return: true when the kernel has IPv6 and it is not switched off.
 */
bool net_ipv6_is_on(void)
{
	cleanup_free char *text = NULL;

	return io_read_file_at(AT_FDCWD, "/proc/sys/net/ipv6/conf/all/disable_ipv6", 16, &text) >
		       0 &&
	       *text == '0';
}

struct link_list {
	struct arena *arena;
	struct net_link *links;
	size_t nr;
};

static void read_kind(const struct rtattr *info, char *kind)
{
	size_t len = RTA_PAYLOAD(info);

	for (const struct rtattr *a = RTA_DATA(info); RTA_OK(a, len); a = RTA_NEXT(a, len))
		if (a->rta_type == IFLA_INFO_KIND)
			(void)snprintf(kind, NET_LINK_KIND_MAX, "%.*s", (int)RTA_PAYLOAD(a),
				       (char *)RTA_DATA(a));
}

static int on_link(void *arg, const struct nlmsghdr *hdr)
{
	struct link_list *list = arg;
	const struct rtattr *attrs[IFLA_LINKINFO + 1];
	const struct ifinfomsg *info = NLMSG_DATA(hdr);

	if (hdr->nlmsg_type != RTM_NEWLINK ||
	    nl_parse(hdr, sizeof(*info), attrs, IFLA_LINKINFO) < 0)
		return 0;
	if (list->nr >= NET_LINKS_MAX)
		return -E2BIG;
	int r = arena_grow(list->arena, &list->links, &list->nr, sizeof(*list->links));
	if (r < 0)
		return r;
	struct net_link *link = &list->links[list->nr - 1];
	link->index = info->ifi_index;
	link->flags = info->ifi_flags;
	link->mtu = nl_attr_u32(attrs[IFLA_MTU]);
	if (attrs[IFLA_IFNAME])
		(void)snprintf(link->name, sizeof(link->name), "%.*s",
			       (int)RTA_PAYLOAD(attrs[IFLA_IFNAME]),
			       (char *)RTA_DATA(attrs[IFLA_IFNAME]));
	if (attrs[IFLA_ADDRESS] && RTA_PAYLOAD(attrs[IFLA_ADDRESS]) == ETH_ALEN) {
		memcpy(link->mac, RTA_DATA(attrs[IFLA_ADDRESS]), ETH_ALEN);
		link->has_mac = true;
	}
	if (attrs[IFLA_LINKINFO])
		read_kind(attrs[IFLA_LINKINFO], link->kind);
	return 0;
}

/**
 * net_link_list() - list the interfaces
 * @sock: netlink socket
 * @arena: arena of the result
 * @ret: receives them
 * @ret_nr: their number
 *
 * Return: 0 or -errno.
 */
int net_link_list(int sock, struct arena *arena, struct net_link **ret, size_t *ret_nr)
{
	struct ifinfomsg info = { .ifi_family = AF_UNSPEC };
	struct link_list list = { .arena = arena };
	struct nlreq req;

	nlreq_init(&req, RTM_GETLINK, 0, &info, sizeof(info));
	int r = nlreq_dump(sock, &req, on_link, &list);
	if (r < 0)
		return r;
	*ret = list.links;
	*ret_nr = list.nr;
	return 0;
}

/**
 * net_link_by_name() - look an interface up
 * @links: list
 * @nr: its length
 * @name: name
 *
 * Return: the interface or NULL.
 */
const struct net_link *net_link_by_name(const struct net_link *links, size_t nr, const char *name)
{
	for (size_t i = 0; i < nr; i++)
		if (str_eq(links[i].name, name))
			return &links[i];
	return NULL;
}

/**
 * net_link_by_mac() - look an interface up
 * @links: list
 * @nr: its length
 * @mac: hardware address
 *
 * Return: the interface or NULL.
 */
const struct net_link *net_link_by_mac(const struct net_link *links, size_t nr,
				       const uint8_t mac[ETH_ALEN])
{
	for (size_t i = 0; i < nr; i++)
		if (links[i].has_mac && memcmp(links[i].mac, mac, ETH_ALEN) == 0 &&
		    !(links[i].flags & IFF_LOOPBACK))
			return &links[i];
	return NULL;
}

/**
 * net_link_by_index() - look an interface up
 * @links: list
 * @nr: its length
 * @index: the kernel's number
 *
 * Return: the interface or NULL.
 */
const struct net_link *net_link_by_index(const struct net_link *links, size_t nr, int index)
{
	for (size_t i = 0; i < nr; i++)
		if (links[i].index == index)
			return &links[i];
	return NULL;
}

static void link_request(struct nlreq *req, int index, unsigned flags, unsigned mask)
{
	struct ifinfomsg info = {
		.ifi_family = AF_UNSPEC,
		.ifi_index = index,
		.ifi_flags = flags,
		.ifi_change = mask,
	};

	nlreq_init(req, RTM_NEWLINK, 0, &info, sizeof(info));
}

/**
 * net_link_set_flags() - change IFF_* flags
 * @sock: netlink socket
 * @index: interface
 * @flags: their new values
 * @mask: which ones
 *
 * Return: 0 or -errno.
 */
int net_link_set_flags(int sock, int index, unsigned flags, unsigned mask)
{
	struct nlreq req;

	link_request(&req, index, flags, mask);
	return nlreq_send(sock, &req);
}

/**
 * net_link_settle() - let an interface that was set up take part in the network now
 * @name: interface
 *
 * The kernel notices a new carrier up to a second later, and IPv6 hears no multicast until then:
 * neither routers nor who looks for one of its addresses. It notices at once when it is asked for
 * the carrier, with Linux 6.8 or later.
 */
void net_link_settle(const char *name)
{
	cleanup_free char *carrier = NULL;
	char path[64];

	(void)snprintf(path, sizeof(path), "/sys/class/net/%s/carrier", name);
	(void)io_read_file_at(AT_FDCWD, path, 16, &carrier); /* one that is down has none */
}

/**
 * net_link_set_name() - rename an interface that is down
 * @sock: netlink socket
 * @index: interface
 * @name: new name
 *
 * Return: 0 or -errno.
 */
int net_link_set_name(int sock, int index, const char *name)
{
	struct nlreq req;

	link_request(&req, index, 0, 0);
	nlreq_add(&req, IFLA_IFNAME, name, strlen(name) + 1);
	return nlreq_send(sock, &req);
}

/**
 * net_link_set_mac() - change the hardware address
 * @sock: netlink socket
 * @index: interface
 * @mac: new address
 *
 * Return: 0 or -errno.
 */
int net_link_set_mac(int sock, int index, const uint8_t mac[ETH_ALEN])
{
	struct nlreq req;

	link_request(&req, index, 0, 0);
	nlreq_add(&req, IFLA_ADDRESS, mac, ETH_ALEN);
	return nlreq_send(sock, &req);
}

/**
 * net_link_set_mtu() - change the largest packet size
 * @sock: netlink socket
 * @index: interface
 * @mtu: bytes
 *
 * Return: 0 or -errno.
 */
int net_link_set_mtu(int sock, int index, unsigned mtu)
{
	struct nlreq req;

	link_request(&req, index, 0, 0);
	nlreq_add_u32(&req, IFLA_MTU, mtu);
	return nlreq_send(sock, &req);
}

/**
 * net_link_keep_link_local() - have the kernel make no link-local address of its own
 * @sock: netlink socket
 * @index: interface that is down
 *
 * Return: 0 or -errno.
 */
int net_link_keep_link_local(int sock, int index)
{
	/* IFLA_AF_SPEC nests the family, which nests the mode. */
	const struct {
		struct rtattr family, mode;
		uint8_t value, pad[3];
	} spec = {
		.family = { sizeof(spec), AF_INET6 },
		.mode = { RTA_LENGTH(1), IFLA_INET6_ADDR_GEN_MODE },
		.value = IN6_ADDR_GEN_MODE_NONE,
	};
	struct nlreq req;

	link_request(&req, index, 0, 0);
	nlreq_add(&req, IFLA_AF_SPEC, &spec, sizeof(spec));
	return nlreq_send(sock, &req);
}

static void addr_request(struct nlreq *req, uint16_t type, uint16_t how, int index,
			 const struct net_addr *addr, const struct net_addr *peer, uint32_t flags)
{
	struct ifaddrmsg info = {
		.ifa_family = (uint8_t)addr->family,
		.ifa_prefixlen = (uint8_t)addr->prefix_len,
		.ifa_index = (uint32_t)index,
	};
	const struct net_addr *other = peer ? peer : addr;

	nlreq_init(req, type, how, &info, sizeof(info));
	nlreq_add(req, IFA_LOCAL, addr->bytes, net_addr_len(addr));
	nlreq_add(req, IFA_ADDRESS, other->bytes, net_addr_len(other));
	if (flags)
		nlreq_add_u32(req, IFA_FLAGS, flags);
}

/**
 * net_link_add_addr() - give an interface an address
 * @sock: netlink socket
 * @index: interface
 * @addr: address; one it has already is fine
 * @peer: the other end of a point-to-point link, of the same family, or NULL
 * @flags: IFA_F_NOPREFIXROUTE, IFA_F_MANAGETEMPADDR
 * @life: how long it holds; NULL: for ever
 *
 * IPv6 addresses are used at once: whoever assigned them has looked for duplicates.
 *
 * Return: 0 or -errno.
 */
int net_link_add_addr(int sock, int index, const struct net_addr *addr, const struct net_addr *peer,
		      uint32_t flags, const struct ifa_cacheinfo *life)
{
	struct nlreq req;

	flags &= IFA_F_NOPREFIXROUTE | IFA_F_MANAGETEMPADDR;
	if (addr->family == AF_INET6)
		flags |= IFA_F_NODAD;
	addr_request(&req, RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, index, addr, peer, flags);
	if (life)
		nlreq_add(&req, IFA_CACHEINFO, life, sizeof(*life));
	if (addr->family == AF_INET && !peer && addr->prefix_len < 31) {
		uint32_t broadcast;

		memcpy(&broadcast, addr->bytes, sizeof(broadcast));
		broadcast |= htonl(0xffffffffU >> addr->prefix_len);
		nlreq_add(&req, IFA_BROADCAST, &broadcast, sizeof(broadcast));
	}
	return nlreq_send(sock, &req);
}

/**
 * net_link_del_addr() - take an address away
 * @sock: netlink socket
 * @index: interface
 * @addr: address
 * @peer: as when it was added
 *
 * Return: 0 or -errno; -EADDRNOTAVAIL when it has no such address.
 */
int net_link_del_addr(int sock, int index, const struct net_addr *addr, const struct net_addr *peer)
{
	struct nlreq req;

	addr_request(&req, RTM_DELADDR, 0, index, addr, peer, 0);
	return nlreq_send(sock, &req);
}

struct describe {
	struct arena *arena;
	struct agent_interface *interfaces;
	const struct net_link *links;
	size_t nr, nr_addrs;
};

static int on_addr(void *arg, const struct nlmsghdr *hdr)
{
	struct describe *d = arg;
	const struct rtattr *attrs[IFA_LOCAL + 1];
	const struct ifaddrmsg *info = NLMSG_DATA(hdr);

	if (hdr->nlmsg_type != RTM_NEWADDR || nl_parse(hdr, sizeof(*info), attrs, IFA_LOCAL) < 0)
		return 0;
	/* On point-to-point interfaces IFA_ADDRESS is the other side's. */
	const struct rtattr *attr = attrs[IFA_LOCAL] ? attrs[IFA_LOCAL] : attrs[IFA_ADDRESS];
	const struct net_link *link = net_link_by_index(d->links, d->nr, (int)info->ifa_index);
	struct net_addr addr = { .family = info->ifa_family };

	if (!attr || !link || (addr.family != AF_INET && addr.family != AF_INET6) ||
	    RTA_PAYLOAD(attr) != net_addr_len(&addr))
		return 0;
	if (++d->nr_addrs > NET_LINKS_MAX)
		return -E2BIG;
	struct agent_interface *itf = &d->interfaces[link - d->links];
	int r = arena_grow(d->arena, &itf->ip_addresses, &itf->nr_ip_addresses,
			   sizeof(*itf->ip_addresses));
	if (r < 0)
		return r;
	struct agent_ip_address *ip = &itf->ip_addresses[itf->nr_ip_addresses - 1];
	ip->family = addr.family == AF_INET6 ? AGENT_IP_FAMILY_V6 : AGENT_IP_FAMILY_V4;
	ip->address = net_addr_format(addr.family, RTA_DATA(attr), d->arena);
	ip->mask = arena_printf(d->arena, "%u", info->ifa_prefixlen);
	return ip->address && ip->mask ? 0 : -ENOMEM;
}

static int describe_link(const struct net_link *link, struct arena *arena,
			 struct agent_interface *ret)
{
	const uint8_t *m = link->mac;

	ret->device = ret->name = arena_strdup(arena, link->name);
	ret->type = arena_strdup(arena, link->kind);
	ret->hw_addr = link->has_mac ? arena_printf(arena, "%02x:%02x:%02x:%02x:%02x:%02x", m[0],
						    m[1], m[2], m[3], m[4], m[5])
				     : "";
	ret->mtu = link->mtu;
	ret->raw_flags = link->flags & IFF_NOARP;
	return ret->name && ret->type && ret->hw_addr ? 0 : -ENOMEM;
}

/**
 * net_link_describe() - interfaces and addresses as the protocol has them
 * @sock: netlink socket
 * @arena: arena of the result
 * @ret: receives them
 * @ret_nr: their number
 *
 * Return: 0 or -errno.
 */
int net_link_describe(int sock, struct arena *arena, struct agent_interface **ret, size_t *ret_nr)
{
	struct ifaddrmsg info = { .ifa_family = AF_UNSPEC };
	struct describe d = { .arena = arena };
	struct net_link *links;
	struct nlreq req;
	int r = net_link_list(sock, arena, &links, &d.nr);

	if (r < 0)
		return r;
	d.links = links;
	d.interfaces = arena_calloc(arena, d.nr + 1, sizeof(*d.interfaces));
	if (!d.interfaces)
		return -ENOMEM;
	for (size_t i = 0; r >= 0 && i < d.nr; i++)
		r = describe_link(&links[i], arena, &d.interfaces[i]);
	if (r < 0)
		return r;
	nlreq_init(&req, RTM_GETADDR, 0, &info, sizeof(info));
	r = nlreq_dump(sock, &req, on_addr, &d);
	if (r < 0)
		return r;
	*ret = d.interfaces;
	*ret_nr = d.nr;
	return 0;
}
