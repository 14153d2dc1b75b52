/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel's uevent socket. The messages are hardly read: sysfs says what is there, in one place
 * and for devices that came before anybody listened too; a message only says that it is time to
 * look.
 */
#include "agent/device/uevent.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/netlink.h>

#include "agent/device/drivers.h"
#include "common/fd.h"
#include "common/log.h"
#include "common/macros.h"
#include "common/str.h"

/* The kernel's own multicast group; others are udev's. */
#define UEVENT_GROUP_KERNEL 1
/* Room for the burst of a machine's start; what overflows is made good by looking at sysfs. */
#define UEVENT_RCVBUF (256 * 1024)
#define UEVENT_BATCH 64
#define UEVENT_HEAD_MAX 32

/* A device that may want a driver: not one that a driver has made, and not one that goes. */
static bool is_new_device(const char *head)
{
	return str_skip_prefix(head, "add@") && !str_skip_prefix(head, "add@/devices/virtual/");
}

static void on_uevent(void *arg, unsigned events)
{
	struct uevents *uevents = arg;
	char head[UEVENT_HEAD_MAX]; /* the rest of each message is cut off on purpose */
	bool any = false, new_device = false;

	(void)events;
	for (int i = 0; i < UEVENT_BATCH; i++) {
		struct sockaddr_nl from = { 0 };
		socklen_t len = sizeof(from);
		ssize_t n = recvfrom(uevents->fd, head, sizeof(head) - 1, MSG_DONTWAIT,
				     (struct sockaddr *)&from, &len);

		if (n < 0 && errno == EAGAIN)
			break;
		head[MAX(n, 0)] = '\0';
		/*
		 * Any process may send to the group's members: only the kernel's port is 0.
		 * ENOBUFS: some were lost.
		 */
		if (n >= 0 && from.nl_pid != 0)
			continue;
		if (n >= 0 || errno == ENOBUFS)
			any = true;
		new_device = new_device || n < 0 || is_new_device(head);
	}
	if (!any)
		return;
	if (new_device)
		drivers_load();
	fiber_cond_broadcast(&uevents->changed);
	list_for_each_safe(pos, tmp, &uevents->listeners) {
		struct uevent_listener *listener = list_entry(pos, struct uevent_listener, node);

		listener->fn(listener->arg);
	}
}

/**
 * uevents_init() - listen to the kernel
 * @uevents: receives the socket; must stay in place
 * @loop: loop
 *
 * Return: 0 or -errno.
 */
int uevents_init(struct uevents *uevents, struct loop *loop)
{
	struct sockaddr_nl addr = { .nl_family = AF_NETLINK, .nl_groups = UEVENT_GROUP_KERNEL };
	int size = UEVENT_RCVBUF;

	*uevents = (struct uevents){ .fd = -1 };
	fiber_cond_init(&uevents->changed);
	list_init(&uevents->listeners);
	cleanup_close int fd = neg_errno(socket(
		AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_KOBJECT_UEVENT));
	if (fd < 0)
		return fd;
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size,
			 sizeof(size)); /* when it fails the default size stays */
	if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		return -errno;
	int r = loop_add_io(loop, fd, LOOP_READ, on_uevent, uevents, &uevents->source);
	if (r < 0)
		return r;
	uevents->fd = TAKE_FD(fd);
	return 0;
}

/**
 * uevents_deinit() - stop listening
 * @uevents: without waiters; may be done twice
 */
void uevents_deinit(struct uevents *uevents)
{
	uevents->source = loop_source_free(uevents->source);
	uevents->fd = fd_close(uevents->fd);
}

/**
 * uevents_listen() - be told of changes from now on
 * @uevents: listener of the kernel
 * @listener: receives who is told; must stay in place until uevents_unlisten()
 * @fn: is called after a change
 * @arg: its argument
 */
void uevents_listen(struct uevents *uevents, struct uevent_listener *listener,
		    void (*fn)(void *arg), void *arg)
{
	listener->fn = fn;
	listener->arg = arg;
	list_add_tail(&uevents->listeners, &listener->node);
}

/**
 * uevents_unlisten() - be told no more
 * @listener: one that listens, or zeroes
 */
void uevents_unlisten(struct uevent_listener *listener)
{
	if (listener->fn)
		list_del(&listener->node);
	listener->fn = NULL;
}

/**
 * uevents_wait() - wait for something to appear, in a fiber
 * @uevents: listener
 * @ready: tells whether it is there
 * @arg: its argument
 * @deadline_ns: absolute time
 *
 * Return: 0, -ETIMEDOUT, -ECANCELED, or what @ready failed with.
 */
int uevents_wait(struct uevents *uevents, uevent_ready_fn ready, void *arg, uint64_t deadline_ns)
{
	for (;;) {
		int r = ready(arg);

		if (r != 0)
			return r < 0 ? r : 0;
		r = fiber_cond_wait(&uevents->changed, deadline_ns);
		if (r < 0)
			return r;
	}
}
