/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What containerd's snapshotter prepared. Usually it is mounted at <bundle>/rootfs, in the shim's
 * own mount namespace, and shared. A file system on a block device (devmapper) or in an image file
 * (blockfile) can instead be plugged into the VM, where the guest mounts it: with
 * disable_block_device_use = false that is done. Layers of erofs always are (erofs_layers.c).
 */
#include "sandbox/storage/rootfs.h"

#include <errno.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/log.h"
#include "common/str.h"
#include "rpc/pb/common_msg.h"
#include "sandbox/core/container.h"
#include "sandbox/core/sandbox.h"
#include "sandbox/storage/erofs_layers.h"
#include "sandbox/storage/host_mount.h"

static bool has_option(const struct strv *options, const char *word)
{
	for (size_t i = 0; i < options->nr; i++)
		if (str_eq(options->v[i], word))
			return true;
	return false;
}

/* A file system on a disk, or in a file, that the guest's kernel knows. */
static bool is_disk(const struct containerd_mount *m)
{
	static const char *const types[] = { "ext4", "ext3", "ext2", "xfs" };
	struct stat st;

	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		if (str_eq(m->type, types[i]))
			return stat(m->source, &st) == 0 &&
			       (S_ISBLK(st.st_mode) || S_ISREG(st.st_mode));
	return false;
}

/**
 * rootfs_mount() - mount the root file system of a container, or plug it into its VM
 * @ctr: container
 * @mounts: in order, each over the last; their targets (containerd 2) are directories below the
 *	root file system
 * @nr_mounts: 0: the bundle has one already
 * @err: says which mount failed
 *
 * Return: 0 or -errno.
 */
int rootfs_mount(struct sb_container *ctr, const struct containerd_mount *mounts, size_t nr_mounts,
		 struct err *err)
{
	char *target = arena_printf(ctr->arena, "%s/rootfs", ctr->bundle);

	if (!target)
		return err_set(err, ENOMEM, "out of memory");
	if (!nr_mounts)
		return 0;
	if (erofs_layers_are_for_guest(mounts, nr_mounts))
		return erofs_layers_plug(ctr, mounts, nr_mounts, err);
	if (nr_mounts == 1 && is_disk(&mounts[0]) &&
	    !ctr->sandbox->config->hypervisor.disable_block_device_use)
		return erofs_layers_plug_one(ctr, &mounts[0], err);
	if (mkdir(target, 0711) < 0 && errno != EEXIST)
		return err_set_errno(err, -errno, "create %s", target);
	ctr->rootfs_mount = target;
	for (size_t i = 0; i < nr_mounts; i++) {
		const char *at = target;

		if (!str_empty(mounts[i].target)) {
			if (strstr(mounts[i].target, ".."))
				return err_set(err, EINVAL,
					       "rootfs mount target %s leaves the rootfs",
					       mounts[i].target);
			at = arena_printf(ctr->arena, "%s/%s", target, mounts[i].target);
		}
		if (has_option(&mounts[i].options, "loop"))
			return err_set(
				err, ENOTSUP,
				"rootfs %s: image files are plugged into the VM, which needs "
				"disable_block_device_use = false",
				mounts[i].source);
		int r = at ? host_mount(mounts[i].source, mounts[i].type, &mounts[i].options, at)
			   : -ENOMEM;
		if (r < 0)
			return err_set_errno(err, r, "mount %s (%s) on %s", mounts[i].source,
					     mounts[i].type, target);
	}
	return 0;
}

/**
 * rootfs_unmount() - undo rootfs_mount()
 * @ctr: container
 */
void rootfs_unmount(struct sb_container *ctr)
{
	if (!ctr->rootfs_mount)
		return;
	/* One call per mount that was stacked; the end is EINVAL, "not a mount point". */
	while (umount2(ctr->rootfs_mount, MNT_DETACH | UMOUNT_NOFOLLOW) == 0)
		;
	if (errno != EINVAL)
		log_warn_errno(-errno, "unmount %s", ctr->rootfs_mount);
	ctr->rootfs_mount = NULL;
}
