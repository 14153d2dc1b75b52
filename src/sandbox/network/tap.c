/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tap devices and the ingress filters that redirect frames between a tap and the manager's
 * interface. See Documentation/networking/tuntap.rst of the kernel, tc-u32(8), tc-mirred(8).
 */
#include "sandbox/network/tap.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/if_ether.h>
#include <linux/if_tun.h>
#include <linux/pkt_sched.h>
#include <linux/tc_act/tc_mirred.h>
#include <net/if.h>
#include <netlink/route/act/mirred.h>
#include <netlink/route/action.h>
#include <netlink/route/classifier.h>
#include <netlink/route/cls/u32.h>
#include <netlink/route/link.h>
#include <netlink/route/link/inet6.h>
#include <netlink/route/qdisc.h>
#include <netlink/route/qdisc/tbf.h>
#include <netlink/route/tc.h>
#include <stdio.h>
#include <sys/ioctl.h>

#include "common/fd.h"

/* Number of our filters and queues on interfaces of others: what has it may be removed. */
#define TAP_MARK 0x4b43U
/*
 * Queueing beyond a rate limit; a burst holds the largest packet that segmentation offload makes.
 */
#define TAP_LATENCY_US 50000
#define TAP_BURSTS_PER_SECOND 100
#define TAP_BURST_MIN (128 << 10)

static int open_queue(const char *name, unsigned nr_queues)
{
	struct ifreq ifr = { .ifr_flags = (short)(IFF_TAP | IFF_NO_PI | IFF_VNET_HDR) };
	int header_len = TAP_VNET_HDR_LEN;

	if (nr_queues > 1)
		ifr.ifr_flags |= IFF_MULTI_QUEUE;
	(void)snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	cleanup_close int fd = neg_errno(open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK));
	if (fd < 0)
		return fd;
	if (ioctl(fd, TUNSETIFF, &ifr) < 0 || ioctl(fd, TUNSETVNETHDRSZ, &header_len) < 0)
		return -errno;
	return TAKE_FD(fd);
}

/**
 * tap_open() - make a tap
 * @name: interface name
 * @nr_queues: number of queue pairs
 * @fds: receives one descriptor each, owned by the caller
 * @err: filled on failure
 *
 * Return: the interface's index, or -errno.
 */
int tap_open(const char *name, unsigned nr_queues, int *fds, struct err *err)
{
	for (unsigned i = 0; i < nr_queues; i++) {
		fds[i] = open_queue(name, nr_queues);
		if (fds[i] >= 0)
			continue;
		int r = fds[i];
		while (i-- > 0)
			fds[i] = fd_close(fds[i]);
		return err_set_errno(err, r, "create tap %s", name);
	}
	int ifindex = (int)if_nametoindex(name);
	return ifindex ? ifindex : err_set_errno(err, -errno, "find tap %s", name);
}

/**
 * tap_open_vhost() - open the kernel's virtio-net back end
 * @nr_queues: number of descriptors wanted
 * @fds: receives them, owned by the caller
 *
 * Return: 0, or -errno when this host has none; then nothing is open.
 */
int tap_open_vhost(unsigned nr_queues, int *fds)
{
	for (unsigned i = 0; i < nr_queues; i++) {
		fds[i] = neg_errno(open("/dev/vhost-net", O_RDWR | O_CLOEXEC));
		if (fds[i] >= 0)
			continue;
		int r = fds[i];
		while (i-- > 0)
			fds[i] = fd_close(fds[i]);
		return r;
	}
	return 0;
}

/**
 * tap_set_up() - bring an interface of ours up
 * @sock: route socket in its namespace
 * @ifindex: interface
 * @mtu: its MTU
 * @err: filled on failure
 *
 * Return: 0 or -errno.
 */
int tap_set_up(struct nl_sock *sock, int ifindex, unsigned mtu, struct err *err)
{
	struct rtnl_link *link = rtnl_link_alloc(), *change = rtnl_link_alloc();
	int r = -NLE_NOMEM;

	if (link && change) {
		rtnl_link_set_ifindex(link, ifindex);
		rtnl_link_set_mtu(change, mtu);
		rtnl_link_set_flags(change, IFF_UP);
		/* The guest need not hear from the namespace's own IPv6. */
		(void)rtnl_link_inet6_set_addr_gen_mode(change,
							rtnl_link_inet6_str2addrgenmode("none"));
		r = rtnl_link_change(sock, link, change, 0);
	}
	rtnl_link_put(link);
	rtnl_link_put(change);
	return r < 0 ? err_set(err, EIO, "bring tap up: %s", nl_geterror(r)) : 0;
}

