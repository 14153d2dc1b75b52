/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DOC: The shared tree
 *
 * <state>/mounts/ holds one empty file or directory per shared thing; <state>/shared/ is a
 * read-only bind mount of it and what virtiofsd exports. Things are mounted over the entries of
 * shared/ only. So the guest can change what was mounted for it and nothing else: it cannot plant a
 * link at a place where the host will mount or unmount later (CVE-2020-2024, CVE-2020-2026). Mounts
 * are made by descriptor, sources are never looked up twice, and what the guest must not change is
 * mounted read-only here, not there (CVE-2020-28914). Nothing of it can be run on the host, opened
 * as a device or followed as a symbolic link: whoever exports it only reads and writes, and what
 * programs, devices and links mean is up to the guest's kernel.
 */
#include "sandbox/sharefs/share.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/macros.h"
#include "sandbox/sharefs/share_follow.h"

#define SHARE_ENTRIES "mounts"
#define SHARE_EXPORT "shared"

/*
 * The mount namespace this process was born into, and the one it made: facts of the process. -1:
 * not made yet.
 */
static int host_mounts = -1, own_mounts = -1;

/**
 * share_isolate_mounts() - give this process a mount namespace of its own
 * @err: says which step failed
 *
 * Mounts of the host still arrive (image layers that a manager mounts later), ours never reach the
 * host.
 *
 * Return: 0 or -errno. See mount_namespaces(7).
 */
int share_isolate_mounts(struct err *err)
{
	host_mounts = neg_errno(open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC));
	if (host_mounts < 0)
		return err_set_errno(err, host_mounts, "open mount namespace");
	if (unshare(CLONE_NEWNS) < 0)
		return err_set_errno(err, -errno, "unshare mount namespace");
	if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0)
		return err_set_errno(err, -errno, "make mounts private");
	own_mounts = neg_errno(open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC));
	return own_mounts < 0 ? err_set_errno(err, own_mounts, "open mount namespace") : 0;
}

static int clone_tree(const char *path)
{
	return neg_errno(
		open_tree(AT_FDCWD, path, AT_RECURSIVE | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC));
}

static int open_path(const char *path)
{
	return neg_errno(open(path, O_PATH | O_CLOEXEC));
}

static int open_in_host_mounts(const char *path, int (*open_fn)(const char *path))
{
	if (host_mounts < 0)
		return open_fn(path);
	if (setns(host_mounts, CLONE_NEWNS) < 0)
		return -errno;
	int fd = open_fn(path);
	if (setns(own_mounts, CLONE_NEWNS) < 0) {
		fd = fd_close(fd);
		/* whatever is mounted now would be seen by the host: mounting fails from here on */
		return -errno;
	}
	return fd;
}

/**
 * share_open_path() - resolve a path of the host, once
 * @path: absolute path
 *
 * Return: a descriptor (O_PATH) of what is there, symbolic links followed, or -errno.
 */
int share_open_path(const char *path)
{
	return open_in_host_mounts(path, open_path);
}

/**
 * share_open() - resolve a source, once
 * @path: absolute path
 * @own: something that this process mounted itself
 *
 * Managers mount layers after the sandbox was started, and some of them on private mounts (podman),
 * so that they never arrive in our namespace: the path is looked up in theirs.
 *
 * Return: a descriptor of a detached mount, which also serves fstat(2) and fstatfs(2), or -errno.
 */
int share_open(const char *path, bool own)
{
	return own ? clone_tree(path) : open_in_host_mounts(path, clone_tree);
}

/**
 * share_mount_attrs() - what a mount of the host forbids
 * @tree_fd: from share_open()
 * @ret: receives those of MOUNT_ATTR_NOSUID, _NODEV, _NOEXEC and _NOSYMFOLLOW that are set
 *
 * Return: 0 or -errno.
 */
int share_mount_attrs(int tree_fd, uint64_t *ret)
{
	static const struct {
		unsigned long flag;
		uint64_t attr;
	} flags[] = {
		{ ST_NOSUID, MOUNT_ATTR_NOSUID },
		{ ST_NODEV, MOUNT_ATTR_NODEV },
		{ ST_NOEXEC, MOUNT_ATTR_NOEXEC },
		{ 0x2000, MOUNT_ATTR_NOSYMFOLLOW }, /* ST_NOSYMFOLLOW of linux/statfs.h */
	};
	struct statvfs fs;
	uint64_t attrs = 0;

	if (fstatvfs(tree_fd, &fs) < 0)
		return -errno;
	for (size_t i = 0; i < ARRAY_SIZE(flags); i++)
		if (fs.f_flag & flags[i].flag)
			attrs |= flags[i].attr;
	*ret = attrs;
	return 0;
}

