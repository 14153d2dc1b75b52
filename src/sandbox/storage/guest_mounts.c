/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mounts of the manager's spec: what is the host's is shared with the guest and renamed, what the
 * guest has itself or can make itself stays or becomes its own.
 */
#include "sandbox/storage/guest_mounts.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

#include "common/fd.h"
#include "common/io.h"
#include "common/log.h"
#include "common/mountinfo.h"
#include "common/str.h"
#include "kata/guest.h"
#include "oci/namespaces.h"
#include "sandbox/core/container.h"
#include "sandbox/core/sandbox.h"
#include "sandbox/sharefs/share.h"
#include "sandbox/storage/container_share.h"
#include "sandbox/storage/host_mount.h"
#include "sandbox/storage/host_socket.h"
#include "sandbox/storage/volume.h"

static bool has_option(const struct oci_mount *mount, const char *option)
{
	for (size_t i = 0; i < mount->options.nr; i++)
		if (str_eq(mount->options.v[i], option))
			return true;
	return false;
}

static bool is_bind(const struct oci_mount *mount)
{
	return str_eq(mount->type, "bind") || has_option(mount, "bind") ||
	       has_option(mount, "rbind");
}

static bool path_is_below(const char *path, const char *dir)
{
	const char *rest = str_skip_prefix(path, dir);

	return rest && (*rest == '\0' || *rest == '/');
}

/*
 * Kernel file systems of the host mean nothing to the guest, which has its own at the same place.
 */
static bool is_kernel_path(const char *path)
{
	return path_is_below(path, "/proc") || path_is_below(path, "/sys") ||
	       (path_is_below(path, "/dev") && !path_is_below(path, "/dev/shm"));
}

/* The containers of a pod see each other's shared memory. */
static int use_pod_shm(struct sb_container *ctr, struct oci_mount *mount, struct err *err)
{
	struct strv options = { 0 };

	mount->type = arena_strdup(ctr->arena, "bind");
	mount->source = arena_strdup(ctr->arena, KATA_GUEST_SHM_DIR);
	if (!mount->type || !mount->source || arena_strv_add(ctr->arena, &options, "rbind") < 0)
		return err_set(err, ENOMEM, "out of memory");
	mount->options = options;
	return 0;
}

/*
 * /dev/shm of a manager is a host tmpfs; the guest makes one of the same size instead of sharing
 * its pages.
 */
static int make_guest_shm(struct sb_container *ctr, int fd, struct oci_mount *mount,
			  struct err *err)
{
	struct statfs fs;
	struct strv options = { 0 };
	int r = 0;

	if (fstatfs(fd, &fs) < 0)
		return err_set_errno(err, -errno, "mount %s: %s", mount->destination,
				     mount->source);
	if (ctr->sandbox->kind == SANDBOX_KIND_POD)
		return use_pod_shm(ctr, mount, err);
	const char *size =
		arena_printf(ctr->arena, "size=%llu",
			     (unsigned long long)fs.f_blocks * (unsigned long long)fs.f_bsize);
	const char *const wanted[] = { "nosuid", "noexec", "nodev", "mode=1777", size };
	for (size_t i = 0; i < ARRAY_SIZE(wanted) && r >= 0; i++)
		r = wanted[i] ? arena_strv_add(ctr->arena, &options, wanted[i]) : -ENOMEM;
	mount->type = arena_strdup(ctr->arena, "tmpfs");
	mount->source = arena_strdup(ctr->arena, "shm");
	if (r < 0 || !mount->type || !mount->source)
		return err_set(err, ENOMEM, "out of memory");
	mount->options = options;
	return 0;
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash && slash[1] ? slash + 1 : "root";
}

/* The root file system that containerd let us mount is in our own namespace only. */
static int open_source(struct sb_container *ctr, const char *source, bool own)
{
	const char *path = *source == '/' ? source
					  : arena_printf(ctr->arena, "%s/%s", ctr->bundle, source);

	return path ? share_open(path, own) : -ENOMEM;
}

