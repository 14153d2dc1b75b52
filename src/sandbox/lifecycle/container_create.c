/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Making a container: one straight sequence in its request's fiber, under the container's lock; what
 * a failure must undo is undone at the end of the same function.
 */
#include "sandbox/lifecycle/container_create.h"

#include <errno.h>

#include "common/log.h"
#include "common/str.h"
#include "kata/state.h"
#include "host/hooks.h"
#include "oci/namespaces.h"
#include "rpc/pb/agent_msg.h"
#include "rpc/ttrpc/rpc.h"
#include "sandbox/core/container.h"
#include "sandbox/core/pid_thread.h"
#include "sandbox/core/sandbox.h"
#include "sandbox/lifecycle/container_delete.h"
#include "sandbox/lifecycle/guest_spec.h"
#include "sandbox/lifecycle/process_follow.h"
#include "sandbox/lifecycle/process_verbs.h"
#include "sandbox/network/dns.h"
#include "sandbox/size/sandbox_resize.h"
#include "sandbox/storage/container_share.h"
#include "sandbox/storage/device.h"
#include "sandbox/storage/rootfs.h"

/* Kubernetes' shareProcessNamespace: the spec names the namespace of the pod's first container. */
static bool shares_processes(const struct sb_container *ctr)
{
	const struct oci_namespace *ns = oci_namespace_find(ctr->spec, "pid");

	return ctr->sandbox->kind == SANDBOX_KIND_POD && ns && !str_empty(ns->path) &&
	       !sb_container_pid_target(ctr);
}

/* Each container of a pod gets a process number of its own: others name it by that number. */
static void choose_pid(struct sb_container *ctr, uint32_t standin_pid)
{
	struct sandbox *sb = ctr->sandbox;

	ctr->init->host_pid = standin_pid ? standin_pid : (uint32_t)sb->vmm_pid;
	if (standin_pid || sb->kind != SANDBOX_KIND_POD || sb_container_is_pause(ctr))
		return;
	int r = pid_thread_new(sb->net.netns_fd, &ctr->pid_thread);
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

/*
 * Of a pod's further containers; the first one's ran before the VM was started, since they may make
 * its network.
 */
static int run_early_hooks(struct sb_container *ctr, struct err *err)
{
	const struct hook_owner owner = sb_container_hook_owner(ctr);

	return ctr->is_first ? 0 : hooks_run_early(&owner, err);
}

/* Another project's agent may lack this: then names do not resolve, but the network works. */
static void serve_names(struct sb_container *ctr)
{
	struct sandbox *sb = ctr->sandbox;
	struct err err = ERR_NULL;

	if (sb->net.dns || sb->net.netns_fd < 0 || !dns_relay_is_wanted(ctr->spec))
		return;
	if (dns_relay_dial(sb->loop, &sb->vsock.addr, sb->net.netns_fd,
			   sandbox_request_deadline(sb), &sb->net.dns, &err) < 0)
		log_warn("container %s: %s", ctr->id, err.text);
}

static int create_in_guest(struct sb_container *ctr, struct err *err)
{
	struct sb_process_ports ports;
	struct oci_spec *guest_spec;
	struct sandbox *sb = ctr->sandbox;
	const struct hook_owner owner = sb_container_hook_owner(ctr);
	int r = guest_spec_make(ctr, &guest_spec, err);

	if (r >= 0)
		r = hooks_run_create_container(&owner, sb->net.netns_fd, err);
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
	timeline_mark(&sb->start.timeline, KATA_TIMELINE_END);
	ctr->in_guest = true;
	sb_container_protect_root(ctr);
	serve_names(ctr);
	if (ctr->init->rows)
		return sb_process_resize(ctr->init, ctr->init->rows, ctr->init->columns, err);
	return 0;
}

static void release_params(const struct sb_container_params *params)
{
	struct sb_process_io io = params->io;

	sb_process_io_close(&io);
	(void)arena_free(params->arena);
}

static int new_container(struct sandbox *sb, const struct sb_container_params *params,
			 struct sb_container **ret, struct err *err)
{
	struct sb_container *ctr;

	if (sb_container_find(sb, params->id)) {
		release_params(params);
		return err_set(err, EEXIST, "container %s already exists", params->id);
	}
	if (sb_container_new(sb, params->arena, params->id, params->bundle, &ctr) < 0) {
		struct sb_process_io io = params->io;

		sb_process_io_close(&io);
		return err_set(err, ENOMEM, "out of memory");
	}
	ctr->spec = params->spec;
	ctr->type = params->grouping.type;
	ctr->manager = params->grouping.manager;
	ctr->is_first = !sb->first.made && str_eq(ctr->id, sb->first.id);
	ctr->init->io = params->io;
	ctr->init->user = params->user;
	*ret = ctr;
	return 0;
}

static int create(struct sandbox *sb, const struct sb_container_params *params,
		  struct sb_container **ret, struct err *err)
{
	struct sb_container *ctr = NULL;
	int r = new_container(sb, params, &ctr, err);

	if (r < 0)
		return r;
	choose_pid(ctr, params->host_pid);
	list_add_tail(&sb->containers, &ctr->node);
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
		sb_container_take_apart(ctr);
		return r;
	}
	sb->first.made |= ctr->is_first;
	*ret = ctr;
	return 0;
}

/**
 * sb_container_create() - make a container, up to the point where its program could run
 * @sb: sandbox, RUNNING
 * @params: what to make; params->io and params->arena are taken over
 * @ret: receives the container; the caller holds its lock and gives it back
 * @err: filled on failure, and then nothing is left
 *
 * Return: 0 or -errno (-EEXIST for an id in use).
 */
int sb_container_create(struct sandbox *sb, const struct sb_container_params *params,
			struct sb_container **ret, struct err *err)
{
	int r = sandbox_enter(sb, err);

	if (r < 0) {
		release_params(params);
		return r;
	}
	r = create(sb, params, ret, err);
	sandbox_leave(sb);
	return r;
}