static int open_dir(int dirfd, const char *name)
{
	return neg_errno(openat(dirfd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
}

static int export_dir(struct share *share, const char *entries, struct err *err)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY | SHARE_FORBIDDEN };
	/*
	 * virtiofsd's namespace is a slave of this mount: that is how it sees what is mounted
	 * later.
	 */
	struct mount_attr propagate = { .propagation = MS_SHARED };

	if (mount(entries, share->path, NULL, MS_BIND, NULL) < 0)
		return err_set_errno(err, -errno, "bind %s", share->path);
	/* Opened after the mount: before, the name still led to the directory underneath. */
	share->mounts_fd = neg_errno(open(share->path, O_PATH | O_DIRECTORY | O_CLOEXEC));
	if (share->mounts_fd < 0)
		return err_set_errno(err, share->mounts_fd, "open %s", share->path);
	if (mount_setattr(share->mounts_fd, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0 ||
	    mount_setattr(share->mounts_fd, "", AT_EMPTY_PATH, &propagate, sizeof(propagate)) < 0)
		return err_set_errno(err, -errno, "restrict %s", share->path);
	return 0;
}

/**
 * share_init() - make the shared tree of a sandbox
 * @share: SHARE_NULL
 * @state_dir: the sandbox's state directory, absolute
 * @err: says which step failed
 *
 * The process must have called share_isolate_mounts().
 *
 * Return: 0 or -errno.
 */
int share_init(struct share *share, const char *state_dir, struct err *err)
{
	cleanup_free char *entries = NULL;

	if (asprintf(&entries, "%s/" SHARE_ENTRIES, state_dir) < 0) {
		entries = NULL;
		return err_set(err, ENOMEM, "out of memory");
	}
	if (asprintf(&share->path, "%s/" SHARE_EXPORT, state_dir) < 0) {
		share->path = NULL;
		return err_set(err, ENOMEM, "out of memory");
	}
	if ((mkdir(entries, 0755) < 0 && errno != EEXIST) ||
	    (mkdir(share->path, 0700) < 0 && errno != EEXIST))
		return err_set_errno(err, -errno, "create shared directory in %s", state_dir);
	share->entries_fd = neg_errno(open(entries, O_PATH | O_DIRECTORY | O_CLOEXEC));
	if (share->entries_fd < 0)
		return err_set_errno(err, share->entries_fd, "open %s", entries);
	return export_dir(share, entries, err);
}

/**
 * share_deinit() - drop the shared tree
 * @share: tree or SHARE_NULL; is SHARE_NULL afterwards
 *
 * What is still mounted goes with it.
 */
void share_deinit(struct share *share)
{
	share->follow = share_follow_free(share->follow);
	if (share->mounts_fd >= 0)
		(void)umount2(share->path,
			      MNT_DETACH |
				      UMOUNT_NOFOLLOW); /* at worst the namespace's end does it */
	share->mounts_fd = fd_close(share->mounts_fd);
	share->entries_fd = fd_close(share->entries_fd);
	free(share->path);
	share->path = NULL;
}

static int make_entry(int dirfd, const char *name, bool is_dir)
{
	if (is_dir)
		return mkdirat(dirfd, name, 0755) < 0 && errno != EEXIST ? -errno : 0;
	int fd = neg_errno(openat(dirfd, name, O_CREAT | O_RDONLY | O_NOFOLLOW | O_CLOEXEC, 0644));
	if (fd < 0)
		return fd;
	(void)close(fd);
	return 0;
}

/* Makes the mount point and returns an O_PATH descriptor of it on the exported side. */
static int make_mount_point(struct share *share, const char *name, bool is_dir)
{
	const char *slash = strchr(name, '/');
	cleanup_close int entries = -1, mounts = -1;
	int entries_fd = share->entries_fd, mounts_fd = share->mounts_fd, r;

	if (slash) {
		cleanup_free char *dir = strndup(name, (size_t)(slash - name));
		if (!dir)
			return -ENOMEM;
		r = make_entry(entries_fd, dir, true);
		if (r < 0)
			return r;
		entries_fd = entries = open_dir(entries_fd, dir);
		mounts_fd = mounts = open_dir(mounts_fd, dir);
		name = slash + 1;
		if (entries < 0 || mounts < 0)
			return entries < 0 ? entries : mounts;
	}
	r = make_entry(entries_fd, name, is_dir);
	return r < 0 ? r : neg_errno(openat(mounts_fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC));
}

/**
 * share_add() - share a file or directory with the guest
 * @share: tree
 * @tree_fd: what to share; mounts below it come along
 * @name: where, "<name>" or "<dir>/<name>", made of ids of ours
 * @flags: enum share_flag
 * @err: says which step failed
 *
 * Return: 0 or -errno.
 */
int share_add(struct share *share, int tree_fd, const char *name, unsigned flags, struct err *err)
{
	struct mount_attr attr = { .attr_set = SHARE_FORBIDDEN,
				   .propagation = flags & SHARE_FOLLOW ? MS_SLAVE : MS_PRIVATE };
	struct mount_attr read_only = { .attr_set = flags & SHARE_READ_ONLY ? MOUNT_ATTR_RDONLY
									    : 0 };
	unsigned recursive = flags & SHARE_READ_ONLY_TOP ? 0 : AT_RECURSIVE;
	cleanup_close int top = -1;
	struct stat st;

	if (fstat(tree_fd, &st) < 0)
		return err_set_errno(err, -errno, "stat %s", name);
	bool followed = share->follow && (flags & SHARE_FOLLOW) && (flags & SHARE_VOLUME) &&
			S_ISDIR(st.st_mode);
	if (mount_setattr(tree_fd, "", AT_EMPTY_PATH | AT_RECURSIVE, &attr, sizeof(attr)) < 0 ||
	    mount_setattr(tree_fd, "", AT_EMPTY_PATH | recursive, &read_only, sizeof(read_only)) <
		    0)
		return err_set_errno(err, -errno, "set mount attributes of %s", name);
	cleanup_close int target = make_mount_point(share, name, S_ISDIR(st.st_mode));
	if (target < 0)
		return err_set_errno(err, target, "create mount point for %s", name);
	if (followed) {
		tree_fd = top = share_follow_place(share->follow, tree_fd, name, err);
		if (top < 0)
			return top;
	}
	if (move_mount(tree_fd, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) <
	    0)
		return err_set_errno(err, -errno, "mount %s", name);
	int r = followed ? share_follow_add(share->follow, name, flags, err) : 0;
	if (r < 0)
		(void)share_remove(share, name); /* at worst it stays mounted until the end */
	return r;
}

static int set_read_only(int fd, bool read_only)
{
	struct mount_attr attr = { 0 };

	if (read_only)
		attr.attr_set = MOUNT_ATTR_RDONLY;
	else
		attr.attr_clr = MOUNT_ATTR_RDONLY;
	return neg_errno(mount_setattr(fd, "", AT_EMPTY_PATH, &attr, sizeof(attr)));
}

/* A mount is changed from within its own namespace only. */
static int set_read_only_of(const struct share_exporter *exporter, const char *name, bool read_only)
{
	char path[PATH_MAX];

	(void)snprintf(path, sizeof(path), "/proc/%d/ns/mnt", (int)exporter->pid);
	cleanup_close int ns = neg_errno(open(path, O_RDONLY | O_CLOEXEC));
	if (snprintf(path, sizeof(path), "/proc/%d/root%s/%s", (int)exporter->pid, exporter->path,
		     name) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	cleanup_close int fd = neg_errno(open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC));
	if (ns < 0 || fd < 0)
		return MIN(ns, fd);
	if (setns(ns, CLONE_NEWNS) < 0)
		return -errno;
	int r = set_read_only(fd, read_only);
	/* As in share_open(): without the way back, mounting fails from here on. */
	return setns(own_mounts, CLONE_NEWNS) < 0 ? -errno : r;
}

/**
 * share_set_read_only() - change whether the guest can write to what is shared
 * @share: tree
 * @name: as given to share_add()
 * @read_only: whether it cannot
 * @exporter: process that exports the tree from a mount namespace of its own, NULL: there is none
 *
 * What is mounted below it stays as it is.
 *
 * Return: 0, -EBUSY when something in it is open for writing, or -errno.
 */
int share_set_read_only(struct share *share, const char *name, bool read_only,
			const struct share_exporter *exporter)
{
	cleanup_close int fd =
		neg_errno(openat(share->mounts_fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC));
	int r = fd < 0 ? fd : set_read_only(fd, read_only);

	return r >= 0 && exporter ? set_read_only_of(exporter, name, read_only) : r;
}

static int remove_below(int entries_fd, int mounts_fd, const char *name)
{
	char path[sizeof("/proc/self/fd/") + 16 + 256];

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", mounts_fd, name);
	if (umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW) < 0 && errno != EINVAL && errno != ENOENT)
		return -errno;
	if (unlinkat(entries_fd, name, 0) < 0 && errno == EISDIR)
		return neg_errno(unlinkat(entries_fd, name, AT_REMOVEDIR));
	return 0;
}

/**
 * share_remove() - stop sharing
 * @share: tree
 * @name: as given to share_add(); for "<dir>/<name>" the directory goes too when it is empty
 *
 * Return: 0 also when it was not shared, or -errno.
 */
int share_remove(struct share *share, const char *name)
{
	const char *slash = strchr(name, '/');

	share_follow_remove(share->follow, name);
	if (!slash)
		return remove_below(share->entries_fd, share->mounts_fd, name);
	cleanup_free char *dir = strndup(name, (size_t)(slash - name));
	if (!dir)
		return -ENOMEM;
	cleanup_close int entries = open_dir(share->entries_fd, dir),
			  mounts = open_dir(share->mounts_fd, dir);
	if (entries < 0 || mounts < 0)
		return entries == -ENOENT ? 0 : MIN(entries, mounts);
	int r = remove_below(entries, mounts, slash + 1);
	if (r >= 0)
		(void)unlinkat(share->entries_fd, dir,
			       AT_REMOVEDIR); /* not empty yet: a later one removes it */
	return r;
}
