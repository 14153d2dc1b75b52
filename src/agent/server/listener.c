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
/*
 * What a connection may have under way in each direction; the kernel's 256 KiB make a bulk transfer
 * stop and go.
 */
#define LISTENER_WINDOW (512ULL * 1024)
/* Connections taken per wake-up. */
#define LISTENER_BATCH 16
/* What whoever dialled is granted to say the secret, and how many may be about to. */
#define STRANGER_MS 10000
#define STRANGERS_MAX 64

struct stranger {
	struct list node;
	struct listener *l;
	int fd;
	uint32_t port;
	uint8_t said[KATA_SECRET_LEN];
	size_t len;
	struct loop_source *readable, *timer;
};

union any_addr {
	struct sockaddr any;
	struct sockaddr_vm vm;
	struct sockaddr_un un;
};

/* Connections inherit it. Only a wish: smaller ones work as well. */
static void set_window(int fd)
{
	uint64_t size = LISTENER_WINDOW;

	(void)setsockopt(fd, AF_VSOCK, SO_VM_SOCKETS_BUFFER_MAX_SIZE, &size, sizeof(size));
	(void)setsockopt(fd, AF_VSOCK, SO_VM_SOCKETS_BUFFER_SIZE, &size, sizeof(size));
}

static int open_vsock(uint32_t port)
{
	union any_addr addr = {
		.vm = { .svm_family = AF_VSOCK, .svm_cid = VMADDR_CID_ANY, .svm_port = port }
	};
	cleanup_close int fd =
		neg_errno(socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));

	if (fd < 0)
		return fd;
	set_window(fd);
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

static void stranger_free(struct stranger *s)
{
	list_del(&s->node);
	s->l->nr_strangers--;
	(void)loop_source_free(s->readable);
	(void)loop_source_free(s->timer);
	(void)fd_close(s->fd);
	free(s);
}

static void turn_away(struct stranger *s)
{
	log_warn("connection refused: who dialled does not know the secret of this sandbox");
	stranger_free(s);
}

static void on_silence(void *arg)
{
	turn_away(arg);
}

/* In a time that does not tell where they differ. */
static bool is_same(const uint8_t *a, const uint8_t *b)
{
	uint8_t differs = 0;

	for (size_t i = 0; i < KATA_SECRET_LEN; i++)
		differs |= a[i] ^ b[i];
	return !differs;
}

/* Not a byte further than the secret: what follows is the connection's. */
static void on_said(void *arg, unsigned events)
{
	struct stranger *s = arg;
	struct listener *l = s->l;

	(void)events;
	ssize_t n = neg_errno_sz(read(s->fd, s->said + s->len, sizeof(s->said) - s->len));
	if (n == -EAGAIN || n == -EINTR)
		return;
	if (n <= 0) {
		stranger_free(s);
		return;
	}
	s->len += (size_t)n;
	if (s->len < sizeof(s->said))
		return;
	if (!is_same(s->said, l->secret->dialler)) {
		turn_away(s);
		return;
	}
	/* Nothing was sent yet: there is room for it. */
	if (write(s->fd, l->secret->agent, KATA_SECRET_LEN) == KATA_SECRET_LEN)
		l->fn(l->arg, TAKE_FD(s->fd), s->port);
	stranger_free(s);
}

static int meet(struct listener *l, int fd_consume, uint32_t port)
{
	cleanup_close int fd = fd_consume;
	struct stranger *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	if (l->nr_strangers == STRANGERS_MAX)
		turn_away(list_entry(l->strangers.next, struct stranger, node));
	*s = (struct stranger){ .l = l, .fd = TAKE_FD(fd), .port = port };
	list_add_tail(&l->strangers, &s->node);
	l->nr_strangers++;
	int r = loop_add_io(l->loop, s->fd, LOOP_READ, on_said, s, &s->readable);
	if (r >= 0)
		r = loop_add_timer(l->loop, loop_deadline_ms(STRANGER_MS), on_silence, s,
				   &s->timer);
	if (r < 0)
		stranger_free(s);
	return r;
}

static void take(struct listener *l, int fd_consume, uint32_t port)
{
	if (!l->secret) {
		l->fn(l->arg, fd_consume, port);
		return;
	}
	int r = meet(l, fd_consume, port);
	if (r < 0)
		log_warn_errno(r, "connection refused");
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
			take(l, fd, port);
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
 * @secret: what each connection must begin with, see KATA_SECRET_ASK; borrowed, NULL: nothing
 * @fn: called in the loop for every connection
 * @arg: its argument
 *
 * Return: 0 or -errno.
 */
int listener_open(struct listener *listener, struct loop *loop, const struct agent_addr *addr,
		  const struct kata_secret *secret, listener_fn fn, void *arg)
{
	cleanup_close int fd = addr->type == AGENT_ADDR_VSOCK ? open_vsock(addr->port)
							      : open_unix(addr->path);

	if (fd < 0)
		return fd;
	*listener =
		(struct listener){ .loop = loop, .fd = -1, .fn = fn, .arg = arg, .secret = secret };
	list_init(&listener->strangers);
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
	while (listener->nr_strangers)
		stranger_free(list_entry(listener->strangers.next, struct stranger, node));
	(void)loop_source_free(listener->source);
	(void)fd_close(listener->fd);
	*listener = LISTENER_NULL;
}
