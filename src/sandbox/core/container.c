/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Containers: create, start, exec, delete. Each call is one straight sequence in its request's
 * fiber, under the container's lock; the steps that a failure must undo are undone at the end of
 * the same function.
 */
#include "sandbox/core/container.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "common/log.h"
#include "common/str.h"
#include "kata/state.h"
#include "oci/spec.h"
#include "oci/validate.h"
#include "rpc/pb/agent_msg.h"
#include "rpc/ttrpc/rpc.h"
#include "sandbox/storage/device.h"
#include "sandbox/lifecycle/guest_spec.h"
#include "host/hooks.h"
#include "sandbox/network/dns.h"
#include "sandbox/core/pid_thread.h"
#include "sandbox/storage/rootfs.h"
#include "sandbox/core/sandbox.h"
#include "sandbox/lifecycle/sandbox_cgroup.h"
#include "sandbox/size/sandbox_resize.h"
#include "sandbox/storage/volume.h"

/**
 * sb_container_find() - look a container up
 * @sb: sandbox
 * @id: id
 *
 * Return: the container or NULL.
 */
struct sb_container *sb_container_find(struct sandbox *sb, const char *id)
{
	list_for_each(node, &sb->containers) {
		struct sb_container *ctr = list_entry(node, struct sb_container, node);

		if (str_eq(ctr->id, id))
			return ctr;
	}
	return NULL;
}

/**
 * sb_container_add_storage() - note what the agent is to mount for a container
 * @ctr: container that is being made
 * @storage: copied; its strings must live as long as the container
 *
 * Return: 0 or -ENOMEM.
 */
int sb_container_add_storage(struct sb_container *ctr, const struct agent_storage *storage)
{
	int r = arena_grow(ctr->arena, &ctr->storages, &ctr->nr_storages, sizeof(*ctr->storages));

	if (r >= 0)
		ctr->storages[ctr->nr_storages - 1] = *storage;
	return r;
}

/**
 * sb_container_pid_is_pinned() - is the PID namespace it asks for a file outside of /proc?
 * @ctr: container with its spec
 *
 * Return: true if so.
 */
bool sb_container_pid_is_pinned(const struct sb_container *ctr)
{
	const struct oci_namespace *ns = oci_namespace_find(ctr->spec, "pid");

	return ns && !str_empty(ns->path) && !str_skip_prefix(ns->path, "/proc/");
}

/* NULL when there are several. */
static const struct sb_container *only_other_member(const struct sb_container *ctr)
{
	const struct sb_container *found = NULL;

	list_for_each(node, &ctr->sandbox->containers) {
		const struct sb_container *other = list_entry(node, struct sb_container, node);

		if (other == ctr || str_eq(other->id, ctr->sandbox->id) ||
		    other->init->state != SB_PROCESS_STATE_RUNNING)
			continue;
		if (found)
			return NULL;
		found = other;
	}
	return found;
}

/**
 * sb_container_pid_target() - whose processes a container asks to see
 * @ctr: container with its spec
 *
 * The path of the PID namespace has the number of that container. CRI-O names a file of its own
 * upon which it has mounted the namespace, which is the host's for each number: that says only that
 * it is one of the others.
 *
 * Return: the member of the pod that is meant, or NULL: its own namespace or the pod's is meant, or
 * nobody can tell (sb_container_pid_is_pinned()).
 */
const struct sb_container *sb_container_pid_target(const struct sb_container *ctr)
{
	const struct oci_namespace *ns = oci_namespace_find(ctr->spec, "pid");
	const struct sandbox *sb = ctr->sandbox;
	unsigned pid;
	int len = 0;

	if (sb_container_pid_is_pinned(ctr))
		return only_other_member(ctr);
	if (!ns || str_empty(ns->path) ||
	    sscanf(ns->path, "/proc/%10u/ns/pid%n", &pid, &len) != 1 || !len || ns->path[len])
		return NULL;
	list_for_each(node, &sb->containers) {
		const struct sb_container *other = list_entry(node, struct sb_container, node);

		if (other != ctr && other->init->host_pid == pid && (pid_t)pid != sb->vmm_pid &&
		    !str_eq(other->id, sb->id))
			return other;
	}
	return NULL;
}

