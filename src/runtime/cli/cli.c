/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Options by argp: the global ones and, through one small adapter, those of each verb. An option's
 * value is judged by the verb's own function, which reports like any other code; only unknown
 * options are argp's to complain about.
 */
#include "runtime/cli/cli.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/fiber.h"
#include "common/io.h"
#include "common/str.h"
#include "common/utf8.h"

enum {
	KEY_ROOT = 0x100,
	KEY_LOG,
	KEY_LOG_FORMAT,
	KEY_DEBUG,
	KEY_SYSTEMD_CGROUP,
	KEY_CGROUP_MANAGER,
	KEY_ROOTLESS,
	KEY_CONFIG,
	KEY_CRIU,
	KEY_VERSION = 'v',
	KEY_HELP = 'h',
};

static const struct argp_option global_options[] = {
	{ "root", KEY_ROOT, "DIR", 0, "Keep the state of containers in DIR", 0 },
	{ "log", KEY_LOG, "FILE", 0, "Append log lines to FILE instead of stderr", 0 },
	{ "log-format", KEY_LOG_FORMAT, "FORMAT", 0, "\"text\" or \"json\"", 0 },
	{ "log-level", KEY_DEBUG, "LEVEL", OPTION_HIDDEN, NULL, 0 },
	{ "debug", KEY_DEBUG, NULL, 0, "Log more", 0 },
	{ "systemd-cgroup", KEY_SYSTEMD_CGROUP, NULL, 0, "linux.cgroupsPath is slice:prefix:name",
	  0 },
	{ "cgroup-manager", KEY_CGROUP_MANAGER, "NAME", OPTION_HIDDEN, NULL, 0 },
	{ "rootless", KEY_ROOTLESS, "MODE", OPTION_HIDDEN, NULL, 0 },
	{ "criu", KEY_CRIU, "PATH", OPTION_HIDDEN, NULL, 0 },
	{ "config", KEY_CONFIG, "FILE", 0, "Read this configuration.toml", 0 },
	{ "kata-config", KEY_CONFIG, "FILE", OPTION_ALIAS, NULL, 0 },
	{ "version", KEY_VERSION, NULL, 0, "Print the version", -1 },
	{ NULL, KEY_HELP, NULL, OPTION_HIDDEN, NULL, -1 },
	{ 0 },
};

struct global_parse {
	struct cli *cli;
	int verb_index;
	bool version;
	struct err *err;
};

static int set_log_format(struct cli *cli, const char *value, struct err *err)
{
	if (str_eq(value, "json"))
		cli->log_format = LOG_FORMAT_JSON;
	else if (str_eq(value, "text"))
		cli->log_format = LOG_FORMAT_TEXT;
	else
		return err_set(err, EINVAL, "--log-format is \"text\" or \"json\", not \"%s\"",
			       value);
	return 0;
}

static int set_global(struct global_parse *p, int key, char *value)
{
	struct cli *cli = p->cli;

	switch (key) {
	case KEY_ROOT:
		cli->root = value;
		return 0;
	case KEY_LOG:
		cli->log_path = value;
		return 0;
	case KEY_LOG_FORMAT:
		return set_log_format(cli, value, p->err);
	case KEY_DEBUG: /* also "--log-level debug" */
		cli->debug = !value || str_eq(value, "debug");
		return 0;
	case KEY_SYSTEMD_CGROUP:
		cli->systemd_cgroup = true;
		return 0;
	case KEY_CGROUP_MANAGER:
		cli->systemd_cgroup = str_eq(value, "systemd");
		return 0;
	case KEY_CONFIG:
		cli->config = value;
		return 0;
	default: /* KEY_ROOTLESS, KEY_CRIU: accepted for callers of runc, without effect */
		return 0;
	}
}

