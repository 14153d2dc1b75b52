/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The shim as the command line starts it. Descriptors: enum kata_shim_fd. It ends with its last
 * container.
 */
#include "shim/cli/standalone.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/log.h"
#include "common/str.h"
#include "kata/state.h"
#include "sandbox/lifecycle/sandbox_record.h"
#include "shim/cli/cli_frontend.h"
#include "shim/cli/standin_server.h"
#include "shim/core/confine.h"
#include "shim/core/event_ring.h"
#include "shim/core/shim.h"
#include "shim/task/admin_service.h"
#include "shim/task/task_service.h"

static void init_log(const struct shim_options *options)
{
	enum log_format format = str_eq(options->log_format, "json") ? LOG_FORMAT_JSON
								     : LOG_FORMAT_TEXT;
	/*
	 * The manager reads --log after a failure. Errors go to stderr, too, for the command line to
	 * pass on. It does so until its Create has ended, and while it waits for the container.
	 */
	bool to_file = fcntl(KATA_SHIM_FD_LOG, F_GETFD) >= 0;

	log_init("containerd-shim-kata-v2", to_file ? (int)KATA_SHIM_FD_LOG : STDERR_FILENO, format,
		 options->debug ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO);
	if (to_file)
		log_copy_errors(STDERR_FILENO);
	log_set_context("sandbox", options->id);
}

static int check_inherited(const struct shim_options *options)
{
	if (!str_is_valid_id(options->id)) {
		log_error("-id is missing or not valid");
		return -EINVAL;
	}
	for (int fd = KATA_SHIM_FD_STATE; fd <= KATA_SHIM_FD_STANDIN; fd++) {
		int r = fd_set_cloexec(fd, true);

		if (r < 0) {
			log_error_errno(r, "inherited descriptor %d", fd);
			return r;
		}
	}
	if (fcntl(KATA_SHIM_FD_LOG, F_GETFD) >= 0)
		return fd_set_cloexec(KATA_SHIM_FD_LOG, true);
	return 0;
}

static int undo_main(void *arg)
{
	struct err err = ERR_NULL;
	int r = sandbox_record_undo(KATA_SHIM_FD_STATE, &err);

	(void)arg;
	if (r < 0)
		log_error("%s", err.text);
	return r;
}

/*
 * Whoever started us reads our stderr until its Create ends. If it goes before that, nobody else
 * will ask for anything.
 */
static void on_launcher_gone(void *arg, unsigned events)
{
	struct cli_shim *cli = arg;
	struct shim *shim = &cli->shim;

	(void)events;
	cli->launcher = loop_source_free(cli->launcher);
	if (shim->sandbox->state == SANDBOX_STATE_NEW && !shim->creations)
		shim_end_soon(shim);
}

static int serve(struct cli_shim *cli)
{
	struct shim *shim = &cli->shim;
	int r = standin_server_new(shim->loop, KATA_SHIM_FD_STANDIN, &cli->standins);

	if (r >= 0)
		r = rpc_server_new(shim->loop, task_handlers, nr_task_handlers, shim,
				   &shim->task_server);
	if (r >= 0)
		r = rpc_server_listen(shim->task_server, KATA_SHIM_FD_TASK);
	if (r >= 0)
		r = rpc_server_new(shim->loop, admin_handlers, nr_admin_handlers, shim,
				   &shim->admin_server);
	if (r >= 0)
		r = rpc_server_listen(shim->admin_server, KATA_SHIM_FD_ADMIN);
	/* A pipe's write end is readable only when its reader is gone. */
	if (r >= 0)
		r = loop_add_io(shim->loop, STDERR_FILENO, LOOP_READ, on_launcher_gone, cli,
				&cli->launcher);
	return r < 0 ? r : loop_run(shim->loop);
}

static int run(struct cli_shim *cli)
{
	struct shim *shim = &cli->shim;
	struct err err = ERR_NULL;
	int r = share_isolate_mounts(&err);

	if (r < 0) {
		log_error("%s", err.text);
		return r;
	}
	confine_shim();
	r = loop_new(&shim->loop);
	if (r >= 0)
		r = sandbox_new(shim->loop, &shim_sandbox_events, shim, &shim->sandbox);
	if (r >= 0)
		r = event_ring_new(&shim->event_ring);
	if (r >= 0)
		r = serve(cli);
	if (r < 0)
		log_error_errno(r, "shim");
	cli->standins = standin_server_free(cli->standins);
	if (fiber_run_main(undo_main, NULL) < 0)
		log_warn("left for the next delete: see " KATA_STATE_SANDBOX);
	/*
	 * Nothing else is freed: requests may still wait in their fibers, and the process ends now.
	 */
	return r;
}

/**
 * standalone_delete() - undo what a killed shim recorded in its state directory
 * @options: command line
 *
 * Return: 0 or -errno.
 */
int standalone_delete(const struct shim_options *options)
{
	init_log(options);
	return fiber_run_main(undo_main, NULL);
}

/**
 * standalone_run() - serve the command line until the last container is gone
 * @options: command line
 *
 * Return: 0 or -errno.
 */
int standalone_run(const struct shim_options *options)
{
	char link[32], path[PATH_MAX];

	init_log(options);
	/* Nobody reads this pipe later. Then lines are lost, but writing them must not block. */
	(void)fd_set_nonblock(STDERR_FILENO, true);
	int r = check_inherited(options);
	if (r < 0)
		return r;
	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", KATA_SHIM_FD_STATE);
	ssize_t n = readlink(link, path, sizeof(path) - 1);
	if (n < 0) {
		log_error_errno(-errno, "state directory");
		return -errno;
	}
	path[n] = '\0';
	struct cli_shim cli = { .shim = {
					.ops = &cli_frontend_ops,
					.id = options->id,
					.namespace = options->namespace,
					.state_dir = path,
					.config_path = options->config,
				} };
	return run(&cli);
}
