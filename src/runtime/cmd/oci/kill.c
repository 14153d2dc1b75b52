/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kata-runtime kill: send a signal to a container's first process, or to all of them.
 */
#include "runtime/cmd/oci/verbs.h"

#include "common/str.h"
#include "runtime/cli/signal_name.h"
#include "runtime/shim/session.h"

struct kill {
	const struct cli *cli;
	const char *id;
	int signo;
	bool all;
};

static int set(void *arg, int key, const char *value, struct err *err)
{
	struct kill *kill = arg;

	(void)key; /* there is only one */
	(void)value;
	(void)err;
	kill->all = true;
	return 0;
}

static int send_signal(void *arg, struct err *err)
{
	struct kill *kill = arg;
	cleanup_session struct session s = SESSION_NULL;
	const struct task_kill_request req = { .id = kill->id,
					       .signal = (uint32_t)kill->signo,
					       .all = kill->all };
	enum task_status status;
	int r = session_open(&s, kill->cli, kill->id, err);

	if (r == 0)
		r = session_status(&s, &status, err);
	if (r < 0)
		return r;
	/* As runc has it: nothing is left to kill, which only the caller of --all may not know. */
	if (status == TASK_STATUS_STOPPED && kill->all)
		return 0;
	if (status == TASK_STATUS_STOPPED)
		return err_set(err, ESRCH, "container not running: \"%s\"", kill->id);
	r = session_call(&s, &task_v2_kill, &req, NULL, CLI_QUICK_MS, err);
	if (r == -ESRCH || r == -ENOENT || r == -ECONNRESET) /* it ended in between */
		return err_set(err, ESRCH, "container not running: \"%s\"", kill->id);
	return r;
}

/**
 * verb_kill() - see kata-runtime(8)
 * @cli: global options
 * @argc: number of arguments
 * @argv: arguments
 * @err: filled on failure
 *
 * Return: exit code or -errno.
 */
int verb_kill(struct cli *cli, int argc, char **argv, struct err *err)
{
	static const struct argp_option options[] = {
		{ "all", 'a', NULL, 0, "Send the signal to all processes of the container", 0 },
		{ 0 },
	};
	static const struct cli_verb verb = {
		.options = options,
		.set = set,
		.args_doc = "ID [SIGNAL]",
		.doc = "Send a signal, by default TERM, to a container.",
		.min_args = 1,
		.max_args = 2,
	};
	struct kill kill = { .cli = cli };
	int first;
	int nr = cli_parse(&verb, argc, argv, &kill, &first, err);

	if (nr < 0)
		return nr;
	kill.id = argv[first];
	int r = signal_name_parse(nr == 2 ? argv[first + 1] : "TERM", &kill.signo, err);
	return r < 0 ? r : cli_run(send_signal, &kill, err);
}
