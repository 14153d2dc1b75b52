/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The two ways to reach a port of the guest. Both give a connected stream socket; what is spoken
 * over it is not known here.
 */
#include "sandbox/vsock/vsock.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/vhost.h>
#include <linux/vm_sockets.h>

#include "common/fd.h"
#include "common/fiber.h"
#include "common/str.h"
#include "kata/guest.h"

#define HYBRID_LINE_MAX 64
#define CID_TRIES 32
/* VMADDR_CID_ANY is the largest number; stay below it and above the reserved ones. */
#define CID_MAX (UINT32_MAX - 1)

static int dial_kernel(const struct vsock_addr *addr, uint32_t port, uint64_t deadline_ns,
		       uint32_t *ret_local_port)
{
	struct sockaddr_vm sa = { .svm_family = AF_VSOCK, .svm_cid = addr->cid, .svm_port = port };
	cleanup_close int fd = -1;
	socklen_t len = sizeof(int);
	int r, error = 0;

	fd = neg_errno(socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
	if (fd < 0)
		return fd;
	r = neg_errno(connect(fd, (const struct sockaddr *)&sa, sizeof(sa)));
	if (r == -EINPROGRESS) {
		r = fiber_wait_fd(fd, LOOP_WRITE, deadline_ns);
		if (r < 0)
			return r;
		r = neg_errno(getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len));
		if (r >= 0 && error)
			r = -error;
	}
	if (r < 0)
		return r;
	if (ret_local_port) {
		len = sizeof(sa);
		r = neg_errno(getsockname(fd, (struct sockaddr *)&sa, &len));
		if (r < 0)
			return r;
		*ret_local_port = sa.svm_port;
	}
	return TAKE_FD(fd);
}

/*
 * Reads up to the first newline and not a byte further: what follows belongs to the stream. The
 * line is a few bytes long and comes once per connection, so byte by byte is good enough.
 */
static int read_line(int fd, char *line, size_t size, uint64_t deadline_ns)
{
	for (size_t len = 0; len < size; len++) {
		ssize_t n = fiber_read(fd, line + len, 1, deadline_ns);

		if (n < 0)
			return (int)n;
		if (n == 0)
			return -ECONNRESET;
		if (line[len] == '\n') {
			line[len] = '\0';
			return 0;
		}
	}
	return -EPROTO;
}

static int dial_hybrid(const struct vsock_addr *addr, uint32_t port, bool wait,
		       uint64_t deadline_ns, uint32_t *ret_local_port)
{
	char line[HYBRID_LINE_MAX];
	cleanup_close int fd = -1;
	const char *number;
	uint32_t local = 0;
	int r;

	fd = fiber_connect_unix(addr->path, deadline_ns);
	if (fd < 0)
		return fd;
	(void)snprintf(line, sizeof(line), "CONNECT %u%s\n", port, wait ? " wait" : "");
	r = fiber_write_full(fd, line, strlen(line), deadline_ns);
	if (r >= 0)
		r = read_line(fd, line, sizeof(line), deadline_ns);
	/* The other side just closes when the guest refuses; that may surface as any of these. */
	if (r == -EPIPE)
		r = -ECONNRESET;
	if (r < 0)
		return r;
	number = str_skip_prefix(line, "OK ");
	if (!number || str_to_u32(number, &local) < 0)
		return -EPROTO;
	if (ret_local_port)
		*ret_local_port = local;
	return TAKE_FD(fd);
}

/* Shows the agent that the sandbox's shim dials, and has it show that it is the sandbox's agent. */
static int exchange_secrets(int fd, const struct kata_secret *secret, uint64_t deadline_ns)
{
	uint8_t answer[KATA_SECRET_LEN];
	int r = fiber_write_full(fd, secret->dialler, sizeof(secret->dialler), deadline_ns);

	if (r >= 0)
		r = fiber_read_full(fd, answer, sizeof(answer), deadline_ns);
	if (r < 0)
		return r == -EPIPE || r == -ENODATA ? -ECONNRESET : r;
	return memcmp(answer, secret->agent, sizeof(answer)) == 0 ? 0 : -EACCES;
}

