/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the shim does for the command line. Streams come from stand-ins, and they are told how their
 * processes ended.
 */
#include "shim/cli/cli_frontend.h"

#include <errno.h>
#include <stdlib.h>

#include "common/log.h"
#include "common/str.h"
#include "kata/standin.h"
#include "rpc/pb/task_msg.h"
#include "shim/cli/cli_pids.h"
#include "shim/cli/standin_server.h"
#include "sandbox/lifecycle/process_verbs.h"
#include "sandbox/lifecycle/sandbox_stop.h"
#include "sandbox/lifecycle/container_exec.h"

static struct standin_server *standins_of(struct shim *shim)
{
	return container_of(shim, struct cli_shim, shim)->standins;
}

/* The key in "standin:<key>", or NULL. */
static const char *standin_key(const char *uri)
{
	const char *key = str_skip_prefix(uri, STANDIN_URI_PREFIX);

	return str_empty(key) ? NULL : key;
}

/* The command line has judged its specifications already, from where the manager stands. */
static int validate(const struct oci_spec *spec, const struct oci_vm_policy *policy,
		    struct err *err)
{
	(void)spec;
	(void)policy;
	(void)err;
	return 0;
}

static int open_streams(struct shim *shim, const struct stdio_request *req,
			struct shim_streams *ret, struct err *err)
{
	const char *key = standin_key(req->in);

	if (!key)
		return err_set(err, EINVAL, "stream '%s' is no stand-in", req->in);
	struct standin *standin = standin_server_find(standins_of(shim), key);
	if (!standin)
		return err_set(err, ENOENT, "no stand-in has registered as %s", key);
	standin_take(standin, &ret->io, &ret->netns_fd);
	ret->io.terminal = req->terminal;
	ret->host_pid = (uint32_t)standin_pid(standin);
	return 0;
}

/*
 * The stand-in may have been killed while the VM came up. Then nobody could ever ask for what it
 * stood for.
 */
static int created(struct shim *shim, const struct task_create_request *req,
		   struct sb_process *init, struct err *err)
{
	const char *key = standin_key(req->stdin);
	struct standin *standin = key ? standin_server_find(standins_of(shim), key) : NULL;
	struct err ignored = ERR_NULL;

	if (!standin || (uint32_t)standin_pid(standin) != init->host_pid)
		return err_set(err, ESRCH,
			       "the process %d that stands for container %s ended while the "
			       "container was created",
			       (int)init->host_pid, req->id);
	standin_bind(standin, init);
	/*
	 * The size came with the stand-in, after the guest made the terminal. A wrong size stops
	 * nobody.
	 */
	if (init->rows && sb_process_resize(init, init->rows, init->columns, &ignored) < 0)
		log_debug("terminal size: %s", ignored.text);
	return 0;
}

static void exec_added(struct shim *shim, const struct stdio_request *req, struct sb_process *exec)
{
	const char *key = standin_key(req->in);
	struct standin *standin = key ? standin_server_find(standins_of(shim), key) : NULL;

	if (standin)
		standin_bind(standin, exec);
}

/* Who wants to know reads them from the admin service: see core/event_ring.h. */
static void event(struct shim *shim, enum shim_event event, const char *container_id,
		  const struct sb_process *process)
{
	(void)shim;
	(void)event;
	(void)container_id;
	(void)process;
}

struct oom_exit {
	struct shim *shim;
	struct sb_process *process;
};

/*
 * Managers that know a cgroup only look there whether memory ran out. So the stand-in does it, in
 * the host's cgroup. The VM goes first: its memory must be gone before the cgroup can be made
 * small.
 */
