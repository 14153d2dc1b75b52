/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kata-runtime delete: forget a container that has stopped; with --force stop it first and clean up
 * whatever there is.
 */
#include "runtime/cmd/oci/verbs.h"

#include <signal.h>

#include "common/str.h"
#include "runtime/container/container_cleanup.h"
#include "runtime/shim/session.h"

struct delete
{
	const struct cli *cli;
	const char *id;
	bool force;
	bool ended; /* the container's processes, as its shim said */
};

static int set(void *arg, int key, const char *value, struct err *err)
{
	struct delete *del = arg;

	(void)key; /* there is only one */
	(void)value;
	(void)err;
	del->force = true;
	return 0;
}

static int stop(struct session *s, struct err *err)
{
	const struct task_kill_request kill_req = { .id = s->record.id,
						    .signal = SIGKILL,
						    .all = true };
	const struct task_wait_request wait_req = { .id = s->record.id };
	struct task_wait_response resp = { 0 };
	int r = session_call(s, &task_v2_kill, &kill_req, NULL, CLI_QUICK_MS, err);

	if (r < 0 && r != -ESRCH)
		return r;
	return session_call(s, &task_v2_wait, &wait_req, &resp, CLI_STOP_MS, err);
}

/* Returns 1 when the shim does not know the container, 0 when it has deleted it. */
static int delete_task(struct delete *del, struct session *s, struct err *err)
{
	const struct task_delete_request req = { .id = del->id };
	enum task_status status;
	int r = session_status(s, &status, err);

	if (r < 0)
		return r;
	if (!s->task)
		return 1;
	/* Without its stand-in it is about to stop, and has stopped as far as the manager sees. */
	bool ending = s->record.standin_pid > 0 && !record_standin_alive(&s->record);
	if (status != TASK_STATUS_STOPPED && status != TASK_STATUS_CREATED && !del->force &&
	    !ending)
		return err_set(err, EBUSY, "cannot delete container \"%s\" that is not stopped: %s",
			       del->id, session_status_name(status));
	if (status != TASK_STATUS_STOPPED && status != TASK_STATUS_UNKNOWN) {
		r = stop(s, err);
		if (r < 0)
			return err_wrap(err, "cannot stop container \"%s\"", del->id);
	}
	del->ended = status != TASK_STATUS_UNKNOWN;
	r = session_call(s, &task_v2_delete, &req, NULL, del->force ? CLI_STOP_MS : CLI_SLOW_MS,
			 err);
	if (r == -ENOENT || r == -ECONNRESET || r == -EPIPE) {
		*err = ERR_NULL;
		return 1;
	}
	return r;
}

static int delete_container(void *arg, struct err *err)
{
	struct delete *del = arg;
	cleanup_session struct session s = SESSION_NULL;
	int r = session_open(&s, del->cli, del->id, err);

	if (r == -ENOENT && del->force) {
		*err = ERR_NULL;
		return container_cleanup_orphan(del->cli, del->id, err);
	}
	if (r >= 0)
		r = delete_task(del, &s, err);
	/* Without a record there is nothing to force. */
	if (r < 0 && (!del->force || !s.arena))
		return r;
	if (r < 0) {
		log_warn("%s", err->text);
		*err = ERR_NULL;
		/* What still runs is not forgotten. */
		r = del->ended ? 0 : container_cleanup_sandbox(del->cli, &s, err);
		if (r < 0)
			return r;
	}
	return container_cleanup(del->cli, &s.record, err);
}

/**
 * verb_delete() - see kata-runtime(8)
 * @cli: global options
 * @argc: number of arguments
 * @argv: arguments
 * @err: filled on failure
 *
 * Return: exit code or -errno.
 */
int verb_delete(struct cli *cli, int argc, char **argv, struct err *err)
{
	static const struct argp_option options[] = {
		{ "force", 'f', NULL, 0, "Kill the container first; succeed when there is none",
		  0 },
		{ 0 },
	};
	static const struct cli_verb verb = {
		.options = options,
		.set = set,
		.args_doc = "ID",
		.doc = "Delete a container.",
		.min_args = 1,
		.max_args = 1,
	};
	struct delete del = { .cli = cli };
	int first;
	int r = cli_parse(&verb, argc, argv, &del, &first, err);

	if (r < 0)
		return r;
	del.id = argv[first];
	return cli_run(delete_container, &del, err);
}
