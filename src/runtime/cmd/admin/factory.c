/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kata-runtime factory: the templates that VMs start from. The shim's program does it, which knows
 * what a VM is.
 */
#include "runtime/cmd/admin/verbs.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/str.h"
#include "host/program.h"

static int become_shim(const struct cli *cli, const char *action, struct err *err)
{
	char path[PATH_MAX], word[32];
	const char *argv[6] = { "containerd-shim-kata-v2" };
	size_t nr = 1;
	int r = program_find_shim(path, sizeof(path), err);

	if (r < 0)
		return r;
	(void)snprintf(word, sizeof(word), "factory-%s", action);
	if (!str_empty(cli->config)) {
		argv[nr++] = "-config";
		argv[nr++] = cli->config;
	}
	if (cli->debug)
		argv[nr++] = "-debug";
	argv[nr] = word;
	(void)execv(path, (char *const *)(uintptr_t)argv);
	return err_set_errno(err, -errno, "run %s", path);
}

/**
 * verb_factory() - see kata-runtime(8)
 * @cli: global options
 * @argc: number of arguments
 * @argv: arguments
 * @err: filled on failure
 *
 * Return: only -errno; otherwise another program has gone on.
 */
int verb_factory(struct cli *cli, int argc, char **argv, struct err *err)
{
	static const char *const actions[] = { "init", "status", "list", "destroy" };
	static const struct cli_verb verb = {
		.args_doc = "init|status|list|destroy",
		.doc = "Make the template that VMs start from, say whether there are any, list or "
		       "remove them.",
		.min_args = 1,
		.max_args = 1,
	};
	int first;
	int r = cli_parse(&verb, argc, argv, NULL, &first, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < ARRAY_SIZE(actions); i++)
		if (str_eq(argv[first], actions[i]))
			return become_shim(cli, actions[i], err);
	return err_set(err, EINVAL, "factory: %s: init, status, list or destroy", argv[first]);
}
