/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Carries connections of the host to listeners on the guest's loopback.
 */
#pragma once

#include "common/loop.h"
#include "common/macros.h"

struct forward_port {
	unsigned nr_forwards; /* connections that are carried now */
};

int forward_port_serve(struct forward_port *port, struct loop *loop,
		       int host_fd_consume) must_check;
