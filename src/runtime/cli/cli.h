/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every verb of kata-runtime shares: the global options and the helpers that parse options,
 * run RPC code and print.
 */
#pragma once

#include <argp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "common/err.h"
#include "common/log.h"
#include "common/macros.h"

/* Exit codes, as runc has them. */
#define CLI_EXIT_FAILURE 1
#define CLI_EXIT_EXEC_FAILURE 255

/* Calls that only ask or tell something. */
#define CLI_QUICK_MS 10000
/* What "state" and "list" grant a shim before they call it an error. */
#define CLI_STATE_MS 2000
/* What a container that was killed is granted to end, and a sandbox to go down. */
#define CLI_STOP_MS 15000
/* Calls that may boot a VM or wait for hooks; the shim has its own, shorter deadlines. */
#define CLI_SLOW_MS 600000

/* The global options. Strings are argv's or static. */
struct cli {
	const char *root;     /* absolute state root */
	const char *log_path; /* NULL: stderr */
	enum log_format log_format;
	bool debug;
	bool systemd_cgroup;
	const char *config; /* configuration file, NULL: the default places */
	int log_fd;	    /* -1 without --log */
};

#define CLI_NULL ((struct cli){ .root = NULL, .log_fd = -1, .log_format = LOG_FORMAT_TEXT })

/*
 * A verb: argv[0] is its name. Returns the exit code, or -errno with @err filled, which ends in
 * exit code 1.
 */
typedef int (*verb_fn)(struct cli *cli, int argc, char **argv, struct err *err);

/* A line of the table of verbs. One without help is not offered. */
struct verb {
	const char *name;
	verb_fn fn;
	const char *help;
};

/* Options of one verb. The option parser fills the verb's own struct through @set. */
struct cli_verb {
	const struct argp_option *options;
	/*
	 * @key: an option's key. Returns 0, or -errno with @err filled. NULL when there are no
	 * options.
	 */
	int (*set)(void *arg, int key, const char *value, struct err *err);
	const char *args_doc;
	const char *doc;
	int min_args, max_args; /* positional arguments; @max_args -1: any number */
	bool stop_at_arg;	/* the first positional argument ends the options */
};

/* Told what a verb takes; @verb is valid during the call only, the strings and tables in it stay. */
typedef void (*cli_observer)(void *arg, const struct cli_verb *verb);

void cli_observe(cli_observer fn, void *arg);
const struct argp_option *cli_global_options(void);
void cli_set_verb_list(char *(*fn)(void));
int cli_parse(const struct cli_verb *verb, int argc, char **argv, void *arg, int *ret_first,
	      struct err *err) must_check;
int cli_parse_global(struct cli *cli, int argc, char **argv, int *ret_verb_index, bool *ret_version,
		     struct err *err) must_check;
int cli_run(int (*fn)(void *arg, struct err *err), void *arg, struct err *err) must_check;
int cli_print(const char *data, size_t len, struct err *err) must_check;
