/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The options of "create" and "run". Some that runc has mean nothing in a VM; they are taken so
 * that callers need not know which runtime they drive.
 */
#include "runtime/cmd/oci/create_options.h"

#include "common/str.h"

enum { KEY_CONSOLE_SOCKET = 0x100, KEY_PID_FILE, KEY_PRESERVE_FDS, KEY_KEEP, KEY_IGNORED };

#define CREATE_OPTIONS                                                                         \
	{ "bundle", 'b', "DIR", 0, "The bundle, by default the working directory", 0 },        \
		{ "console-socket",                                                            \
		  KEY_CONSOLE_SOCKET,                                                          \
		  "SOCKET",                                                                    \
		  0,                                                                           \
		  "Send the master of the container's pty there",                              \
		  0 },                                                                         \
		{ "pid-file",                                                                  \
		  KEY_PID_FILE,                                                                \
		  "FILE",                                                                      \
		  0,                                                                           \
		  "Write the pid of the container's stand-in process to FILE",                 \
		  0 },                                                                         \
		{ "preserve-fds",                                                              \
		  KEY_PRESERVE_FDS,                                                            \
		  "N",                                                                         \
		  0,                                                                           \
		  "No effect but a warning: descriptors stay on the host",                     \
		  0 },                                                                         \
		{ "no-pivot", KEY_IGNORED, NULL, 0, "No effect: the guest always pivots", 0 }, \
		{ "no-new-keyring",                                                            \
		  KEY_IGNORED,                                                                 \
		  NULL,                                                                        \
		  0,                                                                           \
		  "No effect: the guest's keyrings are its own",                               \
		  0 },                                                                         \
	{                                                                                      \
		"no-subreaper", KEY_IGNORED, NULL, OPTION_HIDDEN, NULL, 0                      \
	}

static const struct argp_option create_options[] = { CREATE_OPTIONS, { 0 } };

static const struct argp_option run_options[] = {
	CREATE_OPTIONS,
	{ "detach", 'd', NULL, 0, "Return once the container runs", 0 },
	{ "keep", KEY_KEEP, NULL, 0, "Do not delete the container after it has ended", 0 },
	{ 0 },
};

struct parse {
	struct container_create *c;
	struct run_options *run;
};

static int set(void *arg, int key, const char *value, struct err *err)
{
	struct parse *p = arg;

	switch (key) {
	case 'b':
		p->c->bundle = value;
		return 0;
	case 'd':
		p->run->detach = true;
		return 0;
	case KEY_KEEP:
		p->run->keep = true;
		return 0;
	case KEY_CONSOLE_SOCKET:
		p->c->console_socket = str_empty(value) ? NULL : value;
		return 0;
	case KEY_PID_FILE:
		p->c->pid_file = str_empty(value) ? NULL : value;
		return 0;
	case KEY_PRESERVE_FDS:
		if (str_to_u64(value, &p->c->preserve_fds) < 0)
			return err_set(err, EINVAL, "--preserve-fds needs a number, not \"%s\"",
				       value);
		return 0;
	default: /* KEY_IGNORED */
		return 0;
	}
}

/**
 * create_options_parse() - parse the arguments of "create" or "run"
 * @cli: global options
 * @argc: number of arguments
 * @argv: arguments
 * @c: CONTAINER_CREATE_NULL; filled
 * @run: receives the options of "run"; NULL for "create"
 * @err: filled on failure
 *
 * Return: 0 or -errno.
 */
int create_options_parse(struct cli *cli, int argc, char **argv, struct container_create *c,
			 struct run_options *run, struct err *err)
{
	const struct cli_verb verb = {
		.options = run ? run_options : create_options,
		.set = set,
		.args_doc = "ID",
		.doc = run ? "Create a container and start it." : "Create a container.",
		.min_args = 1,
		.max_args = 1,
	};
	struct parse p = { .c = c, .run = run };
	int first;
	int r = cli_parse(&verb, argc, argv, &p, &first, err);

	if (r < 0)
		return r;
	c->cli = cli;
	c->id = argv[first];
	return 0;
}
