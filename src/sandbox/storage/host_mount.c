/* SPDX-License-Identifier: Apache-2.0 */
/*
 * File systems that are mounted on the host, in the shim's own mount namespace: root file systems
 * of containerd, and mounts of a spec that name something of the host, a disk or directories to be
 * laid over each other. The host does not see them, and they end with the shim however it ends.
 */
#include "sandbox/storage/host_mount.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/str.h"
#include "oci/spec.h"
#include "sandbox/core/sandbox.h"

#define HOST_MOUNT_NAME "mounting"

/* Options that are flags of mount(2); all others are handed to the file system. */
static const struct {
	const char *name;
	unsigned long set, clear;
} flags[] = {
	{ "ro", MS_RDONLY, 0 },
	{ "rw", 0, MS_RDONLY },
	{ "bind", MS_BIND, 0 },
	{ "rbind", MS_BIND | MS_REC, 0 },
	{ "nosuid", MS_NOSUID, 0 },
	{ "suid", 0, MS_NOSUID },
	{ "nodev", MS_NODEV, 0 },
	{ "dev", 0, MS_NODEV },
	{ "noexec", MS_NOEXEC, 0 },
	{ "exec", 0, MS_NOEXEC },
	{ "noatime", MS_NOATIME, 0 },
	{ "relatime", MS_RELATIME, 0 },
	{ "strictatime", MS_STRICTATIME, 0 },
	{ "sync", MS_SYNCHRONOUS, 0 },
	{ "nodiratime", MS_NODIRATIME, 0 },
	/* What is mounted later is no matter of this mount's. */
	{ "private", 0, 0 },
	{ "rprivate", 0, 0 },
	{ "slave", 0, 0 },
	{ "rslave", 0, 0 },
	{ "shared", 0, 0 },
	{ "rshared", 0, 0 },
	{ "unbindable", 0, 0 },
	{ "runbindable", 0, 0 },
};

static int split_options(const struct strv *options, unsigned long *ret_flags, struct strbuf *data)
{
	unsigned long set = 0;

	for (size_t i = 0; i < options->nr; i++) {
		size_t f = 0;

		while (f < ARRAY_SIZE(flags) && !str_eq(flags[f].name, options->v[i]))
			f++;
		if (f < ARRAY_SIZE(flags)) {
			set = (set & ~flags[f].clear) | flags[f].set;
			continue;
		}
		int r = data->len ? strbuf_puts(data, ",") : 0;
		if (r >= 0)
			r = strbuf_puts(data, options->v[i]);
		if (r < 0)
			return r;
	}
	*ret_flags = set;
	return 0;
}

/**
 * host_mount() - mount a file system in this process's mount namespace
 * @source: as mount(2) takes it
 * @type: of the file system, or "bind"
 * @options: flags and what the file system takes, in any order
 * @target: absolute path
 *
 * Return: 0 or -errno.
 */
int host_mount(const char *source, const char *type, const struct strv *options, const char *target)
{
	cleanup_strbuf struct strbuf data = STRBUF_NULL;
	unsigned long set;
	int r = split_options(options, &set, &data);

	if (r < 0)
		return r;
	if (str_eq(type, "bind"))
		set |= MS_BIND;
	if (mount(source, target, type, set & ~(set & MS_BIND ? (unsigned long)MS_RDONLY : 0),
		  data.data) < 0)
		return -errno;
	/* A bind mount takes read-only only when it is remounted. */
	if ((set & MS_BIND) && (set & MS_RDONLY) &&
	    mount(NULL, target, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL) < 0)
		return -errno;
	return 0;
}

/**
 * host_mount_option_is_of_guest() - does an option still mean something where the guest binds it
 * @option: of a mount that the host makes
 *
 * Return: true for flags and propagation, false for what the file system takes.
 */
bool host_mount_option_is_of_guest(const char *option)
{
	for (size_t i = 0; i < ARRAY_SIZE(flags); i++)
		if (str_eq(flags[i].name, option))
			return true;
	return false;
}

static bool exists(const char *path)
{
	struct stat st;

	return *path == '/' && stat(path, &st) == 0;
}

/* The first of the directories that are laid over each other; see overlayfs of the kernel. */
static bool has_lower_dir(const struct oci_mount *mount)
{
	for (size_t i = 0; i < mount->options.nr; i++) {
		const char *dirs = str_skip_prefix(mount->options.v[i], "lowerdir=");
		char first[4096];

		if (!dirs || snprintf(first, sizeof(first), "%.*s", (int)strcspn(dirs, ":"),
				      dirs) >= (int)sizeof(first))
			continue;
		return exists(first);
	}
	return false;
}

/**
 * host_mount_is_for() - is a mount one of something that is the host's
 * @mount: no bind mount
 *
 * Return: true for directories of the host laid over each other, and for what has a path of the
 * host as its source; false for what a kernel makes by itself, which the guest's does.
 */
bool host_mount_is_for(const struct oci_mount *mount)
{
	/* Each kernel has its own, whatever stands there as the source. */
	static const char *const own[] = {
		"proc",	  "sysfs",   "tmpfs", "ramfs",	    "devtmpfs", "devpts",  "mqueue",
		"cgroup", "cgroup2", "bpf",   "securityfs", "debugfs",	"tracefs", "hugetlbfs",
	};

	if (str_eq(mount->type, "overlay"))
		return has_lower_dir(mount);
	for (size_t i = 0; i < ARRAY_SIZE(own); i++)
		if (str_eq(mount->type, own[i]))
			return false;
	return mount->type && mount->source && exists(mount->source);
}

/**
 * host_mount_open() - mount something of the host, for the guest only
 * @sb: sandbox with its state directory
 * @mount: host_mount_is_for()
 * @err: filled on failure
 *
 * Return: a descriptor of a detached mount, or -errno.
 */
int host_mount_open(const struct sandbox *sb, const struct oci_mount *mount, struct err *err)
{
	struct strv options = { 0 };
	cleanup_arena struct arena *arena = NULL;
	int r = arena_new(&arena);

	for (size_t i = 0; i < mount->options.nr && r >= 0; i++)
		if (!host_mount_option_is_of_guest(mount->options.v[i]) ||
		    str_eq(mount->options.v[i], "ro"))
			r = arena_strv_add(arena, &options, mount->options.v[i]);
	const char *at = r < 0 ? NULL : arena_printf(arena, "%s/" HOST_MOUNT_NAME, sb->dir.path);
	if (!at)
		return err_set(err, ENOMEM, "out of memory");
	if (mkdir(at, 0700) < 0 && errno != EEXIST)
		return err_set_errno(err, -errno, "create %s", at);
	r = host_mount(mount->source, mount->type, &options, at);
	if (r < 0)
		return err_set_errno(err, r, "mount %s (%s) on the host",
				     mount->source ? mount->source : "", mount->type);
	int fd = neg_errno(open_tree(AT_FDCWD, at, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC));
	/* Fails only if it is not there; the clone stays. */
	(void)umount2(at, MNT_DETACH | UMOUNT_NOFOLLOW);
	return fd < 0 ? err_set_errno(err, fd, "open %s", at) : fd;
}
