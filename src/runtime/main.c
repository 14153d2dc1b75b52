/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kata-runtime: the OCI command line. This file is the table of verbs and what happens before and
 * after one of them runs.
 */
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/str.h"
#include "kata/state.h"
#include "oci/spec.h"
#include "runtime/cmd/admin/complete.h"
#include "runtime/cmd/admin/verbs.h"
#include "runtime/cmd/oci/verbs.h"

static const struct verb verbs[] = {
	{ "create", verb_create, "create a container" },
	{ "start", verb_start, "start a created container" },
	{ "run", verb_run, "create a container and start it" },
	{ "state", verb_state, "print the state of a container" },
	{ "kill", verb_kill, "send a signal to a container" },
	{ "delete", verb_delete, "delete a container" },
	{ "exec", verb_exec, "run one more process in a container" },
	{ "ps", verb_ps, "print the processes of a container" },
	{ "list", verb_list, "list the containers" },
	{ "pause", verb_pause, "freeze a container" },
	{ "resume", verb_resume, "let a frozen container go on" },
	{ "update", verb_update, "change the limits of a container" },
	{ "events", verb_events, "print statistics and OOM events" },
	{ "spec", verb_spec, "write a config.json to start from" },
	{ "features", verb_features, "print what this runtime implements" },
	{ "check", verb_check, "say what this host offers and what will be used" },
	{ "env", verb_env, "print versions, paths and the configuration" },
	{ "network", verb_network, "show or change a guest's network" },
	{ "console", verb_console, "print a guest's console" },
	{ "timeline", verb_timeline, "print how long a start took" },
	{ "security", verb_security, "print what a sandbox's processes may do to the host" },
	{ "metrics", verb_metrics, "print a sandbox's metrics" },
	{ "iptables", verb_iptables, "read or set a guest's netfilter tables" },
	{ "factory", verb_factory, "make, list or remove the templates that VMs start from" },
	{ "configure", verb_configure, "tell a container manager of this runtime" },
	{ "completion", verb_completion, "print the completion script of a shell" },
	{ "complete", verb_complete, NULL },
	{ "checkpoint", verb_checkpoint, NULL }, /* without help: not offered */
	{ "restore", verb_checkpoint, NULL },
};

/* Other names of the same verbs. */
static const struct {
	const char *name, *verb;
} aliases[] = { { "kata-check", "check" }, { "kata-env", "env" }, { "kata-network", "network" } };

static char *list_verbs(void)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		return NULL;
	fputs("Verbs:\n", f);
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
		if (verbs[i].help)
			fprintf(f, "  %-12s %s\n", verbs[i].name, verbs[i].help);
	fputs("\n\"kata-runtime VERB --help\" tells more.", f);
	(void)fclose(f); /* memory only: text stays NULL when there was none */
	return text;
}

static const struct verb *find_verb(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(aliases); i++)
		if (str_eq(name, aliases[i].name))
			name = aliases[i].verb;
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
		if (str_eq(name, verbs[i].name))
			return &verbs[i];
	return NULL;
}

static int print_version(void)
{
	printf("kata-runtime version %s\nspec: %s\n", KATA_VERSION, OCI_VERSION);
	return fflush(stdout) == 0 ? 0 : CLI_EXIT_FAILURE;
}

/* A path that stays right when the directory changes. */
static const char *absolute(const char *path, char *buf, size_t len)
{
	char cwd[PATH_MAX];

	if (path[0] == '/' || !getcwd(cwd, sizeof(cwd)) ||
	    snprintf(buf, len, "%s/%s", cwd, path) >= (int)len)
		return path;
	return buf;
}

static const char *default_root(char *buf, size_t len)
{
	const char *dir = secure_getenv("XDG_RUNTIME_DIR");

	if (geteuid() == 0 || str_empty(dir) || dir[0] != '/')
		return KATA_DEFAULT_ROOT;
	snprintf(buf, len, "%s/kata", dir);
	return buf;
}

