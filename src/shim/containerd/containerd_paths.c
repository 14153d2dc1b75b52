/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a containerd shim keeps its state and its socket.
 */
#include "shim/containerd/containerd_paths.h"

#include <errno.h>
#include <sha2.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

/**
 * containerd_state_dir() - the state directory of a sandbox
 * @namespace: containerd namespace
 * @id: sandbox id
 * @buf: receives the path
 * @size: its size
 *
 * Return: 0 or -ENAMETOOLONG.
 */
int containerd_state_dir(const char *namespace, const char *id, char *buf, size_t size)
{
	int n = snprintf(buf, size, CONTAINERD_STATE_ROOT "/%s/%s", namespace, id);

	return n < 0 || (size_t)n >= size ? -ENAMETOOLONG : 0;
}

/**
 * containerd_socket_path() - the socket of a sandbox's shim
 * @options: command line: containerd's address and namespace
 * @id: sandbox id
 * @buf: receives the path
 * @size: its size
 *
 * The same three always give the same path, so a container's `start` finds its pod's shim.
 *
 * Return: 0 or -ENAMETOOLONG.
 */
int containerd_socket_path(const struct shim_options *options, const char *id, char *buf,
			   size_t size)
{
	char text[4096], hex[SHA256_DIGEST_STRING_LENGTH];
	const char *address = options->address ? options->address : "";
	const char *dir = options->socket_dir ? options->socket_dir : CONTAINERD_SOCKET_DIR;
	int n = snprintf(text, sizeof(text), "%s/%s/%s", address, options->namespace, id);

	if (n < 0 || (size_t)n >= sizeof(text))
		return -ENAMETOOLONG;
	(void)SHA256Data((const uint8_t *)text, (size_t)n, hex);
	n = snprintf(buf, size, "%s/%s", dir, hex);
	return n < 0 || (size_t)n >= MIN(size, sizeof(((struct sockaddr_un *)0)->sun_path))
		       ? -ENAMETOOLONG
		       : 0;
}