static error_t parse_global(int key, char *value, struct argp_state *state)
{
	struct global_parse *p = state->input;

	switch (key) {
	case ARGP_KEY_ARG:
		p->verb_index = state->next - 1;
		state->next = state->argc; /* the rest is the verb's */
		return 0;
	case KEY_VERSION:
		p->version = true;
		return 0;
	case KEY_HELP:
		argp_state_help(state, stdout, ARGP_HELP_STD_HELP);
		return 0;
	default:
		if (key >= KEY_ROOT && key <= KEY_CRIU)
			return set_global(p, key, value) < 0 ? EINVAL : 0;
		return ARGP_ERR_UNKNOWN;
	}
}

/**
 * cli_global_options() - the options before the verb
 *
 * Return: argp's table of them.
 */
const struct argp_option *cli_global_options(void)
{
	return global_options;
}

/* The list of verbs belongs to main.c, which sets it before it parses. */
static char *(*list_verbs)(void);

static char *global_help(int key, const char *text, void *input)
{
	(void)input;
	if (key == ARGP_KEY_HELP_POST_DOC && list_verbs)
		return list_verbs();
	return (char *)text;
}

/**
 * cli_set_verb_list() - say who describes the verbs in the output of --help
 * @fn: returns an allocated text
 */
void cli_set_verb_list(char *(*fn)(void))
{
	list_verbs = fn;
}

/**
 * cli_parse_global() - parse the options before the verb
 * @cli: filled
 * @argc: number of arguments
 * @argv: arguments
 * @ret_verb_index: receives the index of the verb, 0 when there is none
 * @ret_version: receives whether --version was given
 * @err: filled on failure
 *
 * Return: 0 or -errno. Help and unknown options end the process inside argp.
 */
int cli_parse_global(struct cli *cli, int argc, char **argv, int *ret_verb_index, bool *ret_version,
		     struct err *err)
{
	static const struct argp argp = {
		.options = global_options,
		.parser = parse_global,
		.args_doc = "VERB [ARGUMENT...]",
		.doc = "Runs OCI containers, each pod in a virtual machine of its own.\v ",
		.help_filter = global_help,
	};
	struct global_parse p = { .cli = cli, .err = err };

	argp_err_exit_status = CLI_EXIT_FAILURE;
	int r = argp_parse(&argp, (unsigned)argc, argv, ARGP_IN_ORDER, NULL, &p);
	if (r != 0)
		return err->code ? -err->code : err_set(err, r, "cannot parse the options");
	*ret_verb_index = p.verb_index;
	*ret_version = p.version;
	return 0;
}

static error_t parse_help(int key, char *value, struct argp_state *state)
{
	(void)value;
	if (key != KEY_HELP)
		return ARGP_ERR_UNKNOWN;
	argp_state_help(state, stdout, ARGP_HELP_STD_HELP);
	return 0;
}

struct verb_parse {
	const struct cli_verb *verb;
	void *arg;
	int nr_args;
	int first;
	struct err *err;
};

static error_t parse_verb(int key, char *value, struct argp_state *state)
{
	struct verb_parse *p = state->input;

	switch (key) {
	case ARGP_KEY_ARG:
		if (!p->verb->stop_at_arg)
			return ARGP_ERR_UNKNOWN; /* collected at the end, after argp moved the
						    options forward */
		p->first = state->next - 1;
		p->nr_args = state->argc - p->first;
		state->next = state->argc;
		return 0;
	case ARGP_KEY_ARGS:
		p->first = state->next;
		p->nr_args = state->argc - state->next;
		state->next = state->argc;
		return 0;
	default:
		if (key >= ARGP_KEY_END || !p->verb->set) /* argp's own keys are large */
			return ARGP_ERR_UNKNOWN;
		return p->verb->set(p->arg, key, value, p->err) < 0 ? EINVAL : 0;
	}
}

static struct {
	cli_observer fn;
	void *arg;
} observer;

/**
 * cli_observe() - learn what verbs take, instead of running them
 * @fn: called by cli_parse(), which then parses nothing and returns -ECANCELED; NULL ends this
 * @arg: passed to @fn
 *
 * Every verb parses its options before it does anything else, so a verb that is called meanwhile
 * does nothing.
 */
