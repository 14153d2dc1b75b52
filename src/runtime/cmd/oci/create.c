/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kata-runtime create: a container, ready to be started.
 */
#include "runtime/cmd/oci/verbs.h"

#include "common/str.h"
#include "runtime/cmd/oci/create_options.h"
#include "runtime/container/container_create.h"
#include "runtime/container/foreground.h"

static int make_container(void *arg, struct err *err)
{
	struct container_create *c = arg;
	cleanup_foreground struct foreground fg = FOREGROUND_NULL;
	int r = foreground_begin(&fg, &c->session, "", err);

	if (r == 0)
		r = container_create_make(c, err);
	if (r == 0)
		r = container_create_commit(c, err);
	if (r < 0)
		container_create_undo(c);
	return r;
}

/**
 * verb_create() - see kata-runtime(8)
 * @cli: global options
 * @argc: number of arguments
 * @argv: arguments
 * @err: filled on failure
 *
 * Return: exit code or -errno.
 */
int verb_create(struct cli *cli, int argc, char **argv, struct err *err)
{
	cleanup_container_create struct container_create c = CONTAINER_CREATE_NULL;
	int r = create_options_parse(cli, argc, argv, &c, NULL, err);

	if (r == 0)
		r = container_create_prepare(&c, err);
	return r < 0 ? r : cli_run(make_container, &c, err);
}
