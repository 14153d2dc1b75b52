/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DOC: Theory of operation
 *
 * A containerd that is killed and started again finds its shims by the files of their bundles, and
 * asks each whether it has the container. One that says no, since it is still making it or was never
 * asked to, is forgotten by whoever uses containerd, and no Shutdown ever comes (containerd 1.7 and
 * later send one; 1.6 and CRI-O do not). So here is seen to it that nothing is held that nobody
 * knows of:
 *
 * - A Create call whose client has gone gets its container undone, as if it had failed, unless another
 *   client was told of the container meanwhile. A VM that boots for it is stopped at once.
 * - A shim without anything ends some time after a client has gone, or if it was never asked for
 *   anything. Who comes again has that time to ask.
 *
 * What has been answered stays: containers live on while there is no containerd. So does a sandbox of
 * the sandbox API, which containerd keeps in its own books from before it is made.
 */
#include "shim/containerd/lonely.h"

#include <errno.h>

#include "common/log.h"
#include "common/str.h"
#include "sandbox/lifecycle/sandbox_stop.h"

/* From `start` to the first request. */
#define UNASKED_MS 60000
/* From the end of a connection. */
#define LONELY_MS 5000

/**
 * lonely_is_empty() - is there nothing that a client could know of?
 * @shim: shim
 *
 * Return: whether it is so.
 */
bool lonely_is_empty(const struct shim *shim)
{
	return !shim->creations && !shim->explicit_sandbox &&
	       list_empty(&shim->sandbox->containers);
}

static void forsake(struct containerd_shim *ctd, const char *why)
{
	log_warn("%s: the shim ends", why);
	ctd->forsaken = true;
	shim_maybe_end(&ctd->shim);
}

static void on_lonely(void *arg)
{
	struct containerd_shim *ctd = arg;
	bool unasked = ctd->shim.sandbox->state == SANDBOX_STATE_NEW;

	/* A client that stays after a failure has yet to call Shutdown. */
	if (lonely_is_empty(&ctd->shim) && (unasked || ctd->client_left))
		forsake(ctd, unasked ? "nobody asks for a container" : "nobody calls Shutdown");
}

static void stop_main(void *arg)
{
	struct shim *shim = arg;
	struct err err = ERR_NULL;

	if (sandbox_stop(shim->sandbox, &err) < 0)
		log_warn("stop sandbox: %s", err.text);
}

/* The first container's VM has nobody else: the call fails, and the shim ends with it. */
static void stop_start(struct containerd_shim *ctd)
{
	struct shim *shim = &ctd->shim;

	ctd->forsaken = true;
	if (fiber_spawn(shim->loop, "forsaken", stop_main, shim, NULL) < 0)
		log_warn("the VM of a call that nobody waits for starts on");
}

static void on_disconnect(void *arg, struct rpc_conn *conn)
{
	struct shim *shim = arg;
	struct containerd_shim *ctd = container_of(shim, struct containerd_shim, shim);
	bool all_lost = true;

	ctd->client_left = true;
	for (struct shim_creation *c = shim->creations; c; c = c->next) {
		c->lost = c->lost || c->conn == conn;
		all_lost = all_lost && c->lost;
	}
	if (shim->creations && all_lost && shim->sandbox->state == SANDBOX_STATE_STARTING &&
	    !shim->explicit_sandbox)
		stop_start(ctd);
	if (loop_timer_set(ctd->lonely, loop_deadline_ms(LONELY_MS)) < 0)
		log_warn("it will not be seen whether somebody asks again");
}

/**
 * lonely_begin() - look after a shim that begins to serve
 * @ctd: shim with its servers
 *
 * Return: 0 or -ENOMEM.
 */
int lonely_begin(struct containerd_shim *ctd)
{
	rpc_server_on_disconnect(ctd->shim.task_server, on_disconnect);
	return loop_add_timer(ctd->shim.loop, loop_deadline_ms(UNASKED_MS), on_lonely, ctd,
			      &ctd->lonely);
}

/**
 * lonely_check_created() - is there still somebody who takes a container that has been made?
 * @ctd: shim
 * @init: first process of the container whose Create is about to be answered
 * @err: filled when not
 *
 * Return: 0 or -ECONNRESET.
 */
int lonely_check_created(struct containerd_shim *ctd, const struct sb_process *init,
			 struct err *err)
{
	const char *id = init->container->id;
	const struct shim_creation *creation = shim_find_creation(&ctd->shim, id);

	if (!creation || !creation->lost || creation->known)
		return 0;
	log_warn("nobody waits for container %s any more: it is undone", id);
	ctd->forsaken = init->container->is_first;
	return err_set(err, ECONNRESET, "the client has gone");
}
