/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kata-runtime run: create and start; in the foreground also wait, forward signals and clean up.
 */
#include "runtime/cmd/oci/verbs.h"

#include "runtime/cmd/oci/create_options.h"
#include "runtime/container/container_cleanup.h"
#include "runtime/container/foreground.h"

struct run {
	struct container_create c;
	struct run_options options;
};

static int start(struct run *run, struct foreground *fg, struct err *err)
{
	struct container_create *c = &run->c;
	const struct task_start_request req = { .id = c->id };
	int r = container_create_make(c, err);

	if (r < 0)
		return r;
	if (!run->options.detach)
		r = foreground_attach(fg, c->spec->process->terminal && !c->console_socket, err);
	if (r == 0 && !run->options.detach)
		r = shim_launch_relay(&c->launch, fg->terminal, err);
	if (r == 0)
		r = session_call(&c->session, &task_v2_start, &req, NULL, CLI_SLOW_MS, err);
	c->interrupted = r == -ECANCELED;
	if (r == -ECANCELED)
		err_set(err, ECANCELED, "interrupted while starting container \"%s\"", c->id);
	return r < 0 ? r : container_create_commit_started(c, err);
}

/*
 * The process has printed what it had to print and its status is known: trouble from here on is
 * only logged. Where the stand-in was killed the container is still being ended, so wait for it
 * first.
 */
static void remove_container(struct container_create *c)
{
	const struct task_wait_request wait_req = { .id = c->id };
	const struct task_delete_request req = { .id = c->id };
	struct task_wait_response resp = { 0 };
	struct err err = ERR_NULL;
	int r = session_call(&c->session, &task_v2_wait, &wait_req, &resp, CLI_STOP_MS, &err);

	if (r == 0)
		r = session_call(&c->session, &task_v2_delete, &req, NULL, CLI_SLOW_MS, &err);
	if (r < 0) {
		log_warn("cannot delete container \"%s\": %s", c->id, err.text);
		err = ERR_NULL;
		r = container_cleanup_sandbox(c->cli, &c->session, &err);
	}
	if (r < 0) {
		log_warn("%s", err.text);
		return; /* "delete --force" may try again */
	}
	if (container_cleanup(c->cli, &c->session.record, &err) < 0)
		log_warn("%s", err.text);
}

/*
 * A stand-in that has lost its shim ends with the same code as one whose process was killed by
 * SIGKILL; but then the shim is there and answers.
 */
static bool is_shim_lost(struct run *run, int code)
{
	const struct task_state_request req = { .id = run->c.id };
	struct task_state_response resp = { 0 };
	struct err err = ERR_NULL;

	return code == STANDIN_EXIT_LOST &&
	       session_call(&run->c.session, &task_v2_state, &req, &resp, CLI_STATE_MS, &err) < 0;
}

static int run_container(void *arg, struct err *err)
{
	struct run *run = arg;
	cleanup_foreground struct foreground fg = FOREGROUND_NULL;
	int r = foreground_begin(&fg, &run->c.session, "", err);

	if (r == 0)
		r = start(run, &fg, err);
	if (r < 0) {
		terminal_raw_leave(&fg.raw);
		shim_launch_relay_end(&run->c.launch, false);
		container_create_undo(&run->c);
		return r;
	}
	if (run->options.detach)
		return 0;
	int code = foreground_wait(&fg, &run->c.standin, err);
	shim_launch_relay_end(&run->c.launch, is_shim_lost(run, code));
	if (code >= 0 && !run->options.keep)
		remove_container(&run->c);
	return code;
}

/**
 * verb_run() - see kata-runtime(8)
 * @cli: global options
 * @argc: number of arguments
 * @argv: arguments
 * @err: filled on failure
 *
 * Return: exit code, in the foreground the container's; or -errno.
 */
int verb_run(struct cli *cli, int argc, char **argv, struct err *err)
{
	struct run run = { .c = CONTAINER_CREATE_NULL };
	int r = create_options_parse(cli, argc, argv, &run.c, &run.options, err);

	run.c.attached = !run.options.detach && !run.c.console_socket;
	if (r == 0)
		r = container_create_prepare(&run.c, err);
	if (r == 0)
		r = cli_run(run_container, &run, err);
	container_create_deinit(&run.c);
	return r;
}