#ifndef MQUEUE_MAGIC
#define MQUEUE_MAGIC 0x19800202 /* the kernel's ipc/mqueue.c */
#endif
#define DEV_ENTRIES_MAX 1024
#define DEV_DEPTH_MAX 8

/* Return: 1 when a tree has only files and directories, 0 or -errno. */
static int has_only_files(int parent, const char *name, unsigned depth, unsigned *budget)
{
	DIR *dir;
	int r = io_opendir_at(parent, name, &dir);

	if (r < 0)
		return r;
	r = 1;
	for (const struct dirent *e = readdir(dir); e && r > 0; e = readdir(dir)) {
		struct stat st;

		if (str_eq(e->d_name, ".") || str_eq(e->d_name, ".."))
			continue;
		if (!depth || !(*budget)--)
			r = 0;
		else if (fstatat(dirfd(dir), e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			r = -errno;
		else if (S_ISDIR(st.st_mode))
			r = has_only_files(dirfd(dir), e->d_name, depth - 1, budget);
		else
			r = S_ISREG(st.st_mode);
	}
	(void)closedir(dir);
	return r;
}

/*
 * What somebody has put below the host's /dev, and is none of its devices: a file, or a directory
 * of nothing else. Nodes, links to them and file systems of the kernel are those of the guest.
 */
static bool is_data_in_dev(int fd, const struct stat *st)
{
	unsigned budget = DEV_ENTRIES_MAX;
	struct statfs fs;

	if (S_ISREG(st->st_mode))
		return true;
	if (!S_ISDIR(st->st_mode) || fstatfs(fd, &fs) < 0 || fs.f_type == MQUEUE_MAGIC ||
	    fs.f_type == HUGETLBFS_MAGIC || fs.f_type == DEVPTS_SUPER_MAGIC)
		return false;
	return has_only_files(fd, ".", DEV_DEPTH_MAX, &budget) > 0;
}

static unsigned share_flags(const struct oci_mount *mount)
{
	unsigned flags = SHARE_VOLUME;

	if (has_option(mount, "ro") || has_option(mount, "rro"))
		flags |= SHARE_READ_ONLY;
	if (has_option(mount, "slave") || has_option(mount, "rslave"))
		flags |= SHARE_FOLLOW;
	return flags;
}

/*
 * A disk of the host is plugged, as one that the spec lists as a device. Return: 1, the mount is
 * no more, or -ENOMEM.
 */
static int turn_into_device(struct sb_container *ctr, struct oci_linux *linux_,
			    const struct oci_mount *mount, const struct stat *st, struct err *err)
{
	bool read_only = share_flags(mount) & SHARE_READ_ONLY;
	const struct oci_resources *old = linux_->resources;
	size_t nr_rules = old ? old->nr_devices : 0;
	struct oci_device *devices =
		arena_extend(ctr->arena, linux_->devices, linux_->nr_devices, sizeof(*devices));
	struct oci_device_cgroup *rules =
		arena_extend(ctr->arena, old ? old->devices : NULL, nr_rules, sizeof(*rules));
	struct oci_resources *resources = arena_alloc(ctr->arena, sizeof(*resources));
	int64_t *number = arena_calloc(ctr->arena, 2, sizeof(*number));
	uint32_t *mode = arena_alloc(ctr->arena, sizeof(*mode));

	if (!devices || !rules || !resources || !number || !mode)
		return err_set(err, ENOMEM, "out of memory");
	number[0] = major(st->st_rdev);
	number[1] = minor(st->st_rdev);
	*mode = st->st_mode & 07777;
	devices[linux_->nr_devices++] = (struct oci_device){
		.path = mount->destination,
		.type = (char *)(uintptr_t) "b",
		.major = number[0],
		.minor = number[1],
		.file_mode = mode,
	};
	linux_->devices = devices;
	if (old)
		*resources = *old;
	rules[nr_rules] = (struct oci_device_cgroup){
		.allow = true,
		.type = (char *)(uintptr_t) "b",
		.major = &number[0],
		.minor = &number[1],
		.access = (char *)(uintptr_t)(read_only ? "rm" : "rwm"),
	};
	resources->devices = rules;
	resources->nr_devices = nr_rules + 1;
	linux_->resources = resources;
	return 1;
}

static bool has_mounts_below(const char *path)
{
	cleanup_mountinfo struct mountinfo info = MOUNTINFO_NULL;
	char real[PATH_MAX];

	if (!realpath(path, real) || mountinfo_read(&info) < 0)
		return false;
	for (size_t i = 0; i < info.nr; i++)
		if (path_is_below(info.entries[i].mount_point, real) &&
		    !str_eq(info.entries[i].mount_point, real))
			return true;
	return false;
}

/*
 * "ro" is said of one mount, "rro" of those below it, too. In the guest they are all one: it gets
 * what may be written to in some place without the word, and the host keeps the rest read-only. A
 * volume that is shared with other containers is read-only as a whole.
 */
static int keep_below_writable(struct sb_container *ctr, struct oci_mount *mount, unsigned *flags)
{
	struct strv options = { 0 };
	int r = 0;

	if (!(*flags & SHARE_READ_ONLY) || has_option(mount, "rro") ||
	    !has_option(mount, "rbind") || !has_mounts_below(mount->source))
		return 0;
	for (size_t i = 0; i < mount->options.nr && r >= 0; i++)
		if (!str_eq(mount->options.v[i], "ro"))
			r = arena_strv_add(ctr->arena, &options, mount->options.v[i]);
	if (r >= 0) {
		mount->options = options;
		*flags |= SHARE_READ_ONLY_TOP;
	}
	return r;
}

/* A bind mount has the flags of what it binds, but for those that its own options change. */
static int keep_mount_flags(struct sb_container *ctr, struct oci_mount *mount, int fd)
{
	static const struct {
		uint64_t attr;
		const char *option;
	} words[] = {
		{ MOUNT_ATTR_NOSUID, "nosuid" },
		{ MOUNT_ATTR_NODEV, "nodev" },
		{ MOUNT_ATTR_NOEXEC, "noexec" },
		{ MOUNT_ATTR_NOSYMFOLLOW, "nosymfollow" },
	};
	struct strv options = { 0 };
	uint64_t attrs = 0;
	int r = share_mount_attrs(fd, &attrs);

	for (size_t i = 0; i < ARRAY_SIZE(words) && r >= 0; i++)
		if (attrs & words[i].attr)
			r = arena_strv_add(ctr->arena, &options, words[i].option);
	for (size_t i = 0; i < mount->options.nr && r >= 0; i++)
		r = arena_strv_add(ctr->arena, &options, mount->options.v[i]);
	if (r >= 0)
		mount->options = options;
	return r;
}

/* Return: 1 when the mount has become something else, 0 or -errno. */
static int convert_bind(struct sb_container *ctr, struct oci_spec *spec, size_t index,
			struct oci_mount *mount, struct err *err)
{
	char name[400];
	struct stat st;

	if (str_empty(mount->source))
		return err_set(err, EINVAL, "mounts[%zu] (%s): bind mount without a source", index,
			       mount->destination);
	if (ctr->sandbox->kind == SANDBOX_KIND_POD &&
	    (has_option(mount, "shared") || has_option(mount, "rshared")))
		return err_set(err, ENOTSUP,
			       "mounts[%zu] (%s): Bidirectional propagation: what a container in a "
			       "VM mounts cannot appear on the host",
			       index, mount->destination);
	bool of_kernel = is_kernel_path(mount->source);
	if (of_kernel && !path_is_below(mount->source, "/dev"))
		return 0;
	cleanup_close int fd = open_source(ctr, mount->source, false);
	if (fd >= 0 && fstat(fd, &st) >= 0 && S_ISBLK(st.st_mode))
		return turn_into_device(ctr, spec->linux_, mount, &st, err);
	if (of_kernel && (fd < 0 || fstat(fd, &st) < 0 || str_eq(mount->source, "/dev") ||
			  !is_data_in_dev(fd, &st)))
		return 0;
	/* Without a sandbox container nobody has made the pod's on the host. */
	if (fd == -ENOENT && ctr->sandbox->kind == SANDBOX_KIND_POD &&
	    str_eq(mount->destination, "/dev/shm"))
		return use_pod_shm(ctr, mount, err);
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_set_errno(err, fd < 0 ? fd : -errno, "mounts[%zu] (%s): source %s",
				     index, mount->destination, mount->source);
	int r = volume_keep_in_guest(ctr, mount, fd, err);
	if (r != 0)
		return MIN(r, 0);
	if (str_eq(mount->destination, "/dev/shm"))
		return make_guest_shm(ctr, fd, mount, err);
	if (S_ISCHR(st.st_mode))
		return err_set(err, ENOTSUP,
			       "mounts[%zu] (%s): %s is a character device of the host, which a VM "
			       "cannot use",
			       index, mount->destination, mount->source);
	if (S_ISSOCK(st.st_mode)) {
		r = host_socket_offer(ctr, mount, err);
		return r < 0 ? err_wrap(err, "mounts[%zu] (%s)", index, mount->destination) : 0;
	}
	if (mount->nr_uid_mappings || has_option(mount, "idmap") || has_option(mount, "ridmap"))
		return err_set(err, ENOTSUP,
			       "mounts[%zu] (%s): ids cannot be mapped in what is shared with a VM",
			       index, mount->destination);
	(void)snprintf(name, sizeof(name), "%s-%zu-%.200s", ctr->id, index,
		       base_name(mount->source));
	r = keep_mount_flags(ctr, mount, fd);
	if (r < 0)
		return err_set_errno(err, r, "mounts[%zu] (%s): flags of %s", index,
				     mount->destination, mount->source);
	unsigned flags = share_flags(mount);
	const char *host_path = mount->source, *shared;
	bool known;
	r = volume_find(ctr, host_path, fd, flags, name, &shared, &known, err);
	if (r >= 0 && !volume_is_noted(ctr, shared) && keep_below_writable(ctr, mount, &flags) < 0)
		return err_set(err, ENOMEM, "out of memory");
	if (r >= 0)
		r = sb_container_share(ctr, known ? -1 : fd, shared, flags, &mount->source, err);
	if (r < 0)
		return r;
	if (!(flags & SHARE_READ_ONLY)) {
		if (S_ISDIR(st.st_mode) && !known)
			log_warn("volume %s: locks exclude within this VM only, not other VMs and "
				 "the host",
				 host_path);
		return 0;
	}
	return volume_watch(ctr, mount, host_path, name, err);
}

/* What the host mounts is bound in the guest, with the options that are not the file system's. */
static int turn_into_bind(struct sb_container *ctr, struct oci_mount *mount)
{
	struct strv options = { 0 };
	int r = arena_strv_add(ctr->arena, &options, "rbind");

	for (size_t i = 0; i < mount->options.nr && r >= 0; i++)
		if (host_mount_option_is_of_guest(mount->options.v[i]))
			r = arena_strv_add(ctr->arena, &options, mount->options.v[i]);
	mount->options = options;
	mount->type = arena_strdup(ctr->arena, "bind");
	return r >= 0 && !mount->type ? -ENOMEM : r;
}

/* Its file system is the host's, not the guest's to find. Return: 0 or -errno. */
static int convert_host_mount(struct sb_container *ctr, size_t index, struct oci_mount *mount,
			      struct err *err)
{
	char name[400];

	if (!host_mount_is_for(mount))
		return 0;
	cleanup_close int fd = host_mount_open(ctr->sandbox, mount, err);
	if (fd < 0) {
		err_wrap(err, "mounts[%zu] (%s)", index, mount->destination);
		return fd;
	}
	(void)snprintf(name, sizeof(name), "%s-%zu-%.200s", ctr->id, index, mount->type);
	int r = sb_container_share(ctr, fd, name, share_flags(mount), &mount->source, err);
	if (r >= 0 && turn_into_bind(ctr, mount) < 0)
		r = err_set(err, ENOMEM, "out of memory");
	return r;
}

/*
 * Without a sandbox container a manager has no /dev/shm of the pod to bind: it asks for a tmpfs,
 * and says by the namespace that the container's IPC is the pod's.
 */
static bool wants_pod_shm(const struct sb_container *ctr, const struct oci_spec *spec,
			  const struct oci_mount *mount)
{
	const struct oci_namespace *ipc = oci_namespace_find(spec, "ipc");

	return ctr->sandbox->kind == SANDBOX_KIND_POD && str_eq(mount->destination, "/dev/shm") &&
	       str_eq(mount->type, "tmpfs") && str_eq(mount->source, "shm") && ipc &&
	       !str_empty(ipc->path);
}

/**
 * guest_mounts_convert() - turn the mounts of a spec into the guest's
 * @ctr: container with its spec; the shared tree exists
 * @spec: the copy for the guest; its mounts are replaced, disks of the host become devices
 * @err: names the mount that cannot be had in a guest
 *
 * Return: 0 or -errno.
 */
int guest_mounts_convert(struct sb_container *ctr, struct oci_spec *spec, struct err *err)
{
	struct oci_mount *mounts =
		arena_memdup(ctr->arena, spec->mounts, spec->nr_mounts * sizeof(*mounts));
	size_t nr = 0;

	if (!mounts)
		return err_set(err, ENOMEM, "out of memory");
	spec->mounts = mounts;
	for (size_t i = 0; i < spec->nr_mounts; i++) {
		int r = is_bind(&mounts[i]) ? convert_bind(ctr, spec, i, &mounts[i], err)
					    : convert_host_mount(ctr, i, &mounts[i], err);

		if (r == 0 && wants_pod_shm(ctr, spec, &mounts[i]))
			r = use_pod_shm(ctr, &mounts[i], err);
		if (r < 0)
			return r;
		if (r == 0)
			mounts[nr++] = mounts[i];
	}
	spec->nr_mounts = nr;
	return 0;
}

/**
 * guest_mounts_convert_root() - share the root file system, or name the one on disks
 * @ctr: container with its spec; the shared tree exists
 * @spec: the copy for the guest; its root is replaced
 * @err: filled on failure
 *
 * Return: 0 or -errno.
 */
int guest_mounts_convert_root(struct sb_container *ctr, struct oci_spec *spec, struct err *err)
{
	struct oci_root *root = arena_memdup(ctr->arena, spec->root, sizeof(*root));
	char name[200];
	struct stat st;

	if (!root)
		return err_set(err, ENOMEM, "out of memory");
	if (ctr->guest_rootfs) {
		root->path = (char *)(uintptr_t)ctr->guest_rootfs;
		spec->root = root;
		return 0;
	}
	cleanup_close int fd = open_source(ctr, root->path, ctr->rootfs_mount);
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_set_errno(err, fd < 0 ? fd : -errno, "rootfs %s", root->path);
	if (!S_ISDIR(st.st_mode))
		return err_set(err, ENOTDIR, "rootfs %s: not a directory", root->path);
	(void)snprintf(name, sizeof(name), "%s/rootfs", ctr->id);
	/* Read-only is the guest's doing here: it must still be able to create mount points. */
	int r = sb_container_share(ctr, fd, name, SHARE_FOLLOW, &root->path, err);
	spec->root = root;
	return r;
}
