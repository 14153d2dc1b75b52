/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The runtime options of a manager: which configuration file a sandbox is to use.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "common/arena.h"
#include "common/err.h"
#include "rpc/pb/common_msg.h"

struct shim_options;

/* What Create and CreateSandbox carry. @ret is NULL when they name no file. */
int runtime_options_config(const struct pb_any *any, struct arena *arena, const char **ret,
			   struct err *err) must_check;

/* What containerd says on the standard input of start, in any of its three forms. */
struct runtime_start_input {
	bool bootstrap;		   /* it was a BootstrapParams, and wants a BootstrapResult */
	const char *config;	   /* NULL: none named */
	const char *ttrpc_address; /* NULL: the environment has it */
	const char *socket_dir;	   /* NULL: containerd's usual one */
};

int runtime_options_read_input(const struct shim_options *options, const char *data, size_t len,
			       struct arena *arena, struct runtime_start_input *ret,
			       struct err *err) must_check;
