/* SPDX-License-Identifier: Apache-2.0 */
/*
 * macvtap interfaces. Nothing on the lower interface is changed: in passthru mode ours has its MAC.
 * See Documentation/networking/tuntap.rst of the kernel.
 */
#include "sandbox/network/macvtap.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <netlink/route/link.h>
#include <netlink/route/link/macvtap.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <unistd.h>

#include "common/fd.h"
#include "sandbox/network/tap.h"

/*
 * The device node is named after the index, which is unique in its namespace only: ours are chosen
 * by chance from a range that no kernel counts up to.
 */
#define MACVTAP_INDEX_BASE (1U << 30)
#define MACVTAP_TRIES 16
#define MACVTAP_PATH_MAX 32

static void node_path(int ifindex, char path[MACVTAP_PATH_MAX])
{
	(void)snprintf(path, MACVTAP_PATH_MAX, "/dev/tap%d", ifindex);
}

static int free_index(void)
{
	char path[MACVTAP_PATH_MAX];

	for (int i = 0; i < MACVTAP_TRIES; i++) {
		uint32_t number;

		if (getrandom(&number, sizeof(number), 0) != sizeof(number))
			return -errno;
		int ifindex = (int)(MACVTAP_INDEX_BASE + number % (MACVTAP_INDEX_BASE - 1));
		node_path(ifindex, path);
		if (access(path, F_OK) < 0)
			return ifindex;
	}
	return -EEXIST;
}

static int create(struct nl_sock *sock, int lower, const char *name, int ifindex)
{
	struct rtnl_link *link = rtnl_link_macvtap_alloc();
	int r = -NLE_NOMEM;

	if (link) {
		rtnl_link_set_name(link, name);
		rtnl_link_set_ifindex(link, ifindex);
		rtnl_link_set_link(link, lower);
		r = rtnl_link_macvtap_set_mode(link,
					       (uint16_t)rtnl_link_macvtap_str2mode("passthru"));
		if (r >= 0)
			r = rtnl_link_add(sock, link, NLM_F_CREATE | NLM_F_EXCL);
	}
	rtnl_link_put(link);
	return r;
}

static int open_queue(const char *path)
{
	struct ifreq ifr = { .ifr_flags = (short)(IFF_TAP | IFF_NO_PI | IFF_VNET_HDR |
						  IFF_MULTI_QUEUE) };
	int header_len = TAP_VNET_HDR_LEN;
	cleanup_close int fd = neg_errno(open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK));

	if (fd < 0)
		return fd;
	if (ioctl(fd, TUNSETIFF, &ifr) < 0 || ioctl(fd, TUNSETVNETHDRSZ, &header_len) < 0)
		return -errno;
	return TAKE_FD(fd);
}

/**
 * macvtap_open() - make a macvtap
 * @sock: route socket in the namespace of both
 * @lower: the manager's interface
 * @name: of the new one
 * @nr_queues: number of queue pairs
 * @fds: receives one descriptor each, owned by the caller
 * @err: filled on failure
 *
 * Return: the new interface's index, or -errno.
 */
int macvtap_open(struct nl_sock *sock, int lower, const char *name, unsigned nr_queues, int *fds,
		 struct err *err)
{
	char path[MACVTAP_PATH_MAX];
	int ifindex = free_index();

	if (ifindex < 0)
		return err_set_errno(err, ifindex, "create macvtap %s", name);
	int r = create(sock, lower, name, ifindex);
	if (r < 0)
		return err_set(err, EIO, "create macvtap %s: %s", name, nl_geterror(r));
	node_path(ifindex, path);
	for (unsigned i = 0; i < nr_queues; i++) {
		fds[i] = open_queue(path);
		if (fds[i] >= 0)
			continue;
		r = fds[i];
		while (i-- > 0)
			fds[i] = fd_close(fds[i]);
		macvtap_delete(sock, ifindex);
		return err_set_errno(err, r, "open %s", path);
	}
	return ifindex;
}

/**
 * macvtap_delete() - remove a macvtap
 * @sock: route socket in its namespace
 * @ifindex: interface; it goes by itself with the one below it
 */
void macvtap_delete(struct nl_sock *sock, int ifindex)
{
	struct rtnl_link *link = rtnl_link_alloc();

	if (link) {
		rtnl_link_set_ifindex(link, ifindex);
		(void)rtnl_link_delete(sock, link); /* it may be gone */
	}
	rtnl_link_put(link);
}
