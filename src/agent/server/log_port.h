/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The log as a stream to the host, on the vsock port agent.log_vport names.
 */
#pragma once

#include "common/err.h"
#include "common/macros.h"

struct agent;

int log_port_open(struct agent *agent, struct err *err) must_check;
