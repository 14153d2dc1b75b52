/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a manager may do with a container that exists: start it, freeze it, change its limits. Under
 * the container's lock.
 */
#include "sandbox/lifecycle/container_verbs.h"

#include <errno.h>

#include "host/hooks.h"
#include "rpc/pb/agent_msg.h"
#include "rpc/ttrpc/rpc.h"
#include "sandbox/core/container.h"
#include "sandbox/core/sandbox.h"
#include "sandbox/lifecycle/process_follow.h"
#include "sandbox/size/sandbox_update.h"

/**
 * sb_container_start() - run the container's program
 * @ctr: container whose first process is CREATED; the caller holds its lock
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
			       *sb->end.exit_reason ? sb->end.exit_reason : "no VM");
	sb_process_set_starting(ctr->init, true);
	int r = rpc_call(sb->agent, &agent_start_container, &req, NULL, NULL,
			 sandbox_request_deadline(sb), err);
	if (r >= 0)
		r = sb_process_follow(ctr->init, err);
	sb_process_set_starting(ctr->init, false);
	if (r < 0) {
		sb_process_exited(ctr->init, 127);
		return r;
	}
	const struct hook_owner owner = sb_container_hook_owner(ctr);
	hooks_run_poststart(&owner);
	return 0;
}

/**
 * sb_container_pause() - freeze or thaw all processes of a container
 * @ctr: container; the caller holds its lock
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
 * @ctr: container; the caller holds its lock
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
