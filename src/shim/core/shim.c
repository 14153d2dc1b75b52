/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the shim does when something happens in its sandbox, and when it ends.
 */
#include "shim/core/shim.h"

#include <fcntl.h>
#include <stdlib.h>

#include "common/fd.h"
#include "common/io.h"
#include "common/log.h"
#include "common/str.h"
#include "sandbox/core/container.h"
#include "shim/core/event_ring.h"
#include "sandbox/lifecycle/sandbox_stop.h"

/* How long a shim that is done stays for requests that are not answered yet. */
#define SHIM_LINGER_MS 5000
/* And after that for a manager that takes what it has still to be told. */
#define SHIM_FINISH_MS 2000

static void stop_main(void *arg)
{
	struct shim *shim = arg;
	struct err err = ERR_NULL;

	if (sandbox_stop(shim->sandbox, &err) < 0)
		log_warn("stop sandbox: %s", err.text);
	shim_maybe_end(shim);
}

static void stop_sandbox(struct shim *shim)
{
	int r = fiber_spawn(shim->loop, "stop", stop_main, shim, NULL);

	if (r < 0)
		log_error_errno(r, "stop sandbox");
}

static void end_main(void *arg)
{
	struct shim *shim = arg;

	/*
	 * The request that asked for this end is answered first. Its answer stays in the socket for
	 * the peer to read when we are gone.
	 */
	if (rpc_server_wait_idle(shim->task_server, loop_deadline_ms(SHIM_LINGER_MS)) < 0)
		log_warn("the shim ends with requests under way");
	shim->ops->finish(shim, loop_deadline_ms(SHIM_FINISH_MS));
	loop_exit(shim->loop, 0);
}

/**
 * shim_end_soon() - end the process once the answers that are under way have left
 * @shim: shim
 *
 * A peer that does not read them, or the events, delays that by seconds only.
 */
void shim_end_soon(struct shim *shim)
{
	if (shim->ending)
		return;
	shim->ending = true;
	if (fiber_spawn(shim->loop, "end", end_main, shim, NULL) < 0)
		loop_exit(shim->loop, 0);
}

/**
 * shim_find_creation() - find a Create call under way
 * @shim: shim
 * @id: container that it makes
 *
 * Return: it, or NULL.
 */
struct shim_creation *shim_find_creation(const struct shim *shim, const char *id)
{
	struct shim_creation *creation = shim->creations;

	while (creation && !str_eq(creation->id, id))
		creation = creation->next;
	return creation;
}

/**
 * shim_maybe_end() - end a shim that has nothing left to do, if its front end lets it
 * @shim: shim
 *
 * The VM goes first; this is called again once it has stopped.
 */
void shim_maybe_end(struct shim *shim)
{
	enum sandbox_state state = shim->sandbox->state;

	if (!shim->ops->may_end(shim))
		return;
	if (state == SANDBOX_STATE_STOPPED || state == SANDBOX_STATE_NEW)
		shim_end_soon(shim);
	else if (!shim->shutting_down) {
		shim->shutting_down = true;
		stop_sandbox(shim);
	}
}

static void on_process_started(void *arg, struct sb_process *process)
{
	struct shim *shim = arg;

	shim->ops->event(shim, SHIM_EVENT_STARTED, process->container->id, process);
}

static void on_process_exited(void *arg, struct sb_process *process)
{
	struct shim *shim = arg;

	event_ring_add(shim->event_ring, ADMIN_EVENT_EXIT, process->container->id, process->exec_id,
		       (uint32_t)process->exit_status, shim->sandbox->end.exit_reason);
	/* The shim stays: exit statuses can still be asked for. */
	if (shim->ops->exited(shim, process) && shim->sandbox->state == SANDBOX_STATE_RUNNING)
		stop_sandbox(shim);
}

/* CRI-O takes no events: it looks for a file beside config.json once the container has ended. */
static void leave_oom_file(const struct sb_container *ctr)
{
	cleanup_close int dir = neg_errno(open(ctr->bundle, O_PATH | O_DIRECTORY | O_CLOEXEC));

	if (!str_eq(ctr->manager, "cri-o"))
		return;
	int r = dir < 0 ? dir : io_replace_file_at(dir, "oom", "", 0, 0644);
	if (r < 0)
		log_warn_errno(r, "tell CRI-O that container %s ran out of memory", ctr->id);
}

static void on_oom(void *arg, struct sb_container *ctr)
{
	struct shim *shim = arg;

	log_info("container %s ran out of memory", ctr->id);
	shim->ops->event(shim, SHIM_EVENT_OOM, ctr->id, ctr->init);
	leave_oom_file(ctr);
	event_ring_add(shim->event_ring, ADMIN_EVENT_OOM, ctr->id, "", 0, "");
}

static void on_gone(void *arg, const char *reason)
{
	struct shim *shim = arg;

	log_error("%s", reason);
	event_ring_add(shim->event_ring, ADMIN_EVENT_SANDBOX_GONE, shim->id, "", 0, reason);
	stop_sandbox(shim);
}

const struct sandbox_events shim_sandbox_events = {
	.process_started = on_process_started,
	.process_exited = on_process_exited,
	.oom = on_oom,
	.gone = on_gone,
};
