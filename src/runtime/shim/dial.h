/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Dialling the sockets of a running shim. Everything here runs in a fiber.
 */
#pragma once

#include "rpc/ttrpc/rpc.h"
#include "runtime/cli/cli.h"
#include "runtime/state/record.h"

int dial_socket_at(int dir_fd, const char *name, struct rpc_client **ret,
		   struct err *err) must_check;
int dial_socket(struct record *record, const char *name, struct rpc_client **ret,
		struct err *err) must_check;
