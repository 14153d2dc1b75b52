/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The serving shim behind containerd: inherited listening socket, log fifo of the bundle, events.
 */
#include "shim/containerd/containerd_serve.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/io.h"
#include "common/log.h"
#include "common/proc.h"
#include "common/str.h"
#include "kata/state.h"
#include "sandbox/lifecycle/sandbox_record.h"
#include "shim/containerd/containerd_frontend.h"
#include "shim/containerd/containerd_paths.h"
#include "shim/containerd/events.h"
#include "shim/containerd/lonely.h"
#include "shim/containerd/sandbox_api.h"
#include "shim/core/confine.h"
#include "shim/core/event_ring.h"
#include "shim/core/shim.h"
#include "shim/task/admin_service.h"
#include "shim/task/task_service.h"

static void init_log(const struct shim_options *options)
{
	/*
	 * containerd reads this fifo; opened for both ends, so that a containerd that restarts does
	 * not break it.
	 */
	int fd = open("log", O_RDWR | O_NONBLOCK | O_CLOEXEC);

	log_init("containerd-shim-kata-v2", fd, LOG_FORMAT_TEXT,
		 options->debug ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO);
	log_set_context("namespace", options->namespace);
	log_set_context("sandbox", options->id);
}

static int make_state_dir(const struct shim_options *options, char *dir, size_t size)
{
	char text[64];
	uint64_t start_time;
	int r = containerd_state_dir(options->namespace, options->id, dir, size);

	if (r >= 0)
		r = io_mkdir_p(dir, 0700);
	if (r >= 0)
		r = proc_start_time(getpid(), &start_time);
	if (r < 0)
		return r;
	cleanup_close int fd = neg_errno(open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	if (fd < 0)
		return fd;
	int n = snprintf(text, sizeof(text), "%d %llu\n", (int)getpid(),
			 (unsigned long long)start_time);
	return io_replace_file_at(fd, KATA_STATE_SHIM_PID, text, (size_t)n, 0600);
}

/* For the command line's verbs about sandboxes, which also know those that containerd manages. */
static int serve_admin(struct shim *shim)
{
	cleanup_close int dir =
		neg_errno(open(shim->state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC));

	if (dir < 0)
		return dir;
	(void)unlinkat(dir, KATA_SOCKET_ADMIN, 0); /* of a shim that was killed */
	int fd = fd_listen_at(dir, KATA_SOCKET_ADMIN, SOCK_STREAM);
	int r = fd < 0 ? fd
		       : rpc_server_new(shim->loop, admin_handlers, nr_admin_handlers, shim,
					&shim->admin_server);
	if (r < 0)
		(void)fd_close(fd);
	return r < 0 ? r : rpc_server_listen(shim->admin_server, fd);
}

/* The Task and the Sandbox service, in one table. */
static int serve_tasks(struct shim *shim)
{
	static const struct rpc_handler sandbox_handlers[] = { SANDBOX_API_HANDLERS };
	size_t nr = nr_task_handlers + ARRAY_SIZE(sandbox_handlers);
	struct rpc_handler *all = arena_calloc(shim->sandbox->arena, nr, sizeof(*all));

	if (!all)
		return -ENOMEM;
	memcpy(all, task_handlers, nr_task_handlers * sizeof(*all));
	memcpy(all + nr_task_handlers, sandbox_handlers, sizeof(sandbox_handlers));
	int r = rpc_server_new(shim->loop, all, nr, shim, &shim->task_server);
	return r < 0 ? r : rpc_server_listen(shim->task_server, SHIM_LISTEN_FD);
}

static int begin_to_serve(struct containerd_shim *ctd)
{
	const char *address = getenv("TTRPC_ADDRESS");
	struct shim *shim = &ctd->shim;
	int r = event_ring_new(&shim->event_ring);

	if (r >= 0)
		r = serve_admin(shim);
	if (r >= 0)
		r = serve_tasks(shim);
	/* CRI-O has no event service. */
	if (r >= 0 && !str_empty(address))
		r = events_new(shim->loop, address, shim->namespace, &ctd->events);
	return r < 0 ? r : lonely_begin(ctd);
}

/* `start` waits for this word. It may have been killed: see lonely.c for what comes then. */
static void tell_start(const char *word)
{
	(void)io_write_full(SHIM_READY_FD, word, strlen(word));
	(void)fd_close(SHIM_READY_FD);
}

static int finish_main(void *arg)
{
	struct shim *shim = arg;
	struct err err = ERR_NULL;
	cleanup_close int fd = neg_errno(open(shim->state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC));

	if (fd >= 0 && sandbox_record_undo(fd, &err) < 0) {
		log_error("%s", err.text);
		return -err.code;
	}
	return io_rm_tree_at(AT_FDCWD, shim->state_dir);
}

/**
 * containerd_serve() - serve one sandbox until Shutdown
 * @options: command line
 *
 * Return: 0 or -errno.
 */
int containerd_serve(const struct shim_options *options)
{
	char dir[PATH_MAX];
	struct sockaddr_un addr = { 0 };
	struct err err = ERR_NULL;
	struct containerd_shim ctd = { .shim = { .ops = &containerd_frontend_ops,
						 .id = options->id,
						 .namespace = options->namespace,
						 .state_dir = dir,
						 .config_path = options->config } };
	struct shim *shim = &ctd.shim;

	init_log(options);
	int r = fd_set_cloexec(SHIM_LISTEN_FD, true);
	if (r >= 0)
		r = fd_set_cloexec(SHIM_READY_FD, true);
	if (r >= 0)
		r = neg_errno(getsockname(SHIM_LISTEN_FD, (struct sockaddr *)&addr,
					  &(socklen_t){ sizeof(addr) }));
	if (r >= 0)
		r = make_state_dir(options, dir, sizeof(dir));
	if (r >= 0)
		r = share_isolate_mounts(&err);
	if (r >= 0)
		confine_shim();
	if (r >= 0)
		r = loop_new(&shim->loop);
	if (r >= 0)
		r = sandbox_new(shim->loop, &shim_sandbox_events, shim, &shim->sandbox);
	if (r >= 0)
		r = begin_to_serve(&ctd);
	if (r < 0 && !*err.text)
		(void)err_set_errno(&err, r, "serve sandbox %s", options->id);
	tell_start(r < 0 ? err.text : SHIM_READY);
	if (r >= 0) {
		r = loop_run(shim->loop);
		if (r < 0)
			(void)err_set_errno(&err, r, "serve sandbox %s", options->id);
	}
	if (r < 0)
		log_error("%s", err.text);
	if (*addr.sun_path)
		(void)unlink(addr.sun_path);
	int undone = fiber_run_main(finish_main, shim);
	return r < 0 ? r : undone;
}
