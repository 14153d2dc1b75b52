/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Carries connections of the host to listeners on the guest's loopback.
 */
#pragma once

#include <stdint.h>

#include "common/err.h"
#include "common/loop.h"

struct agent;

int forward_port_open(struct agent *agent, struct err *err) must_check;
int forward_port_serve(struct loop *loop, int host_fd_consume) must_check;
