/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What of the host a container's guest sees: names below the sandbox's shared tree.
 */
#include "sandbox/storage/container_share.h"

#include <errno.h>

#include "common/fiber.h"
#include "common/log.h"
#include "common/loop.h"
#include "kata/guest.h"
#include "sandbox/core/container.h"
#include "sandbox/core/sandbox.h"
#include "sandbox/sharefs/share.h"
#include "sandbox/storage/volume.h"

#define READ_ONLY_MS 1000
#define READ_ONLY_PAUSE_MS 5

/**
 * sb_container_share() - share a file or directory with the guest
 * @ctr: container; it notes the name
 * @fd: from share_open(), -1 for what another container shares already
 * @name: below the shared tree
 * @flags: enum share_flag
 * @ret_guest_path: receives where the guest sees it
 * @err: filled on failure
 *
 * Return: 0 or -errno.
 */
int sb_container_share(struct sb_container *ctr, int fd, const char *name, unsigned flags,
		       char **ret_guest_path, struct err *err)
{
	int r = fd < 0 ? 0 : share_add(&ctr->sandbox->storage.share, fd, name, flags, err);

	if (r < 0)
		return r;
	bool current = (flags & SHARE_VOLUME) && !ctr->sandbox->storage.shared_by_9p;
	*ret_guest_path = arena_printf(ctr->arena, "%s/%s",
				       current ? KATA_GUEST_VOLUMES_DIR : KATA_GUEST_SHARED_DIR,
				       name);
	if (!*ret_guest_path || arena_strv_add(ctr->arena, &ctr->shares, name) < 0)
		return err_set(err, ENOMEM, "out of memory");
	return 0;
}

/* A file that the agent has just made may still be open on the host: its close is not waited for. */
static int set_read_only(struct sandbox *sb, const char *name,
			 const struct share_exporter *exporter)
{
	uint64_t deadline_ns = loop_deadline_ms(READ_ONLY_MS);
	int r;

	do {
		r = share_set_read_only(&sb->storage.share, name, true, exporter);
	} while (r == -EBUSY && loop_now_ns() < deadline_ns &&
		 fiber_sleep_until(loop_deadline_ms(READ_ONLY_PAUSE_MS)) >= 0);
	return r;
}

/**
 * sb_container_protect_root() - have the host refuse writes to a root file system that is read-only
 * @ctr: container that the agent has made, with the mount points that were missing
 *
 * Runs in a fiber. The guest's kernel refuses them anyhow; this one holds without its help. What a
 * pod's containers share within the root file system of its first one can be written.
 */
void sb_container_protect_root(struct sb_container *ctr)
{
	struct sandbox *sb = ctr->sandbox;
	struct share_exporter exporter;
	int r = 0;

	if (!ctr->spec->root->readonly || ctr->guest_rootfs ||
	    (sb_container_is_pause(ctr) && !sb->config->runtime.disable_guest_empty_dir))
		return;
	const char *name = arena_printf(ctr->arena, "%s/rootfs", ctr->id);
	if (!name)
		r = -ENOMEM;
	for (size_t i = 0; i < SANDBOX_EXPORTS && r >= 0; i++)
		r = set_read_only(sb, name, sandbox_exporter(sb, i, &exporter));
	if (r < 0)
		log_warn_errno(r, "container %s: the VM can write to its root file system",
			       ctr->id);
}

/**
 * sb_container_unshare_all() - take back what a container shares with the guest
 * @ctr: container; what other containers share too stays
 */
void sb_container_unshare_all(struct sb_container *ctr)
{
	struct sandbox *sb = ctr->sandbox;

	if (sb->storage.share.mounts_fd < 0)
		return; /* went with the sandbox */
	for (size_t i = ctr->shares.nr; i > 0; i--) {
		int r = volume_is_shared(ctr, ctr->shares.v[i - 1])
				? 0
				: share_remove(&sb->storage.share, ctr->shares.v[i - 1]);

		if (r < 0)
			log_warn_errno(r, "unmount %s", ctr->shares.v[i - 1]);
	}
	ctr->shares.nr = 0;
	ctr->nr_volumes = 0;
}
