/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Further processes of a container. Under the container's lock.
 */
#include "sandbox/lifecycle/container_exec.h"

#include <errno.h>
#include <signal.h>

#include "common/log.h"
#include "oci/spec.h"
#include "rpc/pb/agent_msg.h"
#include "rpc/ttrpc/rpc.h"
#include "sandbox/core/container.h"
#include "sandbox/core/sandbox.h"
#include "sandbox/lifecycle/guest_spec.h"
#include "sandbox/lifecycle/process_follow.h"
#include "sandbox/lifecycle/process_verbs.h"

/* One that has been created has its namespaces and its root, as under runc. */
static bool takes_execs(const struct sb_container *ctr)
{
	return ctr->in_guest && ctr->init->state != SB_PROCESS_STATE_STOPPED;
}

/**
 * sb_container_add_exec() - note a further process
 * @ctr: container; the caller holds its lock
 * @exec_id: id, unique in the container
 * @process_json: OCI process object
 * @len: its length
 * @io: host descriptors, taken over also on failure
 * @ret: receives the process; the container holds the reference
 * @err: filled on failure
 *
 * Return: 0 or -errno (-EEXIST for an id in use).
 */
int sb_container_add_exec(struct sb_container *ctr, const char *exec_id, const char *process_json,
			  size_t len, struct sb_process_io io, struct sb_process **ret,
			  struct err *err)
{
	struct sb_process *exec = NULL;
	struct oci_process *spec;
	int r = 0;

	if (!takes_execs(ctr))
		r = err_set(err, ENOENT, "cannot exec in a container that is not running: %s is %s",
			    ctr->id, sb_process_state_name(ctr->init->state));
	else if (sb_container_find_process(ctr, exec_id))
		r = err_set(err, EEXIST, "exec %s of %s already exists", exec_id, ctr->id);
	else if (sb_process_new(ctr, exec_id, &exec) < 0)
		r = err_set(err, ENOMEM, "out of memory");
	if (r < 0) {
		sb_process_io_close(&io);
		return r;
	}
	exec->io = io;
	r = oci_process_parse(process_json, len, "process", exec->arena, &spec, err);
	if (r < 0) {
		(void)sb_process_unref(exec);
		return r;
	}
	guest_spec_drop_labels(ctr->id, spec, LOG_LEVEL_DEBUG);
	/* CRI-O's process object is a copy of the container's own. */
	spec->terminal = io.terminal;
	exec->spec = spec;
	exec->host_pid = ctr->init->host_pid;
	list_add_tail(&ctr->execs, &exec->node);
	*ret = exec;
	return 0;
}

static int run_exec(struct sb_container *ctr, struct sb_process *exec, struct err *err)
{
	struct sandbox *sb = ctr->sandbox;
	uint64_t deadline_ns = sandbox_request_deadline(sb);
	struct sb_process_ports ports;
	int r = sb_process_connect_streams(exec, deadline_ns, &ports, err);

	if (r < 0)
		return r;
	struct agent_exec_process_request req = {
		.container_id = ctr->id,
		.exec_id = exec->exec_id,
		.process = (struct oci_process *)(uintptr_t)exec->spec,
		.stdin_port = ports.port[0],
		.stdout_port = ports.port[1],
		.stderr_port = ports.port[2],
	};
	r = rpc_call(sb->agent, &agent_exec_process, &req, NULL, NULL, deadline_ns, err);
	return r < 0 ? r : sb_process_follow(exec, err);
}

static int start_exec(struct sb_container *ctr, struct sb_process *exec, struct err *err)
{
	if (exec->state != SB_PROCESS_STATE_CREATED)
		return err_set(err, EBUSY, "exec %s has been started", exec->exec_id);
	if (!ctr->sandbox->agent || !takes_execs(ctr))
		return err_set(err, ENOENT, "cannot exec in %s: not running", ctr->id);
	sb_process_set_starting(exec, true);
	int r = run_exec(ctr, exec, err);
	sb_process_set_starting(exec, false);
	if (r < 0) {
		sb_process_exited(exec, 127);
		return r;
	}
	if (exec->rows && sb_process_resize(exec, exec->rows, exec->columns, err) < 0) {
		log_warn("exec %s: %s", exec->exec_id, err->text); /* it runs */
		*err = ERR_NULL;
	}
	return 0;
}

/**
 * sb_container_start_exec() - run a further process
 * @ctr: container; the caller holds its lock
 * @exec: process in state CREATED
 * @err: filled on failure
 *
 * Return: 0 or -errno; after a failure the process is STOPPED.
 */
int sb_container_start_exec(struct sb_container *ctr, struct sb_process *exec, struct err *err)
{
	struct sandbox *sb = ctr->sandbox;
	struct err gone = ERR_NULL;

	if (sandbox_enter(sb, &gone) < 0)
		return err_set(err, ENOENT, "cannot exec in %s: not running", ctr->id);
	int r = start_exec(ctr, exec, err);
	sandbox_leave(sb);
	return r;
}

/**
 * sb_container_delete_exec() - forget a further process
 * @ctr: container; the caller holds its lock
 * @exec: process of it that does not run; gone after success
 * @err: filled on failure
 *
 * Return: 0 or -EBUSY.
 */
int sb_container_delete_exec(struct sb_container *ctr, struct sb_process *exec, struct err *err)
{
	if (exec->state == SB_PROCESS_STATE_RUNNING)
		return err_set(err, EBUSY, "exec %s of %s is running", exec->exec_id, ctr->id);
	sb_process_exited(exec, 128 + SIGKILL); /* never started */
	sb_container_forget_process(exec);
	return 0;
}
