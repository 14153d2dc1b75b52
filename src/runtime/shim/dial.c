/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connections to a running shim. -ENOTCONN says that it does not listen any more: the container is
 * then stopped, and what that means is for the caller to say.
 */
#include "runtime/shim/dial.h"

#include <stdio.h>

#include "common/fd.h"
#include "common/str.h"
#include "kata/state.h"

/**
 * dial_socket_at() - connect to a socket in a sandbox's state directory
 * @dir_fd: the directory, borrowed
 * @name: socket
 * @ret: receives the client
 * @err: filled on failure
 *
 * The path goes through /proc so that a long state root does not hit the limit of sun_path.
 *
 * Return: 0 or -errno, -ENOTCONN when nobody listens.
 */
int dial_socket_at(int dir_fd, const char *name, struct rpc_client **ret, struct err *err)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", dir_fd, name);
	int fd = fiber_connect_unix(path, loop_deadline_ms(CLI_STATE_MS));
	if (fd == -ENOENT || fd == -ECONNREFUSED)
		return err_set(err, ENOTCONN, "nobody listens on %s", name);
	if (fd < 0)
		return err_set_errno(err, fd, "cannot connect to %s", name);
	int r = rpc_client_new(fiber_loop(), fd, ret);
	return r < 0 ? err_set_errno(err, r, "cannot talk to %s", name) : 0;
}

/**
 * dial_socket() - connect to a socket of the sandbox a container is in
 * @record: the container
 * @name: socket
 * @ret: receives the client
 * @err: filled on failure
 *
 * Return: 0 or -errno, -ENOTCONN when nobody listens.
 */
int dial_socket(struct record *record, const char *name, struct rpc_client **ret, struct err *err)
{
	cleanup_close int dir_fd = record_open_sandbox(record, err);

	if (dir_fd == -ENOENT)
		return err_set(err, ENOTCONN, "the sandbox of container \"%s\" is gone",
			       record->id);
	if (dir_fd < 0)
		return dir_fd;
	int r = dial_socket_at(dir_fd, name, ret, err);
	return r < 0 ? err_wrap(err, "container \"%s\"", record->id) : 0;
}