/**
 * sb_container_find_process() - look a process up
 * @ctr: container
 * @exec_id: "" or NULL for the first process
 *
 * Return: the process (no reference is taken) or NULL.
 */
struct sb_process *sb_container_find_process(struct sb_container *ctr, const char *exec_id)
{
	if (str_empty(exec_id))
		return ctr->init;
	list_for_each(node, &ctr->execs) {
		struct sb_process *exec = list_entry(node, struct sb_process, node);

		if (str_eq(exec->exec_id, exec_id))
			return exec;
	}
	return NULL;
}

/* Whoever waits for one that has never run is told now; one that runs is followed to its end. */
static void forget_process(struct sb_process *process)
{
	if (!process)
		return;
	list_del(&process->node);
	process->container = NULL;
	if (process->state == SB_PROCESS_STATE_CREATED)
		sb_process_exited(process, 128 + SIGKILL);
	(void)sb_process_unref(process);
}

static void sb_container_free(struct sb_container *ctr)
{
	list_del(&ctr->node);
	list_for_each_safe(node, next, &ctr->execs)
		forget_process(list_entry(node, struct sb_process, node));
	forget_process(ctr->init);
	ctr->pid_thread = pid_thread_free(ctr->pid_thread);
	fiber_cond_broadcast(
		&ctr->lock.cond); /* who waits for the lock looks the container up again */
	(void)arena_free(ctr->arena);
}

static int sb_container_new(struct sandbox *sb, const struct sb_container_params *params,
			    struct sb_container **ret)
{
	struct arena *arena;

	if (arena_new(&arena) < 0)
		return -ENOMEM;
	struct sb_container *ctr = arena_alloc(arena, sizeof(*ctr));
	if (!ctr) {
		(void)arena_free(arena);
		return -ENOMEM;
	}
	ctr->arena = arena;
	ctr->sandbox = sb;
	list_init(&ctr->node);
	list_init(&ctr->execs);
	fiber_mutex_init(&ctr->lock);
	(void)clock_gettime(CLOCK_REALTIME, &ctr->created_at); /* cannot fail for this clock */
	ctr->id = arena_strdup(arena, params->id);
	ctr->bundle = arena_strdup(arena, params->bundle);
	if (!ctr->id || !ctr->bundle || sb_process_new(ctr, "", &ctr->init) < 0) {
		sb_container_free(ctr);
		return -ENOMEM;
	}
	*ret = ctr;
	return 0;
}

static void unshare_all(struct sb_container *ctr)
{
	struct sandbox *sb = ctr->sandbox;

	if (sb->share.mounts_fd < 0)
		return; /* went with the sandbox */
	for (size_t i = ctr->shares.nr; i > 0; i--) {
		int r = volume_is_shared(ctr, ctr->shares.v[i - 1])
				? 0
				: share_remove(&sb->share, ctr->shares.v[i - 1]);

		if (r < 0)
			log_warn_errno(r, "unmount %s", ctr->shares.v[i - 1]);
	}
	ctr->shares.nr = 0;
	ctr->nr_volumes = 0;
}

/* Kubernetes' shareProcessNamespace: the spec names the namespace of the pod's first container. */
static bool shares_processes(const struct sb_container *ctr)
{
	const struct oci_namespace *ns = oci_namespace_find(ctr->spec, "pid");

	return ctr->sandbox->pod && ns && !str_empty(ns->path) && !sb_container_pid_target(ctr);
}

/* A member of a pod has a number of its own, so that other members can name it. */
static void choose_pid(struct sb_container *ctr, uint32_t standin_pid)
{
	struct sandbox *sb = ctr->sandbox;

	ctr->init->host_pid = standin_pid ? standin_pid : (uint32_t)sb->vmm_pid;
	if (standin_pid || !sb->pod || str_eq(ctr->id, sb->id))
		return;
	int r = pid_thread_new(sb->netns_fd, &ctr->pid_thread);
	if (r < 0)
		log_warn_errno(r, "container %s has no process number of its own", ctr->id);
	else
		ctr->init->host_pid = (uint32_t)pid_thread_pid(ctr->pid_thread);
}

