/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What containerd says on the standard input of start, in any of its three forms.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "common/arena.h"
#include "common/err.h"

struct shim_options;

struct start_input {
	bool bootstrap;		   /* it was a BootstrapParams, and wants a BootstrapResult */
	const char *config;	   /* NULL: none named */
	const char *ttrpc_address; /* NULL: the environment has it */
	const char *socket_dir;	   /* NULL: containerd's usual one */
};

int start_input_read(const struct shim_options *options, const char *data, size_t len,
		     struct arena *arena, struct start_input *ret, struct err *err) must_check;
