/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The options of "exec".
 */
#pragma once

#include "runtime/cli/cli.h"
#include "runtime/cmd/oci/process_spec.h"

struct exec_options {
	const char *id;
	const char *console_socket, *pid_file;
	bool detach, ignore_paused;
	uint64_t preserve_fds;
	struct process_options process;
};

int exec_options_parse(int argc, char **argv, struct arena *arena, struct exec_options *ret,
		       struct err *err) must_check;
