/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sockets of the host that a sandbox's containers may connect to.
 */
#pragma once

#include <stdint.h>
#include <sys/stat.h>

#include "common/err.h"
#include "oci/oci_spec.h"

struct host_sockets;
struct loop;
struct sandbox;
struct sb_container;
struct vsock_addr;

/* Numbers that the guest may choose among. */
#define HOST_SOCKETS_MAX 64

/* @vsock is borrowed for as long. In a fiber: connects to the guest. */
int host_sockets_new(struct loop *loop, const struct vsock_addr *vsock, struct host_sockets **ret,
		     struct err *err) must_check;
struct host_sockets *host_sockets_free(struct host_sockets *hs);
/* Return: the number of the socket at @fd, or -E2BIG. */
int host_sockets_add(struct host_sockets *hs, int fd, const struct stat *st) must_check;

/*
 * In a fiber. A bind mount whose source is a socket becomes a mount of the guest's socket, if the
 * configuration allows that.
 */
int host_socket_offer(struct sb_container *ctr, struct oci_mount *mount,
		      struct err *err) must_check;
void host_socket_stop(struct sandbox *sb);
