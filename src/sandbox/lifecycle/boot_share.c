/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sharing the host's files with the guest: virtiofsd, or 9p by the VMM itself.
 */
#include <errno.h>
#include <stdio.h>

#include "common/log.h"
#include "common/str.h"
#include "config/config.h"
#include "kata/guest.h"
#include "sandbox/lifecycle/boot.h"
#include "sandbox/lifecycle/guest_forget.h"
#include "sandbox/lifecycle/sandbox_exit.h"

static const char *const fs_cache_names[] = {
	[CONFIG_FS_CACHE_AUTO] = "auto",
	[CONFIG_FS_CACHE_NEVER] = "never",
	[CONFIG_FS_CACHE_METADATA] = "metadata",
	[CONFIG_FS_CACHE_ALWAYS] = "always",
};

static const struct {
	const char *id, *tag;
} exports[] = {
	[SANDBOX_EXPORT_ROOTS] = { "fs-shared", KATA_SHARED_TAG },
	[SANDBOX_EXPORT_VOLUMES] = { "fs-volumes", KATA_VOLUMES_TAG },
};

static int start_virtiofsd(struct boot *boot, const struct virtiofsd_program *program,
			   enum sandbox_export_use use, struct err *err)
{
	struct sandbox *sb = boot->sb;
	struct sandbox_export *export = &sb->helpers.exports[use];
	const struct config_hypervisor *hc = &sb->config->hypervisor;
	struct virtiofsd_config config = {
		.path = hc->virtio_fs_daemon,
		.source = sb->storage.share.path,
		.dir = sb->dir.path,
		.cache = fs_cache_names[hc->virtio_fs_cache],
		.current = use == SANDBOX_EXPORT_VOLUMES,
		.extra_args = (const char *const *)hc->virtio_fs_extra_args.v,
		.nr_extra_args = hc->virtio_fs_extra_args.nr,
		.cgroup_fds = sb->cgroup.now.procs_fds,
		.nr_cgroup_fds = sb->cgroup.now.nr,
	};
	int r = virtiofsd_start(sb->loop, &config, program, &export->virtiofsd, &boot->fs_fds[use],
				err);

	if (r < 0)
		return r;
	r = sandbox_watch_virtiofsd(export);
	if (r < 0)
		return err_set_errno(err, r, "watch virtiofsd");
	struct vm_device *dev = &boot->devices[boot->nr_devices++];
	*dev = (struct vm_device){
		.type = VM_DEVICE_FS,
		.fs = { .fd = boot->fs_fds[use],
			.tag = exports[use].tag,
			.queue_size = hc->virtio_fs_queue_size },
	};
	(void)snprintf(dev->id, sizeof(dev->id), "%s", exports[use].id);
	return 0;
}

static int share_by_virtiofs(struct boot *boot, struct err *err)
{
	const char *path = boot->sb->config->hypervisor.virtio_fs_daemon;
	struct virtiofsd_program program;
	int r = virtiofsd_probe(path, &program, err);

	if (r >= 0 && !virtiofsd_can_be_current(&program))
		log_warn("%s %u.%u: names in volumes lead for up to a second to what was there "
			 "before; 1.11 and later do without",
			 path, program.major, program.minor);
	for (size_t i = 0; i < SANDBOX_EXPORTS && r >= 0; i++)
		r = start_virtiofsd(boot, &program, i, err);
	return r;
}

/* Where no virtiofsd exists: slower, but QEMU serves it by itself. */
static void share_by_9p(struct boot *boot)
{
	struct vm_device *dev = &boot->devices[boot->nr_devices++];

	*dev = (struct vm_device){
		.type = VM_DEVICE_9P,
		.id = "fs-shared",
		.p9 = { .tag = KATA_SHARED_TAG, .path = boot->sb->storage.share.path },
	};
}

/*
 * The virtiofsd in C can ask the host for locks that fail rather than wait, and answers that waiting
 * is not supported; the one in Rust has none of the host's, and QEMU's 9p grants all. Where a server
 * has none, the guest's kernel grants them; no mount option makes it refuse.
 */
static int check_locks(const struct config_runtime *rc, struct err *err)
{
	if (rc->volume_locks == CONFIG_VOLUME_LOCKS_HOST)
		return err_set(err, ENOTSUP,
			       "volume_locks = \"host\": not supported: nothing that shares files "
			       "waits for a lock of the host's");
	if (rc->volume_locks == CONFIG_VOLUME_LOCKS_REFUSE)
		return err_set(err, ENOTSUP,
			       "volume_locks = \"refuse\": not supported: the guest's kernel "
			       "grants locks that it is not given");
	return 0;
}

/**
 * boot_share_init() - make the shared tree
 * @boot: start
 * @err: filled on failure
 *
 * Return: 0 or -errno.
 */
int boot_share_init(struct boot *boot, struct err *err)
{
	struct sandbox *sb = boot->sb;
	int r = check_locks(&sb->config->runtime, err);

	if (r >= 0)
		r = share_init(&sb->storage.share, sb->dir.path, err);
	return r < 0 ? r : guest_forget_start(sb, err);
}

/**
 * boot_shares_by_9p() - does QEMU itself share the files
 * @sb: sandbox
 *
 * Return: yes; or no, virtiofsd does.
 */
bool boot_shares_by_9p(const struct sandbox *sb)
{
	const struct config_hypervisor *hc = &sb->config->hypervisor;

	return hc->shared_fs == CONFIG_SHARED_FS_VIRTIO_9P || !*hc->virtio_fs_daemon;
}

/**
 * boot_share_files() - start what shares the tree, and add its devices
 * @boot: start with the shared tree
 * @err: filled on failure
 *
 * Return: 0 or -errno.
 */
int boot_share_files(struct boot *boot, struct err *err)
{
	struct sandbox *sb = boot->sb;
	const struct config_hypervisor *hc = &sb->config->hypervisor;

	if (hc->shared_fs == CONFIG_SHARED_FS_NONE)
		return err_set(err, ENOTSUP,
			       "shared_fs = \"none\": not supported: root file systems are shared");
	sb->storage.shared_by_9p = boot_shares_by_9p(sb);
	if (!sb->storage.shared_by_9p)
		return share_by_virtiofs(boot, err);
	if (hc->shared_fs == CONFIG_SHARED_FS_VIRTIO_FS)
		log_warn("no virtiofsd was found: sharing files by 9p, which is slow");
	share_by_9p(boot);
	return 0;
}
