/* SPDX-License-Identifier: Apache-2.0 */
/*
 * containerd-shim-kata-v2: one process per pod. This file chooses between the ways it is started.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"
#include "common/str.h"
#include "shim/cli/standalone.h"
#include "shim/cli/template_command.h"
#include "shim/containerd/containerd_serve.h"
#include "shim/containerd/containerd_start.h"
#include "shim/core/options.h"

static int run(const struct shim_options *options)
{
	bool delete = str_eq(options->action, "delete");

	if (template_command_is_asked(options))
		return template_command_run(options);
	if (options->standalone)
		return delete ? standalone_delete(options) : standalone_run(options);
	if (options->info)
		return containerd_info(options);
	if (delete)
		return containerd_delete(options);
	if (str_eq(options->action, "start"))
		return containerd_start(options);
	return containerd_serve(options);
}

int main(int argc, char **argv)
{
	struct shim_options options;
	int r = shim_options_parse(argc, argv, &options);

	if (r != 0)
		return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
	(void)signal(SIGPIPE, SIG_IGN);
	return run(&options) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
