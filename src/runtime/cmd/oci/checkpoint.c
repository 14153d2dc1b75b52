/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kata-runtime checkpoint and restore: not supported, and said so in every form, since callers ask
 * with --help.
 */
#include "runtime/cmd/oci/verbs.h"

/**
 * verb_checkpoint() - see kata-runtime(8)
 * @cli: global options
 * @argc: number of arguments
 * @argv: arguments
 * @err: filled on failure
 *
 * Return: exit code or -errno.
 */
int verb_checkpoint(struct cli *cli, int argc, char **argv, struct err *err)
{
	(void)cli;
	(void)argc;
	return err_set(err, EOPNOTSUPP, "%s is not supported", argv[0]);
}