static int tell_agent(struct sb_container *ctr, struct oci_spec *guest_spec,
		      const struct sb_process_ports *ports, struct err *err)
{
	struct agent_device *devices;
	size_t nr_devices;
	int r = device_plug_all(ctr, guest_spec, &devices, &nr_devices, err);

	if (r < 0)
		return r;
	struct agent_create_container_request req = {
		.container_id = ctr->id,
		.exec_id = ctr->id,
		.sandbox_pidns = shares_processes(ctr),
		.devices = devices,
		.nr_devices = nr_devices,
		.storages = ctr->storages,
		.nr_storages = ctr->nr_storages,
		.oci = guest_spec,
		.stdin_port = ports->port[0],
		.stdout_port = ports->port[1],
		.stderr_port = ports->port[2],
	};
	uint64_t deadline_ns =
		loop_deadline_ms(ctr->sandbox->config->agent.create_container_timeout_ms);

	return rpc_call(ctr->sandbox->agent, &agent_create_container, &req, NULL, NULL, deadline_ns,
			err);
}

static struct hook_owner hook_owner(const struct sb_container *ctr)
{
	return (struct hook_owner){ ctr->spec, ctr->id, ctr->bundle, ctr->init->host_pid,
				    ctr->sandbox->state_fd };
}

/*
 * Of a pod's further containers; the first one's ran before the VM was started, since they may make
 * its network.
 */
static int run_early_hooks(struct sb_container *ctr, struct err *err)
{
	const struct hook_owner owner = hook_owner(ctr);

	return str_eq(ctr->bundle, ctr->sandbox->bundle) ? 0 : hooks_run_early(&owner, err);
}

/* An agent that is not ours may lack this; then names stay unknown, and addresses work. */
static void serve_names(struct sb_container *ctr)
{
	struct err err = ERR_NULL;

	if (dns_relay_serve(ctr->sandbox, ctr->spec, &err) < 0)
		log_warn("container %s: %s", ctr->id, err.text);
}

/* The end of a container that is not in the guest any more, or has never been. */
static void take_apart(struct sb_container *ctr)
{
	unshare_all(ctr);
	rootfs_unmount(ctr);
	if (ctr->spec) {
		const struct hook_owner owner = hook_owner(ctr);

		hooks_run_poststop(&owner);
	}
	sb_container_free(ctr);
}

static int create_in_guest(struct sb_container *ctr, struct err *err)
{
	struct sb_process_ports ports;
	struct oci_spec *guest_spec;
	struct sandbox *sb = ctr->sandbox;
	const struct hook_owner owner = hook_owner(ctr);
	int r = guest_spec_make(ctr, &guest_spec, err);

	if (r >= 0)
		r = hooks_run_create_container(&owner, sb->netns_fd, err);
	if (r >= 0)
		r = sb_process_connect_streams(ctr->init, sandbox_request_deadline(sb), &ports,
					       err);
	if (r >= 0) {
		sandbox_step(sb, "creating the container");
		r = sandbox_fit_members(sb, err);
	}
	if (r >= 0)
		r = tell_agent(ctr, guest_spec, &ports, err);
	if (r < 0)
		return r;
	timeline_mark(&sb->timeline, KATA_TIMELINE_END);
	ctr->in_guest = true;
	serve_names(ctr);
	if (ctr->init->rows)
		return sb_process_resize(ctr->init, ctr->init->rows, ctr->init->columns, err);
	return 0;
}

/**
 * sb_container_create() - make a container, up to the point where its program could run
 * @sb: sandbox, RUNNING
 * @params: what to make; params->io is taken over
 * @ret: receives the container; the caller holds its lock and gives it back
 * @err: filled on failure, and then nothing is left
 *
 * Return: 0 or -errno (-EEXIST for an id in use).
 */
int sb_container_create(struct sandbox *sb, const struct sb_container_params *params,
			struct sb_container **ret, struct err *err)
{
	struct sb_container *ctr = NULL;
	struct sb_process_io io = params->io;
	int r = 0;

