/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kata-runtime pause and resume: freeze a container's processes, and let them go on.
 */
#include "runtime/cmd/oci/verbs.h"

#include "runtime/shim/session.h"

struct pause {
	const struct cli *cli;
	const char *id;
	bool pause;
};

static int set_paused(void *arg, struct err *err)
{
	struct pause *pause = arg;
	cleanup_session struct session s = SESSION_NULL;
	const struct task_pause_request pause_req = { .id = pause->id };
	const struct task_resume_request resume_req = { .id = pause->id };
	int r = session_open(&s, pause->cli, pause->id, err);

	if (r == 0)
		r = session_need_shim(&s, err);
	if (r < 0)
		return r;
	if (pause->pause)
		return session_call(&s, &task_v2_pause, &pause_req, NULL, CLI_SLOW_MS, err);
	return session_call(&s, &task_v2_resume, &resume_req, NULL, CLI_SLOW_MS, err);
}

static int run(struct cli *cli, int argc, char **argv, bool pause, struct err *err)
{
	const struct cli_verb verb = {
		.args_doc = "ID",
		.doc = pause ? "Freeze all processes of a container."
			     : "Let the processes of a container go on.",
		.min_args = 1,
		.max_args = 1,
	};
	struct pause arg = { .cli = cli, .pause = pause };
	int first;
	int r = cli_parse(&verb, argc, argv, NULL, &first, err);

	if (r < 0)
		return r;
	arg.id = argv[first];
	return cli_run(set_paused, &arg, err);
}

/**
 * verb_pause() - see kata-runtime(8)
 * @cli: global options
 * @argc: number of arguments
 * @argv: arguments
 * @err: filled on failure
 *
 * Return: exit code or -errno.
 */
int verb_pause(struct cli *cli, int argc, char **argv, struct err *err)
{
	return run(cli, argc, argv, true, err);
}

/**
 * verb_resume() - see kata-runtime(8)
 * @cli: global options
 * @argc: number of arguments
 * @argv: arguments
 * @err: filled on failure
 *
 * Return: exit code or -errno.
 */
int verb_resume(struct cli *cli, int argc, char **argv, struct err *err)
{
	return run(cli, argc, argv, false, err);
}
