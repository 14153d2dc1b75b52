/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Name server of a host's network namespace, reached by the guest under the same loopback address.
 */
#pragma once

#include <stdbool.h>

#include "common/loop.h"
#include "common/macros.h"

struct dns_port {
	bool serving; /* a host; further ones are refused meanwhile */
};

int dns_port_serve(struct dns_port *port, struct loop *loop, int host_fd_consume) must_check;
