/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sockets of the host: the guest's end.
 */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "common/err.h"

struct loop;
struct socket_port;

/* How a socket looks to the containers. */
struct socket_port_owner {
	uid_t uid;
	gid_t gid;
	mode_t mode;
};

int socket_port_new(struct loop *loop, struct socket_port **ret) must_check;
struct socket_port *socket_port_free(struct socket_port *port);
/* A new connection of the host. */
int socket_port_serve(struct socket_port *port, int host_fd_consume) must_check;
/* Makes a socket at @path that leads to the host's @number. */
int socket_port_listen(struct socket_port *port, uint32_t number, const char *path,
		       const struct socket_port_owner *owner, struct err *err) must_check;