void cli_observe(cli_observer fn, void *arg)
{
	observer.fn = fn;
	observer.arg = arg;
}

/**
 * cli_parse() - parse the options and count the arguments of a verb
 * @verb: what it takes
 * @argc: number of arguments, the verb's name included
 * @argv: arguments; may be reordered
 * @arg: passed to the verb's set function
 * @ret_first: receives the index of the first positional argument; may be NULL when there can be
 * none
 * @err: filled on failure
 *
 * Return: the number of positional arguments, or -errno. Help and unknown options end the process
 * inside argp.
 */
int cli_parse(const struct cli_verb *verb, int argc, char **argv, void *arg, int *ret_first,
	      struct err *err)
{
	static const struct argp_option help_option[] = {
		{ NULL, KEY_HELP, NULL, OPTION_HIDDEN, NULL, -1 }, { 0 }
	};
	static const struct argp help = { .options = help_option, .parser = parse_help };
	static const struct argp_child children[] = { { &help, 0, NULL, 0 }, { 0 } };
	const struct argp argp = {
		.options = verb->options,
		.parser = parse_verb,
		.args_doc = verb->args_doc,
		.doc = verb->doc,
		.children = children,
	};
	struct verb_parse p = { .verb = verb, .arg = arg, .first = argc, .err = err };

	if (observer.fn) {
		observer.fn(observer.arg, verb);
		return -ECANCELED;
	}
	argp_err_exit_status = CLI_EXIT_FAILURE;
	int r = argp_parse(&argp, (unsigned)argc, argv, verb->stop_at_arg ? ARGP_IN_ORDER : 0, NULL,
			   &p);
	if (r != 0)
		return err->code ? -err->code
				 : err_set(err, r, "cannot parse the options of \"%s\"", argv[0]);
	if (p.nr_args < verb->min_args)
		return err_set(err, EINVAL, "\"%s\" needs more arguments: %s", argv[0],
			       verb->args_doc);
	if (verb->max_args >= 0 && p.nr_args > verb->max_args)
		return err_set(err, EINVAL, "\"%s\" does not take the argument \"%s\"", argv[0],
			       argv[p.first + verb->max_args]);
	if (ret_first)
		*ret_first = p.first;
	return p.nr_args;
}

struct run_call {
	int (*fn)(void *arg, struct err *err);
	void *arg;
	struct err *err;
};

static int run_call(void *arg)
{
	struct run_call *call = arg;

	return call->fn(call->arg, call->err);
}

/**
 * cli_run() - run a verb's RPC part as the first fiber of a fresh loop
 * @fn: the part
 * @arg: passed on
 * @err: filled on failure
 *
 * Return: what @fn returns, or -errno when there can be no loop.
 */
int cli_run(int (*fn)(void *arg, struct err *err), void *arg, struct err *err)
{
	struct run_call call = { .fn = fn, .arg = arg, .err = err };
	int r = fiber_run_main(run_call, &call);

	if (r < 0 && !err->code)
		return err_set_errno(err, r, "cannot start the event loop");
	return r;
}

/**
 * cli_print() - write to stdout
 * @data: bytes
 * @len: number of bytes
 * @err: filled on failure
 *
 * Names and messages of a guest are among what verbs print: a terminal gets no control characters.
 *
 * Return: 0 or -errno.
 */
int cli_print(const char *data, size_t len, struct err *err)
{
	cleanup_free char *copy = NULL;

	if (len > 0 && isatty(STDOUT_FILENO)) {
		copy = malloc(len);
		if (!copy)
			return err_set_errno(err, -ENOMEM, "cannot write to stdout");
		memcpy(copy, data, len);
		utf8_make_printable(copy, len, "\n\t");
	}
	int r = io_write_full(STDOUT_FILENO, copy ? copy : data, len);

	return r < 0 ? err_set_errno(err, r, "cannot write to stdout") : 0;
}