static struct rtnl_qdisc *make_qdisc(int ifindex, const char *kind, uint32_t parent,
				     uint32_t handle)
{
	struct rtnl_qdisc *qdisc = rtnl_qdisc_alloc();

	if (!qdisc)
		return NULL;
	rtnl_tc_set_ifindex(TC_CAST(qdisc), ifindex);
	rtnl_tc_set_parent(TC_CAST(qdisc), parent);
	rtnl_tc_set_handle(TC_CAST(qdisc), handle);
	if (rtnl_tc_set_kind(TC_CAST(qdisc), kind) >= 0)
		return qdisc;
	rtnl_qdisc_put(qdisc);
	return NULL;
}

static int ingress_qdisc(struct nl_sock *sock, int ifindex, bool add)
{
	struct rtnl_qdisc *qdisc =
		make_qdisc(ifindex, "ingress", TC_H_INGRESS, TC_HANDLE(0xffffU, 0));
	int r = -NLE_NOMEM;

	if (qdisc)
		r = add ? rtnl_qdisc_add(sock, qdisc, NLM_F_CREATE | NLM_F_EXCL)
			: rtnl_qdisc_delete(sock, qdisc);
	rtnl_qdisc_put(qdisc);
	return r;
}

/*
 * Filters at an interface's ingress: how many are ours, how many somebody else's. Return: false
 * when there is none.
 */
static bool count_filters(struct nl_sock *sock, int ifindex, unsigned *ret_ours,
			  unsigned *ret_others)
{
	struct nl_cache *cache;

	*ret_ours = *ret_others = 0;
	if (rtnl_cls_alloc_cache(sock, ifindex, TC_HANDLE(0xffffU, 0), &cache) < 0)
		return false;
	for (struct nl_object *o = nl_cache_get_first(cache); o; o = nl_cache_get_next(o))
		(*(rtnl_cls_get_prio((struct rtnl_cls *)o) == TAP_MARK ? ret_ours : ret_others))++;
	nl_cache_free(cache);
	return true;
}

/* Somebody else's rules stay; what an earlier sandbox left is replaced. */
static int take_ingress(struct nl_sock *sock, int ifindex, struct err *err)
{
	int r = ingress_qdisc(sock, ifindex, true);
	unsigned ours, others;

	if (r == -NLE_EXIST) {
		/*
		 * An empty queue is nobody's who would miss it; a sandbox that was killed may have
		 * made it.
		 */
		if (!count_filters(sock, ifindex, &ours, &others) || others)
			return err_set(err, EBUSY,
				       "its incoming traffic is filtered by somebody else");
		r = ingress_qdisc(sock, ifindex, false);
		if (r >= 0)
			r = ingress_qdisc(sock, ifindex, true);
	}
	return r < 0 ? err_set(err, EIO, "add ingress queue: %s", nl_geterror(r)) : 0;
}

static int make_limit(struct nl_sock *sock, int ifindex, uint64_t rate, bool add)
{
	struct rtnl_qdisc *qdisc = make_qdisc(ifindex, "tbf", TC_H_ROOT, TC_HANDLE(TAP_MARK, 0));
	int bytes = (int)(rate / 8), burst = MAX(bytes / TAP_BURSTS_PER_SECOND, TAP_BURST_MIN);
	int r = -NLE_NOMEM;

	if (qdisc && add) {
		rtnl_qdisc_tbf_set_rate(qdisc, bytes, burst, 0);
		r = rtnl_qdisc_tbf_set_limit_by_latency(qdisc, TAP_LATENCY_US);
		if (r >= 0)
			r = rtnl_qdisc_add(sock, qdisc, NLM_F_CREATE | NLM_F_EXCL);
	} else if (qdisc) {
		r = rtnl_qdisc_delete(sock, qdisc);
	}
	rtnl_qdisc_put(qdisc);
	return r;
}

/**
 * tap_limit() - limit what leaves an interface
 * @sock: route socket in its namespace
 * @ifindex: interface
 * @rate: bits per second
 * @err: filled on failure
 *
 * Return: 0 or -errno; -EBUSY when somebody else has set a queue up there.
 */
