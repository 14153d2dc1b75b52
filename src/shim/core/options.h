/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The shim's command line. See containerd's runtime v2 documentation, "Command Line".
 */
#pragma once

#include <stdbool.h>

#include "common/macros.h"

struct shim_options {
	const char *namespace, *id, *bundle, *address, *publish_binary, *socket, *config;
	const char *log_format;
	const char
		*socket_dir; /* no flag: containerd's bootstrap parameters name it; may be NULL */
	const char *action;  /* "start", "delete", or NULL */
	bool debug, info, standalone;
};

/* Return: 0 to go on, 1 when everything has been said (--version, --help), -EINVAL. */
int shim_options_parse(int argc, char **argv, struct shim_options *ret) must_check;