static void oom_exit_main(void *arg)
{
	struct oom_exit *oom = arg;
	struct sandbox *sb = oom->shim->sandbox;
	struct err err = ERR_NULL;

	if (sandbox_stop(sb, &err) < 0)
		log_warn("stop sandbox: %s", err.text);
	if (host_cgroup_exhaust(&sb->cgroup.now, &err) < 0)
		log_warn("out of memory, unseen by the host: %s", err.text);
	else
		standin_report_oom(oom->process->user);
	standin_report_exit(oom->process->user, oom->process->exit_status);
	(void)sb_process_unref(oom->process);
	shim_maybe_end(oom->shim);
	free(oom);
}

/* Returns false when the exit is to be told in the ordinary way. */
static bool report_oom_exit(struct shim *shim, struct sb_process *process)
{
	struct oom_exit *oom = process->user ? calloc(1, sizeof(*oom)) : NULL;

	if (!oom)
		return false;
	*oom = (struct oom_exit){ shim, sb_process_ref(process) };
	if (fiber_spawn(shim->loop, "oom exit", oom_exit_main, oom, NULL) == 0)
		return true;
	(void)sb_process_unref(process);
	free(oom);
	return false;
}

/* Life-cycle calls of its container may have to end first, and one of them may end the container. */
static int forget(struct sb_process *exec, struct err *err)
{
	struct sb_container *ctr = exec->container;
	const char *id = ctr ? arena_strdup(exec->arena, ctr->id) : NULL;

	if (!ctr)
		return 0;
	if (!id)
		return err_set(err, ENOMEM, "out of memory");
	int r = sb_container_lock(ctr->sandbox, id, &ctr, err);
	if (r < 0)
		return r;
	if (exec->container == ctr)
		r = sb_container_delete_exec(ctr, exec, err);
	sb_container_unlock(ctr);
	return r;
}

static void forget_main(void *arg)
{
	struct sb_process *exec = arg;
	struct err err = ERR_NULL;

	if (forget(exec, &err) < 0)
		log_debug("forget exec %s: %s", exec->exec_id, err.text);
	(void)sb_process_unref(exec);
}

/*
 * The command line's execs are for their stand-ins only: once these have the status, nobody asks
 * again.
 */
static void forget_exec(struct shim *shim, struct sb_process *exec)
{
	if (fiber_spawn(shim->loop, "forget", forget_main, sb_process_ref(exec), NULL) < 0)
		(void)sb_process_unref(exec);
}

static bool has_living(const struct shim *shim)
{
	list_for_each(node, &shim->sandbox->containers)
		if (list_entry(node, struct sb_container, node)->init->state !=
		    SB_PROCESS_STATE_STOPPED)
			return true;
	return shim->creations;
}

/*
 * Containers that joined the VM by its network namespace live on when the one it was made for ends,
 * as they would on a host. Pods that have annotations outlive all their containers.
 */
static bool is_end_of_vm(const struct shim *shim, const struct sb_process *process)
{
	return process == process->container->init && shim->sandbox->kind == SANDBOX_KIND_SINGLE &&
	       !has_living(shim);
}

static bool exited(struct shim *shim, struct sb_process *process)
{
	const struct sb_container *ctr = process->container;
	bool is_end = is_end_of_vm(shim, process);

	if (is_end && ctr->is_first && ctr->oom_killed &&
	    shim->sandbox->state == SANDBOX_STATE_RUNNING && report_oom_exit(shim, process))
		return false;
	standin_report_exit(process->user, process->exit_status);
	if (*process->exec_id)
		forget_exec(shim, process);
	return is_end;
}

static bool may_end(const struct shim *shim)
{
	return !shim->creations && list_empty(&shim->sandbox->containers);
}

/* Stand-ins are told at once. */
static void finish(struct shim *shim, uint64_t deadline_ns)
{
	(void)shim;
	(void)deadline_ns;
}

const struct shim_frontend_ops cli_frontend_ops = {
	.validate = validate,
	.open_streams = open_streams,
	.created = created,
	.exec_added = exec_added,
	.event = event,
	.exited = exited,
	.list_pids = cli_pids_list,
	.may_end = may_end,
	.finish = finish,
};