	if (sb_container_find(sb, params->id))
		r = err_set(err, EEXIST, "container %s already exists", params->id);
	else if (sb_container_new(sb, params, &ctr) < 0)
		r = err_set(err, ENOMEM, "out of memory");
	if (r < 0) {
		sb_process_io_close(&io);
		return r;
	}
	ctr->init->io = io;
	ctr->init->user = params->user;
	choose_pid(ctr, params->host_pid);
	list_add_tail(&sb->containers, &ctr->node);
	r = fiber_lock(&ctr->lock, LOOP_FOREVER); /* nobody has seen it yet */
	if (r >= 0)
		r = oci_spec_load(ctr->bundle, ctr->arena, &ctr->spec, err);
	if (r >= 0)
		sb_limits_change(ctr, ctr->spec->linux_ ? ctr->spec->linux_->resources : NULL);
	if (r >= 0)
		r = rootfs_mount(ctr, params->rootfs, params->nr_rootfs, err);
	if (r >= 0)
		r = run_early_hooks(ctr, err);
	if (r >= 0)
		r = create_in_guest(ctr, err);
	if (r < 0) {
		ctr->deleted = true;
		device_unplug_all(ctr);
		take_apart(ctr);
		return r;
	}
	*ret = ctr;
	return 0;
}

/**
 * sb_container_start() - run the container's program
 * @ctr: container whose first process is CREATED; the caller holds ctr->lock
 * @err: filled on failure
 *
 * Return: 0 or -errno; after a failure the container is STOPPED.
 */
int sb_container_start(struct sb_container *ctr, struct err *err)
{
	struct agent_start_container_request req = { .container_id = ctr->id };
	struct sandbox *sb = ctr->sandbox;

	if (ctr->init->state != SB_PROCESS_STATE_CREATED)
		return err_set(err, EBUSY, "cannot start a container that has %s",
			       ctr->init->state == SB_PROCESS_STATE_RUNNING ? "started already"
									    : "stopped");
	if (!sb->agent)
		return err_set(err, ESHUTDOWN, "cannot start %s: %s", ctr->id,
			       *sb->exit_reason ? sb->exit_reason : "no VM");
	int r = rpc_call(sb->agent, &agent_start_container, &req, NULL, NULL,
			 sandbox_request_deadline(sb), err);
	if (r < 0) {
		sb_process_exited(ctr->init, 127);
		return r;
	}
	r = sb_process_follow(ctr->init, err);
	if (r >= 0) {
		const struct hook_owner owner = hook_owner(ctr);

		hooks_run_poststart(&owner);
	}
	return r;
}

/**
 * sb_container_pause() - freeze or thaw all processes of a container
 * @ctr: container; the caller holds ctr->lock
 * @pause: which of the two
 * @err: filled on failure
 *
 * Return: 0 or -errno.
 */
int sb_container_pause(struct sb_container *ctr, bool pause, struct err *err)
{
	struct agent_pause_container_request req = { .container_id = ctr->id };
	struct agent_resume_container_request resume = { .container_id = ctr->id };
	struct sandbox *sb = ctr->sandbox;

	if (ctr->init->state != SB_PROCESS_STATE_RUNNING || !sb->agent)
		return err_set(err, EINVAL, "container %s is not running", ctr->id);
	if (ctr->paused == pause)
		return err_set(err, EINVAL, "container %s is %s", ctr->id,
			       pause ? "paused already" : "not paused");
	uint64_t deadline_ns = sandbox_request_deadline(sb);
	int r = pause ? rpc_call(sb->agent, &agent_pause_container, &req, NULL, NULL, deadline_ns,
				 err)
		      : rpc_call(sb->agent, &agent_resume_container, &resume, NULL, NULL,
				 deadline_ns, err);
	if (r >= 0)
		ctr->paused = pause;
	return r;
}

/**
 * sb_container_update() - change the limits of a container
 * @ctr: container; the caller holds ctr->lock
 * @resources: new limits
 * @err: filled on failure
 *
 * Return: 0 or -errno.
 */
