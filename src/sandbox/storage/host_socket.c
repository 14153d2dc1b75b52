/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which sockets of the host a container is given, and what its guest is told of them. How they are
 * reached is in host_sockets.c.
 */
#include "sandbox/storage/host_socket.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/fiber.h"
#include "common/str.h"
#include "kata/guest.h"
#include "rpc/pb/agent_msg.h"
#include "sandbox/core/container.h"
#include "sandbox/core/sandbox.h"
#include "sandbox/storage/host_sockets.h"

/* Return: a descriptor of the socket's file, or -errno. */
static int open_allowed(const struct sb_container *ctr, const struct oci_mount *mount,
			struct err *err)
{
	const char *source = *mount->source == '/' ? mount->source
						   : arena_printf(ctr->arena, "%s/%s", ctr->bundle,
								  mount->source);
	cleanup_close int fd = source ? share_open_path(source) : -ENOMEM;
	char path[PATH_MAX];
	ssize_t n = fd < 0 ? fd : fd_read_path(fd, path);

	if (n < 0)
		return err_set_errno(err, (int)n, "%s", mount->source);
	if (config_path_is_listed(&ctr->sandbox->config->runtime.valid_host_socket_paths, path))
		return TAKE_FD(fd);
	return err_set(err, ENOTSUP,
		       "%s is a socket of the host, to which nobody can connect from a VM unless "
		       "valid_host_socket_paths of the configuration lists it",
		       mount->source);
}

/* Connecting with the other type fails with EPROTOTYPE, which the socket's owner does not notice. */
static bool is_datagram(int fd)
{
	cleanup_close int probe =
		neg_errno(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
	struct sockaddr_un addr = { .sun_family = AF_UNIX };

	(void)snprintf(addr.sun_path, sizeof(addr.sun_path), "/proc/self/fd/%d", fd);
	return probe >= 0 && connect(probe, (const struct sockaddr *)&addr, sizeof(addr)) == 0;
}

static int add_storage(struct sb_container *ctr, struct oci_mount *mount, int number,
		       const struct stat *st)
{
	struct agent_storage storage = {
		.driver = KATA_STORAGE_SOCKET,
		.source = arena_printf(ctr->arena, "%d", number),
		.mount_point = arena_printf(ctr->arena, KATA_GUEST_SOCKET_DIR "/%d", number),
	};
	char *owner = arena_printf(ctr->arena, "owner=%u:%u,mode=%o", (unsigned)st->st_uid,
				   (unsigned)st->st_gid, (unsigned)(st->st_mode & 0777));

	if (!storage.source || !storage.mount_point || !owner ||
	    arena_strv_add(ctr->arena, &storage.driver_options, owner) < 0)
		return -ENOMEM;
	mount->source = (char *)(uintptr_t)storage.mount_point;
	return sb_container_add_storage(ctr, &storage);
}

/* Containers of a pod may be made at the same time; the guest takes one caller. */
static int open_sockets(struct sandbox *sb, struct err *err)
{
	int r = fiber_lock(&sb->storage.opening_sockets, sandbox_request_deadline(sb));

	if (r < 0)
		return err_set_errno(err, r, "sockets of the host");
	if (!sb->storage.sockets)
		r = host_sockets_new(sb->loop, &sb->vsock.addr, &sb->storage.sockets, err);
	fiber_unlock(&sb->storage.opening_sockets);
	return r;
}

/**
 * host_socket_offer() - give a container the use of a socket of the host
 * @ctr: container
 * @mount: bind mount of the socket; its source becomes the guest's
 * @err: says why not
 *
 * Return: 0 or -errno, -ENOTSUP when it is not allowed or not of a kind that can be carried.
 */
int host_socket_offer(struct sb_container *ctr, struct oci_mount *mount, struct err *err)
{
	struct sandbox *sb = ctr->sandbox;
	cleanup_close int fd = open_allowed(ctr, mount, err);
	struct stat st;

	if (fd < 0)
		return fd;
	/* It has been looked at before, and may be another file by now. */
	if (fstat(fd, &st) < 0 || !S_ISSOCK(st.st_mode))
		return err_set(err, ENOTSOCK, "%s is not a socket any more", mount->source);
	if (is_datagram(fd))
		return err_set(err, ENOTSUP,
			       "%s is a datagram socket of the host: only stream sockets reach "
			       "into a VM",
			       mount->source);
	int r = open_sockets(sb, err);
	if (r < 0)
		return r;
	r = host_sockets_add(sb->storage.sockets, fd, &st);
	if (r == -E2BIG)
		return err_set(err, E2BIG, "more than %d sockets of the host in one sandbox",
			       HOST_SOCKETS_MAX);
	if (r >= 0)
		r = add_storage(ctr, mount, r, &st);
	return r < 0 ? err_set_errno(err, r, "socket %s", mount->source) : 0;
}

/**
 * host_socket_stop() - nothing of the host can be reached any more
 * @sb: sandbox, with or without sockets
 */
void host_socket_stop(struct sandbox *sb)
{
	sb->storage.sockets = host_sockets_free(sb->storage.sockets);
}
