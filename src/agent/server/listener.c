/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Accepts connections from the host. Whoever is not the host is turned away: a container may open
 * vsock sockets too, and must not reach the agent through them.
 */
#include "agent/server/listener.h"

#include <stdbool.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <linux/vm_sockets.h>

#include "common/err.h"
#include "common/fd.h"
#include "common/log.h"

#define LISTENER_BACKLOG 128
/* Connections taken per wake-up. */
#define LISTENER_BATCH 16

union any_addr {
	struct sockaddr any;
	struct sockaddr_vm vm;
	struct sockaddr_un un;
};

static int open_vsock(uint32_t port)
{
	union any_addr addr = {
		.vm = { .svm_family = AF_VSOCK, .svm_cid = VMADDR_CID_ANY, .svm_port = port }
	};
	cleanup_close int fd =
		neg_errno(socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));

	if (fd < 0)
		return fd;
	if (bind(fd, &addr.any, sizeof(addr.vm)) < 0 || listen(fd, LISTENER_BACKLOG) < 0)
		return -errno;
	return TAKE_FD(fd);
}

static int open_unix(const char *path)
{
	union any_addr addr = { .un = { .sun_family = AF_UNIX } };
	cleanup_close int fd =
		neg_errno(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));

	if (fd < 0)
		return fd;
	if (strlen(path) >= sizeof(addr.un.sun_path))
		return -ENAMETOOLONG;
	memcpy(addr.un.sun_path, path, strlen(path) + 1);
	/* A socket of an earlier run; when it cannot be removed, bind() fails. */
	(void)unlink(path);
	if (bind(fd, &addr.any, sizeof(addr.un)) < 0 || chmod(path, 0600) < 0 ||
	    listen(fd, LISTENER_BACKLOG) < 0)
		return -errno;
	return TAKE_FD(fd);
}

/*
 * Unix sockets have no ports. A test's client binds its socket with nothing but the family, which
 * makes the kernel name it with five hexadecimal digits, unix(7) "autobind": that number serves as
 * its port.
 */
static uint32_t unix_port(const struct sockaddr_un *addr, socklen_t len)
{
	char digits[8] = { 0 };
	size_t nr = len > offsetof(struct sockaddr_un, sun_path)
			    ? len - offsetof(struct sockaddr_un, sun_path)
			    : 0;

	if (nr != 6 || addr->sun_path[0])
		return 0;
	memcpy(digits, addr->sun_path + 1, 5);
	return (uint32_t)strtoul(digits, NULL, 16);
}

static bool peer_is_host(const union any_addr *addr, socklen_t len, uint32_t *ret_port)
{
	if (addr->any.sa_family == AF_VSOCK) {
		*ret_port = addr->vm.svm_port;
		return addr->vm.svm_cid == VMADDR_CID_HOST;
	}
	*ret_port = unix_port(&addr->un, len);
	return true;
}

static void on_connection(void *arg, unsigned events)
{
	struct listener *l = arg;

	(void)events;
	for (int i = 0; i < LISTENER_BATCH; i++) {
		union any_addr addr = { 0 };
		socklen_t len = sizeof(addr);
		uint32_t port;
		int fd = neg_errno(accept4(l->fd, &addr.any, &len, SOCK_CLOEXEC | SOCK_NONBLOCK));

		if (fd == -EAGAIN)
			return;
		if (fd == -EINTR || fd == -ECONNABORTED)
			continue;
		if (fd < 0) {
			log_warn_errno(fd, "accept");
			return;
		}
		if (peer_is_host(&addr, len, &port)) {
			l->fn(l->arg, fd, port);
			continue;
		}
		log_warn("connection refused: CID %u is not the host", addr.vm.svm_cid);
		(void)fd_close(fd);
	}
}

/**
 * listener_open() - listen
 * @listener: receives the socket; must stay in place until listener_close()
 * @loop: loop
 * @addr: where
 * @fn: called in the loop for every connection
 * @arg: its argument
 *
 * Return: 0 or -errno.
 */
int listener_open(struct listener *listener, struct loop *loop, const struct agent_addr *addr,
		  listener_fn fn, void *arg)
{
	cleanup_close int fd = addr->type == AGENT_ADDR_VSOCK ? open_vsock(addr->port)
							      : open_unix(addr->path);

	if (fd < 0)
		return fd;
	*listener = (struct listener){ .fd = -1, .fn = fn, .arg = arg };
	int r = loop_add_io(loop, fd, LOOP_READ, on_connection, listener, &listener->source);
	if (r < 0)
		return r;
	listener->fd = TAKE_FD(fd);
	return 0;
}

/**
 * listener_close() - stop listening
 * @listener: listener or LISTENER_NULL; is LISTENER_NULL afterwards
 */
void listener_close(struct listener *listener)
{
	(void)loop_source_free(listener->source);
	(void)fd_close(listener->fd);
	*listener = LISTENER_NULL;
}
