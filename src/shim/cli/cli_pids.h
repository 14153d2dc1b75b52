/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Task.Pids behind the command line: the stand-in of a container shows the host all processes of
 * the guest.
 */
#pragma once

#include "rpc/ttrpc/rpc.h"

struct sb_container;
struct shim;
struct task_pids_response;

int cli_pids_list(struct shim *shim, struct sb_container *ctr, struct rpc_request *call,
		  struct task_pids_response *resp) must_check;