int sb_container_update(struct sb_container *ctr, const struct oci_resources *resources,
			struct err *err)
{
	if (ctr->init->state == SB_PROCESS_STATE_STOPPED || !ctr->sandbox->agent)
		return err_set(err, EINVAL, "container %s is not running", ctr->id);
	return sandbox_update_limits(ctr, resources, err);
}

static void remove_from_guest(struct sb_container *ctr)
{
	struct agent_remove_container_request req = { .container_id = ctr->id };
	struct sandbox *sb = ctr->sandbox;
	struct err err = ERR_NULL;

	if (!ctr->in_guest || !sb->agent)
		return;
	/*
	 * Nothing on the host depends on the guest's consent: what stays behind there goes with the
	 * VM.
	 */
	if (rpc_call(sb->agent, &agent_remove_container, &req, NULL, NULL,
		     sandbox_request_deadline(sb), &err) < 0 &&
	    sb->state == SANDBOX_STATE_RUNNING)
		log_warn("remove container %s: %s", ctr->id, err.text);
	ctr->in_guest = false;
}

/**
 * sb_container_delete() - remove a container that does not run
 * @ctr: container; the caller holds ctr->lock. It is gone after success.
 * @err: filled on failure
 *
 * Return: 0 or -errno (-EBUSY while its first process runs).
 */
int sb_container_delete(struct sb_container *ctr, struct err *err)
{
	if (ctr->init->state == SB_PROCESS_STATE_RUNNING)
		return err_set(err, EBUSY,
			       "cannot delete container %s that is not stopped: running", ctr->id);
	struct err fit_err = ERR_NULL;

	ctr->deleted = true;
	remove_from_guest(ctr);
	device_unplug_all(ctr);
	sb_process_exited(ctr->init, 128 + SIGKILL); /* created, never started */
	/* What is not given back now is asked for again when the next one goes. */
	if (sandbox_fit_members(ctr->sandbox, &fit_err) < 0)
		log_debug("shrink the VM: %s", fit_err.text);
	sandbox_cgroup_leave(ctr);
	take_apart(ctr);
	return 0;
}

/**
 * sb_container_add_exec() - note a further process
 * @ctr: container; the caller holds ctr->lock
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

	if (ctr->init->state != SB_PROCESS_STATE_RUNNING)
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

/**
 * sb_container_start_exec() - run a further process
 * @ctr: container; the caller holds ctr->lock
 * @exec: process in state CREATED
 * @err: filled on failure
 *
 * Return: 0 or -errno; after a failure the process is STOPPED.
 */
int sb_container_start_exec(struct sb_container *ctr, struct sb_process *exec, struct err *err)
{
	struct sandbox *sb = ctr->sandbox;
	struct sb_process_ports ports;

	if (exec->state != SB_PROCESS_STATE_CREATED)
		return err_set(err, EBUSY, "exec %s has been started", exec->exec_id);
	if (!sb->agent || ctr->init->state != SB_PROCESS_STATE_RUNNING)
		return err_set(err, ENOENT, "cannot exec in %s: not running", ctr->id);
	uint64_t deadline_ns = sandbox_request_deadline(sb);
	int r = sb_process_connect_streams(exec, deadline_ns, &ports, err);
	if (r >= 0) {
		struct agent_exec_process_request req = {
			.container_id = ctr->id,
			.exec_id = exec->exec_id,
			.process = (struct oci_process *)(uintptr_t)exec->spec,
			.stdin_port = ports.port[0],
			.stdout_port = ports.port[1],
			.stderr_port = ports.port[2],
		};
		r = rpc_call(sb->agent, &agent_exec_process, &req, NULL, NULL, deadline_ns, err);
	}
	if (r < 0) {
		sb_process_exited(exec, 127);
		return r;
	}
	r = sb_process_follow(exec, err);
	if (r >= 0 && exec->rows)
		r = sb_process_resize(exec, exec->rows, exec->columns, err);
	return r;
}

/**
 * sb_container_delete_exec() - forget a further process
 * @ctr: container; the caller holds ctr->lock
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
	forget_process(exec);
	return 0;
}
