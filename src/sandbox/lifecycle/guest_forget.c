/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Has the guest give up what the host has unmounted in volumes.
 *
 * The guest's kernel asks virtiofsd about a name in a volume each time that it is used, and when it
 * leads elsewhere than before it drops what it knew, mounts included; then virtiofsd closes the
 * files that keep the host's file system alive. So the agent is asked about the name.
 */
#include "sandbox/lifecycle/guest_forget.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/fiber.h"
#include "common/log.h"
#include "kata/guest.h"
#include "rpc/pb/agent_msg.h"
#include "rpc/ttrpc/rpc.h"
#include "sandbox/core/sandbox.h"
#include "sandbox/sharefs/share_follow.h"

struct forget {
	struct sandbox *sb; /* inside of its gate */
	char path[PATH_MAX];
};

static void forget_main(void *arg)
{
	struct forget *forget = arg;
	const struct agent_volume_stats_request req = { .volume_guest_path = forget->path };
	struct err err = ERR_NULL;

	if (rpc_call(forget->sb->agent, &agent_get_volume_stats, &req, NULL, NULL,
		     sandbox_request_deadline(forget->sb), &err) < 0)
		log_debug("the guest may still know %s: %s", forget->path, err.text);
	sandbox_leave(forget->sb);
	free(forget);
}

static int forget(struct sandbox *sb, const char *path)
{
	struct err err = ERR_NULL;

	/* 9p has nothing open for what the guest knows; a guest that does not run yet knows nothing. */
	if (sb->storage.shared_by_9p || !sb->agent || sandbox_enter(sb, &err) < 0)
		return 0;
	struct forget *call = calloc(1, sizeof(*call));
	int r = call ? 0 : -ENOMEM;
	if (call) {
		call->sb = sb;
		(void)snprintf(call->path, sizeof(call->path), KATA_GUEST_VOLUMES_DIR "/%s", path);
		r = fiber_spawn(sb->loop, "forget", forget_main, call, NULL);
	}
	if (r < 0) {
		free(call);
		sandbox_leave(sb);
	}
	return r;
}

static void on_gone(void *arg, const char *path)
{
	int r = forget(arg, path);

	if (r < 0)
		log_warn_errno(r, "the guest may still know %s", path);
}

/**
 * guest_forget_start() - follow what the host mounts in volumes, and tell the guest what is gone
 * @sb: sandbox with its shared tree, with which it ends
 * @err: filled on failure
 *
 * Return: 0 or -errno.
 */
int guest_forget_start(struct sandbox *sb, struct err *err)
{
	return share_follow_start(&sb->storage.share, sb->loop, on_gone, sb, err);
}
