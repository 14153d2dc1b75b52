/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kata-runtime start: run the process of a created container.
 */
#include "runtime/cmd/oci/verbs.h"

#include "common/str.h"
#include "runtime/shim/session.h"

struct start {
	const struct cli *cli;
	const char *id;
};

static int check_status(struct session *s, struct err *err)
{
	enum task_status status;
	int r = session_need_shim(s, err);

	if (r == 0)
		r = session_status(s, &status, err);
	if (r < 0)
		return r;
	switch (status) {
	case TASK_STATUS_CREATED:
		return 0;
	case TASK_STATUS_STOPPED:
		return err_set(err, EINVAL, "cannot start a container that has stopped: \"%s\"",
			       s->record.id);
	case TASK_STATUS_UNKNOWN:
		return err_set(err, EBUSY, "container \"%s\" is still being created", s->record.id);
	case TASK_STATUS_RUNNING:
	case TASK_STATUS_PAUSED:
	case TASK_STATUS_PAUSING:
	default:
		return err_set(err, EALREADY, "cannot start an already running container: \"%s\"",
			       s->record.id);
	}
}

static int start_container(void *arg, struct err *err)
{
	struct start *start = arg;
	cleanup_session struct session s = SESSION_NULL;
	const struct task_start_request req = { .id = start->id };
	int r = session_open(&s, start->cli, start->id, err);

	if (r == 0)
		r = check_status(&s, err);
	return r < 0 ? r : session_call(&s, &task_v2_start, &req, NULL, CLI_SLOW_MS, err);
}

/**
 * verb_start() - see kata-runtime(8)
 * @cli: global options
 * @argc: number of arguments
 * @argv: arguments
 * @err: filled on failure
 *
 * Return: exit code or -errno.
 */
int verb_start(struct cli *cli, int argc, char **argv, struct err *err)
{
	static const struct cli_verb verb = {
		.args_doc = "ID",
		.doc = "Start a created container.",
		.min_args = 1,
		.max_args = 1,
	};
	struct start start = { .cli = cli };
	int first;
	int r = cli_parse(&verb, argc, argv, NULL, &first, err);

	if (r < 0)
		return r;
	start.id = argv[first];
	return cli_run(start_container, &start, err);
}
