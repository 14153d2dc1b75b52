/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A guest's way to sockets of the host: those that were added, by their numbers.
 */
#pragma once

#include <stdint.h>
#include <sys/stat.h>

#include "common/err.h"

struct host_sockets;
struct loop;
struct vsock_addr;

/* Numbers that the guest may choose among. */
#define HOST_SOCKETS_MAX 64

/* @vsock is borrowed for as long. In a fiber: connects to the guest. */
int host_sockets_new(struct loop *loop, const struct vsock_addr *vsock, struct host_sockets **ret,
		     struct err *err) must_check;
struct host_sockets *host_sockets_free(struct host_sockets *hs);
/* Return: the number of the socket at @fd, or -E2BIG. */
int host_sockets_add(struct host_sockets *hs, int fd, const struct stat *st) must_check;
