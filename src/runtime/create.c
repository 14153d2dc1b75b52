/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kata-runtime create: a container, ready to be started.
 */
#include "runtime/creation.h"

#include "common/str.h"
#include "runtime/create_options.h"
#include "runtime/foreground.h"

static int make_container(void *arg, struct err *err)
{
	struct creation *c = arg;
	cleanup_foreground struct foreground fg = FOREGROUND_NULL;
	int r = foreground_begin(&fg, &c->session, "", err);

	if (r == 0)
		r = creation_make(c, err);
	if (r == 0)
		r = creation_commit(c, err);
	if (r < 0)
		creation_undo(c);
	return r;
}

/**
 * verb_create() - see cli.h and kata-runtime(8)
 * @cli: global options
 * @argc: number of arguments
 * @argv: arguments
 * @err: filled on failure
 *
 * Return: exit code or -errno.
 */
int verb_create(struct cli *cli, int argc, char **argv, struct err *err)
{
	cleanup_creation struct creation c = CREATION_NULL;
	int r = create_options_parse(cli, argc, argv, &c, NULL, err);

	if (r == 0)
		r = creation_prepare(&c, err);
	return r < 0 ? r : cli_run(make_container, &c, err);
}
