/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Name server of a host's network namespace, reached by the guest under the same loopback address.
 */
#pragma once

#include "agent/core/agent.h"

int dns_port_open(struct agent *agent, struct err *err) must_check;
int dns_port_serve(struct loop *loop, int host_fd_consume) must_check;
