/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The end of a container, in the guest and then on the host.
 */
#include "sandbox/lifecycle/container_delete.h"

#include <errno.h>
#include <signal.h>

#include "common/log.h"
#include "host/hooks.h"
#include "rpc/pb/agent_msg.h"
#include "rpc/ttrpc/rpc.h"
#include "sandbox/core/container.h"
#include "sandbox/core/sandbox.h"
#include "sandbox/lifecycle/sandbox_cgroup.h"
#include "sandbox/size/sandbox_resize.h"
#include "sandbox/storage/container_share.h"
#include "sandbox/storage/device.h"
#include "sandbox/storage/rootfs.h"

/**
 * sb_container_take_apart() - undo on the host what was made for a container, and release it
 * @ctr: container that is not in the guest any more, or has never been; is gone afterwards
 */
void sb_container_take_apart(struct sb_container *ctr)
{
	sb_container_unshare_all(ctr);
	rootfs_unmount(ctr);
	if (ctr->spec) {
		const struct hook_owner owner = sb_container_hook_owner(ctr);

		hooks_run_poststop(&owner);
	}
	sb_container_free(ctr);
}

static void remove_from_guest(struct sb_container *ctr)
{
	struct agent_remove_container_request req = { .container_id = ctr->id };
	struct sandbox *sb = ctr->sandbox;
	struct err err = ERR_NULL;

	if (!ctr->in_guest || !sb->agent)
		return;
	/*
	 * The host cleans up whether the guest agrees or not: what is left in the guest ends with
	 * the VM.
	 */
	if (rpc_call(sb->agent, &agent_remove_container, &req, NULL, NULL,
		     sandbox_request_deadline(sb), &err) < 0 &&
	    sb->state == SANDBOX_STATE_RUNNING)
		log_warn("remove container %s: %s", ctr->id, err.text);
	ctr->in_guest = false;
}

/**
 * sb_container_delete() - remove a container that does not run
 * @ctr: container; the caller holds its lock. It is gone after success.
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
	/* After a failure the VM is shrunk when the next container is deleted. */
	if (sandbox_fit_members(ctr->sandbox, &fit_err) < 0)
		log_debug("shrink the VM: %s", fit_err.text);
	sandbox_cgroup_leave(ctr);
	sb_container_take_apart(ctr);
	return 0;
}