static int open_log(struct cli *cli, struct err *err)
{
	if (str_empty(cli->log_path))
		return 0;
	cli->log_fd = neg_errno(
		open(cli->log_path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0644));
	return cli->log_fd < 0
		       ? err_set_errno(err, cli->log_fd, "cannot open the log %s", cli->log_path)
		       : 0;
}

/*
 * As runc: the log gets the error in its format and, when that is a file, stderr gets it in plain
 * words.
 */
static void report(const struct cli *cli, const struct err *err)
{
	log_error("%s", err->text);
	if (cli->log_fd >= 0)
		dprintf(STDERR_FILENO, "%s\n", err->text);
}

static int run_verb(struct cli *cli, const struct verb *verb, int argc, char **argv)
{
	struct err err = ERR_NULL;
	char name[64];

	snprintf(name, sizeof(name), "kata-runtime %s", verb->name);
	argv[0] = name; /* what usage messages show */
	int r = verb->fn(cli, argc, argv, &err);
	if (err.code)
		report(cli, &err);
	return r < 0 ? CLI_EXIT_FAILURE : r;
}

/* Stdio that is closed would be given to the next file that is opened. */
static void open_stdio(void)
{
	int fd;

	do {
		fd = open("/dev/null", O_RDWR);
	} while (fd >= 0 && fd < STDERR_FILENO);
	if (fd > STDERR_FILENO)
		(void)close(fd); /* all three were open */
}

static int set_up(struct cli *cli, char *buf, size_t len, struct err *err)
{
	static char config[PATH_MAX];
	int r = open_log(cli, err);

	if (!cli->root)
		cli->root = default_root(buf, len);
	cli->root = absolute(cli->root, buf, len);
	if (cli->config)
		cli->config = absolute(cli->config, config, sizeof(config));
	log_init("kata-runtime", cli->log_fd >= 0 ? cli->log_fd : STDERR_FILENO,
		 cli->log_fd < 0 && isatty(STDERR_FILENO) ? LOG_FORMAT_PLAIN : cli->log_format,
		 cli->debug ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO);
	return r;
}

int main(int argc, char **argv)
{
	static char root[PATH_MAX];
	struct cli cli = CLI_NULL;
	struct err err = ERR_NULL;
	int verb_index = 0;
	bool version = false;

	open_stdio();
	(void)signal(SIGPIPE, SIG_IGN);
	cli_set_verb_list(list_verbs);
	complete_set_verbs(verbs, ARRAY_SIZE(verbs));
	int r = cli_parse_global(&cli, argc, argv, &verb_index, &version, &err);
	if (r == 0)
		r = set_up(&cli, root, sizeof(root), &err);
	if (r < 0) {
		report(&cli, &err);
		return CLI_EXIT_FAILURE;
	}
	if (version || (verb_index && str_eq(argv[verb_index], "version")))
		return print_version();
	if (!verb_index) {
		fprintf(stderr, "kata-runtime: a verb is missing; see kata-runtime --help\n");
		return CLI_EXIT_FAILURE;
	}
	argc -= verb_index;
	argv += verb_index;
	char *asked_for_help[] = { argc > 1 ? argv[1] : (char *)"kata-runtime", (char *)"--help",
				   NULL };
	if (str_eq(argv[0], "help")) { /* "help VERB" is "VERB --help" */
		if (argc < 2)
			return cli_parse_global(&cli, 2, asked_for_help, &verb_index, &version,
						&err);
		argc = 2;
		argv = asked_for_help;
	}
	const struct verb *verb = find_verb(argv[0]);
	if (!verb) {
		err_set(&err, EINVAL, "unknown verb \"%s\"; see kata-runtime --help", argv[0]);
		report(&cli, &err);
		return CLI_EXIT_FAILURE;
	}
	return run_verb(&cli, verb, argc, argv);
}