static int dial(const struct vsock_addr *addr, uint32_t port, bool wait, uint64_t deadline_ns,
		uint32_t *ret_local_port, struct err *err)
{
	cleanup_close int fd = addr->kind == VSOCK_KERNEL
				       ? dial_kernel(addr, port, deadline_ns, ret_local_port)
				       : dial_hybrid(addr, port, wait, deadline_ns, ret_local_port);
	int r = fd < 0 ? fd : addr->secret ? exchange_secrets(fd, addr->secret, deadline_ns) : 0;

	if (r < 0 && addr->kind == VSOCK_KERNEL)
		return err_set_errno(err, r, "dial vsock port %u of CID %u", port, addr->cid);
	if (r < 0)
		return err_set_errno(err, r, "dial guest port %u through %s", port, addr->path);
	return TAKE_FD(fd);
}

/**
 * vsock_dial() - connect to a port of the guest
 * @addr: how to reach the guest
 * @port: port in the guest
 * @deadline_ns: absolute time
 * @ret_local_port: receives the number by which the guest sees this end; may be NULL
 * @err: filled on failure
 *
 * Runs in a fiber.
 *
 * Return: a connected non-blocking descriptor that the caller owns; -ECONNREFUSED or -ECONNRESET
 * when nobody listens yet, -ETIMEDOUT, -ECANCELED, -EPROTO when the other side does not speak the
 * handshake, -EACCES when it does not know the secret, or -errno.
 */
int vsock_dial(const struct vsock_addr *addr, uint32_t port, uint64_t deadline_ns,
	       uint32_t *ret_local_port, struct err *err)
{
	return dial(addr, port, false, deadline_ns, ret_local_port, err);
}

/**
 * vsock_dial_wait() - the same, for a port that is about to be listened on
 * @addr: how to reach the guest
 * @port: port in the guest
 * @deadline_ns: absolute time
 * @ret_local_port: receives the number by which the guest sees this end; may be NULL
 * @err: filled on failure
 *
 * kata-proxy keeps the connection until somebody listens; over kernel vsock this is vsock_dial().
 *
 * Return: as vsock_dial().
 */
int vsock_dial_wait(const struct vsock_addr *addr, uint32_t port, uint64_t deadline_ns,
		    uint32_t *ret_local_port, struct err *err)
{
	return dial(addr, port, true, deadline_ns, ret_local_port, err);
}

/**
 * vsock_secret_new() - make a secret for a sandbox
 * @ret: receives it
 *
 * Return: 0 or -errno.
 */
int vsock_secret_new(struct kata_secret *ret)
{
	ssize_t n = neg_errno_sz(getrandom(ret, sizeof(*ret), 0));

	return n < 0 ? (int)n : n == (ssize_t)sizeof(*ret) ? 0 : -EIO;
}

/**
 * vsock_claim_cid() - take a context id for a new VM
 * @ret_cid: receives the id
 * @err: filled on failure
 *
 * The kernel keeps the id reserved as long as the descriptor or a duplicate of it is open.
 *
 * Return: an open /dev/vhost-vsock for struct vm_vsock, or -errno.
 */
int vsock_claim_cid(uint32_t *ret_cid, struct err *err)
{
	cleanup_close int fd = -1;

	fd = neg_errno(open("/dev/vhost-vsock", O_RDWR | O_CLOEXEC));
	if (fd < 0)
		return err_set_errno(err, fd, "open /dev/vhost-vsock");
	for (int i = 0; i < CID_TRIES; i++) {
		uint64_t cid;
		uint32_t random;
		int r;

		if (getrandom(&random, sizeof(random), 0) != (ssize_t)sizeof(random))
			return err_set_errno(err, -errno, "getrandom");
		cid = KATA_CID_MIN + random % (CID_MAX - KATA_CID_MIN);
		r = neg_errno(ioctl(fd, VHOST_VSOCK_SET_GUEST_CID, &cid));
		if (r >= 0) {
			*ret_cid = (uint32_t)cid;
			return TAKE_FD(fd);
		}
		if (r != -EADDRINUSE)
			return err_set_errno(err, r, "set a guest CID on /dev/vhost-vsock");
	}
	return err_set(err, EADDRINUSE, "no free vsock CID found in %d tries", CID_TRIES);
}