int tap_limit(struct nl_sock *sock, int ifindex, uint64_t rate, struct err *err)
{
	if (rate / 8 < 1 || rate / 8 > INT_MAX)
		return err_set(err, EINVAL, "rate limit %" PRIu64 " bit/s: must be 8 to %" PRIu64,
			       rate, (uint64_t)INT_MAX * 8);
	int r = make_limit(sock, ifindex, rate, true);
	if (r == -NLE_EXIST && make_limit(sock, ifindex, rate, false) >= 0)
		r = make_limit(sock, ifindex, rate, true); /* an earlier sandbox had left its own */
	if (r == -NLE_EXIST)
		return err_set(err, EBUSY, "its outgoing traffic is queued by somebody else");
	return r < 0 ? err_set(err, EIO, "limit the rate: %s", nl_geterror(r)) : 0;
}

/**
 * tap_unlimit() - undo tap_limit()
 * @sock: route socket in its namespace
 * @ifindex: interface; it may be gone
 */
void tap_unlimit(struct nl_sock *sock, int ifindex)
{
	(void)make_limit(sock, ifindex, 8, false); /* only one with our mark is removed */
}

static struct rtnl_act *redirect_action(int to)
{
	struct rtnl_act *act = rtnl_act_alloc();

	if (act && rtnl_tc_set_kind(TC_CAST(act), "mirred") >= 0 &&
	    rtnl_mirred_set_action(act, TCA_EGRESS_REDIR) >= 0 &&
	    rtnl_mirred_set_ifindex(act, (uint32_t)to) >= 0 &&
	    rtnl_mirred_set_policy(act, TC_ACT_STOLEN) >= 0)
		return act;
	rtnl_act_put(act);
	return NULL;
}

static int redirect(struct nl_sock *sock, int from, int to)
{
	struct rtnl_cls *cls = rtnl_cls_alloc();
	struct rtnl_act *act = redirect_action(to);
	int r = -NLE_NOMEM;

	if (cls && act) {
		rtnl_tc_set_ifindex(TC_CAST(cls), from);
		rtnl_tc_set_parent(TC_CAST(cls), TC_HANDLE(0xffffU, 0));
		rtnl_cls_set_protocol(cls, ETH_P_ALL);
		rtnl_cls_set_prio(cls, TAP_MARK);
		r = rtnl_tc_set_kind(TC_CAST(cls), "u32");
		if (r >= 0)
			r = rtnl_u32_add_key_uint32(cls, 0, 0, 0, 0); /* matches everything */
		if (r >= 0)
			r = rtnl_u32_set_cls_terminal(cls);
		if (r >= 0)
			r = rtnl_u32_add_action(cls, act);
		if (r >= 0)
			r = rtnl_cls_add(sock, cls, NLM_F_CREATE | NLM_F_EXCL);
	}
	rtnl_act_put(act);
	rtnl_cls_put(cls);
	return r;
}

/**
 * tap_mirror() - connect two interfaces at the frame level
 * @sock: route socket in their namespace
 * @ifindex_a: the manager's
 * @ifindex_b: ours
 * @err: filled on failure
 *
 * Return: 0 or -errno; after a failure the rules that were made are gone.
 */
int tap_mirror(struct nl_sock *sock, int ifindex_a, int ifindex_b, struct err *err)
{
	int r = take_ingress(sock, ifindex_a, err);

	if (r < 0)
		return r;
	r = ingress_qdisc(sock, ifindex_b, true);
	if (r >= 0)
		r = redirect(sock, ifindex_a, ifindex_b);
	if (r >= 0)
		r = redirect(sock, ifindex_b, ifindex_a);
	if (r >= 0)
		return 0;
	tap_unmirror(sock, ifindex_a);
	return err_set(err, EIO, "redirect traffic: %s", nl_geterror(r));
}

/**
 * tap_unmirror() - undo tap_mirror() on the manager's interface
 * @sock: route socket in its namespace
 * @ifindex: the interface; it may be gone
 */
void tap_unmirror(struct nl_sock *sock, int ifindex)
{
	(void)ingress_qdisc(sock, ifindex,
			    false); /* an interface that has gone took its queue along */
}

/**
 * tap_clean() - remove what a sandbox that was killed left on an interface
 * @sock: route socket in its namespace
 * @ifindex: interface of somebody else
 */
void tap_clean(struct nl_sock *sock, int ifindex)
{
	unsigned ours, others;

	if (count_filters(sock, ifindex, &ours, &others) && ours && !others)
		tap_unmirror(sock, ifindex);
	tap_unlimit(sock, ifindex);
}
